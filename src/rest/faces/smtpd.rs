//! SMTPD's tokens: `POST /oauth/token` with the grant type in the query, `POST /oauth/revoke`, and
//! `GET /oauth/me`.
//!
//! The first two paths are shared with OAuth: a grant type in a form, and a form with `token`, are
//! RFC 6749's and RFC 7009's, and are answered in the words of those.

use axum::{
    Router,
    extract::{Request, State},
    response::Response,
    routing::{get, post},
};
use http::{StatusCode, Uri};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    body,
    call::Call,
    contract::{self, Contract},
    members::Members,
    oauth, reply,
};
use crate::{
    error::{Error, Reason},
    model::account::split_name,
    pb::v1::{SessionProfile, SessionTokens},
    rest::{channel::Channel, fault::Fault},
};

mod document;
mod refusal;
#[cfg(test)]
mod tests;

pub use document::operations;
use refusal::Refusal;
pub use refusal::refuse;

const TOKEN: &str = "/oauth/token";
const REVOKE: &str = "/oauth/revoke";
const ME: &str = "/oauth/me";

const CONTENT_TYPES: [&str; 2] = [body::JSON, body::FORM];

/// The paths of the face.
pub fn router(channel: Channel) -> Router {
    Router::new()
        .route(TOKEN, post(token))
        .route(REVOKE, post(revoke))
        .route(ME, get(me))
        .method_not_allowed_fallback(async || refuse(&Reason::HttpMethodNotAllowed.into()))
        .with_state(Contract::new(channel))
}

/// Whether a path is this face's.
pub(super) fn owns(path: &str) -> bool {
    [TOKEN, REVOKE, ME].contains(&path)
}

/// The tokens of a session.
#[derive(JsonSchema, Serialize)]
struct Tokens {
    /// Always `bearer`.
    token_type: &'static str,
    access_token: String,
    /// When the access token ends, in milliseconds since 1970.
    expires_at: i64,
    /// Always `admin`.
    #[serde(rename = "Scope")]
    scope: [&'static str; 1],
    refresh_token: String,
}

impl TryFrom<SessionTokens> for Tokens {
    type Error = Fault;

    fn try_from(tokens: SessionTokens) -> Result<Self, Fault> {
        let end = tokens.access_token_expire_time;
        Ok(Self {
            token_type: "bearer",
            access_token: tokens.access_token,
            expires_at: contract::moment(end, "access_token_expire_time")?.millis(),
            scope: ["admin"],
            refresh_token: tokens.refresh_token,
        })
    }
}

async fn token(State(contract): State<Contract>, request: Request) -> Result<Response, Refusal> {
    let in_query = grant_in_query(request.uri())?;
    let (call, members) = body::read(request, &CONTENT_TYPES).await?;
    let tokens = match grant(in_query.as_deref(), &members)? {
        Grant::Password => log_in(&contract, &call, members.typed()?).await?,
        Grant::RefreshToken => {
            let sent: RefreshGrant = members.typed()?;
            contract.refresh_session(&call, sent.refresh_token).await?
        }
        Grant::OAuth => return Ok(oauth::unsupported_grant_type()),
    };
    Ok(reply::answer(StatusCode::OK, Tokens::try_from(tokens)?))
}

enum Grant {
    Password,
    RefreshToken,
    /// Stands in the form: RFC 6749's.
    OAuth,
}

fn grant_in_query(uri: &Uri) -> Result<Option<String>, Fault> {
    let parameters = body::parameters(uri.query().unwrap_or_default().as_bytes())?;
    let grant = parameters
        .get("grant_type")
        .and_then(|grant| grant.as_str());
    Ok(grant.map(str::to_owned))
}

fn grant(in_query: Option<&str>, members: &Members) -> Result<Grant, Fault> {
    match (in_query, members.text("grant_type")) {
        (None, Some(_)) if members.is_form() => Ok(Grant::OAuth),
        (Some(query), Some(body)) if query != body => {
            Err(grant_fault("is not the same in the query and in the body"))
        }
        (Some("password"), _) => Ok(Grant::Password),
        (Some("refresh_token"), _) => Ok(Grant::RefreshToken),
        _ => Err(grant_fault(
            "must stand in the query and be password or refresh_token",
        )),
    }
}

fn grant_fault(description: &'static str) -> Fault {
    Error::invalid_field("grant_type", description).into()
}

/// Logs in. The user name is an e-mail address and goes by one of three names.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("anyOf" = [
    {"required": ["username"]},
    {"required": ["email"]},
    {"required": ["email_address"]},
]))]
struct PasswordGrant {
    /// May be repeated here, as long as it says the same as the query.
    #[serde(rename = "grant_type")]
    _grant_type: Option<String>,
    /// The e-mail address of the account.
    username: Option<String>,
    /// Another name for `username`.
    email: Option<String>,
    /// Another name for `username`.
    email_address: Option<String>,
    /// The password of the account.
    #[schemars(length(min = 1))]
    password: String,
}

impl PasswordGrant {
    /// The e-mail address, and the name that it came by.
    fn user_name(&self) -> Result<(&'static str, &str), Fault> {
        let sent: Vec<_> = [
            ("username", &self.username),
            ("email", &self.email),
            ("email_address", &self.email_address),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)))
        .collect();
        let Some((first, rest)) = sent.split_first() else {
            return Err(Error::invalid_field("username", "is required").into());
        };
        match rest.iter().find(|other| other.1 != first.1) {
            Some((name, _)) => {
                let description = "says something else than another name of the same field";
                Err(Error::invalid_field(name, description).into())
            }
            None => Ok(*first),
        }
    }
}

async fn log_in(
    contract: &Contract,
    call: &Call,
    sent: PasswordGrant,
) -> Result<SessionTokens, Fault> {
    let (name, email) = sent.user_name()?;
    let email = email.to_owned();
    let made = contract
        .create_session(call, email, sent.password, SessionProfile::Smtpd)
        .await
        .map_err(|fault| reply::rename(&fault, &[("email", name)]))?;
    contract::present(made.tokens, "tokens")
}

/// Gets the next access token.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RefreshGrant {
    /// May be repeated here, as long as it says the same as the query.
    #[serde(rename = "grant_type")]
    _grant_type: Option<String>,
    /// The refresh token of an earlier answer.
    #[schemars(length(min = 1))]
    refresh_token: String,
}

/// Logs out.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RevokeRequest {
    /// The refresh token of an earlier answer.
    #[schemars(length(min = 1))]
    refresh_token: String,
}

/// Nothing to say.
#[derive(JsonSchema, Serialize)]
struct Empty {}

async fn revoke(State(contract): State<Contract>, request: Request) -> Result<Response, Refusal> {
    let (call, members) = body::read(request, &CONTENT_TYPES).await?;
    if members.is_form()
        && let Some(token) = members.text("token")
    {
        return match members.text("refresh_token") {
            // Only one of the two would end, and the caller would not learn which.
            Some(_) => Err(Refusal::from(Fault::from(Error::invalid_field(
                "refresh_token",
                "must not come together with token",
            )))),
            None => Ok(revoke_by_rfc_7009(&contract, &call, token).await),
        };
    }
    let sent: RevokeRequest = members.typed()?;
    contract
        .revoke_refresh_token(&call, sent.refresh_token)
        .await
        .map_err(Refusal::of_revocation)?;
    Ok(reply::answer(StatusCode::OK, Empty {}))
}

/// RFC 7009 section 2.2: an invalid token is not an error, as the purpose is already achieved.
async fn revoke_by_rfc_7009(contract: &Contract, call: &Call, token: &str) -> Response {
    match contract.revoke_refresh_token(call, token.to_owned()).await {
        Err(fault) if fault.reason != Reason::RefreshTokenInvalid => oauth::refuse(&fault),
        Ok(()) | Err(_) => reply::answer(StatusCode::OK, Empty {}),
    }
}

/// The account that calls.
#[derive(JsonSchema, Serialize)]
struct Me {
    /// The id of the account.
    id: String,
    /// The id of its organization.
    account_id: String,
    email_address: String,
    first_name: String,
    surname: String,
    /// Always empty: such an address would carry a hash of the e-mail address.
    gravatar_url: &'static str,
    /// Whether the account owns its organization.
    is_owner: bool,
    /// Whether mail to the address has been shown to reach its owner.
    is_verified: bool,
    /// In milliseconds since 1970.
    created_at_utc: i64,
    /// In milliseconds since 1970.
    modified_at_utc: i64,
}

async fn me(State(contract): State<Contract>, request: Request) -> Result<Response, Refusal> {
    let (parts, _) = request.into_parts();
    let account = contract.me(&Call::of(&parts)).await?;
    let (first_name, surname) = split_name(&account.display_name);
    let me = Me {
        id: contract::account_id(&account.name)?.to_string(),
        account_id: contract::organization_id(&account.organization)?.to_string(),
        first_name: first_name.to_owned(),
        surname: surname.to_owned(),
        email_address: account.email,
        gravatar_url: "",
        is_owner: account.organization_owner,
        is_verified: account.email_verified,
        created_at_utc: contract::moment(account.create_time, "create_time")?.millis(),
        modified_at_utc: contract::moment(account.update_time, "update_time")?.millis(),
    };
    Ok(reply::answer(StatusCode::OK, me))
}
