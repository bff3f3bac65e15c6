//! Time and randomness, as an argument. The rest of the program may not ask the system for either.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::FormatItem, macros::format_description};
use uuid::Uuid;

/// A moment, in milliseconds since 1970-01-01T00:00:00Z: what the database keeps and most faces show.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
pub struct Timestamp(i64);

const RFC_3339_MILLIS: &[FormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

impl Timestamp {
    /// A moment from milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// A moment from whole seconds since the epoch, as in a JWT's `exp`.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// How long after `earlier` this is; zero when it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The moment so much later.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// The moment so much earlier.
    #[must_use]
    pub fn before(self, wait: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// RFC 3339 in UTC with three digits of milliseconds, `2026-01-15T10:30:00.000Z`.
    #[must_use]
    pub fn to_rfc3339(self) -> String {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .ok()
            .and_then(|moment| moment.format(RFC_3339_MILLIS).ok())
            .unwrap_or_default()
    }
}

impl From<SystemTime> for Timestamp {
    fn from(moment: SystemTime) -> Self {
        let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The time of day. It can jump when the machine's clock is set.
    fn now(&self) -> Timestamp;
    /// A time that only goes forward, for waiting and measuring.
    fn monotonic(&self) -> Instant;
}

/// Gives randomness that nobody can guess.
pub trait Rng: Send + Sync {
    /// Fills the buffer.
    ///
    /// # Errors
    /// The system has no randomness to give; nothing may be issued then.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomnessUnavailable>;
}

/// The system has no randomness to give.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the system's random source failed")]
pub struct RandomnessUnavailable;

/// Time and randomness, handed to whatever needs them.
#[derive(Clone)]
pub struct Env {
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

impl Env {
    /// The machine's clock and the operating system's randomness.
    #[must_use]
    pub fn system() -> Self {
        Self::new(Arc::new(System), Arc::new(System))
    }

    /// A clock and a random source of the caller's choice.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        Self { clock, rng }
    }

    /// The time of day.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A time that only goes forward.
    #[must_use]
    pub fn monotonic(&self) -> Instant {
        self.clock.monotonic()
    }

    /// `N` random bytes.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn random<const N: usize>(&self) -> Result<[u8; N], RandomnessUnavailable> {
        let mut bytes = [0; N];
        self.rng.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// A new UUIDv7 (RFC 9562 section 5.7), which sorts by the time it was made.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn uuid(&self) -> Result<Uuid, RandomnessUnavailable> {
        let random = self.random::<10>()?;
        let millis = u64::try_from(self.now().millis()).unwrap_or(0);
        Ok(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Env")
    }
}

struct System;

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that asks the system for the time"
)]
impl Clock for System {
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }

    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that asks the system for randomness"
)]
impl Rng for System {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomnessUnavailable> {
        getrandom::fill(buffer).map_err(|_| RandomnessUnavailable)
    }
}
