//! What several nodes on one Postgres remember together of sign-ups and of attempts to log in. With SQLite,
//! which has one node, the table stays empty.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, blob},
    sea_orm::DbBackend,
};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("throttles")
            .col(blob("key").primary_key())
            .col(big_integer("spent_until"))
            .col(big_integer("last_at"))
            .col(big_integer("turn_at"))
            .col(big_integer("expires_at"))
            .take();
        manager.create_table(table).await?;
        let index = Index::create()
            .name("throttles_expires_at")
            .table("throttles")
            .col("expires_at")
            .take();
        manager.create_index(index).await?;
        // Nothing waits for the disk, and a crash of the database forgets who was being held back.
        if manager.get_database_backend() == DbBackend::Postgres {
            manager
                .get_connection()
                .execute_unprepared("ALTER TABLE throttles SET UNLOGGED")
                .await?;
        }
        Ok(())
    }

    // SQLite would otherwise keep half of a change that failed.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
