//! An attempt at a password while nobody knows yet how it ends.

use std::sync::Arc;

use tracing::Instrument as _;

use super::{Throttle, memory::Keys};
use crate::{
    error::Result,
    model::throttle::{Outcome, Reservation},
    telemetry,
};

/// An attempt that was let through, counted as if it had failed. Dropped before anybody found out whether the
/// password was right, it was none.
pub(in crate::domain) struct Attempt {
    pub(super) throttle: Arc<Throttle>,
    pub(super) keys: Keys,
    pub(super) reservation: Option<Reservation>,
}

impl Attempt {
    /// The password was wrong: it stays counted.
    pub(in crate::domain) fn failed(mut self) {
        self.reservation = None;
    }

    /// The password was right.
    ///
    /// # Errors
    /// `STORAGE_UNAVAILABLE`.
    pub(in crate::domain) async fn succeeded(self) -> Result<()> {
        self.refund(Outcome::Right).await
    }

    /// No password was tried. Given back before the answer, so that the next attempt does not find it counted.
    ///
    /// # Errors
    /// `STORAGE_UNAVAILABLE`.
    pub(in crate::domain) async fn release(self) -> Result<()> {
        self.refund(Outcome::Unknown).await
    }

    async fn refund(mut self, outcome: Outcome) -> Result<()> {
        let Some(reservation) = self.reservation.clone() else {
            return Ok(());
        };
        self.throttle
            .refund(self.keys, reservation, outcome)
            .await?;
        // Given up before this, it was at least none.
        self.reservation = None;
        Ok(())
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let Some(reservation) = self.reservation.take() else {
            return;
        };
        if !self.throttle.multi_node {
            let outcome = Outcome::Unknown;
            self.throttle.refund_here(&self.keys, &reservation, outcome);
            return;
        }
        let (throttle, keys) = (Arc::clone(&self.throttle), self.keys);
        let work = async move {
            let refunded = throttle.refund(keys, reservation, Outcome::Unknown).await;
            if let Err(error) = refunded {
                tracing::debug!(cause = error.cause(), "an attempt to log in stays counted");
            }
        };
        // Without a runtime the program is ending.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(telemetry::here().within(work.in_current_span()));
        }
    }
}
