//! Limits on calls.

use std::time::Duration;

use super::{
    rule::{Broken, within},
    setting::settings,
};

settings! {
    /// How often a client may call. A client is an IPv4 address or an IPv6 /64; the
    /// networks of one IPv6 /48 together have sixteen times the limit of a client.
    pub struct Limits {
        /// Whether they apply. Without them passwords can be guessed quickly.
        enabled: bool = true,
        /// Calls per second and address without a credential, 1 to 1000000.
        public_per_second: u32 = 8,
        /// Calls per second and address with a credential, on the free plan, 1 to 1000000.
        free_per_second: u32 = 8,
        /// Calls per second and address with a credential, on the paid plan, 1 to 1000000.
        pro_per_second: u32 = 20,
        /// The time between two sign-ups from one address, 1ms to 1d.
        creation_interval: Duration = Duration::from_secs(8),
    }
}

impl Limits {
    pub(super) fn check(&self) -> Result<(), Broken> {
        let calls = 1..=1_000_000;
        within(
            "limits.public_per_second",
            &self.public_per_second,
            calls.clone(),
        )?;
        within(
            "limits.free_per_second",
            &self.free_per_second,
            calls.clone(),
        )?;
        within("limits.pro_per_second", &self.pro_per_second, calls)?;
        let (shortest, longest) = (Duration::from_millis(1), Duration::from_secs(24 * 3600));
        within(
            "limits.creation_interval",
            &self.creation_interval,
            shortest..=longest,
        )
    }
}
