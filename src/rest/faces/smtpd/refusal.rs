//! How SMTPD says no: `{code, message}`. `docs/ERRORS.md` lists the codes.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::reply;
use crate::{
    error::Reason,
    rest::{challenge, fault::Fault},
};

/// The body of every refusal.
#[derive(JsonSchema, Serialize)]
pub(super) struct Failure {
    /// What went wrong, for programs.
    code: u32,
    /// What went wrong, for people.
    message: String,
}

/// A refusal in the face's words.
pub(super) struct Refusal {
    fault: Fault,
    status: StatusCode,
}

impl Refusal {
    /// The refusal of a revocation, which answers 401 where other calls answer 403.
    pub(super) fn of_revocation(fault: Fault) -> Self {
        let mut refusal = Self::from(fault);
        if refusal.fault.reason == Reason::RefreshTokenInvalid {
            refusal.status = StatusCode::UNAUTHORIZED;
        }
        refusal
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        let (status, ..) = row(fault.reason);
        Self { fault, status }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (_, code, message) = row(self.fault.reason);
        let body = Failure {
            code,
            message: message.map_or_else(|| self.fault.message.clone(), str::to_owned),
        };
        let mut response = reply::bearer_refusal(&self.fault, self.status, body);
        // A refresh token in the body cannot be mended with a user name and a password.
        challenge::offer_basic(response.headers_mut(), self.status, self.fault.reason);
        response
    }
}

/// The status, the code, and the message where the document has one of its own.
pub(super) fn row(reason: Reason) -> (StatusCode, u32, Option<&'static str>) {
    match reason {
        Reason::InvalidField => (StatusCode::BAD_REQUEST, 40001, None),
        Reason::MalformedRequest => (StatusCode::BAD_REQUEST, 40002, None),
        Reason::PasswordTooCommon => (StatusCode::BAD_REQUEST, 40003, None),
        Reason::ChallengeRequired => (StatusCode::BAD_REQUEST, 40004, None),
        Reason::ChallengeInvalid => (StatusCode::BAD_REQUEST, 40005, None),
        Reason::CredentialMissing => {
            let message =
                "Authentication is required: HTTP Basic with an API key as user name, or Bearer";
            (StatusCode::UNAUTHORIZED, 40101, Some(message))
        }
        Reason::InvalidCredentials => {
            let message = "Username and password are incorrect";
            (StatusCode::FORBIDDEN, 40102, Some(message))
        }
        Reason::CredentialInvalid => {
            let message = "The API key or access token is invalid or has expired";
            (StatusCode::UNAUTHORIZED, 40103, Some(message))
        }
        Reason::CredentialSchemeInvalid => (StatusCode::UNAUTHORIZED, 40104, None),
        Reason::RefreshTokenInvalid => (
            StatusCode::FORBIDDEN,
            40106,
            Some("Refresh token is invalid"),
        ),
        Reason::PermissionDenied => (StatusCode::FORBIDDEN, 40301, None),
        Reason::HttpsRequired => (StatusCode::FORBIDDEN, 40302, None),
        Reason::MethodNotFound
        | Reason::AccountNotFound
        | Reason::OrganizationNotFound
        | Reason::SessionNotFound
        | Reason::GrantNotFound
        | Reason::ClientNotFound
        | Reason::ApiKeyNotFound => (StatusCode::NOT_FOUND, 40401, None),
        Reason::HttpMethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, 40501, None),
        Reason::EmailAlreadyExists => (StatusCode::CONFLICT, 40901, None),
        Reason::EtagMismatch => (StatusCode::CONFLICT, 40902, None),
        Reason::OrganizationNotEmpty => (StatusCode::CONFLICT, 40903, None),
        Reason::MessageTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, 41301, None),
        Reason::UnsupportedMediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, 41501, None),
        Reason::RateLimited => (StatusCode::TOO_MANY_REQUESTS, 42901, None),
        Reason::QuotaExceeded => (StatusCode::TOO_MANY_REQUESTS, 42902, None),
        Reason::Internal => (StatusCode::INTERNAL_SERVER_ERROR, 50001, None),
        Reason::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, 50301, None),
        Reason::StorageUnavailable => (StatusCode::SERVICE_UNAVAILABLE, 50302, None),
        Reason::DeadlineExceeded => (StatusCode::GATEWAY_TIMEOUT, 50401, None),
    }
}
