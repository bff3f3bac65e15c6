//! OAuth clients that the operator sets up, beside those that register themselves.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};
use uuid::Uuid;

use super::setting::Setting;
use crate::model::{
    client::{Clients, GrantType},
    oauth::{
        document,
        metadata::{AuthMethod, Metadata},
        registration,
    },
    scope,
};

const FORM: &str = "it must be tables of clients, `[[oauth.clients]]` with `id = \"…\"` and what docs/OAUTH.md lists, or in the environment `[{id = \"…\"}]`";

/// A client that the operator sets up. What is empty was not said.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct OAuthClient {
    /// Its `client_id`.
    pub id: String,
    /// What people know it by.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Where people are sent back to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub redirect_uris: Vec<String>,
    /// How it gets tokens: `authorization_code`, `refresh_token`, `client_credentials`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grant_types: Vec<String>,
    /// What it asks for when a request names no scope, separated by spaces; with `client_credentials`, all that it can have.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// How it says who it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub token_endpoint_auth_method: String,
    /// The file of its secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// The URL of its public keys.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub jwks_uri: String,
    /// The file of its public keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_file: Option<PathBuf>,
    /// Where people are sent back to after they have signed out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub post_logout_redirect_uris: Vec<String>,
    /// `RS256` or `ES256`: how its ID tokens are signed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id_token_signed_response_alg: String,
    /// Whether its authorizations need PKCE, which a client with a secret may do without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_pkce: Option<bool>,
    /// The resources whose tokens it may introspect, whoever's they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
}

/// The clients that the operator sets up.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct OAuthClients(pub Vec<OAuthClient>);

impl OAuthClient {
    /// What it would say of itself (RFC 7591 section 2), without its keys.
    #[must_use]
    pub fn metadata(&self) -> Metadata {
        Metadata {
            redirect_uris: self.redirect_uris.clone(),
            client_name: self.name.clone(),
            grant_types: self.grant_types.clone(),
            scope: self.scope.clone(),
            token_endpoint_auth_method: self.token_endpoint_auth_method.clone(),
            jwks_uri: self.jwks_uri.clone(),
            post_logout_redirect_uris: self.post_logout_redirect_uris.clone(),
            id_token_signed_response_alg: self.id_token_signed_response_alg.clone(),
            require_pkce: self.require_pkce,
            ..Metadata::default()
        }
    }

    fn check(&self) -> Result<(), String> {
        let id = self.id.as_str();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if id.is_empty() || id.len() > 64 || !id.bytes().all(is_plain) {
            return Err("it must have ids of 1 to 64 letters, digits, `-`, `_` and `.`".to_owned());
        }
        // A service that reads `sub` alone must not take the client for an account (RFC 9068 section 5).
        let is_taken = Uuid::try_parse(id).is_ok()
            || Clients::is_built_in(id)
            || id.starts_with(registration::PREFIX)
            || document::url(id).is_some();
        if is_taken {
            return Err(format!(
                "it must not have the id `{id}`, which is that of an account or another client"
            ));
        }
        self.check_method()
            .map_err(|must| format!("it must be right for the client `{id}`: {must}"))
    }

    fn check_method(&self) -> Result<(), String> {
        let metadata = self.metadata();
        let Some(method) = metadata.method() else {
            let names = AuthMethod::ALL.map(AuthMethod::as_str).join(", ");
            return Err(format!("token_endpoint_auth_method is one of {names}"));
        };
        if method.has_secret() != self.secret_file.is_some() {
            return Err("it has a secret_file if its token_endpoint_auth_method is client_secret_basic or client_secret_post, and else none".to_owned());
        }
        let keys = [!self.jwks_uri.is_empty(), self.jwks_file.is_some()];
        let has_one = keys.into_iter().filter(|has| *has).count() == 1;
        let wants_keys = method == AuthMethod::PrivateKeyJwt;
        if wants_keys && !has_one || !wants_keys && keys.contains(&true) {
            return Err("it has a jwks_uri or a jwks_file, and not both, if its token_endpoint_auth_method is private_key_jwt, and else none".to_owned());
        }
        let asks_itself = GrantType::ClientCredentials.as_str();
        let needs_proof =
            self.grant_types.iter().any(|name| name == asks_itself) || !self.resources.is_empty();
        if needs_proof && method == AuthMethod::None {
            return Err(
                "client_credentials and resources are for clients with a secret or keys".to_owned(),
            );
        }
        if !scope::are_tokens(&self.scope) {
            return Err(
                "scope is words of visible ASCII without quotes and backslashes".to_owned(),
            );
        }
        metadata
            .configured()
            .map(|_| ())
            .map_err(|error| error.message())
    }
}

impl OAuthClients {
    pub(super) fn check(&self, resources: &[&str]) -> Result<(), String> {
        for (place, client) in self.0.iter().enumerate() {
            client.check()?;
            let before = self.0.iter().take(place);
            if before.into_iter().any(|other| other.id == client.id) {
                return Err(format!("it must have the id `{}` once", client.id));
            }
            let unknown = |name: &&String| !resources.contains(&name.as_str());
            if let Some(unknown) = client.resources.iter().find(unknown) {
                return Err(format!(
                    "it must name resources of `oauth.resources` or `tokens.audiences`, or the issuer: the client `{}` names {unknown:?}",
                    client.id
                ));
            }
        }
        Ok(())
    }
}

impl Setting for OAuthClients {
    fn read_text(&mut self, text: &str) -> Result<(), String> {
        if text.trim().is_empty() {
            self.0.clear();
            return Ok(());
        }
        let table: Table = format!("clients = {text}")
            .parse()
            .map_err(|_| FORM.to_owned())?;
        self.read_value(table.get("clients").ok_or(FORM)?)
    }

    fn read_value(&mut self, value: &Value) -> Result<(), String> {
        self.0 = value
            .clone()
            .try_into()
            .map_err(|error: toml::de::Error| format!("{FORM}: {}", error.message()))?;
        Ok(())
    }

    fn show(&self) -> Value {
        let shown = self.0.iter().map(|client| {
            // Nothing in it is a secret, but the names of files.
            Value::try_from(client).unwrap_or_else(|_| Value::String(client.id.clone()))
        });
        Value::Array(shown.collect())
    }

    /// What was meant for a file of its own, and written here, must not come up in an error.
    fn is_secret(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESOURCE: &str = "https://api.example/";

    fn read(text: &str) -> Result<OAuthClients, String> {
        let mut clients = OAuthClients::default();
        clients.read_text(text)?;
        clients.check(&[RESOURCE])?;
        Ok(clients)
    }

    #[test]
    fn a_client_is_what_it_needs() {
        for client in [
            r#"id = "web", redirect_uris = ["https://app.example/cb"]"#,
            r#"id = "web", redirect_uris = ["https://app.example/cb"], token_endpoint_auth_method = "client_secret_basic", secret_file = "/s""#,
            r#"id = "job", grant_types = ["client_credentials"], scope = "jobs:run", token_endpoint_auth_method = "private_key_jwt", jwks_uri = "https://a.example/jwks""#,
            r#"id = "api", token_endpoint_auth_method = "client_secret_post", secret_file = "/s", resources = ["https://api.example/"]"#,
            r#"id = "api", token_endpoint_auth_method = "private_key_jwt", jwks_file = "/k", resources = ["https://api.example/"]"#,
        ] {
            let read = read(&format!("[{{{client}}}]"));
            assert_eq!(read.map(|clients| clients.0.len()), Ok(1), "{client}");
        }
        assert_eq!(read(" "), Ok(OAuthClients::default()));
    }

    #[test]
    fn what_is_shown_can_be_read_back() {
        let text = r#"[{id = "api", token_endpoint_auth_method = "client_secret_post", secret_file = "/s", resources = ["https://api.example/"]}]"#;
        let clients = read(text).unwrap();
        assert_eq!(read(&clients.show().to_string()), Ok(clients));
    }

    #[test]
    fn what_cannot_work_is_refused() {
        for client in [
            "",
            r#"id = """#,
            r#"id = "a b""#,
            r#"id = "momail", redirect_uris = ["https://app.example/cb"]"#,
            r#"id = "01930000-0000-7000-8000-0000000000ab", redirect_uris = ["https://app.example/cb"]"#,
            r#"id = "mkc_1", redirect_uris = ["https://app.example/cb"]"#,
            r#"id = "https://a.example/c", redirect_uris = ["https://app.example/cb"]"#,
            r#"id = "web""#,
            r#"id = "web", redirect_uris = ["http://app.example/cb"]"#,
            r#"id = "web", redirect_uris = ["https://app.example/cb"], secret = "x""#,
            r#"id = "web", redirect_uris = ["https://app.example/cb"], secret_file = "/s""#,
            r#"id = "web", redirect_uris = ["https://app.example/cb"], token_endpoint_auth_method = "client_secret_basic""#,
            r#"id = "web", redirect_uris = ["https://app.example/cb"], token_endpoint_auth_method = "tls""#,
            r#"id = "web", redirect_uris = ["https://app.example/cb"], grant_types = ["password"]"#,
            r#"id = "web", redirect_uris = ["https://app.example/cb"], scope = "a\"b""#,
            r#"id = "job", grant_types = ["client_credentials"]"#,
            r#"id = "job", grant_types = ["client_credentials"], token_endpoint_auth_method = "private_key_jwt""#,
            r#"id = "job", grant_types = ["client_credentials"], token_endpoint_auth_method = "private_key_jwt", jwks_uri = "https://a.example/", jwks_file = "/k""#,
            r#"id = "job", grant_types = ["client_credentials"], token_endpoint_auth_method = "private_key_jwt", jwks_uri = "ftp://a.example/""#,
            r#"id = "job", token_endpoint_auth_method = "client_secret_post", secret_file = "/s", jwks_file = "/k""#,
            r#"id = "api", redirect_uris = ["https://app.example/cb"], resources = ["https://api.example/"]"#,
            r#"id = "api", token_endpoint_auth_method = "client_secret_post", secret_file = "/s", resources = ["https://other.example/"]"#,
        ] {
            let read = read(&format!("[{{{client}}}]"));
            let must = read.expect_err(client);
            assert!(must.starts_with("it must "), "{must}");
        }
        let twice = r#"[{id = "web", redirect_uris = ["https://app.example/cb"]}, {id = "web", redirect_uris = ["https://app.example/cb"]}]"#;
        assert!(read(twice).is_err());
        assert!(read("web").is_err());
    }
}
