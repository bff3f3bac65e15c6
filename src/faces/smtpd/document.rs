//! What SMTPD tells the OpenAPI document.

use schemars::{JsonSchema, json_schema};
use serde::Serialize;

use super::{
    super::{
        document,
        oauth::{CONTENT_TYPES, Empty, ErrorBody, REVOKE, TOKEN},
    },
    ME, Me, PasswordGrant, RefreshToken, Tokens,
    error::Failure,
};
use crate::rest::openapi::{Credential, FaceOperation, QueryParameter, RequestBody};

const TAG: &str = "SMTPD";

/// A refusal on a path that is shared with OAuth: in the words of either.
#[derive(JsonSchema, Serialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "documents what two other types are written as")]
enum SharedFailure {
    Smtpd(Failure),
    OAuth(ErrorBody),
}

/// What the face tells the OpenAPI document.
#[must_use]
pub(in crate::faces) fn operations() -> Vec<FaceOperation> {
    vec![token(), revoke(), me()]
}

fn token() -> FaceOperation {
    let (password, refresh) = (
        document::request_schema::<PasswordGrant>(),
        document::request_schema::<RefreshToken>(),
    );
    FaceOperation {
        request: Some(RequestBody {
            required: true,
            content_types: &CONTENT_TYPES,
            schema: json_schema!({ "anyOf": [password, refresh] }),
        }),
        query: vec![QueryParameter {
            name: "grant_type",
            required: true,
            schema: json_schema!({ "type": "string", "enum": ["password", "refresh_token"] }),
        }],
        responses: document::responses::<Tokens, SharedFailure>(
            (200, "The tokens; a refresh answers the same refresh token"),
            &[(
                403,
                "The user name, the password or the refresh token is wrong",
            )],
            &document::BODY_REFUSALS,
        ),
        ..document::post(TOKEN, TAG, "Log in, or refresh the access token")
    }
}

fn revoke() -> FaceOperation {
    FaceOperation {
        request: Some(RequestBody {
            required: true,
            content_types: &CONTENT_TYPES,
            schema: document::request_schema::<RefreshToken>(),
        }),
        responses: document::responses::<Empty, SharedFailure>(
            (200, "The session is over"),
            &[(401, "The refresh token is wrong or has expired")],
            &document::BODY_REFUSALS,
        ),
        ..document::post(REVOKE, TAG, "Revoke a refresh token")
    }
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
