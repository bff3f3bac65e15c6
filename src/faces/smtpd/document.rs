//! What SMTPD tells the OpenAPI document. The paths that it shares with OAuth are told by that.

use schemars::Schema;

use super::{super::document, ME, Me, PasswordGrant, RefreshToken};
use crate::rest::openapi::{Credential, FaceOperation};

pub(in crate::faces) use super::{Tokens, error::Failure};

const TAG: &str = "SMTPD";

/// What the face tells the OpenAPI document.
#[must_use]
pub(in crate::faces) fn operations() -> Vec<FaceOperation> {
    vec![me()]
}

/// The bodies of its grants.
pub(in crate::faces) fn grants() -> [Schema; 2] {
    [
        document::request_schema::<PasswordGrant>(),
        document::request_schema::<RefreshToken>(),
    ]
}

/// The body of its revocation.
pub(in crate::faces) fn revocation() -> Schema {
    document::request_schema::<RefreshToken>()
}

fn me() -> FaceOperation {
    FaceOperation {
        method: http::Method::GET,
        credential: Credential::Required,
        responses: document::responses::<Me, Failure>(
            (200, "The account that calls"),
            &[(401, "The credential is missing, wrong or has expired")],
            &[document::SCOPE_REFUSAL],
        ),
        ..document::post(ME, TAG, "Who am I")
    }
}
