//! What OAuth's own endpoints tell the OpenAPI document, with those that SMTPD shares.

use http::Method;
use schemars::{JsonSchema, json_schema};
use serde::Serialize;

use super::{
    super::{body, document, smtpd::document as smtpd},
    CONTENT_TYPES, INTROSPECT, REGISTER, REGISTRATION, REVOKE, TOKEN, USER_INFO,
    error::ErrorBody,
    introspect::Introspection,
    register::{Registration, with_key_set},
    revoke::Empty,
    token::Tokens,
    user_info::UserInfo,
};
use crate::{
    pb::v1,
    rest::openapi::{Credential, FaceOperation, QueryParameter, RequestBody},
};

const TAG: &str = "OAuth";

/// An answer on a path that is shared with SMTPD: in the form of either.
#[derive(JsonSchema, Serialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "documents what two other types are written as")]
enum Shared<O, S> {
    OAuth(O),
    Smtpd(S),
}

/// How a client says who it is, where Basic does not (OAuth 2.1 section 2.4.1).
#[derive(JsonSchema)]
#[expect(dead_code, reason = "documents a form")]
struct ClientAuthentication {
    /// The id of the client.
    client_id: Option<String>,
    /// Its secret, for clients that have one.
    client_secret: Option<String>,
    /// Always `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`.
    client_assertion_type: Option<String>,
    /// What a client with keys has signed of itself, in the place of a secret (RFC 7523).
    client_assertion: Option<String>,
}

/// Redeems a code (OAuth 2.1 section 4.1.3).
#[derive(JsonSchema)]
#[expect(dead_code, reason = "documents a form")]
struct CodeGrant {
    /// Always `authorization_code`.
    grant_type: String,
    /// The code.
    code: String,
    /// Where it was sent.
    redirect_uri: Option<String>,
    /// What the challenge was made of.
    code_verifier: String,
    /// Whom the tokens are for (RFC 8707); may come more than once.
    resource: Option<Vec<String>>,
    #[schemars(flatten)]
    client: ClientAuthentication,
}

/// Gets the next access token (OAuth 2.1 section 4.3).
#[derive(JsonSchema)]
#[expect(dead_code, reason = "documents a form")]
struct RefreshGrant {
    /// Always `refresh_token`.
    grant_type: String,
    /// The refresh token.
    refresh_token: String,
    /// Among what was granted.
    scope: Option<String>,
    /// Among what was granted (RFC 8707); may come more than once.
    resource: Option<Vec<String>>,
    #[schemars(flatten)]
    client: ClientAuthentication,
}

/// Gets a token of the client itself (RFC 6749 section 4.4).
#[derive(JsonSchema)]
#[expect(dead_code, reason = "documents a form")]
struct ClientGrant {
    /// Always `client_credentials`.
    grant_type: String,
    /// Among what the client may have; all of it where none is named.
    scope: Option<String>,
    /// Whom the token is for (RFC 8707); may come more than once.
    resource: Option<Vec<String>>,
    #[schemars(flatten)]
    client: ClientAuthentication,
}

/// Names a token (RFC 7009 section 2.1, RFC 7662 section 2.1).
#[derive(JsonSchema)]
#[expect(dead_code, reason = "documents a form")]
struct NamedToken {
    /// The token.
    #[schemars(extend("x-field" = "RevokeTokenRequest.token"))]
    token: String,
    #[schemars(flatten)]
    client: ClientAuthentication,
}

/// Shows a token where no header does (RFC 6750 section 2.2).
#[derive(JsonSchema)]
#[expect(dead_code, reason = "documents a form")]
struct ShownToken {
    /// The access token; not beside the header.
    access_token: Option<String>,
}

/// What the face tells the OpenAPI document.
#[must_use]
pub(in crate::faces) fn operations() -> Vec<FaceOperation> {
    vec![
        token(),
        revoke(),
        introspect(),
        user_info(),
        user_info_by_form(),
        register(),
        read_registration(),
        update_registration(),
        delete_registration(),
    ]
}

fn form<T: JsonSchema>() -> RequestBody {
    RequestBody {
        required: true,
        content_types: &[body::FORM],
        schema: document::request_schema::<T>(),
    }
}

fn token() -> FaceOperation {
    let mut schemas = vec![
        document::request_schema::<CodeGrant>(),
        document::request_schema::<RefreshGrant>(),
        document::request_schema::<ClientGrant>(),
    ];
    schemas.extend(smtpd::grants());
    FaceOperation {
        request: Some(RequestBody {
            required: true,
            content_types: &CONTENT_TYPES,
            schema: json_schema!({ "anyOf": schemas }),
        }),
        query: vec![QueryParameter {
            name: "grant_type",
            required: false,
            schema: json_schema!({ "type": "string", "enum": ["password", "refresh_token"] }),
        }],
        responses: document::responses::<
            Shared<Tokens, smtpd::Tokens>,
            Shared<ErrorBody, smtpd::Failure>,
        >(
            (
                200,
                "The tokens, in SMTPD's form where the grant type stands in the query",
            ),
            &[
                (401, "The client is unknown, or its secret is wrong"),
                (
                    403,
                    "The client may not do this; or, for SMTPD, the password or the refresh token is wrong",
                ),
            ],
            &document::BODY_REFUSALS,
        ),
        ..document::post(
            TOKEN,
            TAG,
            "Get tokens for a code or a refresh token; for SMTPD, log in or refresh",
        )
    }
}

fn revoke() -> FaceOperation {
    let schemas = [
        document::request_schema::<NamedToken>(),
        smtpd::revocation(),
    ];
    FaceOperation {
        request: Some(RequestBody {
            required: true,
            content_types: &CONTENT_TYPES,
            schema: json_schema!({ "anyOf": schemas }),
        }),
        responses: document::responses::<Empty, Shared<ErrorBody, smtpd::Failure>>(
            (200, "The token is good for nothing"),
            &[(
                401,
                "The client's secret is wrong; or, for SMTPD, the refresh token is",
            )],
            &document::BODY_REFUSALS,
        ),
        ..document::post(REVOKE, TAG, "Revoke a token")
    }
}

fn introspect() -> FaceOperation {
    FaceOperation {
        request: Some(form::<NamedToken>()),
        responses: document::responses::<Introspection, ErrorBody>(
            (200, "Whether the token is live, and what it is good for"),
            &[(401, "The client is unknown, or its secret is wrong")],
            &document::BODY_REFUSALS,
        ),
        ..document::post(INTROSPECT, TAG, "Ask whether a token of the client is live")
    }
}

const WRONG_ACCESS_TOKEN: (u16, &str) = (401, "The access token is missing, wrong or has expired");

fn user_info() -> FaceOperation {
    FaceOperation {
        method: Method::GET,
        credential: Credential::Required,
        responses: document::responses::<UserInfo, ErrorBody>(
            (200, "What the token's scopes let its client know"),
            &[WRONG_ACCESS_TOKEN, document::SCOPE_REFUSAL],
            &[],
        ),
        ..document::post(USER_INFO, TAG, "Ask who has logged in")
    }
}

fn user_info_by_form() -> FaceOperation {
    FaceOperation {
        credential: Credential::Optional,
        request: Some(RequestBody {
            required: false,
            ..form::<ShownToken>()
        }),
        responses: document::responses::<UserInfo, ErrorBody>(
            (200, "What the token's scopes let its client know"),
            &[WRONG_ACCESS_TOKEN, document::SCOPE_REFUSAL],
            &document::BODY_REFUSALS,
        ),
        ..document::post(
            USER_INFO,
            TAG,
            "Ask who has logged in, with the token in a form",
        )
    }
}

fn metadata() -> RequestBody {
    let mut body = document::json::<v1::ClientMetadata>();
    with_key_set(&mut body.schema);
    body
}

fn register() -> FaceOperation {
    FaceOperation {
        request: Some(metadata()),
        responses: document::responses::<Registration, ErrorBody>(
            (201, "The client is registered"),
            &[(403, "This server takes no registrations")],
            &document::BODY_REFUSALS,
        ),
        ..document::post(REGISTER, TAG, "Register a client")
    }
}

const WRONG_TOKEN: (u16, &str) = (401, "The registration access token is not the client's");

fn read_registration() -> FaceOperation {
    FaceOperation {
        method: Method::GET,
        responses: document::responses::<Registration, ErrorBody>(
            (200, "What is registered"),
            &[WRONG_TOKEN],
            &[],
        ),
        ..document::post(
            REGISTRATION,
            TAG,
            "Read a registration, with its registration access token",
        )
    }
}

fn update_registration() -> FaceOperation {
    FaceOperation {
        method: Method::PUT,
        request: Some(metadata()),
        responses: document::responses::<Registration, ErrorBody>(
            (200, "What is registered now"),
            &[WRONG_TOKEN],
            &document::BODY_REFUSALS,
        ),
        ..document::post(
            REGISTRATION,
            TAG,
            "Replace a registration, with its registration access token",
        )
    }
}

fn delete_registration() -> FaceOperation {
    FaceOperation {
        method: Method::DELETE,
        responses: document::responses_without_body::<ErrorBody>(
            (204, "The client is gone"),
            &[WRONG_TOKEN],
            &[],
        ),
        ..document::post(
            REGISTRATION,
            TAG,
            "Delete a registration, with its registration access token",
        )
    }
}
