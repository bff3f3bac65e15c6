//! How Mail.td says no: `{"error"}`; with `message` where the word alone does not tell what to do, and with `field`
//! where one is at fault.

use std::borrow::Cow;

use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::reply;
use crate::error::{Error, FieldViolation, Reason};

/// The body of every error.
#[derive(JsonSchema, Serialize)]
pub(super) struct Failure {
    /// What went wrong, for programs.
    error: Cow<'static, str>,
    /// The first field at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// What is wrong, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// The face's answer to an error.
#[must_use]
pub(in crate::faces) fn render(error: &Error) -> Response {
    let field = field_at_fault(error);
    let is_told = field.is_some() || error.reason() == Reason::CredentialSchemeInvalid;
    let body = Failure {
        error: word(error.reason()),
        field: field.map(|violation| violation.field.to_string()),
        message: is_told.then(|| error.message()),
    };
    reply::error(error, error.http_status(), body)
}

/// The first field at fault. What is denied is not: the contract names fields then that the face does not
/// have, such as the kind of a key.
fn field_at_fault(error: &Error) -> Option<&FieldViolation> {
    let denied = error.reason() == Reason::PermissionDenied;
    error.violations().first().filter(|_| !denied)
}

/// "When a token expires, the API returns HTTP 401 `{"error":"invalid_or_expired_token"}`", and nearly every other reason
/// is its own name in small letters.
fn word(reason: Reason) -> Cow<'static, str> {
    let word = match reason {
        Reason::CredentialMissing
        | Reason::CredentialInvalid
        | Reason::CredentialSchemeInvalid
        | Reason::RefreshTokenInvalid => "invalid_or_expired_token",
        Reason::MethodNotFound => "not_found",
        // The API keys of this face are its Pro API tokens.
        Reason::ApiKeyNotFound => "token_not_found",
        Reason::HttpMethodNotAllowed => "method_not_allowed",
        Reason::EmailAlreadyExists => "address_already_exists",
        Reason::EtagMismatch => "conflict",
        _ => return reason.meaning().name.to_ascii_lowercase().into(),
    };
    word.into()
}
