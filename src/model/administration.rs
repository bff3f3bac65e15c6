//! What administrators look for, and who they are.

use std::fmt;

use uuid::Uuid;

use crate::{
    env::Timestamp,
    model::{
        account::{Organization, Plan},
        email::{self, Email},
        id::{AccountId, OrganizationId},
        oauth::{document::ClientDocument, metadata::Metadata, registration::RegisteredClient},
    },
};

/// Who administers: the one who may act on any account and any organization.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Administrator {
    /// An account that is an administrator.
    Account(AccountId),
    /// Whoever runs the server: they have its data anyway.
    Operator,
}

impl fmt::Display for Administrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(id) => f.write_str(&id.resource_name()),
            Self::Operator => f.write_str("operator"),
        }
    }
}

/// The account that an administrator means.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum WhichAccount {
    /// The one with this id.
    Id(AccountId),
    /// The one with this e-mail address, in its normalized form.
    Email(String),
}

impl WhichAccount {
    /// The account that an id or an e-mail address means.
    #[must_use]
    pub fn named(text: &str) -> Self {
        text.parse()
            .map_or_else(|_| Self::Email(email::normalize(text)), Self::Id)
    }
}

/// Which grants and consents to list: all, or those that every given part holds for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct GrantFilter {
    /// Whose they are.
    pub account: Option<AccountId>,
    /// The client that they were given to.
    pub client_id: Option<String>,
}

/// A client that the operator has not set up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListedClient {
    /// Where it stands in the list.
    pub id: Uuid,
    /// Its `client_id`.
    pub client_id: String,
    /// What it says of itself.
    pub metadata: Metadata,
    /// When it was registered, or its document last fetched.
    pub created_at: Timestamp,
    /// When somebody last let it in; none while nobody has, and for a document.
    pub used_at: Option<Timestamp>,
}

impl From<RegisteredClient> for ListedClient {
    fn from(client: RegisteredClient) -> Self {
        Self {
            id: client.id,
            client_id: client.client_id(),
            created_at: client.created_at,
            used_at: Some(client.used_at).filter(|used| *used > client.created_at),
            metadata: client.metadata,
        }
    }
}

impl From<ClientDocument> for ListedClient {
    fn from(document: ClientDocument) -> Self {
        Self {
            id: document.id,
            client_id: document.client_id,
            metadata: document.metadata,
            created_at: document.fetched_at,
            used_at: None,
        }
    }
}

/// A text that names and addresses are searched for, in the forms in which they are compared. Empty text is
/// in all of them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SearchText {
    folded: String,
    in_addresses: String,
}

impl SearchText {
    /// The text as somebody typed it.
    #[must_use]
    pub fn new(typed: &str) -> Self {
        let folded = email::fold(typed);
        // A text without `@` may be labels of a domain.
        let in_addresses = match email::shown_domain(typed.trim()) {
            Some(domain) => domain,
            None => email::normalize(typed),
        };
        Self {
            folded,
            in_addresses,
        }
    }

    /// The text to look for in names and in the local part of addresses; none when there is nothing to look
    /// for.
    #[must_use]
    pub fn folded(&self) -> Option<&str> {
        Some(self.folded.as_str()).filter(|text| !text.is_empty())
    }

    /// The text to look for in addresses and their domains.
    #[must_use]
    pub fn in_addresses(&self) -> &str {
        &self.in_addresses
    }
}

/// Which accounts to list: those that every filter lets through.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AccountFilter {
    /// In the e-mail address or the display name.
    pub text: SearchText,
    /// Those of one organization.
    pub organization: Option<OrganizationId>,
    /// Those that are disabled, themselves or with their organization, or that are not.
    pub disabled: Option<bool>,
    /// Those that administer the server, or that do not.
    pub administrator: Option<bool>,
}

/// Which organizations to list: those that every filter lets through.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct OrganizationFilter {
    /// In the e-mail address or the display name of the owner.
    pub text: SearchText,
    /// Those on one plan.
    pub plan: Option<Plan>,
    /// Those that are disabled, or that are not.
    pub disabled: Option<bool>,
}

/// An organization, and what an administrator recognizes it by.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OrganizationOverview {
    /// The organization.
    pub organization: Organization,
    /// The account that owns it and its e-mail address; absent when that account is gone.
    pub owner: Option<(AccountId, Email)>,
    /// How many accounts belong to it.
    pub accounts: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_for_the_folded_text_or_for_nothing() {
        assert_eq!(SearchText::new(" STRASSE "), SearchText::new("strasse"));
        assert_eq!(SearchText::new("straße").folded(), Some("strasse"));
        assert_eq!(SearchText::new("Ann").folded(), Some("ann"));
        assert_eq!(SearchText::new(" \u{a0} ").folded(), None);
    }

    #[test]
    fn an_address_is_searched_for_as_it_is_compared() {
        for (typed, form) in [
            ("XN--BCHER-kva", "bücher"),
            ("Straße.example", "straße.example"),
            ("\"Ann\"@xn--bcher-kva.ex", "ann@bücher.ex"),
            ("ANN@", "ann@"),
            ("@Example。com", "@example.com"),
        ] {
            assert_eq!(SearchText::new(typed).in_addresses(), form);
        }
    }
}
