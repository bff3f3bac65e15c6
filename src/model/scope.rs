//! Scopes: what a credential may do.

use std::fmt;

/// The scope of the full account.
pub const ACCOUNT: &str = "account";
/// What MailKite's document calls the full account.
pub const MCP: &str = "mcp";
/// What SMTPD's document calls the full account.
pub const ADMIN: &str = "admin";

/// Asks for an ID token (OpenID Connect Core section 3.1.2.1). Opens nothing of the account but what it says of its person.
pub const OPENID: &str = "openid";
/// Asks for the name of the person (OpenID Connect Core section 5.4).
pub const PROFILE: &str = "profile";
/// Asks for the e-mail address of the person (OpenID Connect Core section 5.4).
pub const EMAIL: &str = "email";

/// The scope of Mail.td's e-mail tokens: one account, without its API keys, its organization and what it administers.
/// It cannot be asked for.
pub const MAILBOX: &str = "mailbox";

/// A set of scope tokens (RFC 6749 section 3.3), in the order in which they were given.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Scopes(Vec<String>);

/// A scope that this server does not know.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("must be among: {}", KNOWN.join(", "))]
pub struct UnknownScope;

/// Every scope that can be granted.
pub const KNOWN: [&str; 7] = [
    ACCOUNT,
    MCP,
    ADMIN,
    OPENID,
    PROFILE,
    EMAIL,
    "offline_access",
];

/// Whether a list is made of scope tokens (RFC 6749 section 3.3).
#[must_use]
pub fn are_tokens(list: &str) -> bool {
    let is_allowed = |byte: u8| matches!(byte, b' '..=b'~') && !b"\"\\".contains(&byte);
    list.bytes().all(is_allowed)
}

impl Scopes {
    /// The full account.
    #[must_use]
    pub fn full() -> Self {
        Self::one(ACCOUNT)
    }

    /// This scope alone.
    #[must_use]
    pub fn one(scope: &str) -> Self {
        Self(vec![scope.to_owned()])
    }

    /// What an e-mail token may do.
    #[must_use]
    pub fn mailbox() -> Self {
        Self::one(MAILBOX)
    }

    /// The scopes asked for; none asks for the full account.
    ///
    /// # Errors
    /// One of them is not known.
    pub fn requested(scopes: Vec<String>) -> Result<Self, UnknownScope> {
        if scopes.is_empty() {
            return Ok(Self::full());
        }
        let mut set = Self::default();
        for scope in scopes {
            if !KNOWN.contains(&scope.as_str()) {
                return Err(UnknownScope);
            }
            if !set.0.contains(&scope) {
                set.0.push(scope);
            }
        }
        Ok(set)
    }

    /// Those of a space-separated list that an OAuth client can be granted (RFC 6749 section 3.3): what is not known is left
    /// out.
    #[must_use]
    pub fn grantable(list: &str) -> Self {
        let mut set = Self::default();
        for scope in list.split_ascii_whitespace() {
            if KNOWN.contains(&scope) && !set.0.iter().any(|known| known == scope) {
                set.0.push(scope.to_owned());
            }
        }
        set
    }

    /// The scopes of a space-separated list that was granted before.
    #[must_use]
    pub fn from_stored(list: &str) -> Self {
        Self(list.split_ascii_whitespace().map(str::to_owned).collect())
    }

    /// Whether the full account may be used.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.0
            .iter()
            .any(|scope| [ACCOUNT, MCP, ADMIN].contains(&scope.as_str()))
    }

    /// Whether this very scope was granted, and not what includes it.
    #[must_use]
    pub fn has(&self, scope: &str) -> bool {
        self.0.iter().any(|granted| granted == scope)
    }

    /// Whether one mailbox alone may be used.
    #[must_use]
    pub fn is_mailbox(&self) -> bool {
        self.has(MAILBOX)
    }

    /// Whether one of these scopes was granted, by whatever name.
    #[must_use]
    pub fn has_one_of(&self, wanted: &[String]) -> bool {
        wanted
            .iter()
            .any(|scope| scope == ACCOUNT && self.is_full() || self.0.contains(scope))
    }

    /// Whether everything in `other` is also in this.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.is_full() || other.0.iter().all(|scope| self.0.contains(scope))
    }

    /// Those that are not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let missing = self.0.iter().filter(|scope| !other.0.contains(scope));
        Self(missing.cloned().collect())
    }

    /// These and those of `other`.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        let mut both = self.clone();
        both.0.extend(other.without(self).0);
        both
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tokens.
    #[must_use]
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}
