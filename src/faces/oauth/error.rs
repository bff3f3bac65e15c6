//! How OAuth says no: the codes of RFC 6749 section 5.2 and nothing else, as RFC 7009 section 2.2.1 has it too.

use axum::response::Response;
use http::{HeaderValue, StatusCode, header::WWW_AUTHENTICATE};
use schemars::JsonSchema;
use serde::Serialize;

use super::super::reply;
use crate::{
    error::{Error, FieldReason, Reason},
    rest::error_headers,
};

/// The body of RFC 6749 section 5.2.
#[derive(JsonSchema, Serialize)]
pub(in crate::faces) struct ErrorBody {
    /// A code of the RFC; absent where a token is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    /// What is wrong, for people.
    error_description: String,
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
        Endpoint::Token => Some(code(error)),
        Endpoint::Registration => Some(registration_code(error)),
        Endpoint::UserInfo => token_code(error.reason()),
    };
    // "400 (Bad Request) status code (unless specified otherwise)". A proxy that asks about a path of OAuth needs the 403 of what names
    // no field.
    let status = match code {
        Some("invalid_grant") => StatusCode::BAD_REQUEST,
        Some("unauthorized_client") if !error.violations().is_empty() => StatusCode::BAD_REQUEST,
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

fn code(error: &Error) -> &'static str {
    let reason = error.reason();
    match (reason, reason.meaning().http) {
        (_, status @ 500..) => failure(status),
        (
            Reason::InvalidCredentials
            | Reason::RefreshTokenInvalid
            | Reason::AuthorizationCodeInvalid,
            _,
        ) => "invalid_grant",
        (Reason::ScopeInvalid, _) => "invalid_scope",
        (Reason::ResourceInvalid, _) => "invalid_target",
        (_, 401) => "invalid_client",
        (Reason::PermissionDenied, _) => "unauthorized_client",
        (Reason::InvalidField, _) if names(error, "grant_type", FieldReason::InvalidValue) => {
            "unsupported_grant_type"
        }
        _ => "invalid_request",
    }
}

/// Clients read the code before the status, and many fail over an answer without one; the words are those of redirects (RFC 6749
/// section 4.1.2.1).
fn failure(status: u16) -> &'static str {
    match status {
        503 => "temporarily_unavailable",
        _ => "server_error",
    }
}

fn names(error: &Error, field: &str, reason: FieldReason) -> bool {
    let mut violations = error.violations().iter();
    violations.any(|found| found.field == field && found.reason == reason.name())
}

/// RFC 6750 section 3.1: a call without a token is told nothing but to send one.
fn token_code(reason: Reason) -> Option<&'static str> {
    match (reason, reason.meaning().http) {
        (Reason::CredentialMissing, _) => None,
        (_, status @ 500..) => Some(failure(status)),
        (_, 401) => Some("invalid_token"),
        (Reason::PermissionDenied, _) => Some("insufficient_scope"),
        _ => Some("invalid_request"),
    }
}

/// RFC 7591 section 3.2.2, and the errors of RFC 6750 section 3.1 for a registration access token.
fn registration_code(error: &Error) -> &'static str {
    let reason = error.reason();
    let names_uris = |field: &str| field.starts_with("redirect_uris");
    match (reason, reason.meaning().http) {
        (_, status @ 500..) => failure(status),
        (_, 401) => "invalid_token",
        (Reason::PermissionDenied, _) => "access_denied",
        (Reason::InvalidField, _)
            if error
                .violations()
                .iter()
                .any(|found| names_uris(&found.field)) =>
        {
            "invalid_redirect_uri"
        }
        (Reason::InvalidField | Reason::MalformedRequest, _) => "invalid_client_metadata",
        _ => "invalid_request",
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
