//! The tables as sea-orm sees them. Nothing outside the store knows of these types.

pub(super) mod account;
pub(super) mod api_key;
pub(super) mod authorization;
pub(super) mod client;
pub(super) mod client_document;
pub(super) mod consent;
pub(super) mod grant;
pub(super) mod linked_identity;
pub(super) mod membership;
pub(super) mod organization;
pub(super) mod outbox;
pub(super) mod redeemed_challenge;
pub(super) mod refresh_token;
pub(super) mod session;
pub(super) mod signing_key;
pub(super) mod throttle;

use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QuerySelect};

use crate::error::Error;

/// A row that this build cannot read: written by another version, or by hand.
#[derive(Debug, thiserror::Error)]
#[error("a row of {table} has a {column} that this version does not know")]
struct Unreadable {
    table: &'static str,
    column: &'static str,
}

fn unreadable(table: &'static str, column: &'static str) -> Error {
    Error::internal(Unreadable { table, column })
}

/// Asks every table for its columns, and for no row.
pub(super) async fn check(database: &impl ConnectionTrait) -> Result<(), DbErr> {
    check_one::<account::Entity>(database).await?;
    check_one::<api_key::Entity>(database).await?;
    check_one::<authorization::Entity>(database).await?;
    check_one::<client::Entity>(database).await?;
    check_one::<client_document::Entity>(database).await?;
    check_one::<consent::Entity>(database).await?;
    check_one::<grant::Entity>(database).await?;
    check_one::<linked_identity::Entity>(database).await?;
    check_one::<membership::Entity>(database).await?;
    check_one::<organization::Entity>(database).await?;
    check_one::<outbox::Entity>(database).await?;
    check_one::<redeemed_challenge::Entity>(database).await?;
    check_one::<refresh_token::Entity>(database).await?;
    check_one::<session::Entity>(database).await?;
    check_one::<signing_key::Entity>(database).await?;
    check_one::<throttle::Entity>(database).await
}

async fn check_one<E: EntityTrait>(database: &impl ConnectionTrait) -> Result<(), DbErr> {
    E::find().limit(0).all(database).await.map(drop)
}
