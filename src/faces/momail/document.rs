//! What `MoMail` tells the OpenAPI document.

use super::{
    super::document, LOGIN, LOGOUT, LoggedIn, LoggedOut, LoginRequest, REFRESH, REGISTER,
    RefreshRequest, Refreshed, RegisterRequest, Registered, Success, error::Failure,
};
use crate::rest::openapi::{Credential, FaceOperation};

/// What the face tells the OpenAPI document.
#[must_use]
pub(in crate::faces) fn operations() -> Vec<FaceOperation> {
    (0..REGISTER.len()).flat_map(operations_at).collect()
}

/// Each operation under one of its two paths.
fn operations_at(path: usize) -> [FaceOperation; 4] {
    const TAG: &str = "MoMail";
    [
        FaceOperation {
            request: Some(document::json::<RegisterRequest>()),
            responses: document::responses::<Success<Registered>, Failure>(
                (201, "The account is made"),
                &[(409, "The email is already registered")],
                &document::BODY_REFUSALS,
            ),
            ..document::post(REGISTER[path], TAG, "Register a new user")
        },
        FaceOperation {
            request: Some(document::json::<LoginRequest>()),
            responses: document::responses::<Success<LoggedIn>, Failure>(
                (200, "The user is logged in"),
                &[(401, "The email or the password is wrong")],
                &document::BODY_REFUSALS,
            ),
            ..document::post(LOGIN[path], TAG, "Log in")
        },
        FaceOperation {
            credential: Credential::Required,
            responses: document::responses::<Success<LoggedOut>, Failure>(
                (200, "The session is over"),
                &[
                    (401, "The access token is missing, wrong or has expired"),
                    (404, "The credential has no session to log out"),
                ],
                &[document::SCOPE_REFUSAL],
            ),
            ..document::post(LOGOUT[path], TAG, "Log out")
        },
        FaceOperation {
            request: Some(document::json::<RefreshRequest>()),
            responses: document::responses::<Success<Refreshed>, Failure>(
                (200, "A new access token"),
                &[(401, "The refresh token is wrong or has expired")],
                &document::BODY_REFUSALS,
            ),
            ..document::post(REFRESH[path], TAG, "Refresh the access token")
        },
    ]
}
