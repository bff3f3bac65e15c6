//! A clock that moves when a test says so, and randomness that is the same in every run.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use countersign::env::{Clock, Env, RandomnessUnavailable, Rng, Timestamp};
use rand::{RngCore as _, SeedableRng as _, rngs::StdRng};

/// 2026-01-15T10:30:00Z.
const START: Timestamp = Timestamp::from_seconds(1_768_473_000);

/// A clock that moves when a test says so.
#[derive(Clone)]
pub(crate) struct ManualClock {
    moved_millis: Arc<AtomicU64>,
    origin: Instant,
}

impl ManualClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "an arbitrary origin; only differences are seen"
    )]
    fn new() -> Self {
        Self {
            moved_millis: Arc::default(),
            origin: Instant::now(),
        }
    }

    /// Lets time pass.
    pub(crate) fn advance(&self, time: Duration) {
        self.moved_millis
            .fetch_add(time.as_millis().try_into().unwrap(), Ordering::SeqCst);
    }

    fn moved(&self) -> Duration {
        Duration::from_millis(self.moved_millis.load(Ordering::SeqCst))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        START.after(self.moved())
    }

    fn monotonic(&self) -> Instant {
        self.origin + self.moved()
    }
}

struct SeededRng(Mutex<StdRng>);

impl Rng for SeededRng {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomnessUnavailable> {
        self.0.lock().unwrap().fill_bytes(buffer);
        Ok(())
    }
}

/// An environment for one test, with the clock that moves it.
pub(super) fn test_env() -> (Env, ManualClock) {
    let clock = ManualClock::new();
    (env_with(clock.clone(), 7), clock)
}

/// An environment with this clock; another seed gives other randomness.
pub(super) fn env_with(clock: ManualClock, seed: u64) -> Env {
    let rng = SeededRng(Mutex::new(StdRng::seed_from_u64(seed)));
    Env::new(Arc::new(clock), Arc::new(rng))
}
