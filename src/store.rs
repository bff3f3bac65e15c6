//! What outlives a restart: SQLite in a file, or Postgres, with the same tables and the same promises.
//!
//! [`Store::read`] reads; [`Store::write`] runs a use case in a transaction. There is nothing between
//! them and the callers but the methods of [`Reader`] and [`Tx`]: sea-orm spans both engines.

mod accounts;
mod administration;
mod api_keys;
mod challenges;
mod checkpoint;
mod connect;
mod contain;
mod data_file;
mod entity;
mod fault;
mod outbox;
mod purge;
mod search;
mod sessions;
mod signing_keys;
mod throttles;
mod transaction;
mod writer;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};
use secrecy::SecretString;
use tokio::{sync::mpsc, task_local};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    checkpoint::Checkpointer,
    connect::{Patience, Role},
    contain::contain,
    data_file::DataFile,
    writer::{Queue, Writer},
};
pub use self::{
    connect::{Cause, ConnectError},
    transaction::{BoxFuture, Reader, Tx},
};
use crate::{
    env::Env,
    error::{Error, Result},
};

/// How to open a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which database.
    pub database: Database,
}

/// A database.
#[derive(Clone, Debug)]
pub enum Database {
    /// A file that no other process uses.
    Sqlite {
        /// The file. It is made when it does not exist; its folder is not.
        path: PathBuf,
        /// How many connections read.
        readers: u32,
    },
    /// A server that other nodes may use too.
    Postgres {
        /// `postgres://user:password@host:port/database`, with the parameters of libpq.
        url: SecretString,
        /// How many connections to hold at most.
        connections: u32,
    },
}

/// How the schema of a database stands to this build.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SchemaState {
    /// It is the one that this build wants.
    Current,
    /// These changes are still to be made, in this order.
    Pending(Vec<String>),
    /// A newer version of this program has changed it; this is the newest change.
    Newer(String),
}

/// A use case tried to write while it was in a transaction. It would wait for itself.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a use case began a second transaction inside its own")]
struct Nested;

task_local! {
    /// Set while a use case runs.
    static IN_TRANSACTION: ();
}

/// The open database. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    database: Database,
    readers: DatabaseConnection,
    writes: Writes,
    tasks: TaskTracker,
    closing: CancellationToken,
    /// Set by each write that is committed.
    wrote: AtomicBool,
}

#[derive(Debug)]
enum Writes {
    /// SQLite: one writer, to one file.
    Queued(Queue, Arc<DataFile>),
    /// Postgres: the pool that also reads.
    Pooled,
}

impl Store {
    /// Opens a database, and makes the file of SQLite if there is none. Changes no schema: see
    /// [`Self::migrate`].
    ///
    /// # Errors
    /// The database cannot be opened.
    pub async fn connect(options: Options, env: Env) -> std::result::Result<Self, ConnectError> {
        let Options { database } = options;
        let inner = match &database {
            Database::Sqlite { path, readers } => {
                open_sqlite(path.clone(), *readers, env, database.clone()).await?
            }
            Database::Postgres { url, connections } => Inner {
                readers: connect::postgres(url, *connections, Patience::Limited).await?,
                writes: Writes::Pooled,
                tasks: TaskTracker::new(),
                closing: CancellationToken::new(),
                wrote: AtomicBool::new(false),
                database,
            },
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Brings the schema up to date, all of it or nothing. Several nodes may do this at once.
    ///
    /// # Errors
    /// A newer version has changed the schema, or a change failed.
    pub async fn migrate(&self) -> std::result::Result<(), ConnectError> {
        match self.schema().await? {
            SchemaState::Current => return Ok(()),
            SchemaState::Newer(change) => return Err(ConnectError::NewerSchema { change }),
            SchemaState::Pending(_) => {}
        }
        let connection = match &self.inner.database {
            Database::Sqlite { path, .. } => connect::sqlite(path, Role::Writer, 1)
                .await
                .map_err(schema_error)?,
            Database::Postgres { url, .. } => connect::postgres(url, 1, Patience::Endless).await?,
        };
        let migrated = migrate(&connection).await.map_err(schema_error);
        connection.close().await.map_err(schema_error)?;
        migrated
    }

    /// How the schema stands. Changes nothing.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn schema(&self) -> std::result::Result<SchemaState, ConnectError> {
        let applied = countersign_migrations::applied(&self.inner.readers)
            .await
            .map_err(schema_error)?;
        Ok(compare(applied, countersign_migrations::known()))
    }

    /// Reads outside of any transaction.
    #[must_use]
    pub fn read(&self) -> Reader<'_> {
        Reader::over(&self.inner.readers)
    }

    /// Runs a use case in a transaction, which is committed when it returns `Ok` and rolled back when
    /// it returns `Err` or panics. The result is given back after the commit.
    ///
    /// A use case waits for nothing but its transaction: on SQLite all others wait for it. A caller
    /// that goes away before the use case has begun takes it along; afterwards the use case may come to
    /// pass unseen.
    ///
    /// # Errors
    /// What the use case returned. `STORAGE_UNAVAILABLE` when the database cannot be used: nothing
    /// acknowledged is lost, nothing else is promised. `OVERLOADED`, with the time to wait, when too
    /// many writes are queued. `INTERNAL` when the use case panicked or was begun inside another.
    pub async fn write<T, F>(&self, use_case: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t Tx<'t>) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        if IN_TRANSACTION.try_with(|()| ()).is_ok() {
            return Err(Error::internal(Nested));
        }
        let written = match &self.inner.writes {
            Writes::Queued(queue, _) => queue.write(use_case).await,
            Writes::Pooled => write_alone(self.inner.readers.begin().await?, use_case).await,
        }?;
        self.inner.wrote.store(true, Ordering::Relaxed);
        Ok(written)
    }

    /// Whether a write was committed since this was last asked.
    #[must_use]
    pub fn took_write(&self) -> bool {
        self.inner.wrote.swap(false, Ordering::Relaxed)
    }

    /// Commits a write that changes nothing. A full disk, a file that is read-only and a Postgres that is a
    /// standby or read-only refuse it as they do every other one.
    ///
    /// # Errors
    /// As for [`Self::write`].
    pub async fn try_write(&self) -> Result<()> {
        self.write(|tx| Box::pin(async move { tx.write_nothing().await }))
            .await
    }

    /// Whether other nodes may use the same database.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self.inner.writes, Writes::Pooled)
    }

    /// Whether the database answers, and SQLite's file is still the one that was opened.
    ///
    /// # Errors
    /// `STORAGE_UNAVAILABLE`: it does not, or is not.
    pub async fn ping(&self) -> Result<()> {
        let (backend, question) = match &self.inner.writes {
            Writes::Queued(_, file) => {
                file.check()?;
                // Looks into the file, which `SELECT 1` would not.
                (DbBackend::Sqlite, "PRAGMA schema_version")
            }
            Writes::Pooled => (DbBackend::Postgres, "SELECT 1"),
        };
        let question = Statement::from_string(backend, question);
        self.inner.readers.query_one_raw(question).await?;
        Ok(())
    }

    /// Commits what is queued, refuses what comes later, moves SQLite's WAL into the data file and
    /// closes every connection. Waits for reads that are under way. A second call does nothing.
    pub async fn close(&self) {
        self.inner.closing.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
        if let Err(cause) = self.inner.readers.close_by_ref().await {
            tracing::warn!(%cause, "the database's connections did not close");
        }
    }
}

async fn open_sqlite(
    path: PathBuf,
    readers: u32,
    env: Env,
    database: Database,
) -> std::result::Result<Inner, ConnectError> {
    let open = async |role, connections| {
        connect::sqlite(&path, role, connections)
            .await
            .map_err(|cause| sqlite_error(&path, cause))
    };
    connect::make_private(&path)?;
    let file = Arc::new(DataFile::at(path.clone()).map_err(|cause| data_file_error(&path, cause))?);
    let connection = open(Role::Writer, 1).await?;
    connect::check_library(&connection).await?;
    let checkpoints = open(Role::Checkpointer, 1).await?;
    let readers = open(Role::Reader, readers).await?;

    let (tasks, closing) = (TaskTracker::new(), CancellationToken::new());
    let (committed, commits) = mpsc::channel(1);
    let writer = Writer::new(Arc::clone(&file), env, connection, committed);
    let (queue, work) = writer.start(closing.clone());
    tasks.spawn(work);
    let checkpointer = Checkpointer {
        connection: checkpoints,
        readers: readers.clone(),
        commits,
        closing: closing.clone(),
    };
    tasks.spawn(checkpointer.run());
    Ok(Inner {
        database,
        readers,
        writes: Writes::Queued(queue, file),
        tasks,
        closing,
        wrote: AtomicBool::new(false),
    })
}

fn data_file_error(path: &Path, cause: io::Error) -> ConnectError {
    ConnectError::DataFile {
        path: path.to_owned(),
        cause,
    }
}

fn sqlite_error(path: &Path, cause: DbErr) -> ConnectError {
    ConnectError::Sqlite {
        path: path.to_owned(),
        cause: cause.into(),
    }
}

fn schema_error(cause: DbErr) -> ConnectError {
    ConnectError::Schema {
        cause: cause.into(),
    }
}

fn compare(applied: Vec<String>, known: Vec<String>) -> SchemaState {
    let newer = applied.iter().rev().find(|change| !known.contains(change));
    if let Some(change) = newer {
        return SchemaState::Newer(change.clone());
    }
    let pending: Vec<String> = known
        .into_iter()
        .filter(|change| !applied.contains(change))
        .collect();
    if pending.is_empty() {
        SchemaState::Current
    } else {
        SchemaState::Pending(pending)
    }
}

/// All pending changes in one transaction, which only one node at a time is in.
async fn migrate(connection: &DatabaseConnection) -> std::result::Result<(), DbErr> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let transaction = connection.begin_with_options(options).await?;
    if transaction.get_database_backend() == DbBackend::Postgres {
        let lock = Statement::from_sql_and_values(
            DbBackend::Postgres,
            "SELECT pg_advisory_xact_lock($1)",
            [connect::SCHEMA_LOCK.into()],
        );
        transaction.execute_raw(lock).await?;
    }
    countersign_migrations::apply(&transaction).await?;
    transaction.commit().await
}

/// One transaction for one use case, as Postgres has it.
async fn write_alone<T, F>(transaction: DatabaseTransaction, use_case: F) -> Result<T>
where
    F: for<'t> FnOnce(&'t Tx<'t>) -> BoxFuture<'t, Result<T>>,
{
    let result = run_use_case(use_case, &Tx::over(&transaction)).await;
    if result.is_ok() {
        transaction.commit().await?;
    } else if let Err(cause) = transaction.rollback().await {
        // The server rolls back what is not committed, with or without being told.
        tracing::debug!(%cause, "a transaction was not rolled back in order");
    }
    result
}

/// Runs a use case in its transaction; a panic becomes an `INTERNAL`.
async fn run_use_case<'t, T, F>(use_case: F, tx: &'t Tx<'t>) -> Result<T>
where
    F: FnOnce(&'t Tx<'t>) -> BoxFuture<'t, Result<T>>,
{
    let run = IN_TRANSACTION.scope((), async move { use_case(tx).await });
    contain(run)
        .await
        .unwrap_or_else(|cause| Err(Error::internal(cause)))
}
