//! The challenges whose solution was used. A challenge that is not here can still be solved.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, blob},
};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("redeemed_challenges")
            // The end of the challenge and its random part: one row each, side by side in time.
            .col(blob("key").primary_key())
            .col(big_integer("expires_at"))
            .take();
        manager.create_table(table).await?;
        // The purge finds what ended by this.
        let index = Index::create()
            .name("redeemed_challenges_expires_at")
            .table("redeemed_challenges")
            .col("expires_at")
            .take();
        manager.create_index(index).await
    }

    // SQLite would otherwise keep half of a change that failed.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
