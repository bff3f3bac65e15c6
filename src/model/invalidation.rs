//! Of which remembered callers a change has made something out of date.

use std::{fmt, str::FromStr};

use super::id::{AccountId, ApiKeyId, GrantId, OrganizationId};

/// What a change has ended or altered: whoever remembers a caller with it looks at the database again. Nodes tell each
/// other by the resource name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Invalidation {
    /// A grant.
    Grant(GrantId),
    /// An API key.
    ApiKey(ApiKeyId),
    /// An account, with every credential of it.
    Account(AccountId),
    /// An organization, with every credential of its accounts.
    Organization(OrganizationId),
}

impl fmt::Display for Invalidation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&match self {
            Self::Grant(id) => id.resource_name(),
            Self::ApiKey(id) => id.resource_name(),
            Self::Account(id) => id.resource_name(),
            Self::Organization(id) => id.resource_name(),
        })
    }
}

/// The resource name is of nothing that this version knows.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("not the name of a grant, an API key, an account or an organization")]
pub struct UnknownName;

impl FromStr for Invalidation {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let (collection, id) = name.split_once('/').ok_or(UnknownName)?;
        match collection {
            GrantId::COLLECTION => id.parse().map(Self::Grant),
            ApiKeyId::COLLECTION => id.parse().map(Self::ApiKey),
            AccountId::COLLECTION => id.parse().map(Self::Account),
            OrganizationId::COLLECTION => id.parse().map(Self::Organization),
            _ => return Err(UnknownName),
        }
        .map_err(|_| UnknownName)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_name_says_what_was_written() {
        let id = Uuid::from_u128(7);
        for written in [
            Invalidation::Grant(id.into()),
            Invalidation::ApiKey(id.into()),
            Invalidation::Account(id.into()),
            Invalidation::Organization(id.into()),
        ] {
            assert_eq!(written.to_string().parse().ok(), Some(written));
        }
        for unknown in [
            "",
            "grants",
            "grants/",
            "grants/7",
            "tenants/7",
            "sessions/x",
        ] {
            assert!(unknown.parse::<Invalidation>().is_err(), "{unknown}");
        }
    }
}
