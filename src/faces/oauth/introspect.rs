//! `POST /oauth/introspect` (RFC 7662).

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    super::{
        body,
        contract::{self, rpc},
        reply,
    },
    OAuth,
    client::Credentials,
};
use crate::{error::Result, pb::v1};

/// What a token is good for (RFC 7662 section 2.2). Of one that is not live, `active` says so and nothing else is said.
#[derive(Default, JsonSchema, Serialize)]
pub(super) struct Introspection {
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    /// Absent for a refresh token.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<String>,
    /// When it ends, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    /// When it was issued, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    /// The id of the account, or the client itself where the token is its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    /// Whom it is for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aud: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
}

pub(super) async fn introspect(State(oauth): State<OAuth>, request: Request) -> Result<Response> {
    let rpc = rpc::INTROSPECT_TOKEN;
    let (call, members) = body::read_members(&oauth.contract, rpc, request, &[body::FORM]).await?;
    let client = Credentials::of(&call, &members)?;
    let message = v1::IntrospectTokenRequest {
        client_id: client.id,
        client_secret: client.secret,
        client_assertion: client.assertion,
        client_assertion_type: client.assertion_type,
        token: body::text(&members, "token").unwrap_or_default().to_owned(),
    };
    let found = oauth
        .contract
        .introspect_token(&call.without_credential(), message)
        .await?;
    let introspection = if found.active {
        live(found, &oauth.issuer)?
    } else {
        Introspection::default()
    };
    Ok(reply::answer(StatusCode::OK, introspection))
}

fn live(found: v1::IntrospectTokenResponse, issuer: &str) -> Result<Introspection> {
    let seconds = |moment, name| contract::moment(moment, name).map(|moment| moment.seconds());
    // RFC 9068 section 2.2: the subject of a client's own token is the client.
    let subject = match found.account.as_str() {
        "" => found.client_id.clone(),
        account => contract::account_id(account)?.to_string(),
    };
    Ok(Introspection {
        active: true,
        scope: Some(found.scopes.join(" ")),
        client_id: Some(found.client_id),
        token_type: Some(found.token_type).filter(|name| !name.is_empty()),
        exp: Some(seconds(found.expire_time, "expire_time")?),
        iat: Some(seconds(found.create_time, "create_time")?),
        sub: Some(subject),
        aud: found.audience,
        iss: Some(issuer.to_owned()),
    })
}
