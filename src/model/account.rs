//! Accounts and the organizations that they belong to.

use crate::{
    env::Timestamp,
    model::{
        email::Email,
        id::{AccountId, OrganizationId},
    },
};

/// What an organization has paid for; limits follow it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Plan {
    /// The default.
    #[default]
    Free,
    /// The paid plan.
    Pro,
}

impl Plan {
    /// The name that the database keeps.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Pro => "pro",
        }
    }

    /// The plan with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Free, Self::Pro]
            .into_iter()
            .find(|plan| plan.as_str() == name)
    }
}

/// The tenant: owns accounts and pays for them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// Its plan.
    pub plan: Plan,
    /// The one account that owns it.
    pub owner_id: AccountId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When an administrator disabled it with all its accounts; absent while it may be used.
    pub disabled_at: Option<Timestamp>,
}

/// A principal that signs in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// The organization that it belongs to.
    pub organization_id: OrganizationId,
    /// The plan of that organization. Read with the account, never written with it.
    pub plan: Plan,
    /// Whether it owns that organization. Read with the account, never written with it.
    pub organization_owner: bool,
    /// Its e-mail address.
    pub email: Email,
    /// Whether mail to the address has been shown to reach its owner.
    pub email_verified: bool,
    /// What to call the person; may be empty.
    pub display_name: String,
    /// The Argon2id hash of its password in PHC form; absent when it signs in by other means.
    pub password_hash: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Counts its changes; the etag.
    pub version: i64,
    /// When an administrator disabled it; absent while it may be used.
    pub disabled_at: Option<Timestamp>,
    /// When its organization was disabled. Read with the account, never written with it.
    pub organization_disabled_at: Option<Timestamp>,
    /// Whether it administers the server.
    pub administrator: bool,
}

impl Account {
    /// Whether nobody may act as this account, because it or its organization is disabled.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.disabled_since().is_some()
    }

    /// Since when nobody may act as this account.
    #[must_use]
    pub fn disabled_since(&self) -> Option<Timestamp> {
        [self.disabled_at, self.organization_disabled_at]
            .into_iter()
            .flatten()
            .min()
    }
}

impl Account {
    /// Whether it owns an organization on the paid plan, and so reaches all accounts of that.
    #[must_use]
    pub fn owns_paid_organization(&self) -> bool {
        self.plan == Plan::Pro && self.organization_owner
    }
}

/// Splits a display name into first name and surname at the first space, as SMTPD shows it.
#[must_use]
pub fn split_name(display_name: &str) -> (&str, &str) {
    display_name.split_once(' ').unwrap_or((display_name, ""))
}
