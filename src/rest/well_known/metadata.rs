//! What the server says of itself to clients that have never seen it.

use serde_json::{Value, json};

use crate::model::{
    client::GrantType,
    oauth::{
        authorization::{ACR, Prompt},
        metadata::AuthMethod,
    },
    scope,
};

/// Claims of ID tokens and of `/oauth/userinfo`.
const CLAIMS: [&str; 12] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "nonce",
    "acr",
    "at_hash",
    "name",
    "email",
    "email_verified",
];

/// How clients may sign who they are.
const SIGNED: [&str; 2] = ["RS256", "ES256"];

/// What a server's metadata depends on.
pub struct Facts {
    /// The one spelling of its issuer.
    pub issuer: String,
    /// Where clients send browsers; empty for the hosted page.
    pub authorization_endpoint: String,
    /// The resources beside it that tokens can be asked for.
    pub resources: Vec<String>,
    /// Whether clients may register themselves.
    pub open_registration: bool,
    /// Whether the URL of a document may be a client.
    pub client_documents: bool,
    /// The languages of its pages (BCP 47).
    pub ui_locales: Vec<&'static str>,
}

impl Facts {
    /// Every resource that tokens can be asked for, first this server itself.
    pub(super) fn resources(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.issuer)
            .chain(&self.resources)
            .map(String::as_str)
    }

    /// The metadata of the authorization server (RFC 8414 section 2) and OpenID provider (Discovery section 3), which are
    /// one document: clients of either read what the other one needs, too.
    pub(super) fn authorization_server(&self) -> Value {
        let issuer = &self.issuer;
        let url = |path: &str| format!("{issuer}{path}");
        let methods = AuthMethod::ALL.map(AuthMethod::as_str);
        let grants = GrantType::OAUTH.map(GrantType::as_str);
        let resources: Vec<_> = self.resources().collect();
        let mut document = json!({
            "issuer": issuer,
            "authorization_endpoint": match self.authorization_endpoint.as_str() {
                "" => url("/oauth/authorize"),
                other => other.to_owned(),
            },
            "token_endpoint": url("/oauth/token"),
            "revocation_endpoint": url("/oauth/revoke"),
            "introspection_endpoint": url("/oauth/introspect"),
            "userinfo_endpoint": url("/oauth/userinfo"),
            "jwks_uri": url("/.well-known/jwks.json"),
            "scopes_supported": scope::KNOWN,
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": grants,
            "token_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_methods_supported": methods,
            // Not by nobody (RFC 7662 section 2.1).
            "introspection_endpoint_auth_methods_supported": &methods[1..],
            "token_endpoint_auth_signing_alg_values_supported": SIGNED,
            "revocation_endpoint_auth_signing_alg_values_supported": SIGNED,
            "introspection_endpoint_auth_signing_alg_values_supported": SIGNED,
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
            "client_id_metadata_document_supported": self.client_documents,
            "protected_resources": resources,
            "acr_values_supported": [ACR],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            "claims_supported": CLAIMS,
            "claims_parameter_supported": false,
            "request_parameter_supported": false,
            "request_uri_parameter_supported": false,
            "prompt_values_supported": Prompt::ALL.map(Prompt::as_str),
            "display_values_supported": ["page"],
            "ui_locales_supported": self.ui_locales,
        });
        // Whoever has a log-in page of their own signs people out there, too.
        if self.authorization_endpoint.is_empty() {
            document["end_session_endpoint"] = url("/oauth/logout").into();
        }
        if self.open_registration {
            document["registration_endpoint"] = url("/oauth/register").into();
        }
        document
    }

    /// The metadata of a resource (RFC 9728 section 2). Clients ask for the scopes that it names, where a challenge names
    /// none: of this server's own there are more, and of another one nothing is known.
    pub(super) fn protected_resource(&self, resource: &str) -> Value {
        let scopes = if resource == self.issuer {
            vec![scope::MCP, "profile", "email"]
        } else {
            vec![scope::MCP]
        };
        json!({
            "resource": resource,
            "authorization_servers": [self.issuer],
            "scopes_supported": scopes,
            "bearer_methods_supported": ["header"],
        })
    }
}
