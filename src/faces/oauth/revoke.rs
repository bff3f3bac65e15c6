//! `POST /oauth/revoke` (RFC 7009).

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
        contract::{Contract, rpc},
        reply, smtpd,
    },
    CONTENT_TYPES, Face, OAuth, answer,
    client::Credentials,
    face_of,
};
use crate::{
    error::{Error, FieldReason, Result},
    pb::v1,
    rest::call::Call,
};

/// Nothing to say.
#[derive(JsonSchema, Serialize)]
pub(in crate::faces) struct Empty {}

pub(super) async fn revoke(State(oauth): State<OAuth>, request: Request) -> Response {
    let (face, contract) = (face_of(&request), &oauth.contract);
    let rpc = match face {
        Face::OAuth => rpc::REVOKE_TOKEN,
        _ => rpc::REVOKE_REFRESH_TOKEN,
    };
    let (call, members) = match body::read_members(contract, rpc, request, &CONTENT_TYPES).await {
        Ok(read) => read,
        Err(error) => return answer(face, error),
    };
    let names_token =
        body::text(&members, "token").is_some() || body::text(&members, "refresh_token").is_none();
    let (face, revoked) = if face == Face::OAuth && names_token {
        (face, revoke_by_rfc_7009(contract, &call, &members).await)
    } else {
        let revoked = smtpd::revoke(contract, &call, members).await;
        (Face::SmtpdRevocation, revoked)
    };
    match revoked {
        Ok(()) => reply::answer(StatusCode::OK, Empty {}),
        Err(error) => answer(face, error),
    }
}

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
    // A client that does not say who it is holds the token, which is enough for one without a secret.
    let client = if Credentials::are_sent(call, members) {
        Credentials::of(call, members)?
    } else {
        Credentials::default()
    };
    let message = v1::RevokeTokenRequest {
        client_id: client.id,
        client_secret: client.secret,
        client_assertion: client.assertion,
        client_assertion_type: client.assertion_type,
        token,
    };
    contract
        .revoke_token(&call.without_credential(), message)
        .await
}
