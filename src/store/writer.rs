//! The one writer of SQLite. Use cases queue for it; those that wait together are committed together
//! (group commit), for a commit costs a write to the disk however much is in it.
//!
//! Each use case has a savepoint of its own, so that a refusal or a panic undoes that one alone. None is
//! answered before the commit that holds it. When that fails, nobody's write has come to pass, and the
//! connection is replaced: after a full disk or a broken one, its state is not worth guessing at.

use std::{sync::Arc, time::Duration};

use sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbErr, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
};
use tokio::{
    select,
    sync::{mpsc, oneshot},
};
use tokio_util::sync::CancellationToken;

use super::{
    BoxFuture,
    connect::{self, Role},
    contain::contain,
    data_file::DataFile,
    run_use_case,
    transaction::Tx,
};
use crate::{
    env::Env,
    error::{Error, Reason, Result},
};

/// How many use cases may wait. At a thousand commits in a second this is the wait of a second.
const QUEUE: usize = 1024;
/// How many use cases one commit holds at most, so that the first of them does not wait for long.
const BATCH: usize = 64;
/// What to tell those who find the queue full.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// A commit that takes longer than this is worth a line in the log: the disk is slow.
const SLOW: Duration = Duration::from_secs(1);

/// The write did not come to pass; the writer has logged why.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the write was not committed")]
struct NotCommitted;

/// The way to the writer.
#[derive(Debug)]
pub(super) struct Queue {
    jobs: mpsc::Sender<Box<dyn Job>>,
}

impl Queue {
    /// Runs a use case and gives its result once it is committed.
    pub(super) async fn write<T, F>(&self, use_case: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t Tx<'t>) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        let (answer, result) = oneshot::channel();
        self.jobs
            .try_send(Box::new(Request { use_case, answer }))
            .map_err(refusal)?;
        result
            .await
            .map_err(|_| Error::new(Reason::StorageUnavailable).because(NotCommitted))?
    }
}

fn refusal(cause: mpsc::error::TrySendError<Box<dyn Job>>) -> Error {
    match cause {
        mpsc::error::TrySendError::Full(_) => {
            Error::new(Reason::Overloaded).retry_after(RETRY_AFTER)
        }
        mpsc::error::TrySendError::Closed(_) => {
            Error::new(Reason::StorageUnavailable).because(NotCommitted)
        }
    }
}

/// A use case in the queue, whatever it gives back. Whoever drops it answers `STORAGE_UNAVAILABLE`.
trait Job: Send {
    /// Whether nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool;
    /// Runs the use case.
    fn run<'t>(self: Box<Self>, tx: &'t Tx<'t>) -> BoxFuture<'t, Finished>;
}

/// A use case that has run.
struct Finished {
    /// Whether its writes are to be kept.
    keep: bool,
    /// Gives its result to whoever waits for it.
    acknowledge: Acknowledge,
}

type Acknowledge = Box<dyn FnOnce() + Send>;

struct Request<T, F> {
    use_case: F,
    answer: oneshot::Sender<Result<T>>,
}

impl<T, F> Job for Request<T, F>
where
    T: Send + 'static,
    F: for<'t> FnOnce(&'t Tx<'t>) -> BoxFuture<'t, Result<T>> + Send + 'static,
{
    fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }

    fn run<'t>(self: Box<Self>, tx: &'t Tx<'t>) -> BoxFuture<'t, Finished> {
        Box::pin(async move {
            let Self { use_case, answer } = *self;
            let result = run_use_case(use_case, tx).await;
            Finished {
                keep: result.is_ok(),
                // Nobody may be waiting any more, which changes nothing.
                acknowledge: Box::new(move || drop(answer.send(result))),
            }
        })
    }
}

/// The task that owns the writing connection.
pub(super) struct Writer {
    file: Arc<DataFile>,
    env: Env,
    connection: Option<DatabaseConnection>,
    commits: mpsc::Sender<()>,
}

impl Writer {
    /// A writer over an open connection, which it replaces by another one to the same file when it
    /// breaks. While the path names another file it refuses all. After each commit it sends a signal to
    /// `commits`, if there is room for it.
    pub(super) fn new(
        file: Arc<DataFile>,
        env: Env,
        connection: DatabaseConnection,
        commits: mpsc::Sender<()>,
    ) -> Self {
        Self {
            file,
            env,
            connection: Some(connection),
            commits,
        }
    }

    /// The queue to the writer, and the writer's work, which ends when the queue is dropped, or on
    /// closing, with all that is in the queue written.
    pub(super) fn start(
        self,
        closing: CancellationToken,
    ) -> (Queue, impl Future<Output = ()> + Send) {
        let (jobs, queue) = mpsc::channel(QUEUE);
        (Queue { jobs }, self.run(queue, closing))
    }

    async fn run(mut self, mut jobs: mpsc::Receiver<Box<dyn Job>>, closing: CancellationToken) {
        loop {
            let job = select! {
                biased;
                () = closing.cancelled(), if !jobs.is_closed() => {
                    jobs.close();
                    continue;
                }
                job = jobs.recv() => job,
            };
            let Some(job) = job else { break };
            if contain(self.serve(job, &mut jobs)).await.is_err() {
                self.give_up_connection().await;
            }
        }
        self.give_up_connection().await;
    }

    /// Commits this use case and those that wait behind it, and answers them.
    async fn serve(&mut self, first: Box<dyn Job>, jobs: &mut mpsc::Receiver<Box<dyn Job>>) {
        // Before a connection is made anew: whatever stands at the path now is not ours to write to.
        if self.file.check().is_err() {
            return;
        }
        let started = self.env.monotonic();
        let committed = match self.connection().await {
            Ok(connection) => commit_together(connection, first, jobs).await,
            Err(cause) => Err(cause),
        };
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
                self.give_up_connection().await;
            }
        }
        let took = self.env.monotonic().saturating_duration_since(started);
        if took > SLOW {
            tracing::warn!(millis = took.as_millis(), "the database is slow to commit");
        }
    }

    async fn connection(&mut self) -> std::result::Result<&DatabaseConnection, DbErr> {
        let open = match self.connection.take() {
            Some(open) => open,
            None => connect::sqlite(self.file.path(), Role::Writer, 1).await?,
        };
        Ok(self.connection.insert(open))
    }

    async fn give_up_connection(&mut self) {
        if let Some(connection) = self.connection.take()
            && let Err(cause) = connection.close().await
        {
            tracing::warn!(%cause, "the writing connection did not close");
        }
    }
}

async fn commit_together(
    connection: &DatabaseConnection,
    first: Box<dyn Job>,
    jobs: &mut mpsc::Receiver<Box<dyn Job>>,
) -> std::result::Result<Vec<Acknowledge>, DbErr> {
    // A deferred transaction that reads first fails at once when another connection wrote meanwhile.
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let transaction = connection.begin_with_options(options).await?;
    let mut acknowledgements = Vec::new();
    let mut next = Some(first);
    while let Some(job) = next {
        if !job.is_abandoned() {
            acknowledgements.push(run_in_savepoint(&transaction, job).await?);
        }
        next = if acknowledgements.len() < BATCH {
            jobs.try_recv().ok()
        } else {
            None
        };
    }
    transaction.commit().await?;
    Ok(acknowledgements)
}

/// Fails when the savepoint is gone: SQLite has then rolled back the whole transaction by itself, as it
/// may when the disk is full.
async fn run_in_savepoint(
    transaction: &DatabaseTransaction,
    job: Box<dyn Job>,
) -> std::result::Result<Acknowledge, DbErr> {
    let savepoint = transaction.begin().await?;
    let finished = job.run(&Tx::over(&savepoint)).await;
    if finished.keep {
        savepoint.commit().await?;
    } else {
        savepoint.rollback().await?;
    }
    Ok(finished.acknowledge)
}

#[cfg(test)]
mod tests {
    use sea_orm::ConnectionTrait;
    use tokio::task::JoinSet;

    use super::*;
    use crate::{
        env::Timestamp,
        model::account::{Organization, Plan},
        store::{
            connect::make_private,
            schema::{self, Migration},
        },
    };

    /// A commit that does not fit rolls back the whole transaction behind sqlx's back, and all that is
    /// in it must then be refused: also the use cases that had succeeded.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_full_disk_refuses_writes_keeps_what_was_acknowledged_and_passes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.db");
        make_private(&path).unwrap();
        let connection = connect::sqlite(&path, Role::Writer, 1).await.unwrap();
        let migration = Migration::sqlite(&path).await.unwrap();
        schema::migrate(&migration).await.unwrap();
        // This connection may not make the file much larger; the one that replaces it may.
        connection
            .execute_unprepared("PRAGMA max_page_count = 40")
            .await
            .unwrap();
        let reader = connect::sqlite(&path, Role::Reader, 1).await.unwrap();
        let (committed, _commits) = mpsc::channel(1);
        let file = Arc::new(DataFile::at(path).unwrap());
        let writer = Writer::new(file, Env::system(), connection, committed);
        let (queue, work) = writer.start(CancellationToken::new());
        let queue = std::sync::Arc::new(queue);
        let work = tokio::spawn(work);

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
            let stored = crate::store::Reader::over(&reader).organization(id).await;
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
        drop(queue);
        work.await.unwrap();
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
