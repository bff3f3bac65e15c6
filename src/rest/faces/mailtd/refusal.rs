//! How Mail.td says no: `{"error"}`; with `message` where the word alone does not tell what to do, and with `field`
//! where one is at fault.

use axum::response::Response;
use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::reply;
use crate::{
    error::{FieldViolation, Reason},
    rest::fault::Fault,
};

/// The body of every refusal.
#[derive(JsonSchema, Serialize)]
pub(super) struct Failure {
    /// What went wrong, for programs.
    error: &'static str,
    /// The first field at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// What is wrong, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
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
    let (status, error) = row(fault.reason);
    let field = field_at_fault(fault);
    let body = Failure {
        error,
        field: field.map(|violation| violation.field.to_string()),
        message: (field.is_some() || fault.reason == Reason::CredentialSchemeInvalid)
            .then(|| fault.message.clone()),
    };
    reply::bearer_refusal(fault, status, body)
}

/// The first field at fault. What is denied is not: the contract names fields then that the face does not
/// have, such as the kind of a key.
fn field_at_fault(fault: &Fault) -> Option<&FieldViolation> {
    let denied = fault.reason == Reason::PermissionDenied;
    fault.violations.first().filter(|_| !denied)
}

/// The status and the word: "When a token expires, the API returns HTTP 401
/// `{"error":"invalid_or_expired_token"}`", and every other reason is its own name in small letters.
pub(super) fn row(reason: Reason) -> (StatusCode, &'static str) {
    match reason {
        Reason::InvalidField => (StatusCode::BAD_REQUEST, "invalid_field"),
        Reason::MalformedRequest => (StatusCode::BAD_REQUEST, "malformed_request"),
        Reason::PasswordTooCommon => (StatusCode::BAD_REQUEST, "password_too_common"),
        Reason::ChallengeRequired => (StatusCode::BAD_REQUEST, "challenge_required"),
        Reason::ChallengeInvalid => (StatusCode::BAD_REQUEST, "challenge_invalid"),
        Reason::InvalidCredentials => (StatusCode::UNAUTHORIZED, "invalid_credentials"),
        Reason::CredentialMissing
        | Reason::CredentialInvalid
        | Reason::CredentialSchemeInvalid
        | Reason::RefreshTokenInvalid => (StatusCode::UNAUTHORIZED, "invalid_or_expired_token"),
        Reason::PermissionDenied => (StatusCode::FORBIDDEN, "permission_denied"),
        Reason::HttpsRequired => (StatusCode::FORBIDDEN, "https_required"),
        Reason::MethodNotFound => (StatusCode::NOT_FOUND, "not_found"),
        Reason::AccountNotFound => (StatusCode::NOT_FOUND, "account_not_found"),
        Reason::OrganizationNotFound => (StatusCode::NOT_FOUND, "organization_not_found"),
        Reason::SessionNotFound => (StatusCode::NOT_FOUND, "session_not_found"),
        Reason::GrantNotFound => (StatusCode::NOT_FOUND, "grant_not_found"),
        Reason::ClientNotFound => (StatusCode::NOT_FOUND, "client_not_found"),
        // The API keys of this face are its Pro API tokens.
        Reason::ApiKeyNotFound => (StatusCode::NOT_FOUND, "token_not_found"),
        Reason::HttpMethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
        Reason::EmailAlreadyExists => (StatusCode::CONFLICT, "address_already_exists"),
        Reason::EtagMismatch => (StatusCode::CONFLICT, "conflict"),
        Reason::OrganizationNotEmpty => (StatusCode::CONFLICT, "organization_not_empty"),
        Reason::MessageTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "message_too_large"),
        Reason::UnsupportedMediaType => {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type")
        }
        Reason::QuotaExceeded => (StatusCode::TOO_MANY_REQUESTS, "quota_exceeded"),
        Reason::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
        Reason::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
        Reason::StorageUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "storage_unavailable"),
        Reason::DeadlineExceeded => (StatusCode::GATEWAY_TIMEOUT, "deadline_exceeded"),
        Reason::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    }
}
