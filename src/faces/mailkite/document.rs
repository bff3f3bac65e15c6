//! What MailKite tells the OpenAPI document.

use super::{
    super::document, Credentials, GOOGLE, Google, LOGIN, LoggedIn, SIGNUP, SignUp, SignedUp,
    error::Failure,
};
use crate::rest::openapi::FaceOperation;

/// What the face tells the OpenAPI document.
#[must_use]
pub(in crate::faces) fn operations() -> Vec<FaceOperation> {
    const TAG: &str = "MailKite";
    let mut google = document::responses::<LoggedIn, Failure>(
        (200, "The user is logged in"),
        &[
            (401, "Google does not confirm who this is"),
            (404, "Google is not set up"),
            (409, "The email exists"),
        ],
        &document::BODY_REFUSALS,
    );
    google.push(document::response::<LoggedIn>(201, "The account is made"));
    vec![
        FaceOperation {
            request: Some(document::json::<SignUp>()),
            responses: document::responses::<SignedUp, Failure>(
                (201, "The account is made"),
                &[(409, "The email exists")],
                &document::BODY_REFUSALS,
            ),
            ..document::post(SIGNUP, TAG, "Sign up")
        },
        FaceOperation {
            request: Some(document::json::<Credentials>()),
            responses: document::responses::<LoggedIn, Failure>(
                (200, "The user is logged in"),
                &[(401, "The email or the password is wrong")],
                &document::BODY_REFUSALS,
            ),
            ..document::post(LOGIN, TAG, "Log in")
        },
        FaceOperation {
            request: Some(document::json::<Google>()),
            responses: google,
            ..document::post(GOOGLE, TAG, "Log in with Google")
        },
    ]
}
