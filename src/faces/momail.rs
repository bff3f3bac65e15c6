//! `MoMail`'s accounts: `/v1/auth/*`, and the same under `/auth/*`.

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
    reply, user_id,
};
use crate::{
    env::{Env, Timestamp},
    error::{Error, FieldReason, Reason, Result},
    pb::v1,
    rest::{call::Call, channel::Channel},
};

#[cfg(test)]
pub(super) mod document;
mod error;
#[cfg(test)]
mod tests;

pub(super) use error::render;

/// The client that logs in here.
const CLIENT_ID: &str = "momail";

const PREFIXES: [&str; 2] = ["/v1/auth/", "/auth/"];
const REGISTER: [&str; 2] = ["/v1/auth/register", "/auth/register"];
const LOGIN: [&str; 2] = ["/v1/auth/login", "/auth/login"];
const LOGOUT: [&str; 2] = ["/v1/auth/logout", "/auth/logout"];
const REFRESH: [&str; 2] = ["/v1/auth/refresh", "/auth/refresh"];
const OTHERS: [&str; 2] = ["/v1/auth/{*path}", "/auth/{*path}"];

#[derive(Clone)]
struct Face {
    contract: Contract,
    env: Env,
}

/// The paths of the face.
pub fn router(channel: Channel, env: Env) -> Router {
    let face = Face {
        contract: Contract::new(channel),
        env,
    };
    let routes = [
        (REGISTER, post(register)),
        (LOGIN, post(login)),
        (LOGOUT, post(logout)),
        (REFRESH, post(refresh)),
        (OTHERS, any(not_found)),
    ];
    routes
        .into_iter()
        .flat_map(|(paths, handler)| paths.map(|path| (path, handler.clone())))
        .fold(Router::new(), |router, (path, handler)| {
            router.route(path, handler)
        })
        .method_not_allowed_fallback(async || Error::new(Reason::HttpMethodNotAllowed))
        .with_state(face)
}

/// Whether a path is this face's.
pub(super) fn owns(path: &str) -> bool {
    PREFIXES.iter().any(|prefix| path.starts_with(prefix))
}

#[derive(JsonSchema, Serialize)]
struct Success<T> {
    /// Always `true`.
    success: bool,
    data: T,
}

fn success<T: Serialize>(status: StatusCode, data: T) -> Response {
    let body = Success {
        success: true,
        data,
    };
    reply::answer(status, body)
}

/// Asks for a new account.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RegisterRequest {
    /// Valid email address.
    #[schemars(extend("x-field" = "CreateAccountRequest.email"))]
    email: String,
    /// Minimum 8 characters.
    #[schemars(extend("x-field" = "CreateAccountRequest.password"))]
    password: String,
    /// User's full name.
    // Spaces alone are no name.
    #[schemars(length(min = 1), extend("x-field" = "CreateAccountRequest.display_name", "allOf" = [{"pattern": "\\S"}]))]
    name: String,
    /// The solution of a challenge, where the server asks for one.
    pow: Option<Pow>,
}

/// The new account.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct Registered {
    user_id: String,
    email: String,
    name: String,
    /// RFC 3339 in UTC, with milliseconds.
    created_at: String,
}

async fn register(State(face): State<Face>, request: Request) -> Result<Response> {
    let (call, sent): (_, RegisterRequest) =
        body::read(&face.contract, rpc::CREATE_ACCOUNT, request).await?;
    let name = sent.name.trim();
    if name.is_empty() {
        return Err(Error::invalid_field(
            "name",
            FieldReason::Required,
            "is required",
        ));
    }
    let message = v1::CreateAccountRequest {
        email: sent.email,
        password: sent.password,
        display_name: name.to_owned(),
        session_client_id: String::new(),
        api_key_kind: v1::ApiKeyKind::Unspecified.into(),
        proof_of_work: sent.pow.map(Into::into),
        request_id: String::new(),
    };
    let made = face.contract.create_account(&call, message).await?;
    let account = contract::present(made.account, "account")?;
    let registered = Registered {
        user_id: user_id::encode(contract::account_id(&account.name)?),
        email: account.email,
        name: account.display_name,
        created_at: contract::moment(account.create_time, "create_time")?.to_rfc3339(),
    };
    Ok(success(StatusCode::CREATED, registered))
}

/// Asks to log in.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LoginRequest {
    /// Registered email address.
    #[schemars(extend("x-field" = "CreateSessionRequest.email"))]
    email: String,
    /// User's password.
    #[schemars(extend("x-field" = "CreateSessionRequest.password"))]
    password: String,
}

/// The tokens of a new session.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct LoggedIn {
    access_token: String,
    refresh_token: String,
    /// Seconds until the access token ends.
    expires_in: u64,
    user: User,
}

/// Who logged in.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct User {
    user_id: String,
    email: String,
    name: String,
}

async fn login(State(face): State<Face>, request: Request) -> Result<Response> {
    let (call, sent): (_, LoginRequest) =
        body::read(&face.contract, rpc::CREATE_SESSION, request).await?;
    let (made, cookie) = face
        .contract
        .create_session(&call, sent.email, sent.password, CLIENT_ID)
        .await?;
    let account = contract::present(made.account, "account")?;
    let session = contract::present(made.session, "session")?;
    let tokens = contract::present(made.tokens, "tokens")?;
    let issued = contract::moment(session.create_time, "create_time")?;
    let logged_in = LoggedIn {
        expires_in: expires_in(&tokens, issued)?,
        access_token: tokens.access_token,
        refresh_token: tokens.refresh_token,
        user: User {
            user_id: user_id::encode(contract::account_id(&account.name)?),
            email: account.email,
            name: account.display_name,
        },
    };
    Ok((cookie, success(StatusCode::OK, logged_in)).into_response())
}

/// The session is over.
#[derive(JsonSchema, Serialize)]
struct LoggedOut {
    message: &'static str,
}

async fn logout(State(face): State<Face>, request: Request) -> Result<Response> {
    let (parts, _) = request.into_parts();
    let call = Call::of(&parts);
    face.contract.revoke_current_session(&call).await?;
    let logged_out = LoggedOut {
        message: "Logged out successfully",
    };
    Ok(success(StatusCode::OK, logged_out))
}

/// Asks for a new access token.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RefreshRequest {
    #[schemars(extend("x-field" = "RefreshSessionRequest.refresh_token"))]
    refresh_token: String,
}

/// The new access token. The refresh token stays as it is.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct Refreshed {
    access_token: String,
    /// Seconds until the access token ends.
    expires_in: u64,
}

async fn refresh(State(face): State<Face>, request: Request) -> Result<Response> {
    let (call, sent): (_, RefreshRequest) =
        body::read(&face.contract, rpc::REFRESH_SESSION, request).await?;
    let tokens = face
        .contract
        .refresh_session(&call, sent.refresh_token)
        .await?;
    let refreshed = Refreshed {
        expires_in: expires_in(&tokens, face.env.now())?,
        access_token: tokens.access_token,
    };
    Ok(success(StatusCode::OK, refreshed))
}

async fn not_found() -> Error {
    Reason::MethodNotFound.into()
}

/// Whole seconds that the access token lives after this moment; rounded up, so that the
/// milliseconds between its making and its answer do not turn 3600 into 3599.
fn expires_in(tokens: &v1::SessionTokens, from: Timestamp) -> Result<u64> {
    let end = contract::moment(tokens.access_token_expire_time, "access_token_expire_time")?;
    let left = end.since(from);
    Ok(left.as_secs() + u64::from(left.subsec_nanos() > 0))
}
