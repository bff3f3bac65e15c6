//! How often something may happen.

use std::{num::NonZeroU32, time::Duration};

use super::network::CLIENTS_OF_A_SITE;

/// So many at once, and one more after each interval.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pace {
    /// How many pass at once; at least one.
    pub burst: u32,
    /// How long one takes to be given back.
    pub interval: Duration,
}

impl Pace {
    /// So many in every second.
    #[must_use]
    pub fn per_second(calls: NonZeroU32) -> Self {
        Self {
            burst: calls.get(),
            interval: Duration::from_secs(1) / calls.get(),
        }
    }

    /// That of a site, where this is that of one client.
    #[must_use]
    pub fn of_site(self) -> Self {
        Self {
            burst: self.burst.saturating_mul(CLIENTS_OF_A_SITE),
            interval: self.interval / CLIENTS_OF_A_SITE,
        }
    }
}
