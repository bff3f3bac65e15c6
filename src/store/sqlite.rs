//! SQLite: one file, one writer, many readers, and no way to another thread and back for each statement.
//!
//! A read of few rows runs on the thread of whoever asks, a scan on a thread of its own, and a use case that writes on
//! the thread of the writer, from its first statement to its last. Nothing here waits for anything but the file, so
//! that the futures of this engine are ready when they are first asked, but for those that wait for another thread.

mod channel;
mod checkpoint;
mod connection;
mod data_file;
mod failure;
mod migration;
mod readers;
mod rows;
mod scanners;
mod writer;

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
};

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement,
    prelude::async_trait::async_trait,
};
use tokio_util::task::TaskTracker;

use self::{
    channel::Channel,
    checkpoint::Checkpointer,
    connection::Connection,
    data_file::DataFile,
    readers::Readers,
    scanners::Scanners,
    writer::{Queue, Writer},
};
pub(super) use self::{
    connection::{Role, check_library},
    data_file::make_private,
    migration::{migrate, open_alone},
};
use super::{
    connect::{Cause, ConnectError},
    transaction::{BoxFuture, Tx},
};
use crate::{env::Env, error::Result};

/// An open data file.
#[derive(Debug)]
pub(super) struct Sqlite {
    file: Arc<DataFile>,
    readers: Arc<Readers>,
    scanners: Scanners,
    writer: Queue,
    /// Nothing is sent: closing it is the message.
    checkpoints: Channel<()>,
    threads: TaskTracker,
}

impl Sqlite {
    /// Opens the file, and makes it if there is none.
    pub(super) fn open(
        path: &Path,
        readers: u32,
        env: &Env,
    ) -> std::result::Result<Self, ConnectError> {
        check_library()?;
        make_private(path)?;
        let file = DataFile::at(path.to_owned()).map_err(|cause| ConnectError::DataFile {
            path: path.to_owned(),
            cause,
        })?;
        Self::start(Arc::new(file), readers, env).map_err(|cause| ConnectError::Sqlite {
            path: path.to_owned(),
            cause,
        })
    }

    fn start(file: Arc<DataFile>, readers: u32, env: &Env) -> std::result::Result<Self, Cause> {
        let threads = TaskTracker::new();
        let (committed, commits) = mpsc::sync_channel(1);
        let connection = Connection::open(file.path(), Role::Writer)?;
        let writer = Writer::new(
            Arc::clone(&file),
            env.clone(),
            connection,
            committed.clone(),
        );
        let (jobs, queue) = Channel::new(writer::QUEUE);
        spawn("sqlite-writer", &threads, move || writer.run(&queue))?;
        let connection = Connection::open(file.path(), Role::Checkpointer)?;
        let readers = Arc::new(Readers::open(file.path(), readers)?);
        let scanners = Scanners::start(file.path(), env, &threads, committed)?;
        let (checkpoints, closing) = Channel::new(1);
        let checkpointer = Checkpointer {
            connection,
            readers: Arc::clone(&readers),
            commits,
            closing,
        };
        spawn("sqlite-checkpoints", &threads, move || checkpointer.run())?;
        Ok(Self {
            file,
            readers,
            scanners,
            writer: Queue::to(jobs),
            checkpoints,
            threads,
        })
    }

    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    /// Runs each statement at once, on the thread of whoever asks.
    pub(super) fn read(&self) -> Executor<'_> {
        Executor::Read(&self.readers)
    }

    /// Runs each statement on a thread of its own, within a time.
    pub(super) fn scan(&self) -> Executor<'_> {
        Executor::Scan(&self.scanners)
    }

    /// See [`Store::write`](super::Store::write).
    pub(super) async fn write<T, F>(&self, use_case: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t Tx<'t>) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        self.writer.write(use_case).await
    }

    /// Whether the file answers, and is still the one that was opened.
    pub(super) async fn ping(&self) -> Result<()> {
        self.file.check()?;
        // Looks into the file, which `SELECT 1` would not.
        let question = Statement::from_string(DbBackend::Sqlite, "PRAGMA schema_version");
        self.read().query_one_raw(question).await?;
        Ok(())
    }

    /// Commits what is queued, waits for reads that are under way, moves the WAL into the file, and closes it.
    pub(super) async fn close(&self) {
        self.checkpoints.close();
        self.writer.close();
        self.scanners.close();
        self.threads.close();
        self.threads.wait().await;
    }
}

/// Starts a thread for which [`Sqlite::close`] waits.
fn spawn(
    name: &str,
    threads: &TaskTracker,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    let token = threads.token();
    let work = move || {
        work();
        drop(token);
    };
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map(drop)
}

/// A thread that panicked while it had the lock has left what is behind it in order.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// SQLite has rolled back the transaction by itself, as it may when the disk is full.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the transaction was rolled back by SQLite")]
struct RolledBack;

/// What runs a statement.
#[derive(Clone, Copy, Debug)]
pub(super) enum Executor<'c> {
    Read(&'c Readers),
    Scan(&'c Scanners),
    Transaction(&'c Mutex<Connection>),
}

impl Executor<'_> {
    async fn run<T: Send + 'static>(
        self,
        statement: impl FnOnce(&Connection) -> std::result::Result<T, DbErr> + Send + 'static,
    ) -> std::result::Result<T, DbErr> {
        match self {
            Self::Read(readers) => readers.run(statement),
            Self::Scan(scanners) => scanners.run(statement).await,
            Self::Transaction(connection) => {
                let connection = lock(connection);
                // By itself, a statement would be committed at once.
                if !connection.is_in_transaction() {
                    return Err(failure::internal(RolledBack));
                }
                statement(&connection)
            }
        }
    }
}

#[async_trait]
impl ConnectionTrait for Executor<'_> {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Sqlite
    }

    async fn execute_raw(&self, statement: Statement) -> std::result::Result<ExecResult, DbErr> {
        let run = move |connection: &Connection| connection.execute(&statement);
        Ok(self.run(run).await?.into())
    }

    async fn execute_unprepared(&self, sql: &str) -> std::result::Result<ExecResult, DbErr> {
        let statement = Statement::from_string(DbBackend::Sqlite, sql);
        self.execute_raw(statement).await
    }

    async fn query_one_raw(
        &self,
        statement: Statement,
    ) -> std::result::Result<Option<QueryResult>, DbErr> {
        Ok(self.query_all_raw(statement).await?.into_iter().next())
    }

    async fn query_all_raw(
        &self,
        statement: Statement,
    ) -> std::result::Result<Vec<QueryResult>, DbErr> {
        let run = move |connection: &Connection| connection.rows(&statement);
        let rows = self.run(run).await?;
        Ok(rows.into_iter().map(QueryResult::from).collect())
    }
}
