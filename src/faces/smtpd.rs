//! SMTPD's tokens: `POST /oauth/token` with the grant type in the query, `POST /oauth/revoke`, and
//! `GET /oauth/me`.
//!
//! The first two paths are shared with OAuth. A call is SMTPD's when its grant type stands in the query or its body is
//! JSON, and a revocation also when its form names a `refresh_token`; the others are RFC 6749's and RFC 7009's, and get
//! the errors of those, as does everything else under `/oauth/`.
//!
//! Members and parameters that are not known here are ignored in JSON as in forms: RFC 6749 section 3.2 asks for it, and
//! clients send more than is documented, such as a `client_id`.

use axum::{
    Extension, Router,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
    routing::{any, get, post},
};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::form_urlencoded;

use super::{
    Face,
    body::{self, Members},
    call::Call,
    contract::{self, Contract, rpc},
    oauth, reply,
};
use crate::{
    error::{Error, FieldReason, Reason, Result},
    model::{account::split_name, device::DeviceCookie},
    pb::v1::{Role, SessionTokens},
    rest::{channel::Channel, unary},
};

#[cfg(test)]
pub(super) mod document;
mod error;
#[cfg(test)]
mod tests;

pub(super) use error::render;

/// The client that logs in here.
const CLIENT_ID: &str = "smtpd";

const PREFIX: &str = "/oauth/";
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
        .route(&format!("{PREFIX}{{*path}}"), any(not_found))
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(Contract::new(channel))
}

/// Whether a path is this face's.
pub(super) fn owns(path: &str) -> bool {
    path.starts_with(PREFIX)
}

/// Who is answered on a path of this face: a client of SMTPD, or one of OAuth. As far as it is known before the body is
/// read.
pub(super) fn face(path: &str, query: &str, is_json: bool) -> Face {
    let is_shared = [TOKEN, REVOKE].contains(&path);
    let names_grant = || {
        form_urlencoded::parse(query.as_bytes())
            .any(|(name, value)| name == "grant_type" && !value.is_empty())
    };
    let is_smtpd = path == ME || is_shared && (is_json || names_grant());
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

/// An error that is to be rendered for a client of this face.
fn answer(face: Face, error: Error) -> Response {
    (Extension(face), error).into_response()
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
    type Error = Error;

    fn try_from(tokens: SessionTokens) -> Result<Self> {
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

async fn token(State(contract): State<Contract>, request: Request) -> Response {
    let face = face_of(&request);
    let granted = grant(&contract, face, request).await;
    granted.unwrap_or_else(|error| answer(face, error))
}

async fn grant(contract: &Contract, face: Face, request: Request) -> Result<Response> {
    let query = body::parameters(request.uri().query().unwrap_or_default().as_bytes())?;
    let in_query = query.get("grant_type").and_then(Value::as_str);
    let rpc = match in_query {
        Some("refresh_token") => rpc::REFRESH_SESSION,
        _ => rpc::CREATE_SESSION,
    };
    let (call, members) = body::read_members(contract, rpc, request, &CONTENT_TYPES).await?;
    let in_body = body::text(&members, "grant_type").filter(|grant| !grant.is_empty());
    if face == Face::OAuth {
        return match in_body {
            Some(_) => Ok(oauth::unsupported_grant_type()),
            None => Err(grant_error("is required")),
        };
    }
    let (tokens, cookie) = match (in_query, in_body) {
        (Some(query), Some(body)) if query != body => {
            return Err(grant_error("is not the same in the query and in the body"));
        }
        (Some("password"), _) => log_in(contract, &call, body::typed(members)?).await?,
        (Some("refresh_token"), _) => {
            let sent: RefreshToken = body::typed(members)?;
            let tokens = contract.refresh_session(&call, sent.refresh_token).await?;
            (tokens, None)
        }
        _ => {
            return Err(grant_error(
                "must stand in the query and be password or refresh_token",
            ));
        }
    };
    let tokens = reply::answer(StatusCode::OK, Tokens::try_from(tokens)?);
    Ok((cookie, tokens).into_response())
}

fn grant_error(description: &'static str) -> Error {
    Error::invalid_field("grant_type", FieldReason::InvalidValue, description)
}

/// Logs in. The user name is an e-mail address and goes by one of three names.
#[derive(Deserialize, JsonSchema)]
#[schemars(extend("anyOf" = [
    {"required": ["username"], "properties": {"username": {"type": "string"}}},
    {"required": ["email"], "properties": {"email": {"type": "string"}}},
    {"required": ["email_address"], "properties": {"email_address": {"type": "string"}}},
]))]
struct PasswordGrant {
    /// The e-mail address of the account.
    #[schemars(extend("x-field" = "CreateSessionRequest.email"))]
    username: Option<String>,
    /// Another name for `username`.
    #[schemars(extend("x-field" = "CreateSessionRequest.email"))]
    email: Option<String>,
    /// Another name for `username`.
    #[schemars(extend("x-field" = "CreateSessionRequest.email"))]
    email_address: Option<String>,
    /// The password of the account.
    #[schemars(extend("x-field" = "CreateSessionRequest.password"))]
    password: String,
}

impl PasswordGrant {
    /// The e-mail address, and the name that it came by.
    fn user_name(&self) -> Result<(&'static str, &str)> {
        let sent: Vec<_> = [
            ("username", &self.username),
            ("email", &self.email),
            ("email_address", &self.email_address),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)))
        .collect();
        let Some((first, rest)) = sent.split_first() else {
            return Err(Error::invalid_field(
                "username",
                FieldReason::Required,
                "is required",
            ));
        };
        match rest.iter().find(|other| other.1 != first.1) {
            Some((name, _)) => {
                let description = "says something else than another name of the same field";
                Err(Error::invalid_field(
                    name,
                    FieldReason::NotAllowed,
                    description,
                ))
            }
            None => Ok(*first),
        }
    }
}

async fn log_in(
    contract: &Contract,
    call: &Call,
    sent: PasswordGrant,
) -> Result<(SessionTokens, Option<Extension<DeviceCookie>>)> {
    let (name, email) = sent.user_name()?;
    let email = email.to_owned();
    let (made, cookie) = contract
        .create_session(call, email, sent.password, CLIENT_ID)
        .await
        .map_err(|error| error.renamed(&[("email", name)]))?;
    Ok((contract::present(made.tokens, "tokens")?, cookie))
}

/// Gets the next access token, or logs out.
#[derive(Deserialize, JsonSchema)]
struct RefreshToken {
    /// The refresh token of an earlier answer.
    #[schemars(extend("x-field" = "RefreshSessionRequest.refresh_token"))]
    refresh_token: String,
}

/// Nothing to say.
#[derive(JsonSchema, Serialize)]
struct Empty {}

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
            revoke_by_smtpd(&contract, &call, members).await,
        )
    };
    match revoked {
        Ok(()) => reply::answer(StatusCode::OK, Empty {}),
        Err(error) => answer(face, error),
    }
}

async fn revoke_by_smtpd(contract: &Contract, call: &Call, members: Members) -> Result<()> {
    let sent: RefreshToken = body::typed(members)?;
    contract
        .revoke_refresh_token(call, sent.refresh_token)
        .await
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

async fn me(State(contract): State<Contract>, request: Request) -> Result<Response> {
    let (parts, _) = request.into_parts();
    let account = contract.me(&Call::of(&parts)).await?;
    let home = contract::present(account.home_membership, "home_membership")?;
    let (first_name, surname) = split_name(&account.display_name);
    let me = Me {
        id: contract::account_id(&account.name)?.to_string(),
        account_id: contract::organization_id(&home.organization)?.to_string(),
        first_name: first_name.to_owned(),
        surname: surname.to_owned(),
        email_address: account.email,
        gravatar_url: "",
        is_owner: home.role() == Role::Owner,
        is_verified: account.email_verified,
        created_at_utc: contract::moment(account.create_time, "create_time")?.millis(),
        modified_at_utc: contract::moment(account.update_time, "update_time")?.millis(),
    };
    Ok(reply::answer(StatusCode::OK, me))
}
