//! Clients that registered themselves (RFC 7591).

use uuid::Uuid;

use super::metadata::Metadata;
use crate::{
    env::Timestamp,
    model::client::{Client, Lifetimes},
};

/// What the ids of such clients start with: no scheme, so that none is taken for the URL of a document.
pub const PREFIX: &str = "mkc_";

/// A client as the database keeps it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RegisteredClient {
    /// Its id, without the prefix of [`Self::client_id`].
    pub id: Uuid,
    /// What was registered.
    pub metadata: Metadata,
    /// The SHA-256 of its secret; none for a public client.
    pub secret_hash: Option<[u8; 32]>,
    /// The SHA-256 of what reads and changes the registration (RFC 7592).
    pub registration_token_hash: [u8; 32],
    /// When it was registered.
    pub created_at: Timestamp,
    /// When somebody last let it in; when it was registered, while nobody ever has.
    pub used_at: Timestamp,
}

impl RegisteredClient {
    /// The `client_id`.
    #[must_use]
    pub fn client_id(&self) -> String {
        format!("{PREFIX}{}", self.id.simple())
    }

    /// The id in a `client_id`; none in one of another form.
    #[must_use]
    pub fn parse_client_id(text: &str) -> Option<Uuid> {
        let id = text.strip_prefix(PREFIX)?;
        let is_simple = id
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        Uuid::try_parse(id).ok().filter(|_| is_simple)
    }

    /// The client and its policy.
    #[must_use]
    pub fn client(self, lifetimes: Lifetimes) -> Client {
        Client::of_metadata(self.client_id(), self.metadata, self.secret_hash, lifetimes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_id_has_one_spelling() {
        let id = Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_00ab);
        let text = format!("mkc_{}", id.simple());
        assert_eq!(RegisteredClient::parse_client_id(&text), Some(id));
        for other in [
            text.to_uppercase(),
            format!("mkc_{id}"),
            format!("mkc_{}", id.simple().to_string().to_uppercase()),
            format!("mkc_{{{id}}}"),
            id.to_string(),
            "mkc_".to_owned(),
            "countersign".to_owned(),
        ] {
            assert_eq!(RegisteredClient::parse_client_id(&other), None, "{other}");
        }
    }
}
