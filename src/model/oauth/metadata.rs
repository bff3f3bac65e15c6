//! What an OAuth client says of itself (RFC 7591 section 2), and what of it is registered.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use super::redirect;
use crate::{
    error::{Error, FieldReason, FieldViolation, Result},
    model::{client::GrantType, scope::Scopes, signing_key::Algorithm, text::is_unseen},
};

/// The response type of the code flow, the only one (OAuth 2.1 section 10).
pub const CODE: &str = "code";

/// What joins letters and emoji, or keeps them apart, which some scripts need.
const JOINERS: [char; 2] = ['\u{200c}', '\u{200d}'];

/// The longest text, in bytes.
const LONGEST_TEXT: usize = 2000;
/// The longest name, in characters.
const LONGEST_NAME: usize = 200;
/// The longest list.
const LONGEST_LIST: usize = 20;

/// A client's metadata, under the names of the RFC. What is empty was not said.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Metadata {
    /// Where people are sent back to.
    pub redirect_uris: Vec<String>,
    /// What people know it by.
    pub client_name: String,
    /// How it gets tokens.
    pub grant_types: Vec<String>,
    /// What it asks the authorization endpoint for.
    pub response_types: Vec<String>,
    /// How it says who it is at the token endpoint.
    pub token_endpoint_auth_method: String,
    /// What it asks for when an authorization request names no scope, separated by spaces.
    pub scope: String,
    /// Its page.
    pub client_uri: String,
    /// Its logo.
    pub logo_uri: String,
    /// Its terms of service.
    pub tos_uri: String,
    /// How it treats data.
    pub policy_uri: String,
    /// Who answers for it.
    pub contacts: Vec<String>,
    /// `web` or `native`.
    pub application_type: String,
    /// The same in every registration of one program.
    pub software_id: String,
    /// The version of that program.
    pub software_version: String,
    /// How its ID tokens are signed (OpenID Connect Registration section 2).
    pub id_token_signed_response_alg: String,
    /// Whether its authorizations need PKCE, if it says so: no member of an RFC.
    pub require_pkce: Option<bool>,
    /// Where its public keys are.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub jwks_uri: String,
    /// Its public keys themselves, a JWK set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Map<String, Value>>,
    /// Where people are sent back to after they have signed out (OpenID Connect RP-Initiated Logout section 3.1).
    pub post_logout_redirect_uris: Vec<String>,
}

/// How a client says who it is at the token endpoint (RFC 7591 section 2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AuthMethod {
    /// Not at all: a public client.
    None,
    /// With its secret, in a header.
    ClientSecretBasic,
    /// With its secret, in the body.
    ClientSecretPost,
    /// With what it signs (RFC 7523).
    PrivateKeyJwt,
}

impl AuthMethod {
    /// Every method.
    pub const ALL: [Self; 4] = [
        Self::None,
        Self::ClientSecretBasic,
        Self::ClientSecretPost,
        Self::PrivateKeyJwt,
    ];

    /// The registered name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// Whether it needs a secret.
    #[must_use]
    pub const fn has_secret(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost)
    }
}

impl Metadata {
    /// What is registered of it: the server may replace what it does not support (RFC 7591 section 3.2.1), and says so in
    /// its answer.
    ///
    /// # Errors
    /// `INVALID_FIELD` with every member that cannot be registered, as `metadata.<name>`.
    pub fn registered(self) -> Result<Self> {
        let asked = self.response_types.clone();
        let registered = Self {
            grant_types: supported_grants(&self.grant_types),
            ..self.completed()
        };
        let mut found = registered.violations(&asked);
        if !registered.gets_codes() {
            let rule = "must have authorization_code";
            found.push(violation("metadata.grant_types", rule));
        }
        found.extend(registered.key_violations());
        registered.or(found)
    }

    /// The same of a client that the operator sets up, whose keys may stand elsewhere. It need not send people anywhere:
    /// it may act as itself alone, or only introspect.
    ///
    /// # Errors
    /// As [`Self::registered`], and `INVALID_FIELD` for a grant that this server does not know.
    pub fn configured(self) -> Result<Self> {
        let mut configured = self.completed();
        let is_known = |name: &String| GrantType::OAUTH.iter().any(|known| known.as_str() == name);
        let mut found = Vec::new();
        if !configured.grant_types.iter().all(is_known) {
            let rule = "must be among authorization_code, refresh_token and client_credentials";
            found.push(violation("metadata.grant_types", rule));
        }
        if configured.grant_types.is_empty() && !configured.only_introspects() {
            configured.grant_types = supported_grants(&[]);
        }
        found.extend(configured.violations(&[]));
        configured.or(found)
    }

    /// Whether a client that names no grant type is one that only introspects: it has no redirect URI, and it can prove who
    /// it is.
    fn only_introspects(&self) -> bool {
        self.redirect_uris.is_empty() && !self.is_public()
    }

    /// With what the server says for the client.
    fn completed(self) -> Self {
        let method = self.method().unwrap_or(AuthMethod::None);
        Self {
            response_types: vec![CODE.to_owned()],
            token_endpoint_auth_method: match self.method() {
                Some(_) => method.as_str().to_owned(),
                None => self.token_endpoint_auth_method.clone(),
            },
            ..self
        }
    }

    fn or(self, found: Vec<FieldViolation>) -> Result<Self> {
        if found.is_empty() {
            Ok(self)
        } else {
            Err(Error::invalid(found))
        }
    }

    fn gets_codes(&self) -> bool {
        let code = GrantType::AuthorizationCode.as_str();
        self.grant_types.iter().any(|name| name == code)
    }

    fn violations(&self, response_types: &[String]) -> Vec<FieldViolation> {
        let method = self.method();
        let mut found = if self.gets_codes() || !self.redirect_uris.is_empty() {
            self.redirect_violations(method == Some(AuthMethod::None))
        } else {
            Vec::new()
        };
        if !self.is_bounded() {
            found.push(violation("metadata", "must have short plain texts"));
        }
        if !response_types.is_empty() && !response_types.iter().any(|name| name == CODE) {
            found.push(violation("metadata.response_types", "must have code"));
        }
        if method.is_none() {
            found.push(violation(
                "metadata.token_endpoint_auth_method",
                "must be none, client_secret_basic, client_secret_post or private_key_jwt",
            ));
        }
        if self.require_pkce == Some(false) && method == Some(AuthMethod::None) {
            found.push(violation(
                "metadata.require_pkce",
                "must not be false without a secret",
            ));
        }
        if self.id_token_algorithm().is_none() {
            found.push(violation(
                "metadata.id_token_signed_response_alg",
                "must be RS256 or ES256",
            ));
        }
        if !self.jwks_uri.is_empty() && !is_fetched(&self.jwks_uri) {
            let rule = "must be an https URL, or one of this machine";
            found.push(violation("metadata.jwks_uri", rule));
        }
        for (field, uri) in [
            ("metadata.client_uri", &self.client_uri),
            ("metadata.logo_uri", &self.logo_uri),
            ("metadata.tos_uri", &self.tos_uri),
            ("metadata.policy_uri", &self.policy_uri),
        ] {
            if !uri.is_empty() && !is_page(uri) {
                found.push(violation(field, "must be an http or https URL"));
            }
        }
        found
    }

    /// A client that signs who it is has keys, in one place (RFC 7591 section 2).
    fn key_violations(&self) -> Option<FieldViolation> {
        match (self.method(), self.jwks_uri.as_str(), &self.jwks) {
            (_, uri, Some(_)) if !uri.is_empty() => {
                Some(violation("metadata.jwks", "must not come beside jwks_uri"))
            }
            (Some(AuthMethod::PrivateKeyJwt), "", None) => {
                let rule = "must be there, or jwks, for private_key_jwt";
                Some(FieldViolation::new(
                    "metadata.jwks_uri",
                    FieldReason::Required,
                    rule,
                ))
            }
            _ => None,
        }
    }

    /// The contract's rules for what is registered by a call, for documents, which are no call.
    fn is_bounded(&self) -> bool {
        let lists = [
            &self.redirect_uris,
            &self.post_logout_redirect_uris,
            &self.grant_types,
            &self.response_types,
            &self.contacts,
        ];
        let texts = [
            &self.client_name,
            &self.scope,
            &self.application_type,
            &self.software_id,
            &self.software_version,
        ];
        let is_plain =
            |text: &String| text.len() <= LONGEST_TEXT && !text.contains(char::is_control);
        lists
            .iter()
            .all(|list| list.len() <= LONGEST_LIST && list.iter().all(is_plain))
            && texts.into_iter().all(is_plain)
            && self.client_name.chars().count() <= LONGEST_NAME
            && !self.client_name.chars().any(is_misleading)
    }

    fn redirect_violations(&self, is_public: bool) -> Vec<FieldViolation> {
        let mut found = Vec::new();
        if self.redirect_uris.is_empty() {
            let rule = "must have a URI";
            found.push(FieldViolation::new(
                "metadata.redirect_uris",
                FieldReason::Required,
                rule,
            ));
        }
        for (list, uris) in [
            ("redirect_uris", &self.redirect_uris),
            ("post_logout_redirect_uris", &self.post_logout_redirect_uris),
        ] {
            for (index, uri) in uris.iter().enumerate() {
                if let Err(rule) = redirect::check(uri, is_public) {
                    found.push(violation(format!("metadata.{list}[{index}]"), rule));
                }
            }
        }
        found
    }

    /// Whether the client has neither a secret nor keys.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.method() == Some(AuthMethod::None)
    }

    /// Whether its authorizations need PKCE: always, unless a client with a secret has said otherwise. OAuth 2.1 section 7.5.1
    /// lets those do without that protect their codes by `nonce`.
    #[must_use]
    pub fn requires_pkce(&self) -> bool {
        self.is_public() || self.require_pkce != Some(false)
    }

    /// How the client says who it is; none for a method that this server does not know. A client that says nothing is
    /// public, as most are that register themselves.
    #[must_use]
    pub fn method(&self) -> Option<AuthMethod> {
        match self.token_endpoint_auth_method.as_str() {
            "" => Some(AuthMethod::None),
            name => AuthMethod::ALL
                .into_iter()
                .find(|method| method.as_str() == name),
        }
    }

    /// How the client's ID tokens are signed; none for an algorithm that this server does not know. `none` is none, although
    /// OpenID Connect Core section 2 would let clients of the code flow choose it.
    #[must_use]
    pub fn id_token_algorithm(&self) -> Option<Algorithm> {
        match self.id_token_signed_response_alg.as_str() {
            "" => Some(Algorithm::Rs256),
            name => Algorithm::from_name(name),
        }
    }

    /// What is granted when an authorization request names no scope.
    #[must_use]
    pub fn default_scopes(&self) -> Scopes {
        if self.scope.trim().is_empty() {
            Scopes::one(crate::model::scope::MCP)
        } else {
            Scopes::grantable(&self.scope)
        }
    }
}

/// Those of these grant types that this server knows. A client that says nothing may use them all: without a refresh token
/// its people would have to log in again every hour.
fn supported_grants(asked: &[String]) -> Vec<String> {
    let known = [GrantType::AuthorizationCode, GrantType::RefreshToken].map(GrantType::as_str);
    let asked = |name: &&str| asked.is_empty() || asked.iter().any(|asked| asked == name);
    known.into_iter().filter(asked).map(str::to_owned).collect()
}

fn is_page(uri: &str) -> bool {
    let is_plain = uri.len() <= LONGEST_TEXT && uri.bytes().all(|byte| byte.is_ascii_graphic());
    is_plain && Url::parse(uri).is_ok_and(|url| ["http", "https"].contains(&url.scheme()))
}

/// Whether this server may fetch it, as far as its spelling says.
fn is_fetched(uri: &str) -> bool {
    is_page(uri) && Url::parse(uri).is_ok_and(|url| redirect::is_secure(&url))
}

fn violation(
    field: impl Into<std::borrow::Cow<'static, str>>,
    rule: &'static str,
) -> FieldViolation {
    FieldViolation::new(field, FieldReason::InvalidValue, rule)
}

/// Whether a character makes a name read as another: what turns the direction of the text around it, or is not seen.
fn is_misleading(character: char) -> bool {
    is_unseen(character) && !JOINERS.contains(&character)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent() -> Metadata {
        Metadata {
            redirect_uris: vec!["https://app.example.com/cb".to_owned()],
            ..Metadata::default()
        }
    }

    #[test]
    fn a_client_that_says_little_is_public_and_may_refresh() {
        let registered = sent().registered().unwrap();
        assert_eq!(
            registered.grant_types,
            ["authorization_code", "refresh_token"]
        );
        assert_eq!(registered.response_types, ["code"]);
        assert_eq!(registered.token_endpoint_auth_method, "none");
        assert_eq!(registered.default_scopes().to_string(), "mcp");
    }

    #[test]
    fn what_is_not_supported_is_left_out() {
        let asked = Metadata {
            grant_types: ["implicit", "authorization_code", "urn:x"]
                .map(str::to_owned)
                .to_vec(),
            response_types: ["token", "code"].map(str::to_owned).to_vec(),
            scope: "mcp files:read offline_access".to_owned(),
            application_type: "whatever".to_owned(),
            ..sent()
        };
        let registered = asked.registered().unwrap();
        assert_eq!(registered.grant_types, ["authorization_code"]);
        assert_eq!(registered.response_types, ["code"]);
        assert_eq!(
            registered.default_scopes().to_string(),
            "mcp offline_access"
        );
        assert_eq!(registered.scope, "mcp files:read offline_access");
    }

    #[test]
    fn every_member_at_fault_is_named() {
        let asked = Metadata {
            redirect_uris: vec![
                "https://a.example/cb".to_owned(),
                "http://evil.example".to_owned(),
            ],
            grant_types: vec!["implicit".to_owned()],
            response_types: vec!["token".to_owned()],
            token_endpoint_auth_method: "tls_client_auth".to_owned(),
            id_token_signed_response_alg: "none".to_owned(),
            jwks_uri: "https://a.example/jwks".to_owned(),
            jwks: Some(Map::new()),
            logo_uri: "javascript:alert(1)".to_owned(),
            post_logout_redirect_uris: vec!["http://evil.example".to_owned()],
            ..Metadata::default()
        };
        let error = asked.registered().unwrap_err();
        let fields: Vec<_> = error
            .violations()
            .iter()
            .map(|found| &*found.field)
            .collect();
        assert_eq!(
            fields,
            [
                "metadata.redirect_uris[1]",
                "metadata.post_logout_redirect_uris[0]",
                "metadata.response_types",
                "metadata.token_endpoint_auth_method",
                "metadata.id_token_signed_response_alg",
                "metadata.logo_uri",
                "metadata.grant_types",
                "metadata.jwks",
            ]
        );
        let none = Metadata::default().registered().unwrap_err();
        assert_eq!(none.violations()[0].field, "metadata.redirect_uris");
    }

    #[test]
    fn a_name_reads_as_what_it_is() {
        let named = |name: &str| {
            let metadata = Metadata {
                redirect_uris: vec!["https://a.example/cb".to_owned()],
                client_name: name.to_owned(),
                ..Metadata::default()
            };
            metadata.registered()
        };
        for good in ["Claude", "مُفَكِّرة", "می\u{200c}خواهم", "👩\u{200d}💻 Notes"]
        {
            assert!(named(good).is_ok(), "{good}");
        }
        for bad in ["Claude\u{2069}\u{202e}", "Cla\u{200b}ude", "\u{feff}Claude"] {
            assert!(named(bad).is_err(), "{}", bad.escape_unicode());
        }
    }
}
