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

/// The tenant: has accounts as its members, and pays for them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// Its plan.
    pub plan: Plan,
    /// When it was made.
    pub created_at: Timestamp,
    /// When an administrator disabled it with all its accounts; absent while it may be used.
    pub disabled_at: Option<Timestamp>,
}

/// What an account may do in an organization.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// Owns it. On the paid plan, reaches all of its accounts.
    Owner,
    /// Helps the owner. Nothing gives this role yet.
    Admin,
    /// Has an account in it.
    Member,
}

impl Role {
    /// The name that the database keeps.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Member => "member",
        }
    }

    /// The role with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Owner, Self::Admin, Self::Member]
            .into_iter()
            .find(|role| role.as_str() == name)
    }
}

/// A principal that signs in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its home: the organization that it was made in. Read with the account; only the id is written with it.
    pub organization: Organization,
    /// What it may do there.
    pub role: Role,
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
    /// Whether it administers the server.
    pub administrator: bool,
    /// Tells the request that made it from others (AIP-155); absent when that had no id.
    pub request_hash: Option<[u8; 32]>,
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
        [self.disabled_at, self.organization.disabled_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether it owns an organization on the paid plan, and so reaches all accounts of that.
    #[must_use]
    pub fn owns_paid_organization(&self) -> bool {
        self.organization.plan == Plan::Pro && self.role == Role::Owner
    }
}

/// Splits a display name into first name and surname at the first space, as SMTPD shows it.
#[must_use]
pub fn split_name(display_name: &str) -> (&str, &str) {
    display_name.split_once(' ').unwrap_or((display_name, ""))
}
