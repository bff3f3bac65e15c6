//! Mail.td's accounts and tokens: everything under `/api/` but MailKite's `/api/auth/`.
//!
//! The mail itself, `/api/accounts/{id}/messages`, is another product's: there is nothing of it here.

use axum::{
    Router,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
    routing::{any, get, post},
};
use http::{StatusCode, header::AUTHORIZATION, request::Parts};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    body,
    contract::{self, Contract, rpc},
    pow::{self, Pow},
    reply,
};
use crate::{
    error::{Error, Reason, Result},
    model::id::AccountId,
    pb::v1::{self, ChallengeAlgorithm, Plan},
    rest::{call::Call, channel::Channel},
};

#[cfg(test)]
pub(super) mod document;
mod error;
#[cfg(test)]
mod tests;
mod tokens;

pub(super) use error::render;

/// The client that logs a mailbox in.
const CLIENT_ID: &str = "mailtd";
/// The client that logs a Pro user in.
const PRO_CLIENT_ID: &str = "mailtd-pro";

const PREFIX: &str = "/api/";
const CHALLENGE: &str = "/api/challenge";
const ACCOUNTS: &str = "/api/accounts";
const ACCOUNT: &str = "/api/accounts/{id}";
const TOKEN: &str = "/api/token";
const LOGIN: &str = "/api/user/login";
const TOKENS: &str = "/api/user/tokens";
const ONE_TOKEN: &str = "/api/user/tokens/{id}";

/// Where the face gives fields other names than the contract.
const FIELD_NAMES: [(&str, &str); 3] = {
    let [id, nonce] = pow::FIELD_NAMES;
    [("email", "address"), id, nonce]
};

/// The paths of the face.
pub fn router(channel: Channel) -> Router {
    Router::new()
        .route(CHALLENGE, get(challenge))
        .route(ACCOUNTS, post(create_account))
        .route(ACCOUNT, get(read_account).delete(delete_account))
        .route(TOKEN, post(sign_in))
        .route(LOGIN, post(log_in))
        .route(TOKENS, post(tokens::create).get(tokens::list))
        .route(ONE_TOKEN, axum::routing::delete(tokens::revoke))
        .route(&format!("{PREFIX}{{*path}}"), any(not_found))
        .method_not_allowed_fallback(async || Error::new(Reason::HttpMethodNotAllowed))
        .with_state(Contract::new(channel))
}

/// Whether a path is this face's, when it is not MailKite's.
pub(super) fn owns(path: &str) -> bool {
    path.starts_with(PREFIX)
}

/// What is to be solved before a free account is made: find a nonce so that the hash of the salt with the
/// nonce behind it starts with so many zero bits.
#[derive(JsonSchema, Serialize)]
struct Challenge {
    /// Goes back with the solution.
    id: String,
    /// What is hashed before the nonce.
    salt: String,
    /// How many zero bits the hash must start with.
    difficulty: i32,
    /// When the challenge ends, in milliseconds since 1970.
    expires_at: i64,
    /// `sha256`, or `argon2id` where the server is set so.
    algorithm: &'static str,
    /// Argon2id's memory in KiB; absent for SHA-256.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_kib: Option<i32>,
    /// Argon2id's passes over that memory; absent for SHA-256.
    #[serde(skip_serializing_if = "Option::is_none")]
    iterations: Option<i32>,
}

async fn challenge(State(contract): State<Contract>, request: Request) -> Result<Response> {
    let (parts, _) = request.into_parts();
    let given = contract.create_challenge(&Call::of(&parts)).await?;
    let takes_memory = given.algorithm() == ChallengeAlgorithm::Argon2id;
    let challenge = Challenge {
        algorithm: if takes_memory { "argon2id" } else { "sha256" },
        expires_at: contract::moment(given.expire_time, "expire_time")?.millis(),
        difficulty: given.difficulty,
        memory_kib: takes_memory.then_some(given.memory_kib),
        iterations: takes_memory.then_some(given.iterations),
        id: given.id,
        salt: given.salt,
    };
    Ok(reply::answer(StatusCode::OK, challenge))
}

/// Asks for a new account: one in the caller's organization with a Pro credential, and with the solution of
/// a challenge a free one of its own.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewAccount {
    /// The e-mail address.
    #[schemars(extend("x-field" = "CreateAccountRequest.email"))]
    address: String,
    /// At least 8 characters.
    #[schemars(extend("x-field" = "CreateAccountRequest.password"))]
    password: String,
    /// The solution of a challenge. With a Pro credential it is not looked at.
    pow: Option<Pow>,
}

/// An account and the token that opens it.
#[derive(JsonSchema, Serialize)]
struct Opened {
    /// The id of the account.
    id: String,
    /// As it was typed.
    address: String,
    /// Opens this account alone, for seven days.
    token: String,
}

impl Opened {
    fn of(account: Option<v1::Account>, tokens: Option<v1::SessionTokens>) -> Result<Self> {
        let account = contract::present(account, "account")?;
        Ok(Self {
            id: contract::account_id(&account.name)?.to_string(),
            address: account.email,
            token: contract::present(tokens, "tokens")?.access_token,
        })
    }
}

async fn create_account(State(contract): State<Contract>, request: Request) -> Result<Response> {
    // Whoever is not Pro may still sign up.
    let rpc = if request.headers().contains_key(AUTHORIZATION) {
        rpc::CHECK_ACCESS
    } else {
        rpc::CREATE_ACCOUNT
    };
    let (call, sent): (_, NewAccount) = body::read(&contract, rpc, request).await?;
    let opened = if call.has_credential() {
        create_in_organization(&contract, &call, sent).await
    } else {
        sign_up(&contract, &call, sent).await
    };
    let opened = opened.map_err(|error| error.renamed(&FIELD_NAMES))?;
    Ok(reply::answer(StatusCode::CREATED, opened))
}

/// "free users only": whoever is not Pro gets on with the solution of a challenge.
async fn create_in_organization(
    contract: &Contract,
    call: &Call,
    sent: NewAccount,
) -> Result<Opened> {
    let message = v1::ProvisionAccountRequest {
        parent: "organizations/me".to_owned(),
        email: sent.address.clone(),
        password: sent.password.clone(),
        display_name: String::new(),
        session_client_id: CLIENT_ID.to_owned(),
        request_id: String::new(),
    };
    let made = contract.provision_account(call, message).await;
    match made {
        Ok(made) => Opened::of(made.account, made.tokens),
        Err(error) if error.reason() != Reason::PermissionDenied => Err(error),
        Err(_) if sent.pow.is_some() => sign_up(contract, call, sent).await,
        Err(_) => Err(Reason::ChallengeRequired.into()),
    }
}

async fn sign_up(contract: &Contract, call: &Call, sent: NewAccount) -> Result<Opened> {
    let message = v1::CreateAccountRequest {
        email: sent.address,
        password: sent.password,
        display_name: String::new(),
        session_client_id: CLIENT_ID.to_owned(),
        api_key_kind: v1::ApiKeyKind::Unspecified.into(),
        proof_of_work: sent.pow.map(Into::into),
        request_id: String::new(),
    };
    let made = contract.create_account(call, message).await?;
    Opened::of(made.account, made.tokens)
}

/// Signs in to an account.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SignIn {
    /// The e-mail address of the account.
    #[schemars(extend("x-field" = "CreateSessionRequest.email"))]
    address: String,
    /// Its password.
    #[schemars(extend("x-field" = "CreateSessionRequest.password"))]
    password: String,
}

async fn sign_in(State(contract): State<Contract>, request: Request) -> Result<Response> {
    let (call, sent): (_, SignIn) = body::read(&contract, rpc::CREATE_SESSION, request).await?;
    let (made, cookie) = contract
        .create_session(&call, sent.address, sent.password, CLIENT_ID)
        .await
        .map_err(|error| error.renamed(&FIELD_NAMES))?;
    let opened = Opened::of(made.account, made.tokens)?;
    Ok((cookie, reply::answer(StatusCode::OK, opened)).into_response())
}

/// An account.
#[derive(JsonSchema, Serialize)]
struct Account {
    id: String,
    /// As it was typed.
    address: String,
    /// In milliseconds since 1970.
    created_at: i64,
}

async fn read_account(State(contract): State<Contract>, request: Request) -> Result<Response> {
    let (parts, _) = request.into_parts();
    let account = contract
        .account(&Call::of(&parts), account_name(&parts))
        .await?;
    let account = Account {
        id: contract::account_id(&account.name)?.to_string(),
        created_at: contract::moment(account.create_time, "create_time")?.millis(),
        address: account.email,
    };
    Ok(reply::answer(StatusCode::OK, account))
}

async fn delete_account(State(contract): State<Contract>, request: Request) -> Result<Response> {
    let (parts, _) = request.into_parts();
    contract
        .delete_account(&Call::of(&parts), account_name(&parts))
        .await?;
    Ok(reply::nothing())
}

/// The resource name of the account that the path names. An id that is none gets a name that is nobody's,
/// so that it is answered like one, after the credential.
fn account_name(parts: &Parts) -> String {
    last_segment(parts)
        .parse()
        .map_or_else(|_| "accounts/-".to_owned(), AccountId::resource_name)
}

/// What the path ends in, as it was sent: ids need no percent-encoding.
fn last_segment(parts: &Parts) -> &str {
    parts.uri.path().rsplit('/').next().unwrap_or_default()
}

/// Logs a user in.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LogIn {
    /// The e-mail address of the user.
    #[schemars(extend("x-field" = "CreateSessionRequest.email"))]
    email: String,
    /// The user's password.
    #[schemars(extend("x-field" = "CreateSessionRequest.password"))]
    password: String,
}

/// Who logged in, and the Pro token.
#[derive(JsonSchema, Serialize)]
struct LoggedIn {
    /// The id of the account.
    user_id: String,
    /// As it was typed.
    email: String,
    /// `free` or `pro`.
    plan: &'static str,
    /// Always `active`: others cannot log in.
    status: &'static str,
    /// With the Pro plan, opens every account of the organization; without, the user's own.
    token: String,
    /// When the token ends, in milliseconds since 1970.
    expires_at: i64,
}

async fn log_in(State(contract): State<Contract>, request: Request) -> Result<Response> {
    let (call, sent): (_, LogIn) = body::read(&contract, rpc::CREATE_SESSION, request).await?;
    let (made, cookie) = contract
        .create_session(&call, sent.email, sent.password, PRO_CLIENT_ID)
        .await?;
    let account = contract::present(made.account, "account")?;
    let organization = contract::present(made.organization, "organization")?;
    let tokens = contract::present(made.tokens, "tokens")?;
    let end = tokens.access_token_expire_time;
    let logged_in = LoggedIn {
        user_id: contract::account_id(&account.name)?.to_string(),
        plan: if organization.plan() == Plan::Pro {
            "pro"
        } else {
            "free"
        },
        email: account.email,
        status: "active",
        token: tokens.access_token,
        expires_at: contract::moment(end, "access_token_expire_time")?.millis(),
    };
    Ok((cookie, reply::answer(StatusCode::OK, logged_in)).into_response())
}

async fn not_found() -> Error {
    Reason::MethodNotFound.into()
}
