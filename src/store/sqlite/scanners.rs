//! Threads for reads that may look at many rows: on the thread of whoever asks, all others of that thread would wait.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{
        Arc, Mutex, Weak,
        mpsc::{Receiver, SyncSender, TrySendError},
    },
    time::{Duration, Instant},
};

use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr, SqlxError};
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::{
    channel::Channel,
    connection::{Connection, Role},
    lock, spawn,
};
use crate::{env::Env, store::connect::Cause};

/// How many scans run at once.
const THREADS: usize = 2;
/// How many may wait for that.
const QUEUE: usize = 64;
/// How long a scan may take, with its wait for a thread. A statement on Postgres has as long.
const LIMIT: Duration = Duration::from_millis(4_500);

/// The way to the threads.
pub(in crate::store) struct Scanners {
    scans: Channel<Scan>,
    env: Env,
}

/// A statement in the queue. Whoever drops it answers that no thread was free.
struct Scan {
    end: Instant,
    /// Gone when nobody waits for the answer any more.
    caller: Weak<()>,
    run: Box<dyn FnOnce(&Connection) + Send>,
}

impl Scanners {
    /// Starts the threads, each of which keeps its `held` until it ends.
    pub(super) fn start(
        path: &Path,
        env: &Env,
        threads: &TaskTracker,
        held: SyncSender<()>,
    ) -> Result<Self, Cause> {
        let (scans, queue) = Channel::new(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..THREADS {
            let connection = Connection::open(path, Role::Reader)?;
            let (queue, env, held) = (Arc::clone(&queue), env.clone(), held.clone());
            spawn("sqlite-scans", threads, move || {
                serve(connection, &queue, &env);
                drop(held);
            })?;
        }
        let env = env.clone();
        Ok(Self { scans, env })
    }

    /// Runs a statement on one of the threads. It is interrupted at the end of its time, and when its caller goes away.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        statement: impl FnOnce(&Connection) -> Result<T, DbErr> + Send + 'static,
    ) -> Result<T, DbErr> {
        let (answer, result) = oneshot::channel();
        // Nobody may be waiting any more, which changes nothing.
        let run = move |connection: &Connection| drop(answer.send(statement(connection)));
        let waiting = Arc::new(());
        let scan = Scan {
            end: self.env.monotonic() + LIMIT,
            caller: Arc::downgrade(&waiting),
            run: Box::new(run),
        };
        self.scans.send(scan).map_err(|cause| match cause {
            TrySendError::Full(_) => overloaded(),
            TrySendError::Disconnected(_) => unavailable(),
        })?;
        let answered = result.await;
        drop(waiting);
        answered.map_err(|_| unavailable())?
    }

    pub(super) fn close(&self) {
        self.scans.close();
    }
}

fn overloaded() -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(SqlxError::PoolTimedOut.into()))
}

fn unavailable() -> DbErr {
    DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)
}

/// Runs one scan after the other until the queue is closed and empty.
fn serve(connection: Connection, queue: &Mutex<Receiver<Scan>>, env: &Env) {
    loop {
        let next = lock(queue).recv();
        let Ok(Scan { end, caller, run }) = next else {
            break;
        };
        let clock = env.clone();
        let is_over = move || caller.strong_count() == 0 || clock.monotonic() >= end;
        if is_over() || connection.interrupt_when(is_over).is_err() {
            continue;
        }
        // A panic has been reported by the panic hook, and the caller is told by what it drops.
        let _ = catch_unwind(AssertUnwindSafe(|| run(&connection)));
    }
}

impl std::fmt::Debug for Scanners {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Scanners").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Barrier,
        atomic::{AtomicU64, Ordering},
        mpsc,
    };

    use futures_util::FutureExt as _;
    use sea_orm::{DbBackend, Statement};

    use super::*;
    use crate::{
        env::{Clock, RandomnessUnavailable, Rng, Timestamp},
        error::{Error, Reason},
        store::sqlite::data_file::make_private,
    };

    /// A clock that goes on by a second whenever somebody looks at it.
    struct Hasty {
        begin: Instant,
        looks: AtomicU64,
    }

    impl Clock for Hasty {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(0)
        }

        fn monotonic(&self) -> Instant {
            self.begin + Duration::from_secs(self.looks.fetch_add(1, Ordering::Relaxed))
        }
    }

    impl Rng for Hasty {
        fn fill(&self, _: &mut [u8]) -> Result<(), RandomnessUnavailable> {
            Err(RandomnessUnavailable)
        }
    }

    /// Threads over a file of their own.
    fn start(env: &Env) -> (Scanners, TaskTracker, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.db");
        make_private(&path).unwrap();
        let threads = TaskTracker::new();
        let held = mpsc::sync_channel(1).0;
        let scanners = Scanners::start(&path, env, &threads, held).unwrap();
        (scanners, threads, folder)
    }

    async fn stop(scanners: &Scanners, threads: &TaskTracker) {
        scanners.close();
        threads.close();
        threads.wait().await;
    }

    #[tokio::test]
    async fn a_scan_that_takes_too_long_is_ended_and_its_thread_goes_on() {
        let hasty = Arc::new(Hasty {
            begin: Env::system().monotonic(),
            looks: AtomicU64::new(0),
        });
        let (scanners, threads, _folder) = start(&Env::new(hasty.clone(), hasty));
        for _ in 0..2 * THREADS {
            let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
            let scan = move |connection: &Connection| rows(connection, endless);
            let ended = scanners.run(scan).await.unwrap_err();
            assert!(ended.to_string().contains("interrupted"), "{ended}");
            assert_eq!(Error::from(ended).reason(), Reason::StorageUnavailable);
            let short = |connection: &Connection| rows(connection, "SELECT 1");
            assert_eq!(scanners.run(short).await.unwrap(), 1);
        }
        stop(&scanners, &threads).await;
    }

    #[tokio::test]
    async fn one_scan_too_many_is_told_when_to_come_again() {
        let (scanners, threads, _folder) = start(&Env::system());
        let barrier = Arc::new(Barrier::new(THREADS + 1));
        let scan = || {
            let barrier = Arc::clone(&barrier);
            Box::pin(scanners.run(move |_| {
                barrier.wait();
                Ok(())
            }))
        };
        let mut busy: Vec<_> = (0..THREADS).map(|_| scan()).collect();
        for one in &mut busy {
            assert!(one.now_or_never().is_none());
        }
        // Until both threads have taken theirs, they stand in the queue.
        let mut waiting = Vec::new();
        let refused = loop {
            let mut one = Box::pin(scanners.run(|_| Ok(())));
            match (&mut one).now_or_never() {
                None => waiting.push(one),
                Some(refused) => break Error::from(refused.unwrap_err()),
            }
        };
        assert_eq!(refused.reason(), Reason::Overloaded);
        assert_eq!(refused.retry_delay(), Some(Duration::from_secs(1)));
        assert!(waiting.len() <= QUEUE);
        barrier.wait();
        for one in busy {
            one.await.unwrap();
        }
        for one in waiting {
            one.await.unwrap();
        }
        stop(&scanners, &threads).await;
    }

    fn rows(connection: &Connection, question: &str) -> Result<usize, DbErr> {
        let question = Statement::from_string(DbBackend::Sqlite, question);
        Ok(connection.rows(&question)?.len())
    }
}
