//! Sessions, the refresh tokens in them, and the promises that each profile makes.

use crate::{
    env::Timestamp,
    model::{
        id::{AccountId, SessionId},
        scope::Scopes,
    },
};

/// The promises that a session keeps.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Profile {
    /// This service's own: a new refresh token at every refresh.
    Native,
    /// MailKite's: a long-lived access token and no refresh.
    MailKite,
    /// SMTPD's: one refresh token, and a new log-in ends earlier sessions of this profile.
    Smtpd,
    /// `MoMail`'s: one refresh token.
    MoMail,
    /// Mail.td's e-mail token: long-lived, no refresh, and good for its own account alone.
    MailTd,
    /// Mail.td's Pro token: long-lived and no refresh.
    MailTdPro,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 6] = [
        Self::Native,
        Self::MailKite,
        Self::Smtpd,
        Self::MoMail,
        Self::MailTd,
        Self::MailTdPro,
    ];

    /// The name that the database keeps.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "countersign",
            Self::MailKite => "mailkite",
            Self::Smtpd => "smtpd",
            Self::MoMail => "momail",
            Self::MailTd => "mailtd",
            Self::MailTdPro => "mailtd-pro",
        }
    }

    /// The profile with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.as_str() == name)
    }

    /// Whether sessions have refresh tokens.
    #[must_use]
    pub const fn refreshes(self) -> bool {
        !matches!(self, Self::MailKite | Self::MailTd | Self::MailTdPro)
    }

    /// Whether each refresh replaces the refresh token.
    #[must_use]
    pub const fn rotates(self) -> bool {
        matches!(self, Self::Native)
    }

    /// Whether a new log-in ends the account's earlier sessions of this profile.
    #[must_use]
    pub const fn replaces_earlier(self) -> bool {
        matches!(self, Self::Smtpd)
    }
}

/// One signed-in device or program: a family of access and refresh tokens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Session {
    /// Its id, the `sid` of its access tokens.
    pub id: SessionId,
    /// The account that signed in.
    pub account_id: AccountId,
    /// The promises that it keeps.
    pub profile: Profile,
    /// What it may do.
    pub scopes: Scopes,
    /// When the person signed in.
    pub created_at: Timestamp,
    /// When it last got an access token.
    pub refreshed_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was ended early.
    pub revoked_at: Option<Timestamp>,
    /// The address that signed in.
    pub client_address: String,
    /// The program that signed in, as it named itself.
    pub user_agent: String,
}

impl Session {
    /// Whether the session can be used at this moment.
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
    /// The session that it belongs to.
    pub session_id: SessionId,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When it was traded for its successor, in profiles that rotate.
    pub consumed_at: Option<Timestamp>,
}
