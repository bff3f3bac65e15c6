//! API keys.

use crate::{
    env::Timestamp,
    model::{
        id::{AccountId, ApiKeyId},
        scope::Scopes,
    },
};

/// The kind of an API key, told by the prefix of its secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ApiKeyKind {
    /// A key of this service.
    Standard,
    /// MailKite's kind.
    MailKite,
    /// Mail.td's kind, for organizations on the paid plan.
    MailTd,
}

impl ApiKeyKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Standard, Self::MailKite, Self::MailTd];

    /// What secrets of this kind start with; also the name that the database keeps.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Standard => "cs_live_",
            Self::MailKite => "mk_live_",
            Self::MailTd => "tm_pro_",
        }
    }

    /// The kind whose secrets start with this prefix.
    #[must_use]
    pub fn from_prefix(prefix: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.prefix() == prefix)
    }
}

/// A long-lived credential for a program.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// The account that it acts as.
    pub account_id: AccountId,
    /// Its kind.
    pub kind: ApiKeyKind,
    /// The SHA-256 of its secret.
    pub hash: [u8; 32],
    /// The start of its secret, to recognize it by.
    pub hint: String,
    /// What it is for.
    pub display_name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; absent for never.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// The key that takes its place, once it was rotated.
    pub successor_id: Option<ApiKeyId>,
}

impl ApiKey {
    /// Whether the key can be used at this moment.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}
