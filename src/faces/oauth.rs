//! What stands under `/oauth/`: tokens and their revocation in the forms of RFC 6749 and RFC 7009, and SMTPD as a guest.
//!
//! `POST /oauth/token` and `POST /oauth/revoke` are shared. A call is SMTPD's when its grant type stands in the query or its
//! body is JSON, and a revocation also when its form names a `refresh_token`; the others are OAuth's, and get the errors of
//! that, as does everything else here.

use axum::{
    Extension, Router,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
    routing::{any, get, post},
};
use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use url::form_urlencoded;

use super::{
    Face,
    body::{self, Members},
    call::Call,
    contract::{Contract, rpc},
    reply, smtpd,
};
use crate::{
    error::{Error, FieldReason, Reason, Result},
    rest::{channel::Channel, unary},
};

mod error;

#[cfg(test)]
pub(super) use error::ErrorBody;
pub(super) use error::render;

const PREFIX: &str = "/oauth/";
pub(super) const TOKEN: &str = "/oauth/token";
pub(super) const REVOKE: &str = "/oauth/revoke";

/// What the paths that are shared take.
pub(super) const CONTENT_TYPES: [&str; 2] = [body::JSON, body::FORM];

/// The paths of OAuth, and of its guest.
pub(super) fn router(channel: Channel) -> Router {
    Router::new()
        .route(TOKEN, post(token))
        .route(REVOKE, post(revoke))
        .route(smtpd::ME, get(smtpd::me))
        .route(&format!("{PREFIX}{{*path}}"), any(not_found))
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(Contract::new(channel))
}

/// Whether a path is OAuth's, or its guest's.
pub(super) fn owns(path: &str) -> bool {
    path.starts_with(PREFIX)
}

/// Who is answered: a client of SMTPD, or one of OAuth. As far as it is known before the body is
/// read.
pub(super) fn face(path: &str, query: &str, is_json: bool) -> Face {
    let is_shared = [TOKEN, REVOKE].contains(&path);
    let names_grant = || {
        form_urlencoded::parse(query.as_bytes())
            .any(|(name, value)| name == "grant_type" && !value.is_empty())
    };
    let is_smtpd = path == smtpd::ME || is_shared && (is_json || names_grant());
    match (is_smtpd, path) {
        (false, _) => Face::OAuth,
        (true, REVOKE) => Face::SmtpdRevocation,
        (true, _) => Face::Smtpd,
    }
}

fn face_of(request: &Request) -> Face {
    let (uri, headers) = (request.uri(), request.headers());
    let is_json = unary::media_type(headers).as_deref() == Some(body::JSON);
    face(uri.path(), uri.query().unwrap_or_default(), is_json)
}

async fn method_not_allowed(request: Request) -> Response {
    answer(face_of(&request), Reason::HttpMethodNotAllowed.into())
}

async fn not_found(request: Request) -> Response {
    answer(face_of(&request), Reason::MethodNotFound.into())
}

/// An error that is to be rendered for this client.
fn answer(face: Face, error: Error) -> Response {
    (Extension(face), error).into_response()
}

async fn token(State(contract): State<Contract>, request: Request) -> Response {
    let face = face_of(&request);
    let granted = grant(&contract, face, request).await;
    granted.unwrap_or_else(|error| answer(face, error))
}

async fn grant(contract: &Contract, face: Face, request: Request) -> Result<Response> {
    let query = body::parameters(request.uri().query().unwrap_or_default().as_bytes())?;
    let in_query = body::text(&query, "grant_type");
    let rpc = match in_query {
        Some("refresh_token") => rpc::REFRESH_SESSION,
        _ => rpc::CREATE_SESSION,
    };
    let (call, members) = body::read_members(contract, rpc, request, &CONTENT_TYPES).await?;
    match grant_type(&members) {
        _ if face == Face::Smtpd => smtpd::grant(contract, &call, in_query, members).await,
        Some(_) => Ok(error::unsupported_grant_type()),
        None => Err(wrong_grant("is required")),
    }
}

/// The grant type of a body.
pub(super) fn grant_type(members: &Members) -> Option<&str> {
    body::text(members, "grant_type").filter(|grant| !grant.is_empty())
}

/// What is wrong with a grant type.
pub(super) fn wrong_grant(description: &'static str) -> Error {
    Error::invalid_field("grant_type", FieldReason::InvalidValue, description)
}

/// Nothing to say.
#[derive(JsonSchema, Serialize)]
pub(super) struct Empty {}

async fn revoke(State(contract): State<Contract>, request: Request) -> Response {
    let face = face_of(&request);
    let rpc = rpc::REVOKE_REFRESH_TOKEN;
    let (call, members) = match body::read_members(&contract, rpc, request, &CONTENT_TYPES).await {
        Ok(read) => read,
        Err(error) => return answer(face, error),
    };
    let names_token =
        body::text(&members, "token").is_some() || body::text(&members, "refresh_token").is_none();
    let (face, revoked) = if face == Face::OAuth && names_token {
        (face, revoke_by_rfc_7009(&contract, &call, &members).await)
    } else {
        (
            Face::SmtpdRevocation,
            smtpd::revoke(&contract, &call, members).await,
        )
    };
    match revoked {
        Ok(()) => reply::answer(StatusCode::OK, Empty {}),
        Err(error) => answer(face, error),
    }
}

/// What says that a token is good for nothing any more.
const IS_OVER: [Reason; 3] = [
    Reason::RefreshTokenInvalid,
    Reason::CredentialInvalid,
    Reason::SessionNotFound,
];

/// RFC 7009 section 2.2: an invalid token is not an error, as the purpose is already achieved.
async fn revoke_by_rfc_7009(contract: &Contract, call: &Call, members: &Members) -> Result<()> {
    if body::text(members, "refresh_token").is_some() {
        // Only one of the two would end, and the caller would not learn which.
        return Err(Error::invalid_field(
            "refresh_token",
            FieldReason::NotAllowed,
            "must not come together with token",
        ));
    }
    let token = body::text(members, "token").unwrap_or_default().to_owned();
    let bearer = call.with_bearer(&token);
    let revoked = match bearer.filter(|_| is_access_token(&token)) {
        Some(bearer) => contract.revoke_current_session(&bearer).await,
        None => contract.revoke_refresh_token(call, token).await,
    };
    match revoked {
        Err(error) if !IS_OVER.contains(&error.reason()) => {
            Err(error.renamed(&[("refresh_token", "token")]))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// An access token is a JWT, of three parts (RFC 7519 section 3). Whoever holds one may log its session out, and so
/// may whoever has it revoked (RFC 7009 section 2.1).
fn is_access_token(token: &str) -> bool {
    token.split('.').count() == 3
}
