//! What outlives a restart: SQLite in a file, or Postgres, with the same tables and the same promises.
//!
//! [`Store::read`] reads; [`Store::write`] runs a use case in a transaction. There is nothing between
//! them and the callers but the methods of [`Reader`] and [`Tx`]: sea-orm spans both engines.

mod accounts;
mod administration;
mod api_keys;
mod authorizations;
mod challenges;
mod checkpoint;
mod client_documents;
mod clients;
mod connect;
mod consents;
mod contain;
mod data_file;
mod entity;
mod error;
mod grants;
mod linked_identities;
mod outbox;
mod postgres;
mod purge;
mod schema;
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

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::{sync::mpsc, task_local};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    checkpoint::Checkpointer,
    connect::Role,
    contain::contain,
    data_file::DataFile,
    postgres::Postgres,
    writer::{Queue, Writer},
};
pub use self::{
    connect::{Cause, ConnectError},
    schema::SchemaState,
    transaction::{BoxFuture, Reader, Tx},
};
use crate::{
    env::Env,
    error::{Error, Result},
    model::postgres_url::PostgresUrl,
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
    engine: Engine,
    tasks: TaskTracker,
    closing: CancellationToken,
    /// Set by each write that is committed.
    wrote: AtomicBool,
}

#[derive(Debug)]
enum Engine {
    /// One file, one writer.
    Sqlite {
        readers: DatabaseConnection,
        writer: Queue,
        file: Arc<DataFile>,
    },
    Postgres(Postgres),
}

impl Store {
    /// Opens a database, and makes the file of SQLite if there is none. Changes no schema: see
    /// [`Self::migrate`].
    ///
    /// # Errors
    /// The database cannot be opened.
    pub async fn connect(options: Options, env: Env) -> std::result::Result<Self, ConnectError> {
        let Options { database } = options;
        let inner = match database {
            Database::Sqlite { path, readers } => open_sqlite(path, readers, env).await?,
            Database::Postgres { url, connections } => {
                let url = PostgresUrl::parse(url.expose_secret())?;
                Inner {
                    engine: Engine::Postgres(Postgres::connect(&url, connections).await?),
                    tasks: TaskTracker::new(),
                    closing: CancellationToken::new(),
                    wrote: AtomicBool::new(false),
                }
            }
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Reads outside of any transaction.
    #[must_use]
    pub fn read(&self) -> Reader<'_> {
        match &self.inner.engine {
            Engine::Sqlite { readers, .. } => Reader::over(readers),
            Engine::Postgres(postgres) => Reader::over(postgres),
        }
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
        let written = match &self.inner.engine {
            Engine::Sqlite { writer, .. } => writer.write(use_case).await,
            Engine::Postgres(postgres) => write_alone(postgres.begin().await?, use_case).await,
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
    pub fn is_multi_node(&self) -> bool {
        matches!(self.inner.engine, Engine::Postgres(_))
    }

    /// Whether the database answers, and SQLite's file is still the one that was opened.
    ///
    /// # Errors
    /// `STORAGE_UNAVAILABLE`: it does not, or is not.
    pub async fn ping(&self) -> Result<()> {
        let (backend, question) = match &self.inner.engine {
            Engine::Sqlite { file, .. } => {
                file.check()?;
                // Looks into the file, which `SELECT 1` would not.
                (DbBackend::Sqlite, "PRAGMA schema_version")
            }
            Engine::Postgres(_) => (DbBackend::Postgres, "SELECT 1"),
        };
        let question = Statement::from_string(backend, question);
        self.read().database.query_one_raw(question).await?;
        Ok(())
    }

    /// Commits what is queued, refuses what comes later, moves SQLite's WAL into the data file and
    /// closes every connection. Waits for reads that are under way. A second call does nothing.
    pub async fn close(&self) {
        self.inner.closing.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
        match &self.inner.engine {
            Engine::Sqlite { readers, .. } => {
                if let Err(cause) = readers.close_by_ref().await {
                    tracing::warn!(%cause, "the database's connections did not close");
                }
            }
            Engine::Postgres(postgres) => postgres.close(),
        }
    }
}

async fn open_sqlite(
    path: PathBuf,
    readers: u32,
    env: Env,
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
    let (writer, work) = writer.start(closing.clone());
    tasks.spawn(work);
    let checkpointer = Checkpointer {
        connection: checkpoints,
        readers: readers.clone(),
        commits,
        closing: closing.clone(),
    };
    tasks.spawn(checkpointer.run());
    Ok(Inner {
        engine: Engine::Sqlite {
            readers,
            writer,
            file,
        },
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

/// One transaction for one use case, as Postgres has it.
async fn write_alone<T, F>(transaction: postgres::Transaction, use_case: F) -> Result<T>
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
