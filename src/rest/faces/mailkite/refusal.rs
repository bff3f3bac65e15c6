//! How MailKite says no: `{"error":{"code","message","field"?}}`.

use axum::response::Response;
use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::{pow, reply};
use crate::{error::Reason, rest::fault::Fault};

/// The body of every refusal.
#[derive(JsonSchema, Serialize)]
pub(super) struct Failure {
    error: FailureDetail,
}

#[derive(JsonSchema, Serialize)]
struct FailureDetail {
    /// What went wrong, for programs.
    code: &'static str,
    /// What went wrong, for people.
    message: String,
    /// The first field at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

/// A refusal in the face's words.
pub(super) type Refusal = reply::Refusal<Words>;

/// The words of the face.
pub(super) struct Words;

impl reply::Words for Words {
    fn refuse(fault: &Fault) -> Response {
        refuse(fault)
    }
}

/// The face's answer to a fault.
#[must_use]
pub fn refuse(fault: &Fault) -> Response {
    let fault = reply::rename(fault, &pow::FIELD_NAMES);
    let (status, code) = row(fault.reason);
    let field = fault.violations.first();
    let body = Failure {
        error: FailureDetail {
            code,
            message: fault.message.clone(),
            field: field.map(|violation| violation.field.to_string()),
        },
    };
    reply::bearer_refusal(&fault, status, body)
}

/// The status and the code.
pub(super) fn row(reason: Reason) -> (StatusCode, &'static str) {
    match reason {
        Reason::InvalidField => (StatusCode::BAD_REQUEST, "invalid_field"),
        Reason::MalformedRequest => (StatusCode::BAD_REQUEST, "malformed_request"),
        Reason::PasswordTooCommon => (StatusCode::BAD_REQUEST, "password_too_common"),
        Reason::ChallengeRequired => (StatusCode::BAD_REQUEST, "challenge_required"),
        Reason::ChallengeInvalid => (StatusCode::BAD_REQUEST, "challenge_invalid"),
        Reason::InvalidCredentials => (StatusCode::UNAUTHORIZED, "invalid_credentials"),
        Reason::CredentialMissing => (StatusCode::UNAUTHORIZED, "token_missing"),
        Reason::CredentialSchemeInvalid => (StatusCode::UNAUTHORIZED, "token_scheme_invalid"),
        Reason::CredentialInvalid | Reason::RefreshTokenInvalid => {
            (StatusCode::UNAUTHORIZED, "token_invalid")
        }
        Reason::PermissionDenied | Reason::HttpsRequired => (StatusCode::FORBIDDEN, "forbidden"),
        Reason::MethodNotFound
        | Reason::AccountNotFound
        | Reason::OrganizationNotFound
        | Reason::SessionNotFound
        | Reason::GrantNotFound
        | Reason::ClientNotFound
        | Reason::ApiKeyNotFound => (StatusCode::NOT_FOUND, "not_found"),
        Reason::HttpMethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
        Reason::EmailAlreadyExists => (StatusCode::CONFLICT, "email_exists"),
        Reason::EtagMismatch | Reason::OrganizationNotEmpty => (StatusCode::CONFLICT, "conflict"),
        Reason::MessageTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
        Reason::UnsupportedMediaType => {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type")
        }
        Reason::QuotaExceeded => (StatusCode::TOO_MANY_REQUESTS, "quota_exceeded"),
        Reason::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
        Reason::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
        Reason::StorageUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        Reason::DeadlineExceeded => (StatusCode::GATEWAY_TIMEOUT, "timeout"),
        Reason::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    }
}
