//! SMTPD, the guest of OAuth's paths: log in and refresh at `POST /oauth/token` with the grant type in the query, log out at
//! `POST /oauth/revoke`, and `GET /oauth/me`.
//!
//! Members and parameters that are not known here are ignored in JSON as in forms: RFC 6749 section 3.2 asks for it, and
//! clients send more than is documented, such as a `client_id`.

use axum::{
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    body::{self, Members},
    contract::{self, Contract, Cookie},
    oauth::{self, wrong_grant},
    reply,
};
use crate::{
    error::{Error, FieldReason, Result},
    model::account::split_name,
    pb::v1::{Role, SessionTokens},
    rest::call::Call,
};

#[cfg(test)]
pub(super) mod document;
mod error;
#[cfg(test)]
mod tests;

pub(super) use error::render;

/// The client that logs in here.
const CLIENT_ID: &str = "smtpd";

/// Who calls.
pub(super) const ME: &str = "/oauth/me";

/// The tokens of a session.
#[derive(JsonSchema, Serialize)]
pub(in crate::faces) struct Tokens {
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

/// Answers a grant whose type stands in the query, or in a body of JSON.
pub(super) async fn grant(
    contract: &Contract,
    call: &Call,
    in_query: Option<&str>,
    members: Members,
) -> Result<Response> {
    let in_body = oauth::grant_type(&members);
    let (tokens, cookie) = match (in_query, in_body) {
        (Some(query), Some(body)) if query != body => {
            return Err(wrong_grant("is not the same in the query and in the body"));
        }
        (Some("password"), _) => log_in(contract, call, body::typed(members)?).await?,
        (Some("refresh_token"), _) => {
            let sent: RefreshToken = body::typed(members)?;
            let tokens = contract.refresh_session(call, sent.refresh_token).await?;
            (tokens, None)
        }
        _ => {
            return Err(wrong_grant(
                "must stand in the query and be password or refresh_token",
            ));
        }
    };
    let tokens = reply::answer(StatusCode::OK, Tokens::try_from(tokens)?);
    Ok((cookie, tokens).into_response())
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
) -> Result<(SessionTokens, Option<Cookie>)> {
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

/// Logs the session of a refresh token out.
pub(super) async fn revoke(contract: &Contract, call: &Call, members: Members) -> Result<()> {
    let sent: RefreshToken = body::typed(members)?;
    contract
        .revoke_refresh_token(call, sent.refresh_token)
        .await
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

pub(super) async fn me(State(contract): State<Contract>, request: Request) -> Result<Response> {
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
