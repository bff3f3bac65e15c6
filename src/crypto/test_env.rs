//! A clock that only tests move, and randomness that every run repeats.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

use crate::env::{Clock, Env, RandomnessUnavailable, Rng, Timestamp};

/// The time of day at which every test starts.
pub(super) const START: Timestamp = Timestamp::from_seconds(1_768_473_000);

/// The clock of a test.
pub(super) struct ManualClock {
    origin: Instant,
    elapsed: AtomicU64,
}

impl ManualClock {
    /// Lets time pass.
    pub(super) fn advance(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap();
        self.elapsed.fetch_add(nanos, Ordering::SeqCst);
    }

    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.elapsed.load(Ordering::SeqCst))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        START.after(self.elapsed())
    }

    fn monotonic(&self) -> Instant {
        self.origin + self.elapsed()
    }
}

struct SeededRng(AtomicU64);

impl Rng for SeededRng {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomnessUnavailable> {
        for chunk in buffer.chunks_mut(32) {
            let block = Sha256::digest(self.0.fetch_add(1, Ordering::SeqCst).to_be_bytes());
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
        Ok(())
    }
}

/// An environment, and the clock that moves it.
pub(super) fn manual() -> (Env, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock {
        origin: Env::system().monotonic(),
        elapsed: AtomicU64::new(0),
    });
    let rng = Arc::new(SeededRng(AtomicU64::new(0)));
    (Env::new(clock.clone(), rng), clock)
}

/// An environment in which time stands still.
pub(super) fn still() -> Env {
    manual().0
}
