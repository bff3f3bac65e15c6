//! What is deleted is gone at once and purged in pieces: an organization that is marked, with all in it. And the
//! sessions of an account that were not revoked are found without reading the others, to keep to their cap.

use sea_orm_migration::{prelude::*, schema::big_integer_null};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let deleted = Table::alter()
            .table("organizations")
            .add_column(big_integer_null("deleted_at"))
            .take();
        manager.alter_table(deleted).await?;
        let deleted = Index::create()
            .name("organizations_deleted")
            .table("organizations")
            .col("id")
            .and_where(Expr::col("deleted_at").is_not_null())
            .take();
        let unrevoked = Index::create()
            .name("sessions_unrevoked")
            .table("sessions")
            .col("account_id")
            .col("id")
            .and_where(Expr::col("revoked_at").is_null())
            .take();
        manager.create_index(deleted).await?;
        manager.create_index(unrevoked).await
    }

    // SQLite would otherwise keep half of a change that failed.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
