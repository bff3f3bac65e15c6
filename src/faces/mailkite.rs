//! MailKite's accounts: `POST /api/auth/signup`, `POST /api/auth/login` and `POST /api/auth/google`.

use axum::{
    Router,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
    routing::{any, post},
};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    body,
    contract::{self, Contract, rpc},
    pow::Pow,
    reply,
};
use crate::{
    error::{Error, FieldReason, Reason, Result},
    pb::v1,
    rest::channel::Channel,
};

#[cfg(test)]
pub(super) mod document;
mod error;
#[cfg(test)]
mod tests;

pub(super) use error::render;

/// The client that logs in here.
const CLIENT_ID: &str = "mailkite";

const PREFIX: &str = "/api/auth/";
const SIGNUP: &str = "/api/auth/signup";
const LOGIN: &str = "/api/auth/login";
const GOOGLE: &str = "/api/auth/google";

/// The paths of the face.
pub fn router(channel: Channel) -> Router {
    Router::new()
        .route(SIGNUP, post(sign_up))
        .route(LOGIN, post(log_in))
        .route(GOOGLE, post(google))
        .route(&format!("{PREFIX}{{*path}}"), any(not_found))
        .method_not_allowed_fallback(async || Error::new(Reason::HttpMethodNotAllowed))
        .with_state(Contract::new(channel))
}

/// Whether a path is this face's.
pub(super) fn owns(path: &str) -> bool {
    path.starts_with(PREFIX)
}

/// An e-mail address and a password.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Credentials {
    /// The e-mail address of the account.
    #[schemars(extend("x-field" = "CreateSessionRequest.email"))]
    email: String,
    /// Its password.
    #[schemars(extend("x-field" = "CreateSessionRequest.password"))]
    password: String,
}

/// An e-mail address and a password for a new account.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SignUp {
    /// The e-mail address of the account.
    #[schemars(extend("x-field" = "CreateAccountRequest.email"))]
    email: String,
    /// Its password: at least 8 characters.
    #[schemars(extend("x-field" = "CreateAccountRequest.password"))]
    password: String,
    /// The solution of a challenge, where the server asks for one.
    pow: Option<Pow>,
}

/// What Google has given: an ID token, under either name, or a code.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Google {
    /// The ID token that Google's button hands a page.
    #[serde(default)]
    #[schemars(extend("x-field" = "IdentityProof.id_token"))]
    credential: String,
    /// The ID token that an app gets from Google.
    #[serde(default)]
    #[schemars(extend("x-field" = "IdentityProof.id_token"))]
    id_token: String,
    /// The code with which Google sent the browser back.
    #[serde(default)]
    #[schemars(extend("x-field" = "IdentityProof.code"))]
    code: String,
    /// Where it sent it.
    #[serde(default)]
    #[schemars(extend("x-field" = "IdentityProof.redirect_uri"))]
    redirect_uri: String,
    /// The verifier of the challenge that the code was asked for with (RFC 7636).
    #[serde(default)]
    #[schemars(extend("x-field" = "IdentityProof.code_verifier"))]
    code_verifier: String,
    /// The nonce that the ID token was asked for with; compared when it is sent.
    #[serde(default)]
    #[schemars(extend("x-field" = "IdentityProof.nonce"))]
    nonce: String,
}

/// The new account and what opens it.
#[derive(JsonSchema, Serialize)]
struct SignedUp {
    /// The session token, which works like an API key.
    token: String,
    user: User,
    /// The secret of the account's first API key, shown this once.
    api_key: String,
}

/// The account and what opens it.
#[derive(JsonSchema, Serialize)]
struct LoggedIn {
    /// The session token, which works like an API key.
    token: String,
    user: User,
}

/// An account.
#[derive(JsonSchema, Serialize)]
struct User {
    /// A UUID.
    id: String,
    /// As it was typed.
    email: String,
    /// Empty until it is set.
    name: String,
    /// RFC 3339 in UTC, with milliseconds.
    created_at: String,
}

impl User {
    fn of(account: v1::Account) -> Result<Self> {
        Ok(Self {
            id: contract::account_id(&account.name)?.to_string(),
            email: account.email,
            name: account.display_name,
            created_at: contract::moment(account.create_time, "create_time")?.to_rfc3339(),
        })
    }
}

async fn sign_up(State(contract): State<Contract>, request: Request) -> Result<Response> {
    let (call, sent): (_, SignUp) = body::read(&contract, rpc::CREATE_ACCOUNT, request).await?;
    let message = v1::CreateAccountRequest {
        email: sent.email,
        password: sent.password,
        display_name: String::new(),
        session_client_id: CLIENT_ID.to_owned(),
        api_key_kind: v1::ApiKeyKind::Mailkite.into(),
        proof_of_work: sent.pow.map(Into::into),
        request_id: String::new(),
    };
    let made = contract.create_account(&call, message).await?;
    let signed_up = SignedUp {
        token: contract::present(made.tokens, "tokens")?.access_token,
        user: User::of(contract::present(made.account, "account")?)?,
        api_key: made.api_key_secret,
    };
    Ok(reply::answer(StatusCode::CREATED, signed_up))
}

async fn log_in(State(contract): State<Contract>, request: Request) -> Result<Response> {
    let (call, sent): (_, Credentials) =
        body::read(&contract, rpc::CREATE_SESSION, request).await?;
    let (made, cookie) = contract
        .create_session(&call, sent.email, sent.password, CLIENT_ID)
        .await?;
    let logged_in = LoggedIn {
        token: contract::present(made.tokens, "tokens")?.access_token,
        user: User::of(contract::present(made.account, "account")?)?,
    };
    Ok((cookie, reply::answer(StatusCode::OK, logged_in)).into_response())
}

async fn google(State(contract): State<Contract>, request: Request) -> Result<Response> {
    let (call, sent): (_, Google) = body::read(&contract, rpc::FINISH_SIGN_IN, request).await?;
    let id_token = match (sent.credential, sent.id_token) {
        (token, other) | (other, token) if other.is_empty() => token,
        _ => {
            let rule = "must not come beside a credential";
            return Err(Error::invalid_field(
                "id_token",
                FieldReason::InvalidValue,
                rule,
            ));
        }
    };
    let message = v1::FinishSignInRequest {
        name: "identityProviders/google".to_owned(),
        proof: Some(v1::IdentityProof {
            id_token,
            code: sent.code,
            redirect_uri: sent.redirect_uri,
            code_verifier: sent.code_verifier,
            nonce: sent.nonce,
        }),
        client_id: CLIENT_ID.to_owned(),
    };
    let made = contract.finish_sign_in(&call, message).await?;
    let signed_in = LoggedIn {
        token: contract::present(made.tokens, "tokens")?.access_token,
        user: User::of(contract::present(made.account, "account")?)?,
    };
    let status = if made.account_created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok(reply::answer(status, signed_in))
}

async fn not_found() -> Error {
    Reason::MethodNotFound.into()
}
