//! The one writer of SQLite. Use cases queue for it; those that wait together are committed together
//! (group commit), for a commit costs a write to the disk however much is in it.
//!
//! It is a thread that runs one use case after the other, each from its first statement to its last: a use case that waits
//! for anything but its transaction is refused. Each has a savepoint of its own, so that a refusal or a panic undoes
//! that one alone. None is answered before the commit that holds it. When that fails, nobody's write has come to
//! pass, and the connection is replaced: after a full disk or a broken one, its state is not worth guessing at.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, SyncSender, TrySendError},
    },
    time::Duration,
};

use futures_util::FutureExt as _;
use sea_orm::DbErr;
use tokio::sync::oneshot;

use super::{
    Executor,
    channel::Channel,
    connection::{Connection, Role},
    data_file::DataFile,
    failure::failed,
    lock,
};
use crate::{
    env::Env,
    error::{Error, Reason, Result},
    store::{
        error::RETRY_AFTER,
        run_use_case,
        transaction::{BoxFuture, Tx},
    },
    telemetry::{self, Here},
};

/// How many use cases may wait. At a thousand commits in a second this is the wait of a second.
pub(super) const QUEUE: usize = 1024;
/// How many use cases one commit holds at most, so that the first of them does not wait for long.
const BATCH: usize = 64;
/// A commit that takes longer than this is worth a line in the log: the disk is slow.
const SLOW: Duration = Duration::from_secs(1);

/// The write did not come to pass; the writer has logged why.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the write was not committed")]
struct NotCommitted;

/// A use case waited for something that is not its transaction, and all others would have waited with it.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a use case waited for something else inside its transaction")]
struct Waited;

/// The way to the writer.
pub(super) struct Queue {
    jobs: Channel<Box<dyn Job>>,
}

impl Queue {
    pub(super) fn to(jobs: Channel<Box<dyn Job>>) -> Self {
        Self { jobs }
    }

    /// Runs a use case and gives its result once it is committed.
    pub(super) async fn write<T, F>(&self, use_case: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t Tx<'t>) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        let (answer, result) = oneshot::channel();
        self.jobs
            .send(Box::new(Request {
                use_case,
                answer,
                here: telemetry::here(),
            }))
            .map_err(refusal)?;
        result
            .await
            .map_err(|_| Error::new(Reason::StorageUnavailable).because(NotCommitted))?
    }

    /// Takes no more. What is queued is still written.
    pub(super) fn close(&self) {
        self.jobs.close();
    }
}

fn refusal(cause: TrySendError<Box<dyn Job>>) -> Error {
    match cause {
        TrySendError::Full(_) => Error::new(Reason::Overloaded).retry_after(RETRY_AFTER),
        TrySendError::Disconnected(_) => {
            Error::new(Reason::StorageUnavailable).because(NotCommitted)
        }
    }
}

/// A use case in the queue, whatever it gives back. Whoever drops it answers `STORAGE_UNAVAILABLE`.
pub(super) trait Job: Send {
    /// Whether nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool;
    /// Runs the use case.
    fn run<'t>(self: Box<Self>, tx: &'t Tx<'t>) -> Finished;
}

/// A use case that has run.
pub(super) struct Finished {
    /// Whether its writes are to be kept.
    keep: bool,
    /// Gives its result to whoever waits for it.
    acknowledge: Acknowledge,
}

type Acknowledge = Box<dyn FnOnce() + Send>;

struct Request<T, F> {
    use_case: F,
    answer: oneshot::Sender<Result<T>>,
    /// Where in a trace the caller is.
    here: Here,
}

impl<T, F> Job for Request<T, F>
where
    T: Send + 'static,
    F: for<'t> FnOnce(&'t Tx<'t>) -> BoxFuture<'t, Result<T>> + Send + 'static,
{
    fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }

    fn run<'t>(self: Box<Self>, tx: &'t Tx<'t>) -> Finished {
        let Self {
            use_case,
            answer,
            here,
        } = *self;
        let result = here
            .within(run_use_case(use_case, tx))
            .now_or_never()
            .unwrap_or_else(|| Err(Error::internal(Waited)));
        Finished {
            keep: result.is_ok(),
            // Nobody may be waiting any more, which changes nothing.
            acknowledge: Box::new(move || drop(answer.send(result))),
        }
    }
}

/// The owner of the writing connection.
pub(super) struct Writer {
    file: Arc<DataFile>,
    env: Env,
    connection: Option<Mutex<Connection>>,
    commits: SyncSender<()>,
}

impl Writer {
    /// A writer over an open connection, which it replaces by another one to the same file when it
    /// breaks. While the path names another file it refuses all. After each commit it sends a signal to
    /// `commits`, if there is room for it.
    pub(super) fn new(
        file: Arc<DataFile>,
        env: Env,
        connection: Connection,
        commits: SyncSender<()>,
    ) -> Self {
        Self {
            file,
            env,
            connection: Some(Mutex::new(connection)),
            commits,
        }
    }

    /// Writes until the queue is closed and all that was in it is written.
    pub(super) fn run(mut self, jobs: &Receiver<Box<dyn Job>>) {
        while let Ok(first) = jobs.recv() {
            // What a panic may have left half-done goes with its connection.
            let served = catch_unwind(AssertUnwindSafe(|| self.serve(first, jobs)));
            if served.is_err() {
                self.connection = None;
            }
        }
    }

    /// Commits this use case and those that wait behind it, and answers them.
    fn serve(&mut self, first: Box<dyn Job>, jobs: &Receiver<Box<dyn Job>>) {
        // Before a connection is made anew: whatever stands at the path now is not ours to write to.
        if self.file.check().is_err() {
            return;
        }
        let started = self.env.monotonic();
        let connection = self.connection();
        let committed = connection.and_then(|open| commit_together(open, first, jobs));
        match committed {
            // What nobody can find again was not committed, as far as callers are concerned.
            Ok(_) if self.file.check().is_err() => {}
            Ok(acknowledgements) => {
                for acknowledge in acknowledgements {
                    acknowledge();
                }
                // A full channel says so already.
                let _ = self.commits.try_send(());
            }
            Err(cause) => {
                tracing::error!(%cause, "writes were not committed");
                self.connection = None;
            }
        }
        let took = self.env.monotonic().saturating_duration_since(started);
        if took > SLOW {
            tracing::warn!(millis = took.as_millis(), "the database is slow to commit");
        }
    }

    fn connection(&mut self) -> std::result::Result<&Mutex<Connection>, DbErr> {
        let open = match self.connection.take() {
            Some(open) => open,
            None => Mutex::new(Connection::open(self.file.path(), Role::Writer).map_err(failed)?),
        };
        Ok(self.connection.insert(open))
    }
}

fn commit_together(
    connection: &Mutex<Connection>,
    first: Box<dyn Job>,
    jobs: &Receiver<Box<dyn Job>>,
) -> std::result::Result<Vec<Acknowledge>, DbErr> {
    // A deferred transaction that reads first fails at once when another connection wrote meanwhile.
    lock(connection).run("BEGIN IMMEDIATE")?;
    let mut acknowledgements = Vec::new();
    let mut next = Some(first);
    while let Some(job) = next {
        if !job.is_abandoned() {
            acknowledgements.push(run_in_savepoint(connection, job)?);
        }
        next = if acknowledgements.len() < BATCH {
            jobs.try_recv().ok()
        } else {
            None
        };
    }
    lock(connection).run("COMMIT")?;
    Ok(acknowledgements)
}

/// Fails when the savepoint is gone: SQLite has then rolled back the whole transaction by itself, as it
/// may when the disk is full.
fn run_in_savepoint(
    connection: &Mutex<Connection>,
    job: Box<dyn Job>,
) -> std::result::Result<Acknowledge, DbErr> {
    lock(connection).run("SAVEPOINT use_case")?;
    let finished = job.run(&Tx::over(Executor::Transaction(connection)));
    if !finished.keep {
        lock(connection).run("ROLLBACK TO use_case")?;
    }
    lock(connection).run("RELEASE use_case")?;
    Ok(finished.acknowledge)
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Queue").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        path::PathBuf,
        sync::mpsc,
        thread::{self, JoinHandle},
    };

    use sea_orm::ConnectionTrait as _;
    use tokio::task::JoinSet;

    use super::*;
    use crate::{
        env::Timestamp,
        model::account::{Organization, Plan},
        store::{
            Reader,
            sqlite::{data_file::make_private, migrate, readers::Readers},
        },
    };

    /// A commit that does not fit rolls back the whole transaction by itself, and all that is
    /// in it must then be refused: also the use cases that had succeeded.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_full_disk_refuses_writes_keeps_what_was_acknowledged_and_passes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.db");
        make_private(&path).unwrap();
        migrate(&path).await.unwrap();
        let connection = Connection::open(&path, Role::Writer).unwrap();
        // This connection may not make the file much larger; the one that replaces it may.
        connection.run("PRAGMA max_page_count = 40").unwrap();
        let readers = Readers::open(&path, 1).unwrap();
        let (queue, work) = start(path, connection);

        let mut writers = JoinSet::new();
        for _ in 0..1000 {
            let queue = queue.clone();
            writers.spawn(async move {
                let organization = organization();
                let id = organization.id;
                let insert = queue.write(move |tx| {
                    Box::pin(async move { tx.insert_organization(&organization).await })
                });
                (id, insert.await)
            });
        }
        let outcomes = writers.join_all().await;
        let refused = outcomes.iter().filter(|(_, written)| written.is_err());
        assert!(refused.count() > 0, "the disk was never full");
        for (id, written) in outcomes {
            let stored = Reader::over(Executor::Read(&readers))
                .organization(id)
                .await;
            assert_eq!(stored.unwrap().is_some(), written.is_ok());
            if let Err(refused) = written {
                assert_eq!(refused.reason(), Reason::StorageUnavailable);
            }
        }
        // More than the first connection would let in: it is not in use any more.
        for _ in 0..500 {
            let organization = organization();
            queue
                .write(move |tx| {
                    Box::pin(async move { tx.insert_organization(&organization).await })
                })
                .await
                .unwrap();
        }
        queue.close();
        work.join().unwrap();
    }

    /// By itself, each statement would be committed at once, and nobody would have been told.
    #[tokio::test]
    async fn after_sqlite_has_rolled_back_nothing_more_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.db");
        make_private(&path).unwrap();
        migrate(&path).await.unwrap();
        let (queue, work) = start(path.clone(), Connection::open(&path, Role::Writer).unwrap());
        let organization = organization();
        let id = organization.id;
        let written = queue.write(move |tx| {
            Box::pin(async move {
                tx.database.execute_unprepared("ROLLBACK").await?;
                let _ = tx.insert_organization(&organization).await;
                Ok(())
            })
        });
        let refused = written.await.unwrap_err();
        assert_eq!(refused.reason(), Reason::StorageUnavailable);
        let readers = Readers::open(&path, 1).unwrap();
        let stored = Reader::over(Executor::Read(&readers))
            .organization(id)
            .await;
        assert_eq!(stored.unwrap(), None);
        queue.close();
        work.join().unwrap();
    }

    fn start(path: PathBuf, connection: Connection) -> (Arc<Queue>, JoinHandle<()>) {
        let file = Arc::new(DataFile::at(path).unwrap());
        let (committed, _) = mpsc::sync_channel(1);
        let writer = Writer::new(file, Env::system(), connection, committed);
        let (jobs, waiting) = Channel::new(QUEUE);
        let work = thread::spawn(move || writer.run(&waiting));
        (Arc::new(Queue::to(jobs)), work)
    }

    fn organization() -> Organization {
        let env = Env::system();
        Organization {
            id: env.uuid().unwrap().into(),
            plan: Plan::Free,
            created_at: Timestamp::from_millis(0),
            disabled_at: None,
        }
    }
}
