//! How `MoMail` says no: `{success:false,error:{code,message,details?}}`.

use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::{pow, reply};
use crate::error::{Error, Reason};

/// Where the face gives fields other names than the contract.
const FIELD_NAMES: [(&str, &str); 2] =
    [("display_name", "name"), ("refresh_token", "refreshToken")];

/// The body of every error.
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

/// The face's answer to an error.
#[must_use]
pub(in crate::faces) fn render(error: &Error) -> Response {
    let error = error
        .clone()
        .renamed(&FIELD_NAMES)
        .renamed(&pow::FIELD_NAMES);
    let violations = error.violations().iter();
    let body = Failure {
        success: false,
        error: FailureDetail {
            code: code(error.reason()),
            message: message(error.reason()).map_or_else(|| error.message(), str::to_owned),
            details: violations
                .map(|violation| FailedField {
                    field: violation.field.to_string(),
                    message: violation.description.to_string(),
                })
                .collect(),
        },
    };
    reply::error(&error, error.http_status(), body)
}

/// The code follows from the status but where the document has more than one.
fn code(reason: Reason) -> &'static str {
    let meaning = reason.meaning();
    match (reason, meaning.http) {
        (Reason::ChallengeRequired | Reason::ChallengeInvalid, _) | (_, 415 | 429) => meaning.name,
        (_, 400) => "VALIDATION_ERROR",
        (_, 401) => "UNAUTHORIZED",
        (_, 403) => "FORBIDDEN",
        (_, 404) => "NOT_FOUND",
        (_, 405) => "METHOD_NOT_ALLOWED",
        (_, 409) => "CONFLICT",
        (_, 413) => "PAYLOAD_TOO_LARGE",
        (_, 503) => "SERVICE_UNAVAILABLE",
        (_, 504) => "TIMEOUT",
        _ => "INTERNAL_ERROR",
    }
}

/// The messages of the document.
fn message(reason: Reason) -> Option<&'static str> {
    match reason {
        Reason::InvalidCredentials => Some("Invalid email or password"),
        Reason::CredentialMissing => Some("Access token is missing"),
        Reason::CredentialInvalid => Some("Invalid or expired access token"),
        Reason::RefreshTokenInvalid => Some("Invalid or expired refresh token"),
        Reason::EmailAlreadyExists => Some("Email already registered"),
        _ => None,
    }
}
