//! A connection while it is lent, and what becomes of it afterwards.

use std::{io, time::Duration};

use deadpool::managed::Object;
use sea_orm::{
    DbErr, RuntimeErr, SqlxError, Statement,
    sqlx::{
        self, AssertSqlSafe, Connection as _, PgConnection, Postgres,
        error::DatabaseError,
        postgres::{PgDatabaseError, PgQueryResult, PgRow, PgSeverity},
        query::Query,
    },
};
use sea_query_sqlx::SqlxValues;
use tokio::{
    runtime::Handle,
    time::{error::Elapsed, timeout},
};

use super::connector::Connector;

/// How long to wait for the end of a statement. Postgres gives up sooner, while it can be heard.
const STATEMENT_LIMIT: Duration = Duration::from_millis(4_500);
/// How long a connection may take to be ready again when its caller has gone away.
const CLEANUP_LIMIT: Duration = Duration::from_secs(1);
/// The SQLSTATE of a write on a server that takes none: it has become a standby.
const READ_ONLY: &str = "25006";

/// The SQLSTATEs of transactions that were rolled back for the sake of others.
const VICTIM: [&str; 2] = ["40001", "40P01"];

/// Nothing came back in time.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the database did not answer in time")]
struct NoAnswer;

/// A connection that is lent. It goes back to the pool as it came, or is closed.
#[derive(Debug)]
pub(super) struct Session {
    /// Taken when the session is dropped.
    connection: Option<Object<Connector>>,
    in_transaction: bool,
    /// Whether the end of a statement is still to be seen.
    is_waiting: bool,
    /// Whether the connection is of no use any more.
    is_lost: bool,
    /// Whether a statement has failed, with which Postgres has given up the transaction that it was in.
    has_failed: bool,
    may_repeat: bool,
}

impl Session {
    pub(super) fn new(connection: Object<Connector>) -> Self {
        Self {
            connection: Some(connection),
            in_transaction: false,
            is_waiting: false,
            is_lost: false,
            has_failed: false,
            may_repeat: false,
        }
    }

    /// Whether what has failed would not fail for the same cause on another connection: this one was closed, or its
    /// transaction was rolled back for the sake of another one. Tells nothing once a commit was sent.
    pub(super) fn may_repeat(&self) -> bool {
        self.may_repeat
    }

    pub(super) async fn begin(&mut self, statement: &str) -> Result<(), DbErr> {
        self.in_transaction = true;
        self.execute_text(statement).await?;
        Ok(())
    }

    /// Commits, where there is a transaction.
    pub(super) async fn finish(self) -> Result<(), DbErr> {
        if self.in_transaction && self.has_failed {
            // Postgres would answer a commit, and roll back.
            return Err(DbErr::Custom(
                "a use case has passed over a failed statement".to_owned(),
            ));
        }
        if self.in_transaction {
            self.end("COMMIT").await?;
        }
        Ok(())
    }

    /// Ends the transaction.
    pub(super) async fn end(mut self, statement: &str) -> Result<(), DbErr> {
        self.execute_text(statement).await?;
        self.in_transaction = false;
        Ok(())
    }

    pub(super) async fn execute_text(&mut self, sql: &str) -> Result<PgQueryResult, DbErr> {
        let statement = sqlx::raw_sql(AssertSqlSafe(sql));
        let done = timeout(STATEMENT_LIMIT, statement.execute(self.start()?)).await;
        self.note(done)
    }

    /// Runs a statement that gives no rows. Behind a pooler it is not prepared under a name.
    pub(super) async fn execute(
        &mut self,
        statement: Statement,
        named: bool,
    ) -> Result<PgQueryResult, DbErr> {
        let query = query(statement, named);
        let done = timeout(STATEMENT_LIMIT, query.execute(self.start()?)).await;
        self.note(done)
    }

    /// The rows of a statement. Behind a pooler it is not prepared under a name.
    pub(super) async fn rows(
        &mut self,
        statement: Statement,
        named: bool,
    ) -> Result<Vec<PgRow>, DbErr> {
        let query = query(statement, named);
        let done = timeout(STATEMENT_LIMIT, query.fetch_all(self.start()?)).await;
        self.note(done)
    }

    /// The connection, for one statement. A lost one is not waited for again, be it for a rollback.
    fn start(&mut self) -> Result<&mut PgConnection, DbErr> {
        match self.connection.as_mut() {
            Some(connection) if !self.is_lost => {
                self.is_waiting = true;
                Ok(&mut connection.raw)
            }
            _ => Err(failed(SqlxError::PoolClosed)),
        }
    }

    fn note<T>(&mut self, done: Result<Result<T, SqlxError>, Elapsed>) -> Result<T, DbErr> {
        self.has_failed |= !matches!(done, Ok(Ok(_)));
        let Ok(done) = done else {
            self.is_lost = true;
            let no_answer = io::Error::new(io::ErrorKind::TimedOut, NoAnswer);
            return Err(failed(no_answer.into()));
        };
        self.is_waiting = false;
        if let Err(cause) = &done {
            self.is_lost |= ends_connection(cause);
            self.may_repeat |= self.is_lost || is_victim(cause);
        }
        done.map_err(failed)
    }
}

fn failed(cause: SqlxError) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(cause.into()))
}

fn query<'q>(statement: Statement, named: bool) -> Query<'q, Postgres, SqlxValues> {
    let values = statement.values.map_or_else(Vec::new, |values| values.0);
    let values = SqlxValues(sea_orm::Values(values));
    sqlx::query_with(AssertSqlSafe(statement.sql), values).persistent(named)
}

/// Whether a connection is of no use after this error: it is broken, or its server takes no writes.
fn ends_connection(cause: &SqlxError) -> bool {
    let SqlxError::Database(cause) = cause else {
        return !matches!(
            cause,
            SqlxError::RowNotFound
                | SqlxError::Encode(_)
                | SqlxError::ColumnDecode { .. }
                | SqlxError::Decode(_)
        );
    };
    cause
        .try_downcast_ref::<PgDatabaseError>()
        .is_none_or(|cause| {
            matches!(cause.severity(), PgSeverity::Fatal | PgSeverity::Panic)
                || cause.code() == READ_ONLY
        })
}

fn is_victim(cause: &SqlxError) -> bool {
    let code = cause.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| VICTIM.contains(&&*code))
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        if self.is_lost {
            discard(connection);
        } else if self.is_waiting || self.in_transaction {
            match Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn(clean_up(connection, self.in_transaction))),
                Err(_) => discard(connection),
            }
        }
    }
}

/// Waits for what was begun, undoes it, and gives the connection back.
async fn clean_up(mut connection: Object<Connector>, in_transaction: bool) {
    let raw = &mut connection.raw;
    let cleaned = timeout(CLEANUP_LIMIT, async move {
        raw.ping().await?;
        if in_transaction {
            sqlx::raw_sql("ROLLBACK").execute(raw).await?;
        }
        Ok::<(), SqlxError>(())
    });
    if !matches!(cleaned.await, Ok(Ok(()))) {
        // A slow statement says nothing of other connections.
        drop(Object::take(connection));
    }
}

/// Closes a connection, and those of its age before their next use: what ended one has ended others.
fn discard(connection: Object<Connector>) {
    if let Some(pool) = Object::pool(&connection) {
        pool.manager().lose(&connection);
    }
    drop(Object::take(connection));
}
