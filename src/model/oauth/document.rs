//! Client ID metadata documents (draft-ietf-oauth-client-id-metadata-document): a client whose id is the URL of what it
//! says of itself.

use serde_json::{Map, Value};
use url::Url;
use uuid::Uuid;

use super::metadata::{AuthMethod, Metadata};
use crate::{
    env::Timestamp,
    model::client::{Client, Lifetimes},
};

/// A document as the database keeps it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientDocument {
    /// Its URL, which is the `client_id`.
    pub client_id: String,
    /// Where it stands in lists, a UUIDv7; the first fetch decides.
    pub id: Uuid,
    /// What it says.
    pub metadata: Metadata,
    /// When it was fetched.
    pub fetched_at: Timestamp,
    /// Until when it need not be fetched again.
    pub fresh_until: Timestamp,
}

impl ClientDocument {
    /// The client and its policy.
    #[must_use]
    pub fn client(self, lifetimes: Lifetimes) -> Client {
        Client::of_metadata(self.client_id, self.metadata, None, lifetimes)
    }
}

/// The URL that a `client_id` is, if it can be that of a document (section 3): with a path, and spelt as it is resolved.
/// Plain http is for this machine alone, which whoever fetches the document sees to.
#[must_use]
pub fn url(client_id: &str) -> Option<Url> {
    let url = Url::parse(client_id).ok()?;
    let is_plain =
        url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let is_document = ["https", "http"].contains(&url.scheme()) && url.path() != "/" && is_plain;
    // The parser takes dot segments out, and writes hosts in one way.
    (is_document && url.as_str() == client_id).then_some(url)
}

/// What a document says of its client.
///
/// # Errors
/// Why it is not taken.
pub fn read(client_id: &str, body: &[u8]) -> Result<Metadata, &'static str> {
    let members: Map<String, Value> =
        serde_json::from_slice(body).map_err(|_| "the document is no JSON object")?;
    // Section 4: anybody can read it, so that nothing in it is a secret.
    if members.contains_key("client_secret") || members.contains_key("client_secret_expires_at") {
        return Err("the document must not hold a secret");
    }
    if members.get("client_id").and_then(Value::as_str) != Some(client_id) {
        return Err("the document must name its own URL as client_id");
    }
    let sent = members.into_iter().filter(|(_, value)| !value.is_null());
    let metadata: Metadata = serde_json::from_value(Value::Object(sent.collect()))
        .map_err(|_| "the document has a member of the wrong type")?;
    if metadata.method().is_none_or(AuthMethod::has_secret) {
        return Err(
            "the document must be that of a client without a secret: token_endpoint_auth_method none or private_key_jwt",
        );
    }
    metadata
        .registered()
        .map_err(|_| "the document has a redirect URI or another member that cannot be registered")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "https://app.example.com/client.json";

    #[test]
    fn a_document_has_a_url_of_one_spelling() {
        for good in [
            ID,
            "https://app.example.com/a?b=c",
            "http://127.0.0.1:9/client",
        ] {
            assert!(url(good).is_some(), "{good}");
        }
        for bad in [
            "https://app.example.com",
            "https://app.example.com/",
            "https://app.example.com/../client",
            "https://app.example.com/a/./client",
            "https://app.example.com/client#x",
            "https://user@app.example.com/client",
            "https://APP.example.com/client",
            "https://app.example.com:443/client",
            "https://app.example.com/cl ient",
            "HTTPS://app.example.com/client",
            "https:/app.example.com/client",
            "ftp://app.example.com/client",
            "mkc_00000000000000000000000000000000",
            "momail",
            "",
        ] {
            assert!(url(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_document_is_a_public_clients_own() {
        let good = json!({
            "client_id": ID,
            "client_name": "App",
            "redirect_uris": ["http://localhost/callback"],
            "grant_types": ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code"],
            "token_endpoint_auth_method": "none",
            "tos_uri": null,
        });
        let read = |document: &Value| super::read(ID, document.to_string().as_bytes());
        assert_eq!(read(&good).unwrap().grant_types, ["authorization_code"]);
        for (member, value) in [
            ("client_id", json!("https://app.example.com/client.json?")),
            ("client_id", Value::Null),
            ("client_secret", json!("x")),
            ("client_secret_expires_at", json!(0)),
            ("token_endpoint_auth_method", json!("client_secret_basic")),
            // Without keys.
            ("token_endpoint_auth_method", json!("private_key_jwt")),
            ("redirect_uris", json!(["http://evil.example/"])),
            ("redirect_uris", json!([])),
            ("redirect_uris", json!("http://localhost/callback")),
        ] {
            let mut bad = good.clone();
            bad[member] = value;
            assert!(read(&bad).is_err(), "{bad}");
        }
        let mut signs = good.clone();
        signs["token_endpoint_auth_method"] = json!("private_key_jwt");
        signs["jwks_uri"] = json!("https://app.example.com/jwks.json");
        assert!(!read(&signs).unwrap().is_public());
        signs["jwks"] = json!({"keys": []});
        assert!(read(&signs).is_err());
        for body in ["", "[]", "null", "<html>"] {
            assert!(super::read(ID, body.as_bytes()).is_err(), "{body}");
        }
    }
}
