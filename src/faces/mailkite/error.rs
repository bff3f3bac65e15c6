//! How MailKite says no: `{"error":{"code","message","field"?}}`.

use std::borrow::Cow;

use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::{pow, reply};
use crate::error::{Error, Reason};

/// The body of every error.
#[derive(JsonSchema, Serialize)]
pub(super) struct Failure {
    error: FailureDetail,
}

#[derive(JsonSchema, Serialize)]
struct FailureDetail {
    /// What went wrong, for programs.
    code: Cow<'static, str>,
    /// What went wrong, for people.
    message: String,
    /// The first field at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

/// The face's answer to an error.
#[must_use]
pub(in crate::faces) fn render(error: &Error) -> Response {
    let error = error.clone().renamed(&pow::FIELD_NAMES);
    let field = error.violations().first();
    let body = Failure {
        error: FailureDetail {
            code: code(error.reason()),
            message: error.message(),
            field: field.map(|violation| violation.field.to_string()),
        },
    };
    reply::error(&error, error.http_status(), body)
}

/// The code is the name of the reason in small letters but where one tells all that is told of a status.
fn code(reason: Reason) -> Cow<'static, str> {
    let meaning = reason.meaning();
    let code = match (reason, meaning.http) {
        (Reason::CredentialMissing, _) => "token_missing",
        (Reason::CredentialSchemeInvalid, _) => "token_scheme_invalid",
        (Reason::CredentialInvalid | Reason::RefreshTokenInvalid, _) => "token_invalid",
        (Reason::EmailAlreadyExists, _) => "email_exists",
        (Reason::StorageUnavailable | Reason::IdentityProviderUnavailable, _) => "unavailable",
        (_, 403) => "forbidden",
        (_, 404) => "not_found",
        (_, 405) => "method_not_allowed",
        (_, 409) => "conflict",
        (_, 413) => "body_too_large",
        (_, 504) => "timeout",
        _ => return meaning.name.to_ascii_lowercase().into(),
    };
    code.into()
}
