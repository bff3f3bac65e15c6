//! Admission to a few threads: a bounded queue, an estimate of the wait, and memory kept between jobs.

use std::{
    collections::VecDeque,
    io,
    net::IpAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::arena::Arena;
use crate::{
    env::Env,
    error::{Error, Reason, Result},
    model::network::Network,
    telemetry,
};

/// How much nicer the threads are than the process: rather a late log-in than a late answer to everyone else.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;
/// How many jobs the moving average of their duration looks back on, roughly.
const AVERAGED: u32 = 8;

/// How a gate is built.
pub(super) struct Settings {
    /// How many jobs run at once.
    pub(super) threads: usize,
    /// How many jobs wait at most.
    pub(super) queue: usize,
    /// How long a job may be expected to wait.
    pub(super) max_wait: Duration,
    /// How long an idle thread keeps its memory.
    pub(super) idle_release: Duration,
    /// How long a job takes, for as long as none was measured.
    pub(super) expected: Duration,
}

/// How busy the gate is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct GateLoad {
    /// Hashes that wait for a thread.
    pub queued: usize,
    /// Hashes that are being computed, those whose caller has gone included.
    pub running: usize,
    /// Memory held for hashing, in KiB.
    pub arena_kib: usize,
}

/// The thread died before it had an answer.
#[derive(Debug, thiserror::Error)]
#[error("a hashing thread failed in the middle of its work")]
struct Abandoned;

/// Threads with names and arenas of their own, which answer with a `T`.
pub(super) struct Gate<T> {
    shared: Arc<Shared<T>>,
    threads: Vec<JoinHandle<()>>,
}

impl<T: Send + 'static> Gate<T> {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system gives no thread; those already started have ended then.
    pub(super) fn start(settings: Settings, env: Env) -> io::Result<Self> {
        let mut gate = Self {
            shared: Arc::new(Shared::new(settings, env)),
            threads: Vec::new(),
        };
        for number in 0..gate.shared.settings.threads {
            let shared = Arc::clone(&gate.shared);
            let thread = thread::Builder::new().name(format!("hash-{number}"));
            gate.threads.push(thread.spawn(move || shared.serve())?);
        }
        Ok(gate)
    }

    /// Does this work on one of the threads, for a client at this address where it is known. A caller that goes away
    /// before the work has started takes it back; once started it runs to its end, and counts until then.
    ///
    /// # Errors
    /// `OVERLOADED`, at once, when the wait would be too long, or the client's site has half of what may wait.
    /// `INTERNAL` when the work panics.
    pub(super) async fn run(
        &self,
        client: Option<IpAddr>,
        work: impl FnOnce(&mut Arena) -> T + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let (queued, here) = (telemetry::hash_queue(), telemetry::here());
        let work = move |arena: &mut Arena| {
            drop(queued);
            let _hashing = telemetry::hash(&here);
            work(arena)
        };
        self.shared.admit(Job {
            site: client.map(site),
            work: Box::new(work),
            reply,
        })?;
        answer.await.map_err(|_| Error::internal(Abandoned))
    }

    /// How busy the gate is.
    pub(super) fn load(&self) -> GateLoad {
        self.shared.load()
    }

    /// How many jobs were refused since the start.
    pub(super) fn shed(&self) -> u64 {
        self.shared.shed.load(Ordering::Relaxed)
    }

    /// How many threads there are.
    pub(super) fn threads(&self) -> usize {
        self.threads.len()
    }
}

impl<T> Drop for Gate<T> {
    /// Waits for what has started, at most one hash per thread. Whatever is still queued has no caller: each
    /// borrows the gate while it waits.
    fn drop(&mut self) {
        self.shared.state().closed = true;
        self.shared.work.notify_all();
        for thread in self.threads.drain(..) {
            // A thread that panicked has nothing more to say than the panic did.
            drop(thread.join());
        }
    }
}

/// The /48 of an IPv6 address, which is one site's, or the IPv4 address.
fn site(client: IpAddr) -> u128 {
    let network = Network::of(client);
    network.site().unwrap_or_else(|| network.client())
}

struct Job<T> {
    site: Option<u128>,
    work: Box<dyn FnOnce(&mut Arena) -> T + Send>,
    reply: oneshot::Sender<T>,
}

struct State<T> {
    queue: VecDeque<Job<T>>,
    running: usize,
    average: Duration,
    closed: bool,
}

impl<T> State<T> {
    /// Takes the next job whose caller is still there.
    fn start_next(&mut self) -> Option<Job<T>> {
        let job = loop {
            let job = self.queue.pop_front()?;
            if !job.reply.is_closed() {
                break job;
            }
        };
        self.running += 1;
        Some(job)
    }

    /// How many jobs of a site wait.
    fn waiting(&self, site: u128) -> usize {
        let jobs = self.queue.iter();
        jobs.filter(|job| job.site == Some(site)).count()
    }

    /// How long one more job would wait: each departure lets the queue move up by one, and with every
    /// thread busy there is one departure per average duration and thread.
    fn expected_wait(&self, threads: usize) -> Duration {
        self.time_of(
            (self.queue.len() + self.running + 1).saturating_sub(threads),
            threads,
        )
    }

    fn time_of(&self, jobs: usize, threads: usize) -> Duration {
        let jobs = u32::try_from(jobs).unwrap_or(u32::MAX);
        let threads = u32::try_from(threads).unwrap_or(u32::MAX).max(1);
        self.average.saturating_mul(jobs) / threads
    }
}

struct Shared<T> {
    settings: Settings,
    env: Env,
    state: Mutex<State<T>>,
    work: Condvar,
    arena_blocks: Arc<AtomicUsize>,
    shed: AtomicU64,
}

impl<T> Shared<T> {
    fn new(settings: Settings, env: Env) -> Self {
        Self {
            state: Mutex::new(State {
                queue: VecDeque::new(),
                running: 0,
                average: settings.expected,
                closed: false,
            }),
            settings,
            env,
            work: Condvar::new(),
            arena_blocks: Arc::default(),
            shed: AtomicU64::new(0),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // No code that holds the lock can leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn load(&self) -> GateLoad {
        let state = self.state();
        GateLoad {
            queued: state.queue.len(),
            running: state.running,
            arena_kib: self.arena_blocks.load(Ordering::Relaxed),
        }
    }

    fn admit(&self, job: Job<T>) -> Result<()> {
        let Settings {
            threads,
            queue,
            max_wait,
            ..
        } = self.settings;
        let mut state = self.state();
        // Those who left make room for those who are here.
        state.queue.retain(|job| !job.reply.is_closed());
        let wait = state.expected_wait(threads);
        let full = state.queue.len() + state.running >= threads.saturating_add(queue);
        // Half is left to everybody else, whatever one site asks for.
        let has_its_share = job.site.is_some_and(|site| {
            let waiting = state.waiting(site);
            waiting > 0
                && (waiting >= queue.div_ceil(2) || state.time_of(waiting, threads) > max_wait / 2)
        });
        if full || wait > max_wait || has_its_share {
            self.shed.fetch_add(1, Ordering::Relaxed);
            return Err(overloaded(wait));
        }
        state.queue.push_back(job);
        drop(state);
        self.work.notify_one();
        Ok(())
    }

    fn serve(&self) {
        lower_priority();
        let mut arena = Arena::new(Arc::clone(&self.arena_blocks));
        while let Some(Job { work, reply, .. }) = self.next(&mut arena) {
            let started = self.env.monotonic();
            let answer = catch_unwind(AssertUnwindSafe(|| work(&mut arena)));
            self.finish(started);
            // Without an answer the sender is dropped, which the caller sees; without a caller the answer is.
            if let Ok(answer) = answer {
                drop(reply.send(answer));
            }
        }
    }

    /// Waits for a job; none once the gate is closed.
    fn next(&self, arena: &mut Arena) -> Option<Job<T>> {
        loop {
            let mut state = self.state();
            if state.closed {
                return None;
            }
            if let Some(job) = state.start_next() {
                return Some(job);
            }
            if arena.is_dirty() {
                drop(state);
                arena.wipe();
            } else {
                self.wait(state, arena);
            }
        }
    }

    fn wait(&self, state: MutexGuard<'_, State<T>>, arena: &mut Arena) {
        if arena.is_empty() {
            drop(self.work.wait(state));
            return;
        }
        let (state, waited) = self
            .work
            .wait_timeout(state, self.settings.idle_release)
            .unwrap_or_else(PoisonError::into_inner);
        let idle = waited.timed_out() && state.queue.is_empty();
        drop(state);
        if idle {
            arena.release();
        }
    }

    fn finish(&self, started: Instant) {
        let took = self.env.monotonic().saturating_duration_since(started);
        let mut state = self.state();
        state.running -= 1;
        state.average = (state
            .average
            .saturating_mul(AVERAGED - 1)
            .saturating_add(took))
            / AVERAGED;
    }
}

fn overloaded(wait: Duration) -> Error {
    // Retry-After counts whole seconds.
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    Error::new(Reason::Overloaded).retry_after(Duration::from_secs(seconds.max(1)))
}

/// On Linux a thread has a niceness of its own; elsewhere this would slow the whole process.
#[cfg(target_os = "linux")]
fn lower_priority() {
    if let Err(cause) = rustix::process::nice(NICENESS) {
        tracing::debug!(%cause, "hashing runs at normal priority");
    }
}

#[cfg(not(target_os = "linux"))]
fn lower_priority() {}

#[cfg(test)]
mod tests;
