//! What organizations may hold.

use super::{
    rule::{Broken, within},
    setting::settings,
};

settings! {
    /// What organizations may hold.
    pub struct Organizations {
        /// The accounts of one organization, its owner's included, 1 to 1000000.
        max_accounts: u32 = 10_000,
    }
}

impl Organizations {
    pub(super) fn check(&self) -> Result<(), Broken> {
        within(
            "organizations.max_accounts",
            &self.max_accounts,
            1..=1_000_000,
        )
    }
}
