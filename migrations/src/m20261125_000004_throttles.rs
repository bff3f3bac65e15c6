//! What several nodes on one Postgres remember together of sign-ups and of attempts to log in (with SQLite,
//! which has one node, that table stays empty), and the networks in which an account has had sessions.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, blob, blob_null},
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
        networks_of_sessions(manager).await
    }

    // SQLite would otherwise keep half of a change that failed.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

/// Sessions that were made before know no network, and count for none until they end.
async fn networks_of_sessions(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let column = Table::alter()
        .table("sessions")
        .add_column(blob_null("client_network"))
        .take();
    manager.alter_table(column).await?;
    let index = Index::create()
        .name("sessions_client_network")
        .table("sessions")
        .col("account_id")
        .col("client_network")
        .take();
    manager.create_index(index).await
}
