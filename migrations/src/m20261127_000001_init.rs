//! The first schema. Times are milliseconds since the epoch; ids are UUIDv7; hashes are SHA-256.

use sea_orm_migration::{
    prelude::*,
    schema::{
        big_integer, big_integer_null, blob, blob_null, boolean, text, text_null, uuid, uuid_null,
    },
    sea_orm::{ConnectionTrait, DbBackend},
};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            organizations(),
            accounts(),
            memberships(),
            sessions(),
            grants(),
            refresh_tokens(),
            clients(),
            client_documents(),
            authorizations(),
            consents(),
            linked_identities(),
            api_keys(),
            signing_keys(),
            redeemed_challenges(),
            throttles(),
            outbox(),
        ] {
            manager.create_table(table).await?;
        }
        for index in indexes() {
            manager.create_index(index).await?;
        }
        if manager.get_database_backend() == DbBackend::Postgres {
            for change in POSTGRES_ONLY {
                manager.get_connection().execute_unprepared(change).await?;
            }
        }
        Ok(())
    }
}

/// Texts by which rows are found are compared byte by byte, as they are on SQLite: an index in the order of a
/// language goes wrong when the system's library changes its mind about that order. And what holds back those who guess
/// passwords waits for no disk: a crash of the database forgets who was being held back.
const POSTGRES_ONLY: [&str; 10] = [
    "ALTER TABLE accounts ALTER COLUMN email_normalized TYPE text COLLATE \"C\"",
    "ALTER TABLE signing_keys ALTER COLUMN kid TYPE text COLLATE \"C\"",
    "ALTER TABLE grants ALTER COLUMN client_id TYPE text COLLATE \"C\"",
    "ALTER TABLE client_documents ALTER COLUMN client_id TYPE text COLLATE \"C\"",
    "ALTER TABLE consents ALTER COLUMN client_id TYPE text COLLATE \"C\"",
    "ALTER TABLE consents ALTER COLUMN audience TYPE text COLLATE \"C\"",
    "ALTER TABLE consents ALTER COLUMN destination TYPE text COLLATE \"C\"",
    "ALTER TABLE linked_identities ALTER COLUMN issuer TYPE text COLLATE \"C\"",
    "ALTER TABLE linked_identities ALTER COLUMN subject TYPE text COLLATE \"C\"",
    "ALTER TABLE throttles SET UNLOGGED",
];

fn organizations() -> TableCreateStatement {
    Table::create()
        .table("organizations")
        .col(uuid("id").primary_key())
        .col(text("plan"))
        .col(big_integer("created_at"))
        .col(big_integer_null("disabled_at"))
        // What is deleted is gone at once and purged in pieces.
        .col(big_integer_null("deleted_at"))
        .take()
}

fn accounts() -> TableCreateStatement {
    Table::create()
        .table("accounts")
        .col(uuid("id").primary_key())
        // Its home; the membership says what it may do there.
        .col(uuid("organization_id"))
        .col(text("email"))
        .col(text("email_normalized").unique_key())
        .col(boolean("email_verified"))
        .col(text("display_name"))
        // No engine folds Unicode as the program does.
        .col(text("display_name_folded"))
        .col(text_null("password_hash"))
        .col(boolean("administrator"))
        .col(big_integer("created_at"))
        .col(big_integer("updated_at"))
        .col(big_integer("version"))
        .col(big_integer_null("disabled_at"))
        // Of the request that made it (AIP-155).
        .col(blob_null("request_hash"))
        .foreign_key(
            ForeignKey::create()
                .from("accounts", "organization_id")
                .to("organizations", "id"),
        )
        .take()
}

fn memberships() -> TableCreateStatement {
    Table::create()
        .table("memberships")
        .col(uuid("account_id"))
        .col(uuid("organization_id"))
        .col(text("role"))
        .col(big_integer("created_at"))
        .primary_key(Index::create().col("account_id").col("organization_id"))
        .foreign_key(&mut owned_by("memberships", "account_id", "accounts"))
        .foreign_key(&mut owned_by(
            "memberships",
            "organization_id",
            "organizations",
        ))
        .take()
}

/// One sign-in of a person or a program.
fn sessions() -> TableCreateStatement {
    Table::create()
        .table("sessions")
        .col(uuid("id").primary_key())
        .col(uuid("account_id"))
        // How the person was authenticated (RFC 8176), separated by spaces.
        .col(text("amr"))
        .col(big_integer("created_at"))
        .col(big_integer("expires_at"))
        .col(big_integer_null("revoked_at"))
        .col(text("client_address"))
        .col(blob_null("client_network"))
        .col(text("user_agent"))
        // Of the request that made it (AIP-155).
        .col(blob_null("request_hash").unique_key())
        .foreign_key(&mut owned_by("sessions", "account_id", "accounts"))
        .take()
}

/// What one client may do in a session.
fn grants() -> TableCreateStatement {
    Table::create()
        .table("grants")
        .col(uuid("id").primary_key())
        .col(uuid("session_id"))
        .col(uuid("account_id"))
        .col(text("client_id"))
        .col(text("scopes"))
        // For whom its tokens are (RFC 8707), separated by spaces; empty for the audience of the settings.
        .col(text("audience"))
        .col(boolean("outlives_session"))
        .col(big_integer("created_at"))
        .col(big_integer("refreshed_at"))
        .col(big_integer("expires_at"))
        .col(big_integer_null("revoked_at"))
        .foreign_key(&mut owned_by("grants", "session_id", "sessions"))
        .foreign_key(&mut owned_by("grants", "account_id", "accounts"))
        .take()
}

fn refresh_tokens() -> TableCreateStatement {
    Table::create()
        .table("refresh_tokens")
        .col(blob("hash").primary_key())
        .col(uuid("grant_id"))
        .col(big_integer("created_at"))
        .col(big_integer_null("consumed_at"))
        .foreign_key(&mut owned_by("refresh_tokens", "grant_id", "grants"))
        .take()
}

/// The OAuth clients that registered themselves.
fn clients() -> TableCreateStatement {
    Table::create()
        .table("clients")
        .col(uuid("id").primary_key())
        // RFC 7591 section 2, as JSON.
        .col(text("metadata"))
        .col(blob_null("secret_hash"))
        .col(blob("registration_token_hash"))
        .col(big_integer("created_at"))
        .col(big_integer("used_at"))
        // What was deleted stays known, so that nobody gets its id and everybody learns that it is gone.
        .col(big_integer_null("deleted_at"))
        .take()
}

/// The documents of clients whose id is a URL, as they were last fetched.
fn client_documents() -> TableCreateStatement {
    Table::create()
        .table("client_documents")
        .col(text("client_id").primary_key())
        // Where it stands in lists.
        .col(uuid("id").unique_key())
        .col(text("metadata"))
        .col(big_integer("fetched_at"))
        .col(big_integer("fresh_until"))
        .take()
}

/// What clients asked for, who decided, and the codes that were given for it.
fn authorizations() -> TableCreateStatement {
    Table::create()
        .table("authorizations")
        .col(uuid("id").primary_key())
        .col(text("client_id"))
        // As JSON.
        .col(text("request"))
        .col(big_integer("created_at"))
        .col(big_integer("expires_at"))
        .col(big_integer_null("decided_at"))
        .col(uuid_null("account_id"))
        .col(uuid_null("session_id"))
        .col(blob_null("code_hash").unique_key())
        .col(big_integer_null("code_expires_at"))
        // No foreign key: the grant may be gone before this is.
        .col(uuid_null("grant_id"))
        .foreign_key(&mut owned_by("authorizations", "account_id", "accounts"))
        .foreign_key(&mut owned_by("authorizations", "session_id", "sessions"))
        .take()
}

/// What an account has allowed a client, so that it is not asked again.
fn consents() -> TableCreateStatement {
    Table::create()
        .table("consents")
        .col(uuid("id").primary_key())
        .col(uuid("account_id"))
        .col(text("client_id"))
        // Whom the tokens are for (RFC 8707), in order, separated by spaces; empty for this server.
        .col(text("audience"))
        // The host or the scheme that people are sent back to: they are asked again before they are sent elsewhere.
        .col(text("destination"))
        .col(text("client_name"))
        .col(text("scopes"))
        .col(big_integer("created_at"))
        .col(big_integer("updated_at"))
        .index(
            Index::create()
                .unique()
                .name("consents_account_id_client_id_audience_destination")
                .col("account_id")
                .col("client_id")
                .col("audience")
                .col("destination"),
        )
        .foreign_key(&mut owned_by("consents", "account_id", "accounts"))
        .take()
}

/// Who signs in to an account with an identity at another provider.
fn linked_identities() -> TableCreateStatement {
    Table::create()
        .table("linked_identities")
        .col(uuid("id").primary_key())
        .col(uuid("account_id"))
        // The provider's id in the settings, and who it is in truth.
        .col(text("provider"))
        .col(text("issuer"))
        .col(text("subject"))
        // What the provider told when it was linked.
        .col(text("email"))
        .col(big_integer("created_at"))
        .index(
            Index::create()
                .unique()
                .name("linked_identities_issuer_subject")
                .col("issuer")
                .col("subject"),
        )
        .foreign_key(&mut owned_by("linked_identities", "account_id", "accounts"))
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
        .col(big_integer_null("last_used_at"))
        // No foreign key: the successor may be gone before the key itself is.
        .col(uuid_null("successor_id"))
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

/// The challenges whose solution was used. A challenge that is not here can still be solved.
fn redeemed_challenges() -> TableCreateStatement {
    Table::create()
        .table("redeemed_challenges")
        // The end of the challenge and its random part: one row each, side by side in time.
        .col(blob("key").primary_key())
        .col(big_integer("expires_at"))
        .take()
}

/// What several nodes on one Postgres remember together of sign-ups and of attempts to log in. With SQLite, which has
/// one node, it stays empty.
fn throttles() -> TableCreateStatement {
    Table::create()
        .table("throttles")
        .col(blob("key").primary_key())
        .col(big_integer("spent_until"))
        .col(big_integer("last_at"))
        .col(big_integer("slot_at"))
        .col(big_integer("expires_at"))
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
        .col(big_integer("attempts"))
        .col(big_integer("due_at"))
        .take()
}

fn indexes() -> Vec<IndexCreateStatement> {
    vec![
        index("accounts_organization_id", "accounts", &["organization_id"]),
        // The few rows that lists ask for, without reading the many others.
        index("accounts_administrators", "accounts", &["id"])
            .and_where(Expr::col("administrator"))
            .take(),
        index("organizations_disabled", "organizations", &["id"])
            .and_where(Expr::col("disabled_at").is_not_null())
            .take(),
        index("organizations_deleted", "organizations", &["id"])
            .and_where(Expr::col("deleted_at").is_not_null())
            .take(),
        index(
            "memberships_organization_id",
            "memberships",
            &["organization_id", "account_id"],
        ),
        index("sessions_account_id", "sessions", &["account_id", "id"]),
        // To keep to the cap of live sessions without reading the ended ones.
        index("sessions_unrevoked", "sessions", &["account_id", "id"])
            .and_where(Expr::col("revoked_at").is_null())
            .take(),
        index(
            "sessions_client_network",
            "sessions",
            &["account_id", "client_network"],
        ),
        index("grants_session_id", "grants", &["session_id"]),
        index("grants_account_id", "grants", &["account_id", "id"]),
        // An account's lists, without reading what was revoked.
        index("grants_unrevoked", "grants", &["account_id", "id"])
            .and_where(Expr::col("revoked_at").is_null())
            .take(),
        index("api_keys_unrevoked", "api_keys", &["account_id", "id"])
            .and_where(Expr::col("revoked_at").is_null())
            .take(),
        index("refresh_tokens_grant_id", "refresh_tokens", &["grant_id"]),
        index("grants_client_id", "grants", &["client_id"]),
        index(
            "authorizations_account_id",
            "authorizations",
            &["account_id"],
        ),
        index(
            "authorizations_session_id",
            "authorizations",
            &["session_id"],
        ),
        index(
            "authorizations_undecided",
            "authorizations",
            &["expires_at"],
        )
        .and_where(Expr::col("decided_at").is_null())
        .take(),
        index("clients_used_at", "clients", &["used_at"]),
        index("consents_client_id", "consents", &["client_id", "id"]),
        index("consents_account_id", "consents", &["account_id", "id"]),
        index(
            "linked_identities_account_id",
            "linked_identities",
            &["account_id", "id"],
        ),
        index("api_keys_account_id", "api_keys", &["account_id", "id"]),
        index("outbox_due_at", "outbox", &["due_at"]),
        // The purge finds what ended by these without reading what lives.
        index("sessions_expires_at", "sessions", &["expires_at"]),
        where_set("sessions_revoked_at", "sessions", "revoked_at"),
        index("grants_expires_at", "grants", &["expires_at"]),
        where_set("grants_revoked_at", "grants", "revoked_at"),
        where_set("api_keys_expires_at", "api_keys", "expires_at"),
        where_set("api_keys_revoked_at", "api_keys", "revoked_at"),
        index(
            "redeemed_challenges_expires_at",
            "redeemed_challenges",
            &["expires_at"],
        ),
        index("throttles_expires_at", "throttles", &["expires_at"]),
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
    name: &'static str,
    table: &'static str,
    columns: &[&'static str],
) -> IndexCreateStatement {
    let mut index = Index::create().name(name).table(table).take();
    for column in columns {
        index.col(*column);
    }
    index
}

fn where_set(
    name: &'static str,
    table: &'static str,
    column: &'static str,
) -> IndexCreateStatement {
    index(name, table, &[column])
        .and_where(Expr::col(column).is_not_null())
        .take()
}
