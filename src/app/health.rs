//! Health: whether the database can be read and written, asked at an interval, so that no probe asks it.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{MissedTickBehavior, timeout},
};

use crate::{error::Reason, grpc::health::Status, store::Store};

/// How often the database is asked.
const EVERY: Duration = Duration::from_secs(2);
/// How long it may take to answer. SQLite reads on the thread that asks, so that of it this holds for writes alone.
const PATIENCE: Duration = Duration::from_secs(2);
/// After how many checks without a committed write one is made, while nothing speaks against writing.
const QUIET: u32 = 5;
/// For how many checks writes may go without an answer, as they do while another program locks SQLite's file.
const UNANSWERED: u32 = 15;

/// Tells whoever asks whether calls can be answered.
pub struct Health {
    store: Store,
    /// None once the server stops.
    status: Mutex<Option<watch::Sender<Status>>>,
    writes: tokio::sync::Mutex<Writes>,
}

/// What is known of writing.
#[derive(Default)]
struct Writes {
    /// How many checks ago a write was committed.
    unproven: u32,
    failing: bool,
}

impl Health {
    pub(super) fn new(store: Store, status: watch::Sender<Status>) -> Self {
        Self {
            store,
            status: Mutex::new(Some(status)),
            writes: tokio::sync::Mutex::default(),
        }
    }

    /// Asks the database at its interval until the future is dropped.
    pub async fn run(&self) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.check().await;
        }
    }

    /// Asks the database once, and reports.
    pub async fn check(&self) {
        let reads = matches!(timeout(PATIENCE, self.store.ping()).await, Ok(Ok(())));
        self.tell(if reads && self.takes_writes().await {
            Status::Serving
        } else {
            Status::NotServing
        });
    }

    /// Tells every watcher that the server does not serve any more, and ends all streams of health and
    /// reflection: they would keep their connections, and so the server, from ending.
    pub fn stop(&self) {
        self.tell(Status::NotServing);
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Wakes the watchers only when there is something new.
    fn tell(&self, status: Status) {
        let sender = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = &*sender {
            sender.send_if_modified(|told| std::mem::replace(told, status) != status);
        }
    }

    /// Whether writes are committed. Known from the callers' own; without any for some checks, or after a
    /// refusal, by one that changes nothing.
    async fn takes_writes(&self) -> bool {
        let mut writes = self.writes.lock().await;
        writes.unproven = writes.unproven.saturating_add(1);
        if self.store.took_write() {
            *writes = Writes::default();
        } else if writes.failing || writes.unproven >= QUIET {
            match timeout(PATIENCE, self.store.try_write()).await {
                Ok(Ok(())) => *writes = Writes::default(),
                Ok(Err(refusal)) if refusal.reason() == Reason::StorageUnavailable => {
                    writes.failing = true;
                }
                Ok(Err(_)) | Err(_) => writes.failing |= writes.unproven >= UNANSWERED,
            }
        }
        !writes.failing
    }
}
