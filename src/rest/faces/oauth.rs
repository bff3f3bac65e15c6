//! Errors of calls that speak OAuth on the paths that they share with SMTPD: the codes of RFC 6749 section 5.2 and
//! nothing else, as RFC 7009 section 2.2.1 has it too.

use axum::response::Response;
use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::reply;
use crate::{
    error::Reason,
    rest::{challenge, fault::Fault},
};

/// The body of RFC 6749 section 5.2.
#[derive(JsonSchema, Serialize)]
pub(super) struct ErrorBody {
    /// A code of the RFC; absent with a status of 500 and above, for which the RFC has none.
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
            "Only SMTPD's grants are supported: password and refresh_token, in the query."
                .to_owned(),
    };
    reply::answer(StatusCode::BAD_REQUEST, body)
}

/// The answer to a fault in the form of RFC 6749 section 5.2.
pub(super) fn refuse(fault: &Fault) -> Response {
    let (status, error) = row(fault.reason);
    let body = ErrorBody {
        error,
        error_description: description(&fault.message),
    };
    let mut response = reply::bearer_refusal(fault, status, body);
    challenge::offer_basic(response.headers_mut(), status, fault.reason);
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

/// The status and the code. `server_error` and `temporarily_unavailable` are for redirects alone (section 4.1.2.1),
/// which have no status of their own: here a server that fails says so by its status.
fn row(reason: Reason) -> (StatusCode, Option<&'static str>) {
    let (status, code) = match reason {
        Reason::InvalidField
        | Reason::MalformedRequest
        | Reason::PasswordTooCommon
        | Reason::ChallengeRequired
        | Reason::ChallengeInvalid => (StatusCode::BAD_REQUEST, "invalid_request"),
        Reason::HttpsRequired => (StatusCode::FORBIDDEN, "invalid_request"),
        Reason::MethodNotFound
        | Reason::AccountNotFound
        | Reason::OrganizationNotFound
        | Reason::SessionNotFound
        | Reason::GrantNotFound
        | Reason::ClientNotFound
        | Reason::ApiKeyNotFound => (StatusCode::NOT_FOUND, "invalid_request"),
        Reason::HttpMethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "invalid_request"),
        Reason::EmailAlreadyExists | Reason::EtagMismatch | Reason::OrganizationNotEmpty => {
            (StatusCode::CONFLICT, "invalid_request")
        }
        Reason::MessageTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "invalid_request"),
        Reason::UnsupportedMediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid_request"),
        Reason::RateLimited | Reason::QuotaExceeded => {
            (StatusCode::TOO_MANY_REQUESTS, "invalid_request")
        }
        Reason::InvalidCredentials | Reason::RefreshTokenInvalid => {
            (StatusCode::BAD_REQUEST, "invalid_grant")
        }
        Reason::CredentialMissing | Reason::CredentialInvalid | Reason::CredentialSchemeInvalid => {
            (StatusCode::UNAUTHORIZED, "invalid_client")
        }
        // Proxies that ask about a path of OAuth need a 403.
        Reason::PermissionDenied => (StatusCode::FORBIDDEN, "unauthorized_client"),
        Reason::Overloaded | Reason::StorageUnavailable => {
            return (StatusCode::SERVICE_UNAVAILABLE, None);
        }
        Reason::DeadlineExceeded => return (StatusCode::GATEWAY_TIMEOUT, None),
        Reason::Internal => return (StatusCode::INTERNAL_SERVER_ERROR, None),
    };
    (status, Some(code))
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
