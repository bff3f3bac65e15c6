//! The schema: how it stands to this build, and bringing it up to date.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, TransactionTrait};
use tokio::time::timeout;

use super::{
    Engine, Store,
    connect::{self, ConnectError},
    entity,
    postgres::Postgres,
    sqlite,
};

type Result<T> = std::result::Result<T, ConnectError>;

/// How long the changes of the schema may take, and with them those of another node that is at it.
const MIGRATION_LIMIT: Duration = Duration::from_secs(60 * 60);
/// How long the connection for them may take to close.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// How the schema of a database stands to this build.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SchemaState {
    /// It is one that this build works with: its own, or one that a newer version has only added to.
    Current,
    /// These changes are still to be made, in this order.
    Pending(Vec<String>),
    /// A newer version of this program has changed it; this is the newest change.
    Newer(String),
}

/// What a transaction that changes the schema of Postgres needs.
pub(super) struct Migration {
    /// A single connection.
    pub(super) connection: DatabaseConnection,
    /// To be run before the first change.
    pub(super) begin: Vec<String>,
    /// To be run after the last one.
    pub(super) end: Vec<String>,
}

impl Store {
    /// Brings the schema up to date, all of it or nothing. Several nodes may do this at once.
    ///
    /// # Errors
    /// A newer version has changed the schema, or a change failed.
    pub async fn migrate(&self) -> Result<()> {
        match self.schema().await? {
            SchemaState::Current => return Ok(()),
            SchemaState::Newer(change) => return Err(ConnectError::NewerSchema { change }),
            SchemaState::Pending(_) => {}
        }
        match &self.inner.engine {
            Engine::Sqlite(file) => sqlite::migrate(file.path()).await.map_err(schema_error)?,
            Engine::Postgres(postgres) => migrate_postgres(postgres).await?,
        }
        self.check_tables().await
    }

    /// How the schema stands. Changes nothing.
    ///
    /// # Errors
    /// The database cannot be read, or its schema is damaged or another program's.
    pub async fn schema(&self) -> Result<SchemaState> {
        let known = countersign_migrations::known();
        let mut applied = self.applied().await?;
        // A newer version may have added to it while a cluster is upgraded.
        applied.retain(|it| known.contains(it) || !countersign_migrations::is_expansion(it));
        let state = compare(applied, known)?;
        if state == SchemaState::Current {
            self.check_tables().await?;
        }
        Ok(state)
    }

    /// Whether every table has the columns that this build reads and writes.
    async fn check_tables(&self) -> Result<()> {
        let checked = entity::check(&self.read().database).await;
        checked.map_err(|cause| ConnectError::DamagedSchema {
            cause: cause.into(),
        })
    }

    /// Whether the database has never been used: it has no schema.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn is_empty(&self) -> Result<bool> {
        Ok(self.applied().await?.is_empty())
    }

    async fn applied(&self) -> Result<Vec<String>> {
        countersign_migrations::applied(&self.read().database)
            .await
            .map_err(schema_error)
    }
}

fn schema_error(cause: DbErr) -> ConnectError {
    ConnectError::Schema {
        cause: cause.into(),
    }
}

pub(super) fn compare(applied: Vec<String>, known: Vec<String>) -> Result<SchemaState> {
    if !applied.is_empty() && applied.iter().all(|change| !known.contains(change)) {
        return Err(ConnectError::ForeignSchema);
    }
    let newer = applied.iter().rev().find(|change| !known.contains(change));
    if let Some(change) = newer {
        return Ok(SchemaState::Newer(change.clone()));
    }
    let pending: Vec<String> = known
        .into_iter()
        .filter(|change| !applied.contains(change))
        .collect();
    Ok(if pending.is_empty() {
        SchemaState::Current
    } else {
        SchemaState::Pending(pending)
    })
}

async fn migrate_postgres(postgres: &Postgres) -> Result<()> {
    let migration = postgres.for_migration().await?;
    let migrated = timeout(MIGRATION_LIMIT, migrate(&migration)).await;
    // What does not close is of no consequence: it has committed, or it never will.
    let _ = timeout(CLOSE_LIMIT, migration.connection.close_by_ref()).await;
    let migrated = migrated.map_err(|cause| ConnectError::Schema {
        cause: cause.into(),
    })?;
    migrated.map_err(schema_error)
}

/// All pending changes in one transaction, which only one node at a time is in.
async fn migrate(migration: &Migration) -> std::result::Result<(), DbErr> {
    let transaction = migration.connection.begin().await?;
    for statement in &migration.begin {
        transaction.execute_unprepared(statement).await?;
    }
    let lock = format!("SELECT pg_advisory_xact_lock({})", connect::SCHEMA_LOCK);
    transaction.execute_unprepared(&lock).await?;
    countersign_migrations::apply(&transaction).await?;
    for statement in &migration.end {
        transaction.execute_unprepared(statement).await?;
    }
    transaction.commit().await
}
