//! What outlives a restart: SQLite in a file, or Postgres, with the same tables and the same promises.
//!
//! [`Store::read`] reads, and [`Store::scan`] what may be much; [`Store::write`] runs a use case in a transaction. There is
//! nothing between them and the callers but the methods of [`Reader`] and [`Tx`]: sea-orm spans both engines.

mod accounts;
mod administration;
mod api_keys;
mod authorizations;
mod backup;
mod challenges;
mod client_documents;
mod clients;
mod connect;
mod consents;
mod contain;
mod contents;
mod entity;
mod error;
mod grants;
mod invalidations;
mod linked_identities;
mod outbox;
mod postgres;
mod purge;
mod restore;
mod schema;
mod search;
mod sessions;
mod signing_keys;
mod sqlite;
mod throttles;
mod transaction;
mod transfer;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::task_local;

pub use self::{
    backup::{Backup, back_up, make_live, verify},
    connect::{Cause, ConnectError},
    contents::Contents,
    postgres::Subscription,
    restore::Ended,
    schema::SchemaState,
    transaction::{BoxFuture, Reader, Tx},
    transfer::{TransferError, transfer},
};
use self::{contain::contain, postgres::Postgres, sqlite::Sqlite};
use crate::{
    env::{Env, Timestamp},
    error::{Error, Result},
    model::postgres_url::PostgresUrl,
    telemetry,
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

/// How often a use case is begun on Postgres at most.
const ATTEMPTS: u32 = 3;

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
    /// Set by each write that is committed.
    wrote: AtomicBool,
}

#[derive(Debug)]
enum Engine {
    Sqlite(Sqlite),
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
        let engine = match database {
            Database::Sqlite { path, readers } => {
                Engine::Sqlite(Sqlite::open(&path, readers, &env)?)
            }
            Database::Postgres { url, connections } => {
                let url = PostgresUrl::parse(url.expose_secret())?;
                Engine::Postgres(Postgres::connect(&url, connections).await?)
            }
        };
        let wrote = AtomicBool::new(false);
        Ok(Self {
            inner: Arc::new(Inner { engine, wrote }),
        })
    }

    /// Reads a few rows, found by an index, outside of any transaction. On SQLite the thread of the caller reads them.
    #[must_use]
    pub fn read(&self) -> Reader<'_> {
        match &self.inner.engine {
            Engine::Sqlite(file) => Reader::over(file.read()),
            Engine::Postgres(postgres) => Reader::over(postgres),
        }
    }

    /// The same for reads that may look at many rows. A statement that takes longer than 4.5 s is ended with
    /// `STORAGE_UNAVAILABLE`, as every one is on Postgres.
    #[must_use]
    pub fn scan(&self) -> Reader<'_> {
        match &self.inner.engine {
            Engine::Sqlite(file) => Reader::over(file.scan()),
            Engine::Postgres(postgres) => Reader::over(postgres),
        }
    }

    /// Runs a use case in a transaction, which is committed when it returns `Ok` and rolled back when
    /// it returns `Err` or panics. The result is given back after the commit.
    ///
    /// A use case waits for nothing but its transaction: on SQLite all others wait for it, and it is refused. On Postgres it is
    /// begun again when its transaction was rolled back as the victim of a deadlock, or its connection was lost before the
    /// commit. A caller that goes away before the use case has begun takes it along; afterwards the use case may come to
    /// pass unseen.
    ///
    /// # Errors
    /// What the use case returned. `STORAGE_UNAVAILABLE` when the database cannot be used: nothing
    /// acknowledged is lost, nothing else is promised. `OVERLOADED`, with the time to wait, when too
    /// many writes are queued. `INTERNAL` when the use case panicked, was begun inside another, or waited for something
    /// else on SQLite.
    pub async fn write<T, F>(&self, use_case: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t Tx<'t>) -> BoxFuture<'t, Result<T>> + Clone + Send + 'static,
    {
        if IN_TRANSACTION.try_with(|()| ()).is_ok() {
            return Err(Error::internal(Nested));
        }
        let span = telemetry::transaction(self.read().database.system());
        let written = async {
            match &self.inner.engine {
                Engine::Sqlite(file) => file.write(use_case).await,
                Engine::Postgres(postgres) => write_to_postgres(postgres, use_case).await,
            }
        };
        let written = span.around(written, telemetry::failure).await?;
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
        match &self.inner.engine {
            Engine::Sqlite(file) => file.ping().await,
            Engine::Postgres(postgres) => {
                let question = Statement::from_string(DbBackend::Postgres, "SELECT 1");
                postgres.query_one_raw(question).await?;
                Ok(())
            }
        }
    }

    /// What time it is where the database runs; none for SQLite, which has this machine's.
    ///
    /// # Errors
    /// `STORAGE_UNAVAILABLE`.
    pub async fn time(&self) -> Result<Option<Timestamp>> {
        let Engine::Postgres(postgres) = &self.inner.engine else {
            return Ok(None);
        };
        let question = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
        let question = Statement::from_string(DbBackend::Postgres, question);
        let row = postgres.query_one_raw(question).await?;
        let millis = row.map(|row| row.try_get_by_index(0)).transpose()?;
        Ok(millis.map(Timestamp::from_millis))
    }

    /// Commits what is queued, refuses what comes later, moves SQLite's WAL into the data file and
    /// closes every connection. Waits for reads that are under way. A second call does nothing.
    pub async fn close(&self) {
        match &self.inner.engine {
            Engine::Sqlite(file) => file.close().await,
            Engine::Postgres(postgres) => postgres.close(),
        }
    }
}

/// One transaction for one use case, as Postgres has it; another one where that is safe.
async fn write_to_postgres<T, F>(postgres: &Postgres, use_case: F) -> Result<T>
where
    F: for<'t> FnOnce(&'t Tx<'t>) -> BoxFuture<'t, Result<T>> + Clone,
{
    let mut attempts = 1;
    let (transaction, result) = loop {
        let transaction = postgres.begin().await?;
        let result = run_use_case(use_case.clone(), &Tx::over(&transaction)).await;
        if result.is_ok() || attempts == ATTEMPTS || !transaction.may_repeat().await {
            break (transaction, result);
        }
        attempts += 1;
        tracing::debug!("a transaction is begun again");
    };
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
