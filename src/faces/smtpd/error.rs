//! How SMTPD says no: `{code, message}`. `docs/ERRORS.md` lists the codes.

use axum::response::Response;
use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::reply;
use crate::{
    error::{Error, Reason},
    rest::error_headers,
};

/// The body of every error.
#[derive(JsonSchema, Serialize)]
pub(in crate::faces) struct Failure {
    /// What went wrong, for programs.
    code: u32,
    /// What went wrong, for people.
    message: String,
}

/// The face's answer to an error. A revocation answers 401 where other calls answer 403.
#[must_use]
pub(in crate::faces) fn render(error: &Error, is_revocation: bool) -> Response {
    let reason = error.reason();
    let status = match reason {
        Reason::RefreshTokenInvalid if is_revocation => StatusCode::UNAUTHORIZED,
        Reason::InvalidCredentials | Reason::RefreshTokenInvalid => StatusCode::FORBIDDEN,
        _ => error.http_status(),
    };
    let body = Failure {
        code: code(reason),
        message: message(reason).map_or_else(|| error.message(), str::to_owned),
    };
    let mut response = reply::error(error, status, body);
    // A refresh token in the body cannot be mended with a user name and a password.
    error_headers::offer_basic(response.headers_mut(), status, reason);
    response
}

/// The status and two digits, which are `01` but where a status has more than one code.
fn code(reason: Reason) -> u32 {
    let number = match reason {
        Reason::MalformedRequest
        | Reason::InvalidCredentials
        | Reason::HttpsRequired
        | Reason::EtagMismatch
        | Reason::QuotaExceeded
        | Reason::StorageUnavailable => 2,
        Reason::PasswordTooCommon | Reason::CredentialInvalid | Reason::OrganizationNotEmpty => 3,
        Reason::ChallengeRequired | Reason::CredentialSchemeInvalid => 4,
        Reason::ChallengeInvalid => 5,
        Reason::RefreshTokenInvalid => 6,
        _ => 1,
    };
    u32::from(reason.meaning().http) * 100 + number
}

/// The messages of the document.
fn message(reason: Reason) -> Option<&'static str> {
    match reason {
        Reason::CredentialMissing => {
            Some("Authentication is required: HTTP Basic with an API key as user name, or Bearer")
        }
        Reason::InvalidCredentials => Some("Username and password are incorrect"),
        Reason::CredentialInvalid => Some("The API key or access token is invalid or has expired"),
        Reason::RefreshTokenInvalid => Some("Refresh token is invalid"),
        _ => None,
    }
}
