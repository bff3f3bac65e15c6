//! An attempt at a password while nobody knows yet how it ends.

use std::sync::Arc;

use tracing::Instrument as _;

use super::{Throttle, memory::Keys};
use crate::{
    error::Result,
    model::throttle::{Outcome, Receipt},
};

/// An attempt that was let through, counted as if it had failed. Dropped before anybody found out whether the
/// password was right, it was none.
pub(in crate::domain) struct Attempt {
    pub(super) throttle: Arc<Throttle>,
    pub(super) keys: Keys,
    pub(super) receipt: Option<Receipt>,
}

impl Attempt {
    /// The password was wrong: it stays counted.
    pub(in crate::domain) fn was_wrong(mut self) {
        self.receipt = None;
    }

    /// The password was right.
    ///
    /// # Errors
    /// `STORAGE_UNAVAILABLE`.
    pub(in crate::domain) async fn was_right(self) -> Result<()> {
        self.give_back(Outcome::Right).await
    }

    /// No password was tried. Given back before the answer, so that the next attempt does not find it counted.
    ///
    /// # Errors
    /// `STORAGE_UNAVAILABLE`.
    pub(in crate::domain) async fn was_none(self) -> Result<()> {
        self.give_back(Outcome::Unknown).await
    }

    async fn give_back(mut self, outcome: Outcome) -> Result<()> {
        let Some(receipt) = self.receipt.clone() else {
            return Ok(());
        };
        self.throttle.give_back(self.keys, receipt, outcome).await?;
        // Given up before this, it was at least none.
        self.receipt = None;
        Ok(())
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let Some(receipt) = self.receipt.take() else {
            return;
        };
        if !self.throttle.shared {
            let outcome = Outcome::Unknown;
            self.throttle.give_back_here(&self.keys, &receipt, outcome);
            return;
        }
        let (throttle, keys) = (Arc::clone(&self.throttle), self.keys);
        let work = async move {
            let given_back = throttle.give_back(keys, receipt, Outcome::Unknown).await;
            if let Err(error) = given_back {
                tracing::debug!(cause = error.cause(), "an attempt to log in stays counted");
            }
        };
        // Without a runtime the program is ending.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(work.in_current_span());
        }
    }
}
