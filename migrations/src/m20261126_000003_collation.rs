//! Texts by which rows are found are compared byte by byte on Postgres, as they always were on SQLite: an
//! index in the order of a language goes wrong when the system's library changes its mind about that order.

use sea_orm_migration::{
    prelude::*,
    sea_orm::{ConnectionTrait, DbBackend},
};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() != DbBackend::Postgres {
            return Ok(());
        }
        for (table, column) in [("accounts", "email_normalized"), ("signing_keys", "kid")] {
            let change =
                format!("ALTER TABLE {table} ALTER COLUMN {column} TYPE text COLLATE \"C\"");
            let database = manager.get_connection();
            database.execute_unprepared(&change).await?;
        }
        Ok(())
    }

    // SQLite would otherwise keep half of a change that failed.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
