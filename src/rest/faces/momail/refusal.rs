//! How `MoMail` says no.

use axum::response::Response;
use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::{pow, reply};
use crate::{error::Reason, rest::fault::Fault};

/// Where the face gives fields other names than the contract.
const FIELD_NAMES: [(&str, &str); 2] =
    [("display_name", "name"), ("refresh_token", "refreshToken")];

/// The body of every refusal.
#[derive(JsonSchema, Serialize)]
pub(super) struct Failure {
    /// Always `false`.
    success: bool,
    error: FailureDetail,
}

#[derive(JsonSchema, Serialize)]
struct FailureDetail {
    /// What went wrong, for programs.
    code: &'static str,
    /// What went wrong, for people.
    message: String,
    /// The fields at fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<FailedField>,
}

#[derive(JsonSchema, Serialize)]
struct FailedField {
    /// The name of the field.
    field: String,
    /// What it must be.
    message: String,
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

/// The face's answer to a fault: `{success:false,error:{code,message,details?}}`.
#[must_use]
pub fn refuse(fault: &Fault) -> Response {
    let fault = reply::rename(&reply::rename(fault, &FIELD_NAMES), &pow::FIELD_NAMES);
    let (status, code, message) = row(fault.reason);
    let details = fault
        .violations
        .iter()
        .map(|violation| FailedField {
            field: violation.field.to_string(),
            message: violation.description.to_string(),
        })
        .collect();
    let body = Failure {
        success: false,
        error: FailureDetail {
            code,
            message: message.map_or_else(|| fault.message.clone(), str::to_owned),
            details,
        },
    };
    reply::bearer_refusal(&fault, status, body)
}

/// The status, the code, and the message where the document has one of its own.
pub(super) fn row(reason: Reason) -> (StatusCode, &'static str, Option<&'static str>) {
    match reason {
        Reason::InvalidField | Reason::MalformedRequest | Reason::PasswordTooCommon => {
            (StatusCode::BAD_REQUEST, "VALIDATION_ERROR", None)
        }
        Reason::ChallengeRequired => (StatusCode::BAD_REQUEST, "CHALLENGE_REQUIRED", None),
        Reason::ChallengeInvalid => (StatusCode::BAD_REQUEST, "CHALLENGE_INVALID", None),
        Reason::InvalidCredentials => unauthorized("Invalid email or password"),
        Reason::CredentialMissing => unauthorized("Access token is missing"),
        Reason::CredentialInvalid => unauthorized("Invalid or expired access token"),
        Reason::CredentialSchemeInvalid => (StatusCode::UNAUTHORIZED, "UNAUTHORIZED", None),
        Reason::RefreshTokenInvalid => unauthorized("Invalid or expired refresh token"),
        Reason::PermissionDenied | Reason::HttpsRequired => {
            (StatusCode::FORBIDDEN, "FORBIDDEN", None)
        }
        Reason::MethodNotFound
        | Reason::AccountNotFound
        | Reason::OrganizationNotFound
        | Reason::SessionNotFound
        | Reason::GrantNotFound
        | Reason::ClientNotFound
        | Reason::ApiKeyNotFound => (StatusCode::NOT_FOUND, "NOT_FOUND", None),
        Reason::HttpMethodNotAllowed => {
            (StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", None)
        }
        Reason::EmailAlreadyExists => {
            let message = Some("Email already registered");
            (StatusCode::CONFLICT, "CONFLICT", message)
        }
        Reason::EtagMismatch | Reason::OrganizationNotEmpty => {
            (StatusCode::CONFLICT, "CONFLICT", None)
        }
        Reason::MessageTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", None),
        Reason::UnsupportedMediaType => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_MEDIA_TYPE",
            None,
        ),
        Reason::QuotaExceeded => (StatusCode::TOO_MANY_REQUESTS, "QUOTA_EXCEEDED", None),
        Reason::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", None),
        Reason::Overloaded | Reason::StorageUnavailable => {
            (StatusCode::SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE", None)
        }
        Reason::DeadlineExceeded => (StatusCode::GATEWAY_TIMEOUT, "TIMEOUT", None),
        Reason::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", None),
    }
}

fn unauthorized(message: &'static str) -> (StatusCode, &'static str, Option<&'static str>) {
    (StatusCode::UNAUTHORIZED, "UNAUTHORIZED", Some(message))
}
