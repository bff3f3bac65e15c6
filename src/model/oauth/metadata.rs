//! What an OAuth client says of itself (RFC 7591 section 2), and what of it is registered.

use serde::{Deserialize, Serialize};
use url::Url;

use super::redirect;
use crate::{
    error::{Error, FieldReason, FieldViolation, Result},
    model::{client::GrantType, scope::Scopes},
};

/// The response type of the code flow, the only one (OAuth 2.1 section 10).
pub const CODE: &str = "code";

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
}

impl AuthMethod {
    /// Every method.
    pub const ALL: [Self; 3] = [Self::None, Self::ClientSecretBasic, Self::ClientSecretPost];

    /// The registered name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
        }
    }
}

impl Metadata {
    /// What is registered of it: the server may replace what it does not support (RFC 7591 section 3.2.1), and says so in
    /// its answer.
    ///
    /// # Errors
    /// `INVALID_FIELD` with every member that cannot be registered, as `metadata.<name>`.
    pub fn registered(self) -> Result<Self> {
        let method = self.method();
        let registered = Self {
            grant_types: supported_grants(&self.grant_types),
            response_types: vec![CODE.to_owned()],
            token_endpoint_auth_method: method.unwrap_or(AuthMethod::None).as_str().to_owned(),
            ..self
        };
        let found = registered.violations(&self.response_types, method);
        if found.is_empty() {
            Ok(registered)
        } else {
            Err(Error::invalid(found))
        }
    }

    fn violations(
        &self,
        response_types: &[String],
        method: Option<AuthMethod>,
    ) -> Vec<FieldViolation> {
        let mut found = self.redirect_violations(method == Some(AuthMethod::None));
        if !self.is_bounded() {
            found.push(violation("metadata", "must have short plain texts"));
        }
        if !self
            .grant_types
            .iter()
            .any(|name| name == GrantType::AuthorizationCode.as_str())
        {
            found.push(violation(
                "metadata.grant_types",
                "must have authorization_code",
            ));
        }
        if !response_types.is_empty() && !response_types.iter().any(|name| name == CODE) {
            found.push(violation("metadata.response_types", "must have code"));
        }
        if method.is_none() {
            found.push(violation(
                "metadata.token_endpoint_auth_method",
                "must be none, client_secret_basic or client_secret_post",
            ));
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

    /// The contract's rules for what is registered by a call, for documents, which are no call.
    fn is_bounded(&self) -> bool {
        let lists = [
            &self.redirect_uris,
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
    }

    fn redirect_violations(&self, is_public: bool) -> Vec<FieldViolation> {
        if self.redirect_uris.is_empty() {
            let rule = "must have a URI";
            return vec![FieldViolation::new(
                "metadata.redirect_uris",
                FieldReason::Required,
                rule,
            )];
        }
        let flaws = self
            .redirect_uris
            .iter()
            .enumerate()
            .filter_map(|(index, uri)| {
                let rule = redirect::check(uri, is_public).err()?;
                Some(violation(format!("metadata.redirect_uris[{index}]"), rule))
            });
        flaws.collect()
    }

    /// Whether the client has no secret.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.method() == Some(AuthMethod::None)
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

fn violation(
    field: impl Into<std::borrow::Cow<'static, str>>,
    rule: &'static str,
) -> FieldViolation {
    FieldViolation::new(field, FieldReason::InvalidValue, rule)
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
            token_endpoint_auth_method: "private_key_jwt".to_owned(),
            logo_uri: "javascript:alert(1)".to_owned(),
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
                "metadata.grant_types",
                "metadata.response_types",
                "metadata.token_endpoint_auth_method",
                "metadata.logo_uri",
            ]
        );
        let none = Metadata::default().registered().unwrap_err();
        assert_eq!(none.violations()[0].field, "metadata.redirect_uris");
    }
}
