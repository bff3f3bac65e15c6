//! What a person has allowed an OAuth client.

use super::{
    id::{AccountId, ConsentId},
    scope::Scopes,
};
use crate::env::Timestamp;

/// What an account has allowed a client that sends people to one place, with tokens for one audience.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Consent {
    /// Its id. One that is allowed more keeps it.
    pub id: ConsentId,
    /// Who allows it.
    pub account_id: AccountId,
    /// The client.
    pub client_id: String,
    /// What the client called itself at that time.
    pub client_name: String,
    /// Whom the tokens may be for; empty for the audience of the configuration.
    pub audience: Vec<String>,
    /// Where the client had the person sent back to: see [`redirect::destination`](super::oauth::redirect::destination).
    pub destination: String,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was first allowed something.
    pub created_at: Timestamp,
    /// When it was last allowed something.
    pub updated_at: Timestamp,
}
