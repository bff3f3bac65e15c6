//! The schema of Countersign, one file per change, for SQLite and Postgres.
//!
//! A change is frozen once it has landed: what follows it is a new file.
//!
//! Nodes of two versions use one database while a cluster is upgraded, so changes expand first and contract a version later.
//! A change that the version before can live with (new tables and indexes; new columns that are null or have a default) has
//! `_expand_` in its name, as in `m20270105_000002_expand_api_keys`: that version goes on beside it, and starts beside it.
//! What a version has stopped using is removed by the next one.

mod m20261127_000001_init;

use sea_orm_migration::{
    IntoSchemaManagerConnection, MigrationTrait, MigratorTrait,
    sea_orm::{ConnectionTrait, DbBackend, DbErr, EntityTrait, QueryOrder, Statement},
    seaql_migrations,
};

/// Where sea-orm-migration notes what was applied.
const TABLE: &str = "seaql_migrations";

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m20261127_000001_init::Migration)]
    }
}

/// The names of all changes that this build knows, the oldest first.
#[must_use]
pub fn known() -> Vec<String> {
    Migrator::migrations()
        .iter()
        .map(|change| change.name().to_owned())
        .collect()
}

/// The names of the changes that a database has seen, the oldest first. Writes nothing.
///
/// # Errors
/// The database cannot be read.
pub async fn applied(database: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let engine = database.get_database_backend();
    let named = match engine {
        DbBackend::Sqlite => "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ",
        _ => {
            "SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = current_schema() AND tablename = "
        }
    };
    let named = Statement::from_string(engine, format!("{named}'{TABLE}'"));
    if database.query_one_raw(named).await?.is_none() {
        return Ok(Vec::new());
    }
    let rows = seaql_migrations::Entity::find()
        .order_by_asc(seaql_migrations::Column::Version)
        .all(database)
        .await?;
    Ok(rows.into_iter().map(|row| row.version).collect())
}

/// Whether a version that does not know this change can live with it.
#[must_use]
pub fn is_expansion(change: &str) -> bool {
    change.contains("_expand_")
}

/// Applies what a database has not seen, within the transaction that is given, or in which the connection is.
///
/// # Errors
/// A change failed, or the database has seen one that this build does not know.
pub async fn apply<'c>(transaction: impl IntoSchemaManagerConnection<'c>) -> Result<(), DbErr> {
    Migrator::up(transaction, None).await
}
