//! Sessions, the grants in them, and their refresh tokens.

use crate::{
    env::Timestamp,
    model::{
        id::{AccountId, GrantId, SessionId},
        scope::Scopes,
    },
};

/// How a person was authenticated by a password (RFC 8176 section 2).
pub const PASSWORD: &str = "pwd";
/// How a person was authenticated by another provider. RFC 8176 has no name for it; this one is that of others.
pub const FEDERATED: &str = "fed";

/// One sign-in of a person or a program.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Session {
    /// Its id, the `sid` of tokens.
    pub id: SessionId,
    /// The account that signed in.
    pub account_id: AccountId,
    /// How it was authenticated: methods of RFC 8176, or [`FEDERATED`].
    pub amr: Vec<String>,
    /// When it signed in: the `auth_time` of OpenID Connect.
    pub created_at: Timestamp,
    /// When the session ends.
    pub expires_at: Timestamp,
    /// When it was ended early.
    pub revoked_at: Option<Timestamp>,
    /// The address that signed in.
    pub client_address: String,
    /// The program that signed in, as it named itself.
    pub user_agent: String,
    /// Tells the request that made it from others (AIP-155); absent when that had no id.
    pub request_hash: Option<[u8; 32]>,
}

impl Session {
    /// Whether the session is not over at this moment.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }
}

/// What one client may do in a session: all access and refresh tokens that follow from one permission.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Grant {
    /// Its id, the `grant_id` of access tokens.
    pub id: GrantId,
    /// The session that it was given in.
    pub session_id: SessionId,
    /// The account whose it is.
    pub account_id: AccountId,
    /// The client that it was given to.
    pub client_id: String,
    /// What the client may do.
    pub scopes: Scopes,
    /// For whom its tokens are (RFC 8707); empty for the audience of the configuration.
    pub audience: Vec<String>,
    /// Whether it goes on when its session has ended.
    pub outlives_session: bool,
    /// When it was given.
    pub created_at: Timestamp,
    /// When it last got an access token.
    pub refreshed_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was ended early. The end of its session ends it too, unless it outlives that.
    pub revoked_at: Option<Timestamp>,
}

impl Grant {
    /// Whether its tokens can be used at this moment.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }
}

/// A refresh token as the database keeps it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RefreshToken {
    /// The SHA-256 of the token.
    pub hash: [u8; 32],
    /// The grant that it belongs to.
    pub grant_id: GrantId,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When it was traded for its successor, where refresh tokens rotate.
    pub consumed_at: Option<Timestamp>,
}

impl RefreshToken {
    /// A token that nobody has traded.
    #[must_use]
    pub fn new(hash: [u8; 32], grant_id: GrantId, created_at: Timestamp) -> Self {
        Self {
            hash,
            grant_id,
            created_at,
            consumed_at: None,
        }
    }
}
