//! What administrators need: accounts and organizations that can be disabled, who administers, and names
//! that can be searched whatever their case.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer_null, boolean, text},
    sea_orm::ConnectionTrait,
};
use unicase::UniCase;
use unicode_normalization::UnicodeNormalization;

/// How many names are read at a time.
const BATCH: u64 = 1000;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in [
            ("accounts", big_integer_null("disabled_at")),
            ("accounts", boolean("administrator").default(false).take()),
            ("accounts", text("display_name_folded").default("").take()),
            ("organizations", big_integer_null("disabled_at")),
        ] {
            // SQLite adds one column at a time.
            let change = Table::alter().table(table).add_column(column).take();
            manager.alter_table(change).await?;
        }
        for index in indexes() {
            manager.create_index(index).await?;
        }
        fold_names(manager.get_connection()).await
    }

    // SQLite would otherwise keep half of a change that failed.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

/// The few rows that lists ask for, without reading the many others.
fn indexes() -> Vec<IndexCreateStatement> {
    vec![
        Index::create()
            .name("organizations_disabled")
            .table("organizations")
            .col("id")
            .and_where(Expr::col("disabled_at").is_not_null())
            .take(),
        Index::create()
            .name("accounts_administrators")
            .table("accounts")
            .col("id")
            .and_where(Expr::col("administrator"))
            .take(),
    ]
}

/// Writes the folded form of every name that was there before. No engine folds Unicode as the program does.
async fn fold_names(database: &SchemaManagerConnection<'_>) -> Result<(), DbErr> {
    let mut after = None;
    loop {
        let names = Query::select()
            .columns(["id", "display_name"])
            .from("accounts")
            .and_where(Expr::col("display_name").ne(""))
            .and_where_option(after.map(|id: uuid::Uuid| Expr::col("id").gt(id)))
            .order_by("id", Order::Asc)
            .limit(BATCH)
            .take();
        let rows = database.query_all(&names).await?;
        for row in &rows {
            let id = row.try_get_by_index(0)?;
            let folded = fold(&row.try_get_by_index::<String>(1)?);
            let change = Query::update()
                .table("accounts")
                .value("display_name_folded", folded)
                .and_where(Expr::col("id").eq(id))
                .take();
            database.execute(&change).await?;
            after = Some(id);
        }
        if rows.is_empty() {
            return Ok(());
        }
    }
}

/// As `model::email::normalize` did when this change was made.
fn fold(name: &str) -> String {
    let decomposed: String = name.trim().nfd().collect();
    UniCase::unicode(decomposed)
        .to_folded_case()
        .nfc()
        .collect()
}
