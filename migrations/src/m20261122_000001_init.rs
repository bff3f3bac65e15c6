//! The first schema. Times are milliseconds since the epoch; ids are UUIDv7; hashes are SHA-256.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, big_integer_null, blob, boolean, integer, text, text_null, uuid},
};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            organizations(),
            accounts(),
            sessions(),
            refresh_tokens(),
            api_keys(),
            signing_keys(),
            outbox(),
        ] {
            manager.create_table(table).await?;
        }
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    // SQLite would otherwise keep half of a change that failed.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

fn organizations() -> TableCreateStatement {
    Table::create()
        .table("organizations")
        .col(uuid("id").primary_key())
        .col(text("plan"))
        // The owner is written after its organization, so this cannot be a foreign key.
        .col(uuid("owner_id"))
        .col(big_integer("created_at"))
        .take()
}

fn accounts() -> TableCreateStatement {
    Table::create()
        .table("accounts")
        .col(uuid("id").primary_key())
        .col(uuid("organization_id"))
        .col(text("email"))
        .col(text("email_normalized").unique_key())
        .col(boolean("email_verified"))
        .col(text("display_name"))
        .col(text_null("password_hash"))
        .col(big_integer("created_at"))
        .col(big_integer("updated_at"))
        .col(big_integer("version"))
        .foreign_key(
            ForeignKey::create()
                .from("accounts", "organization_id")
                .to("organizations", "id"),
        )
        .take()
}

fn sessions() -> TableCreateStatement {
    Table::create()
        .table("sessions")
        .col(uuid("id").primary_key())
        .col(uuid("account_id"))
        .col(text("profile"))
        .col(text("scopes"))
        .col(big_integer("created_at"))
        .col(big_integer("refreshed_at"))
        .col(big_integer("expires_at"))
        .col(big_integer_null("revoked_at"))
        .col(text("client_address"))
        .col(text("user_agent"))
        .foreign_key(&mut owned_by("sessions", "account_id", "accounts"))
        .take()
}

fn refresh_tokens() -> TableCreateStatement {
    Table::create()
        .table("refresh_tokens")
        .col(blob("hash").primary_key())
        .col(uuid("session_id"))
        .col(big_integer("created_at"))
        .col(big_integer_null("consumed_at"))
        .foreign_key(&mut owned_by("refresh_tokens", "session_id", "sessions"))
        .take()
}

fn api_keys() -> TableCreateStatement {
    Table::create()
        .table("api_keys")
        .col(uuid("id").primary_key())
        .col(uuid("account_id"))
        .col(text("kind"))
        .col(blob("hash").unique_key())
        .col(text("hint"))
        .col(text("display_name"))
        .col(text("scopes"))
        .col(big_integer("created_at"))
        .col(big_integer_null("expires_at"))
        .col(big_integer_null("revoked_at"))
        .foreign_key(&mut owned_by("api_keys", "account_id", "accounts"))
        .take()
}

fn signing_keys() -> TableCreateStatement {
    Table::create()
        .table("signing_keys")
        .col(text("kid").primary_key())
        .col(text("algorithm"))
        .col(blob("sealed"))
        .col(big_integer("created_at"))
        .col(big_integer("active_at"))
        .col(big_integer_null("retired_at"))
        .col(big_integer_null("expires_at"))
        .take()
}

fn outbox() -> TableCreateStatement {
    Table::create()
        .table("outbox")
        .col(uuid("id").primary_key())
        .col(text("recipient"))
        .col(text("subject"))
        .col(text("body"))
        .col(big_integer("created_at"))
        .col(integer("attempts"))
        .col(big_integer("due_at"))
        .take()
}

fn indexes() -> Vec<IndexCreateStatement> {
    vec![
        index("accounts", "accounts_organization_id", &["organization_id"]),
        index("sessions", "sessions_account_id", &["account_id", "id"]),
        index(
            "refresh_tokens",
            "refresh_tokens_session_id",
            &["session_id"],
        ),
        index("api_keys", "api_keys_account_id", &["account_id", "id"]),
        index("outbox", "outbox_due_at", &["due_at"]),
        // The purge finds what ended by these without reading what lives.
        index("sessions", "sessions_expires_at", &["expires_at"]),
        where_set("sessions", "sessions_revoked_at", "revoked_at"),
        where_set("api_keys", "api_keys_expires_at", "expires_at"),
        where_set("api_keys", "api_keys_revoked_at", "revoked_at"),
    ]
}

fn owned_by(
    table: &'static str,
    column: &'static str,
    owner: &'static str,
) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .from(table, column)
        .to(owner, "id")
        .on_delete(ForeignKeyAction::Cascade)
        .take()
}

fn index(
    table: &'static str,
    name: &'static str,
    columns: &[&'static str],
) -> IndexCreateStatement {
    let mut index = Index::create().name(name).table(table).take();
    for column in columns {
        index.col(*column);
    }
    index
}

fn where_set(
    table: &'static str,
    name: &'static str,
    column: &'static str,
) -> IndexCreateStatement {
    index(table, name, &[column])
        .and_where(Expr::col(column).is_not_null())
        .take()
}
