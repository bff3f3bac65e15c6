//! The schema of Countersign, one file per change, for SQLite and Postgres.
//!
//! A change is frozen once it has landed: what follows it is a new file.

mod m20261122_000001_init;
mod m20261125_000001_administration;
mod m20261125_000002_challenges;
mod m20261125_000003_api_key_use;
mod m20261125_000004_throttles;
mod m20261126_000001_mailboxes;
mod m20261126_000002_deletion;

use sea_orm_migration::{
    MigrationTrait, MigratorTrait, SchemaManager,
    sea_orm::{DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait, QueryOrder},
    seaql_migrations,
};

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261122_000001_init::Migration),
            Box::new(m20261125_000001_administration::Migration),
            Box::new(m20261125_000002_challenges::Migration),
            Box::new(m20261125_000003_api_key_use::Migration),
            Box::new(m20261125_000004_throttles::Migration),
            Box::new(m20261126_000001_mailboxes::Migration),
            Box::new(m20261126_000002_deletion::Migration),
        ]
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
pub async fn applied(database: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let table = Migrator::migration_table_name().to_string();
    if !SchemaManager::new(database).has_table(table).await? {
        return Ok(Vec::new());
    }
    let rows = seaql_migrations::Entity::find()
        .order_by_asc(seaql_migrations::Column::Version)
        .all(database)
        .await?;
    Ok(rows.into_iter().map(|row| row.version).collect())
}

/// Applies what a database has not seen, within the transaction that is given.
///
/// # Errors
/// A change failed, or the database has seen one that this build does not know.
pub async fn apply(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    Migrator::up(transaction, None).await
}

/// Applies the first so many changes to an empty database: the schema as an earlier build left it.
///
/// # Errors
/// A change failed.
pub async fn apply_first(transaction: &DatabaseTransaction, changes: u32) -> Result<(), DbErr> {
    Migrator::up(transaction, Some(changes)).await
}
