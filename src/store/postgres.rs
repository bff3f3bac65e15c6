//! Postgres: a pool of connections, and no wait for one that has no end.
//!
//! A network can swallow what is sent, and a server can fall silent, and nobody tells the client. So each
//! wait has a limit here, also that of cleaning up, and a connection that exceeds it is closed. Behind a
//! pooler no session is ours beyond a transaction: every statement is in one, which carries its limits along,
//! and none is prepared under a name.

mod connector;
mod failure;
mod properties;
mod session;
mod subscription;

use std::time::Duration;

use deadpool::managed::{Pool, PoolError, QueueMode, Timeouts};
use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement,
    prelude::async_trait::async_trait,
};
use tokio::sync::Mutex;

pub(super) use self::subscription::CHANNEL;
pub use self::subscription::Subscription;
use self::{connector::Connector, session::Session};
use super::{connect::ConnectError, schema::Migration};
use crate::model::postgres_url::PostgresUrl;

/// How long to wait for a free connection.
const ACQUIRE_LIMIT: Duration = Duration::from_secs(3);

/// A database on a Postgres server. Each of its statements stands for itself.
#[derive(Debug)]
pub(super) struct Postgres {
    pool: Pool<Connector>,
}

impl Postgres {
    /// Finds a server that can be used, and checks what is relied on.
    pub(super) async fn connect(url: &PostgresUrl, connections: u32) -> Result<Self, ConnectError> {
        let connector = Connector::find(url).await?;
        let timeouts = Timeouts {
            wait: Some(ACQUIRE_LIMIT),
            // The connector limits these itself.
            create: None,
            recycle: None,
        };
        let pool = Pool::builder(connector)
            .max_size(usize::try_from(connections).unwrap_or(usize::MAX))
            // Those that rest are the first to be closed.
            .queue_mode(QueueMode::Lifo)
            .runtime(deadpool::Runtime::Tokio1)
            .timeouts(timeouts)
            .build()
            .map_err(|cause| ConnectError::Schema {
                cause: cause.into(),
            })?;
        let postgres = Self { pool };
        properties::check(&postgres).await?;
        Ok(postgres)
    }

    /// A connection for one transaction that changes the schema, without limits of the server, and the
    /// statements that prepare and end such a transaction.
    pub(super) async fn for_migration(&self) -> Result<Migration, ConnectError> {
        self.pool.manager().for_migration().await
    }

    /// A connection of its own that hears what other nodes say; none behind a pooler.
    pub(super) async fn subscribe(&self) -> Result<Option<Subscription>, DbErr> {
        if self.pool.manager().is_pooled() {
            return Ok(None);
        }
        Subscription::begin(self.pool.clone()).await.map(Some)
    }

    pub(super) async fn begin(&self) -> Result<Transaction, DbErr> {
        Ok(Transaction {
            session: Mutex::new(self.transaction().await?),
            named: self.named(),
        })
    }

    /// Lends no connection any more. Those in use are closed when they come back.
    pub(super) fn close(&self) {
        self.pool.close();
    }

    async fn acquire(&self) -> Result<Session, DbErr> {
        // The making of a connection is a large future; in every read there would be several.
        let connection = Box::pin(self.pool.get()).await;
        let connection = connection.map_err(|cause| match cause {
            PoolError::Backend(failure) => failure.into(),
            PoolError::Closed => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
            _ => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
        })?;
        Ok(Session::new(connection))
    }

    /// A session for one statement.
    async fn session(&self) -> Result<Session, DbErr> {
        if self.pool.manager().is_pooled() {
            self.transaction().await
        } else {
            self.acquire().await
        }
    }

    /// A session in which a transaction has begun.
    async fn transaction(&self) -> Result<Session, DbErr> {
        let begin = self.pool.manager().begin();
        let mut session = self.acquire().await?;
        let mut begun = session.begin(begin).await;
        if session.may_repeat() {
            drop(session);
            session = self.acquire().await?;
            begun = session.begin(begin).await;
        }
        begun.map(|()| session)
    }

    /// Whether a statement may be prepared under a name.
    fn named(&self) -> bool {
        !self.pool.manager().is_pooled()
    }
}

#[async_trait]
impl ConnectionTrait for Postgres {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let mut session = self.session().await?;
        let done = session.execute(statement, self.named()).await?;
        session.finish().await?;
        Ok(done.into())
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let mut session = self.session().await?;
        let done = session.execute_text(sql).await?;
        session.finish().await?;
        Ok(done.into())
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        Ok(self.query_all_raw(statement).await?.into_iter().next())
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut session = self.session().await?;
        let mut rows = session.rows(statement.clone(), self.named()).await;
        if session.may_repeat() {
            drop(session);
            session = self.session().await?;
            rows = session.rows(statement, self.named()).await;
        }
        let rows = rows?;
        session.finish().await?;
        Ok(rows.into_iter().map(QueryResult::from).collect())
    }
}

/// A transaction. Dropped, it is rolled back.
#[derive(Debug)]
pub(super) struct Transaction {
    session: Mutex<Session>,
    named: bool,
}

impl Transaction {
    /// Whether the same use case may succeed in another one; this one has changed nothing.
    pub(super) async fn may_repeat(&self) -> bool {
        self.session.lock().await.may_repeat()
    }

    pub(super) async fn commit(self) -> Result<(), DbErr> {
        self.session.into_inner().finish().await
    }

    pub(super) async fn rollback(self) -> Result<(), DbErr> {
        self.session.into_inner().end("ROLLBACK").await
    }
}

#[async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let done = self
            .session
            .lock()
            .await
            .execute(statement, self.named)
            .await;
        done.map(ExecResult::from)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let done = self.session.lock().await.execute_text(sql).await;
        done.map(ExecResult::from)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        Ok(self.query_all_raw(statement).await?.into_iter().next())
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let rows = self
            .session
            .lock()
            .await
            .rows(statement, self.named)
            .await?;
        Ok(rows.into_iter().map(QueryResult::from).collect())
    }
}
