//! The tables as sea-orm sees them. Nothing outside the store knows of these types.

pub(super) mod account;
pub(super) mod api_key;
pub(super) mod organization;
pub(super) mod outbox;
pub(super) mod redeemed_challenge;
pub(super) mod refresh_token;
pub(super) mod session;
pub(super) mod signing_key;
pub(super) mod throttle;

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
