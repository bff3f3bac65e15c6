//! What is known of a connection while it is served: whether calls are in flight, and whether more of a request
//! is on its way.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use tokio::sync::watch;

/// Numbers what happens on connections, so that the one on which nothing happened for longest can be found.
static EVENTS: AtomicU64 = AtomicU64::new(0);

/// Shared by the task of a connection, its calls and its I/O.
#[derive(Clone, Debug)]
pub(super) struct Activity(Arc<State>);

#[derive(Debug)]
struct State {
    /// When the connection was opened or its last call began or ended, as a number of [`EVENTS`].
    last: AtomicU64,
    in_flight: watch::Sender<usize>,
    /// Bytes came since the last call began or ended: the next request has begun to arrive.
    arriving: AtomicBool,
    /// A call was answered before its body had been read.
    unread: AtomicBool,
    /// The connection is closed between two calls.
    idle: AtomicBool,
}

impl Default for Activity {
    fn default() -> Self {
        Self(Arc::new(State {
            last: AtomicU64::new(EVENTS.fetch_add(1, Ordering::Relaxed)),
            in_flight: watch::Sender::default(),
            arriving: AtomicBool::default(),
            unread: AtomicBool::default(),
            idle: AtomicBool::default(),
        }))
    }
}

impl Activity {
    /// Whether no call is in flight.
    pub(super) fn is_idle(&self) -> bool {
        *self.0.in_flight.borrow() == 0
    }

    /// Less than that of a connection on which something happened later.
    pub(super) fn order(&self) -> u64 {
        self.0.last.load(Ordering::Relaxed)
    }

    fn happened(&self) {
        let event = EVENTS.fetch_add(1, Ordering::Relaxed);
        self.0.last.store(event, Ordering::Relaxed);
    }

    /// Counts a call for as long as what comes back exists.
    pub(super) fn begin(&self) -> InFlight {
        self.happened();
        self.0.arriving.store(false, Ordering::Relaxed);
        self.0.unread.store(false, Ordering::Relaxed);
        self.0.in_flight.send_modify(|calls| *calls += 1);
        InFlight(self.clone())
    }

    /// How many calls are in flight.
    pub(super) fn calls(&self) -> watch::Receiver<usize> {
        self.0.in_flight.subscribe()
    }

    /// Notes that bytes came.
    pub(super) fn read(&self) {
        self.0.arriving.store(true, Ordering::Relaxed);
    }

    /// Notes that a call was answered before its body had been read.
    pub(super) fn leave_unread(&self) {
        self.0.unread.store(true, Ordering::Relaxed);
    }

    /// Notes that the connection is to be closed, and whether that is between two calls.
    pub(super) fn close(&self) {
        let idle = self.is_idle() && !self.is_arriving();
        self.0.idle.store(idle, Ordering::Relaxed);
    }

    /// Whether nothing has to be said or heard any more before the connection is closed.
    pub(super) fn is_closed_idle(&self) -> bool {
        self.0.idle.load(Ordering::Relaxed)
    }

    /// Whether a request has begun to arrive.
    pub(super) fn is_arriving(&self) -> bool {
        self.0.arriving.load(Ordering::Relaxed)
    }

    /// Whether the answer to the last call came before its body had been read.
    pub(super) fn is_unread(&self) -> bool {
        self.0.unread.load(Ordering::Relaxed)
    }
}

/// A call in flight.
#[derive(Debug)]
pub(super) struct InFlight(Activity);

impl InFlight {
    pub(super) fn pass<T>(&self, value: T) -> T {
        value
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.happened();
        let state = &self.0.0;
        state.arriving.store(false, Ordering::Relaxed);
        state
            .in_flight
            .send_modify(|calls| *calls = calls.saturating_sub(1));
    }
}
