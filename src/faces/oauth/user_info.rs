//! `/oauth/userinfo` (OpenID Connect Core section 5.3), by GET or POST. The token comes in the header, or in a form (RFC 6750
//! sections 2.1 and 2.2); one in the query, where logs would keep it, is not looked at.

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::{StatusCode, header::AUTHORIZATION};
use http_body::Body as _;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    super::{
        body,
        contract::{self, rpc},
        reply,
    },
    OAuth,
};
use crate::{
    error::{Error, FieldReason, Reason, Result},
    rest::call::Call,
    rest::unary,
};

/// The claims about the account (OpenID Connect Core section 5.1). What the scopes do not reach is absent.
#[derive(JsonSchema, Serialize)]
pub(super) struct UserInfo {
    /// The id of the account.
    sub: String,
    /// With the scope `email`.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// Whether mail to the address has been shown to reach its owner. Beside the address alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
    /// With the scope `profile`; absent until it is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

pub(super) async fn get(State(oauth): State<OAuth>, request: Request) -> Result<Response> {
    let (parts, _) = request.into_parts();
    answer(&oauth, &Call::of(&parts)).await
}

pub(super) async fn post(State(oauth): State<OAuth>, request: Request) -> Result<Response> {
    let headers = request.headers();
    let is_form = unary::media_type(headers).as_deref() == Some(body::FORM);
    if !is_form && request.body().size_hint().lower() > 0 {
        return Err(unary::unsupported(headers, &[body::FORM]));
    }
    if !is_form {
        return get(State(oauth), request).await;
    }
    // A call whose token is still to come is counted like one without.
    let in_header = headers.contains_key(AUTHORIZATION);
    let rpc = if in_header {
        rpc::GET_USER_INFO
    } else {
        rpc::CHECK_ACCESS
    };
    let (call, members) = body::read_members(&oauth.contract, rpc, request, &[body::FORM]).await?;
    let in_form = body::text(&members, "access_token").filter(|token| !token.is_empty());
    match in_form {
        Some(_) if in_header => {
            let rule = "must not come beside the header";
            Err(Error::invalid_field(
                "access_token",
                FieldReason::NotAllowed,
                rule,
            ))
        }
        Some(token) => answer(&oauth, &call.with_bearer(token)?).await,
        None if in_header => answer(&oauth, &call).await,
        None => Err(Reason::CredentialMissing.into()),
    }
}

async fn answer(oauth: &OAuth, call: &Call) -> Result<Response> {
    let found = oauth.contract.user_info(call).await?;
    let said = |text: String| Some(text).filter(|text| !text.is_empty());
    let email = said(found.email);
    let info = UserInfo {
        sub: contract::account_id(&found.account)?.to_string(),
        email_verified: email.is_some().then_some(found.email_verified),
        email,
        name: said(found.display_name),
    };
    Ok(reply::answer(StatusCode::OK, info))
}
