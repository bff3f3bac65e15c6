//! The error bodies of RFC 6749 and RFC 7009, for calls that speak OAuth on the paths that they
//! share with SMTPD.

use axum::response::Response;
use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::reply;
use crate::{error::Reason, rest::fault::Fault};

/// The body of RFC 6749 section 5.2.
#[derive(JsonSchema, Serialize)]
pub(super) struct ErrorBody {
    /// A code of the RFC.
    error: &'static str,
    /// What is wrong, for people.
    error_description: String,
}

/// A grant that this server does not know (RFC 6749 section 5.2).
pub(super) fn unsupported_grant_type() -> Response {
    let body = ErrorBody {
        error: "unsupported_grant_type",
        error_description: "This grant type is not supported.".to_owned(),
    };
    reply::answer(StatusCode::BAD_REQUEST, body)
}

/// A refusal in the words of RFC 6749 section 5.2 and RFC 7009 section 2.2.1.
pub(super) fn refuse(fault: &Fault) -> Response {
    let body = ErrorBody {
        error: code(fault.reason),
        error_description: fault.message.clone(),
    };
    reply::refusal(fault, fault.http_status(), body)
}

fn code(reason: Reason) -> &'static str {
    match reason {
        Reason::InvalidField
        | Reason::MalformedRequest
        | Reason::MessageTooLarge
        | Reason::UnsupportedMediaType
        | Reason::MethodNotFound
        | Reason::HttpMethodNotAllowed
        | Reason::PasswordTooCommon
        | Reason::EmailAlreadyExists
        | Reason::ChallengeRequired
        | Reason::ChallengeInvalid
        | Reason::AccountNotFound
        | Reason::OrganizationNotFound
        | Reason::SessionNotFound
        | Reason::ApiKeyNotFound
        | Reason::EtagMismatch
        | Reason::OrganizationNotEmpty => "invalid_request",
        Reason::InvalidCredentials | Reason::RefreshTokenInvalid => "invalid_grant",
        Reason::CredentialMissing | Reason::CredentialInvalid => "invalid_client",
        Reason::PermissionDenied | Reason::HttpsRequired => "unauthorized_client",
        Reason::QuotaExceeded
        | Reason::RateLimited
        | Reason::Overloaded
        | Reason::DeadlineExceeded
        | Reason::StorageUnavailable => "temporarily_unavailable",
        Reason::Internal => "server_error",
    }
}
