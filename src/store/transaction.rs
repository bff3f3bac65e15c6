//! What a use case holds: a reader, or a transaction that can also write.

use std::{ops::Deref, pin::Pin};

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement, StatementBuilder,
    prelude::async_trait::async_trait,
};
use uuid::Uuid;

use super::{
    postgres::{Postgres, Transaction},
    sqlite,
};
use crate::{
    model::page::{Page, PageRequest},
    telemetry::{self, DATABASE_ERROR},
};

/// What a use case gives back before it has run.
pub type BoxFuture<'t, T> = Pin<Box<dyn Future<Output = T> + Send + 't>>;

/// Reads. From [`Store::read`](super::Store::read) every read stands for itself and sees whatever was
/// committed before it; from a [`Tx`] it also sees what that transaction has written.
///
/// What does not exist is `Ok(None)`. Every read fails with `STORAGE_UNAVAILABLE` when the database
/// cannot be reached or used, and with `INTERNAL` when it holds what this version cannot read.
#[derive(Debug)]
pub struct Reader<'c> {
    pub(super) database: Executor<'c>,
}

impl<'c> Reader<'c> {
    pub(super) fn over(pool: impl Into<Executor<'c>>) -> Self {
        Self {
            database: pool.into(),
        }
    }

    /// The ids in the only column of what a statement gives.
    pub(super) async fn ids<T: From<Uuid>>(
        &self,
        statement: &impl StatementBuilder,
    ) -> Result<Vec<T>, DbErr> {
        let rows = self.database.query_all(statement).await?;
        let ids = rows.iter().map(|row| row.try_get_by_index::<Uuid>(0));
        ids.map(|id| id.map(T::from)).collect()
    }
}

/// One transaction of one use case. Its writes come to pass together, when the use case returns `Ok`.
///
/// A `bool` says whether the one row was written that was meant. The errors are those of [`Reader`].
#[derive(Debug)]
pub struct Tx<'c> {
    reader: Reader<'c>,
}

impl<'c> Tx<'c> {
    pub(super) fn over(transaction: impl Into<Executor<'c>>) -> Self {
        Self {
            reader: Reader::over(transaction),
        }
    }

    pub(super) fn is_postgres(&self) -> bool {
        self.database.get_database_backend() == DbBackend::Postgres
    }
}

impl<'c> Deref for Tx<'c> {
    type Target = Reader<'c>;

    fn deref(&self) -> &Reader<'c> {
        &self.reader
    }
}

/// What runs a statement.
#[derive(Debug)]
pub(super) enum Executor<'c> {
    Sqlite(sqlite::Executor<'c>),
    Postgres(&'c Postgres),
    PostgresTransaction(&'c Transaction),
}

impl<'c> From<sqlite::Executor<'c>> for Executor<'c> {
    fn from(database: sqlite::Executor<'c>) -> Self {
        Self::Sqlite(database)
    }
}

impl<'c> From<&'c Postgres> for Executor<'c> {
    fn from(pool: &'c Postgres) -> Self {
        Self::Postgres(pool)
    }
}

impl<'c> From<&'c Transaction> for Executor<'c> {
    fn from(transaction: &'c Transaction) -> Self {
        Self::PostgresTransaction(transaction)
    }
}

impl Executor<'_> {
    /// What the engine is called in traces.
    pub(super) fn system(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) | Self::PostgresTransaction(_) => "postgresql",
        }
    }
}

#[async_trait]
impl ConnectionTrait for Executor<'_> {
    fn get_database_backend(&self) -> DbBackend {
        match self {
            Self::Sqlite(_) => DbBackend::Sqlite,
            Self::Postgres(_) | Self::PostgresTransaction(_) => DbBackend::Postgres,
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let span = telemetry::statement(self.system(), &statement.sql);
        let answer = async {
            match self {
                Self::Sqlite(database) => database.execute_raw(statement).await,
                Self::Postgres(database) => database.execute_raw(statement).await,
                Self::PostgresTransaction(database) => database.execute_raw(statement).await,
            }
        };
        span.around(answer, |_| Some(DATABASE_ERROR)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        match self {
            Self::Sqlite(database) => database.execute_unprepared(sql).await,
            Self::Postgres(database) => database.execute_unprepared(sql).await,
            Self::PostgresTransaction(database) => database.execute_unprepared(sql).await,
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let span = telemetry::statement(self.system(), &statement.sql);
        let answer = async {
            match self {
                Self::Sqlite(database) => database.query_one_raw(statement).await,
                Self::Postgres(database) => database.query_one_raw(statement).await,
                Self::PostgresTransaction(database) => database.query_one_raw(statement).await,
            }
        };
        span.around(answer, |_| Some(DATABASE_ERROR)).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let span = telemetry::statement(self.system(), &statement.sql);
        let answer = async {
            match self {
                Self::Sqlite(database) => database.query_all_raw(statement).await,
                Self::Postgres(database) => database.query_all_raw(statement).await,
                Self::PostgresTransaction(database) => database.query_all_raw(statement).await,
            }
        };
        span.around(answer, |_| Some(DATABASE_ERROR)).await
    }
}

/// How many rows tell a page and whether there is more after it.
pub(super) fn page_limit(request: PageRequest) -> u64 {
    request.size.saturating_add(1)
}

/// The page from the rows that [`page_limit`] let through.
pub(super) fn page<T>(mut items: Vec<T>, request: PageRequest, id: impl Fn(&T) -> Uuid) -> Page<T> {
    let size = usize::try_from(request.size).unwrap_or(usize::MAX);
    let next = if items.len() > size {
        items.truncate(size);
        items.last().map(id)
    } else {
        None
    };
    Page { items, next }
}
