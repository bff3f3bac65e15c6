//! What stands under `/oauth/`: OAuth's own endpoints, in the forms of its RFCs, and SMTPD as a guest.
//!
//! `POST /oauth/token` and `POST /oauth/revoke` are shared. A call is SMTPD's when its grant type stands in the query or its
//! body is JSON, and a revocation also when its form names a `refresh_token`; the others are OAuth's, and get the errors of
//! that, as does everything else here.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{FromRef, Request},
    response::{IntoResponse as _, Response},
    routing::{any, get, post},
};
use url::form_urlencoded;

use super::{Face, body, contract::Contract, smtpd};
use crate::{
    env::Env,
    error::{Error, Reason},
    rest::{channel::Channel, unary},
};

mod client;
#[cfg(test)]
pub(super) mod document;
mod error;
mod introspect;
mod register;
mod revoke;
mod token;
mod user_info;

pub(super) use self::{
    error::{Endpoint, render},
    token::{grant_type, wrong_grant},
};

const PREFIX: &str = "/oauth/";
pub(super) const TOKEN: &str = "/oauth/token";
pub(super) const REVOKE: &str = "/oauth/revoke";
const INTROSPECT: &str = "/oauth/introspect";
const USER_INFO: &str = "/oauth/userinfo";
const REGISTER: &str = "/oauth/register";
const REGISTRATION: &str = "/oauth/register/{client_id}";

/// What the paths that are shared take.
pub(super) const CONTENT_TYPES: [&str; 2] = [body::JSON, body::FORM];

/// What the handlers work with.
#[derive(Clone)]
struct OAuth {
    contract: Contract,
    env: Env,
    issuer: Arc<str>,
}

impl FromRef<OAuth> for Contract {
    fn from_ref(oauth: &OAuth) -> Self {
        oauth.contract.clone()
    }
}

/// The paths of OAuth, and of its guest.
pub(super) fn router(channel: Channel, env: Env, issuer: &str) -> Router {
    Router::new()
        .route(TOKEN, post(token::token))
        .route(REVOKE, post(revoke::revoke))
        .route(INTROSPECT, post(introspect::introspect))
        .route(USER_INFO, get(user_info::get).post(user_info::post))
        .route(REGISTER, post(register::register))
        .route(
            REGISTRATION,
            get(register::read)
                .put(register::update)
                .delete(register::delete),
        )
        .route(smtpd::ME, get(smtpd::me))
        .route(&format!("{PREFIX}{{*path}}"), any(not_found))
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(OAuth {
            contract: Contract::new(channel),
            env,
            issuer: issuer.into(),
        })
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
        (false, USER_INFO) => Face::OAuthUserInfo,
        (false, _) if path.starts_with(REGISTER) => Face::OAuthRegistration,
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
