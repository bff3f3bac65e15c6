//! When each API key was last used, and which one took its place.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer_null, uuid_null},
};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // One at a time: SQLite takes no two in one statement.
        for column in [
            big_integer_null("last_used_at"),
            // No foreign key: the successor may be gone before the key itself is.
            uuid_null("successor_id"),
        ] {
            let change = Table::alter().table("api_keys").add_column(column).take();
            manager.alter_table(change).await?;
        }
        Ok(())
    }

    // SQLite would otherwise keep half of a change that failed.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
