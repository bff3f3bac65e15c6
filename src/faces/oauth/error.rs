//! How OAuth says no: the codes of RFC 6749 section 5.2 and nothing else, as RFC 7009 section 2.2.1 has it too.

use axum::response::Response;
use http::{HeaderValue, StatusCode, header::WWW_AUTHENTICATE};
use schemars::JsonSchema;
use serde::Serialize;

use super::super::reply;
use crate::{
    error::{Error, Reason},
    rest::error_headers,
};

/// The body of RFC 6749 section 5.2.
#[derive(JsonSchema, Serialize)]
pub(in crate::faces) struct ErrorBody {
    /// A code of the RFC; absent with a status of 500 and above, for which the RFC has none, and where a token is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    /// What is wrong, for people.
    error_description: String,
}

/// A grant that this server does not know (RFC 6749 section 5.2).
pub(super) fn unsupported_grant_type() -> Response {
    let body = ErrorBody {
        error: Some("unsupported_grant_type"),
        error_description:
            "The grant types are authorization_code, refresh_token and client_credentials."
                .to_owned(),
    };
    reply::answer(StatusCode::BAD_REQUEST, body)
}

/// What the fields of the contract are called in OAuth.
const FIELD_NAMES: [(&str, &str); 1] = [("resources", "resource")];

/// Which RFC has the words for an error.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(in crate::faces) enum Endpoint {
    /// RFC 6749 section 5.2.
    Token,
    /// RFC 7591 section 3.2.2, where clients register.
    Registration,
    /// RFC 6750 section 3.1, where a client shows its access token.
    UserInfo,
}

/// What asks for a token with the scope that opens `/oauth/userinfo`.
const INSUFFICIENT_SCOPE: HeaderValue = HeaderValue::from_static(
    "Bearer realm=\"countersign\", error=\"insufficient_scope\", scope=\"openid\"",
);

/// The answer to an error.
#[must_use]
pub(in crate::faces) fn render(error: &Error, endpoint: Endpoint) -> Response {
    let error = &error.clone().renamed(&FIELD_NAMES);
    let code = match endpoint {
        Endpoint::Token => code(error.reason()),
        Endpoint::Registration => registration_code(error),
        Endpoint::UserInfo => token_code(error.reason()),
    };
    // "400 (Bad Request) status code (unless specified otherwise)".
    let status = match code {
        Some("invalid_grant") => StatusCode::BAD_REQUEST,
        _ => error.http_status(),
    };
    let body = ErrorBody {
        error: code,
        error_description: description(&error.message()),
    };
    let mut response = reply::error(error, status, body);
    match (endpoint, code) {
        (Endpoint::Token, _) => {
            error_headers::offer_basic(response.headers_mut(), status, error.reason());
        }
        (Endpoint::UserInfo, Some("insufficient_scope")) => {
            response
                .headers_mut()
                .insert(WWW_AUTHENTICATE, INSUFFICIENT_SCOPE);
        }
        _ => {}
    }
    response
}

/// The characters that RFC 6749 section 5.2 allows: visible ASCII and spaces, without quotes and backslashes.
fn description(message: &str) -> String {
    let allowed = |char: char| matches!(char, ' '..='~') && !matches!(char, '"' | '\\');
    message
        .replace('…', "...")
        .replace('"', "'")
        .replace(|char| !allowed(char), "?")
}

/// `server_error` and `temporarily_unavailable` are for redirects alone (section 4.1.2.1), which have no status of their
/// own: here a server that fails says so by its status.
fn code(reason: Reason) -> Option<&'static str> {
    match (reason, reason.meaning().http) {
        (_, 500..) => None,
        (
            Reason::InvalidCredentials
            | Reason::RefreshTokenInvalid
            | Reason::AuthorizationCodeInvalid,
            _,
        ) => Some("invalid_grant"),
        (Reason::ScopeInvalid, _) => Some("invalid_scope"),
        (Reason::ResourceInvalid, _) => Some("invalid_target"),
        (_, 401) => Some("invalid_client"),
        // With the status of the row, 403: proxies that ask about a path of OAuth need it.
        (Reason::PermissionDenied, _) => Some("unauthorized_client"),
        _ => Some("invalid_request"),
    }
}

/// RFC 6750 section 3.1: a call without a token is told nothing but to send one.
fn token_code(reason: Reason) -> Option<&'static str> {
    match (reason, reason.meaning().http) {
        (Reason::CredentialMissing, _) | (_, 500..) => None,
        (_, 401) => Some("invalid_token"),
        (Reason::PermissionDenied, _) => Some("insufficient_scope"),
        _ => Some("invalid_request"),
    }
}

/// RFC 7591 section 3.2.2, and the errors of RFC 6750 section 3.1 for a registration access token.
fn registration_code(error: &Error) -> Option<&'static str> {
    let reason = error.reason();
    let names_uris = |field: &str| field.starts_with("redirect_uris");
    match (reason, reason.meaning().http) {
        (_, 500..) => None,
        (_, 401) => Some("invalid_token"),
        (Reason::PermissionDenied, _) => Some("access_denied"),
        (Reason::InvalidField, _)
            if error
                .violations()
                .iter()
                .any(|found| names_uris(&found.field)) =>
        {
            Some("invalid_redirect_uri")
        }
        (Reason::InvalidField | Reason::MalformedRequest, _) => Some("invalid_client_metadata"),
        _ => Some("invalid_request"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_has_only_the_characters_of_the_rfc() {
        for (message, sent) in [
            ("Wait and try again.", "Wait and try again."),
            ("send `Bearer …`", "send `Bearer ...`"),
            (r#"must match "^\p{L}é$""#, "must match '^?p{L}?$'"),
            ("a\nb\u{7f}", "a?b?"),
        ] {
            assert_eq!(description(message), sent);
        }
    }
}
