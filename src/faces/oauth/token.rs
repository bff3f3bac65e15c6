//! `POST /oauth/token` (OAuth 2.1 section 3.2).

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    super::{
        body::{self, Members},
        contract::{self, rpc},
        reply, smtpd,
    },
    CONTENT_TYPES, Face, OAuth, answer,
    client::Credentials,
    face_of,
};
use crate::{
    error::{Error, FieldReason, Result},
    model::client::GrantType,
    pb::v1,
    rest::call::Call,
};

pub(super) async fn token(State(oauth): State<OAuth>, request: Request) -> Response {
    let face = face_of(&request);
    let granted = grant(&oauth, face, request).await;
    granted.unwrap_or_else(|error| answer(face, error))
}

async fn grant(oauth: &OAuth, face: Face, request: Request) -> Result<Response> {
    let query = body::parameters(request.uri().query().unwrap_or_default().as_bytes())?;
    let in_query = body::text(&query, "grant_type");
    let rpc = match (face, in_query) {
        (Face::Smtpd, Some("refresh_token")) => rpc::REFRESH_SESSION,
        (Face::Smtpd, _) => rpc::CREATE_SESSION,
        _ => rpc::ISSUE_TOKENS,
    };
    let contract = &oauth.contract;
    let (call, members) = body::read_members(contract, rpc, request, &CONTENT_TYPES).await?;
    match face {
        Face::Smtpd => smtpd::grant(contract, &call, in_query, members).await,
        _ => issue(oauth, &call, &members).await,
    }
}

/// The grant type of a body.
pub(in crate::faces) fn grant_type(members: &Members) -> Option<&str> {
    body::text(members, "grant_type").filter(|grant| !grant.is_empty())
}

/// What is wrong with a grant type.
pub(in crate::faces) fn wrong_grant(description: &'static str) -> Error {
    Error::invalid_field("grant_type", FieldReason::InvalidValue, description)
}

/// For a call that names no client, which would be looked at first.
fn check_grant_type(members: &Members) -> Result<()> {
    match grant_type(members) {
        None => Err(Error::invalid_field(
            "grant_type",
            FieldReason::Required,
            "is required",
        )),
        Some(sent) if GrantType::OAUTH.iter().all(|known| known.as_str() != sent) => Err(
            wrong_grant("must be authorization_code, refresh_token or client_credentials"),
        ),
        Some(_) => Ok(()),
    }
}

/// The tokens (RFC 6749 section 5.1).
#[derive(JsonSchema, Serialize)]
pub(super) struct Tokens {
    access_token: String,
    /// Always `Bearer`.
    token_type: String,
    /// Seconds until the access token ends.
    expires_in: u64,
    /// Gets the next access token; absent for clients that may not refresh.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    /// What the tokens are good for, separated by spaces.
    scope: String,
    /// Says who logged in; absent without the scope `openid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
}

async fn issue(oauth: &OAuth, call: &Call, members: &Members) -> Result<Response> {
    let sent = |name| body::text(members, name).unwrap_or_default().to_owned();
    if !Credentials::are_sent(call, members) {
        check_grant_type(members)?;
    }
    let client = Credentials::of(call, members)?;
    let message = v1::IssueTokensRequest {
        grant_type: sent("grant_type"),
        client_id: client.id,
        client_secret: client.secret,
        client_assertion: client.assertion,
        client_assertion_type: client.assertion_type,
        code: sent("code"),
        redirect_uri: sent("redirect_uri"),
        code_verifier: sent("code_verifier"),
        refresh_token: sent("refresh_token"),
        scope: sent("scope"),
        resources: body::texts(members, "resource"),
    };
    let call = call.without_credential();
    let issued = oauth.contract.issue_tokens(&call, message).await?;
    let end = contract::moment(issued.access_token_expire_time, "access_token_expire_time")?;
    let left = end.since(oauth.env.now());
    let tokens = Tokens {
        access_token: issued.access_token,
        token_type: issued.token_type,
        // Rounded up, so that the milliseconds between making and answering do not turn 3600 into 3599.
        expires_in: left.as_secs() + u64::from(left.subsec_nanos() > 0),
        refresh_token: Some(issued.refresh_token).filter(|token| !token.is_empty()),
        scope: issued.scopes.join(" "),
        id_token: Some(issued.id_token).filter(|token| !token.is_empty()),
    };
    Ok(reply::answer(StatusCode::OK, tokens))
}
