//! Pro API tokens: made, listed and revoked by a Pro user.

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    super::{
        body,
        contract::{self, Contract, rpc},
        reply,
    },
    last_segment,
};
use crate::{
    env::Timestamp,
    error::{Error, Reason, Result},
    model::id::ApiKeyId,
    pb::v1::{self, ApiKeyKind},
    rest::call::Call,
};

/// Where the face gives fields other names than the contract.
const FIELD_NAMES: [(&str, &str); 1] = [("api_key.display_name", "name")];

/// Asks for a new token. The whole body may be left out.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewToken {
    /// What the token is for.
    #[schemars(extend("x-field" = "ApiKey.display_name"))]
    name: Option<String>,
}

/// The new token.
#[derive(JsonSchema, Serialize)]
pub(super) struct Created {
    id: String,
    name: String,
    /// The token itself, shown this once.
    token: String,
    /// In milliseconds since 1970.
    created_at: i64,
}

/// A token, without its secret.
#[derive(JsonSchema, Serialize)]
struct Token {
    id: String,
    name: String,
    /// The start of the token, to recognize it by.
    prefix: String,
    /// In milliseconds since 1970.
    created_at: i64,
    /// In milliseconds since 1970, to the minute; null when it was not used yet.
    last_used_at: Option<i64>,
}

/// The live tokens, the newest first.
#[derive(JsonSchema, Serialize)]
pub(super) struct Tokens {
    tokens: Vec<Token>,
}

impl TryFrom<v1::ApiKey> for Token {
    type Error = Error;

    fn try_from(key: v1::ApiKey) -> Result<Self> {
        let last_use = key
            .last_use_time
            .map(|moment| contract::moment(Some(moment), "last_use_time"))
            .transpose()?;
        Ok(Self {
            id: contract::api_key_id(&key.name)?.to_string(),
            created_at: contract::moment(key.create_time, "create_time")?.millis(),
            last_used_at: last_use.map(Timestamp::millis),
            name: key.display_name,
            prefix: key.hint,
        })
    }
}

pub(super) async fn create(State(contract): State<Contract>, request: Request) -> Result<Response> {
    let (call, sent): (_, NewToken) =
        body::read_optional(&contract, rpc::CREATE_API_KEY, request).await?;
    let key = v1::ApiKey {
        display_name: sent.name.unwrap_or_default(),
        kind: ApiKeyKind::Mailtd.into(),
        ..v1::ApiKey::default()
    };
    let made = contract
        .create_api_key(&call, key)
        .await
        .map_err(|error| error.renamed(&FIELD_NAMES))?;
    let key = contract::present(made.api_key, "api_key")?;
    let created = Created {
        id: contract::api_key_id(&key.name)?.to_string(),
        created_at: contract::moment(key.create_time, "create_time")?.millis(),
        name: key.display_name,
        token: made.secret,
    };
    Ok(reply::answer(StatusCode::CREATED, created))
}

pub(super) async fn list(State(contract): State<Contract>, request: Request) -> Result<Response> {
    let (parts, _) = request.into_parts();
    let keys = contract
        .api_keys_of_kind(&Call::of(&parts), ApiKeyKind::Mailtd)
        .await?;
    let tokens = keys
        .into_iter()
        .map(Token::try_from)
        .collect::<Result<_>>()?;
    Ok(reply::answer(StatusCode::OK, Tokens { tokens }))
}

/// Revokes a token of this face alone: to it the user's keys of other kinds do not exist. Whoever manages
/// keys may, so that the tokens of an account can be ended that is no longer a Pro one.
pub(super) async fn revoke(State(contract): State<Contract>, request: Request) -> Result<Response> {
    let (parts, _) = request.into_parts();
    let name = last_segment(&parts)
        .parse()
        .map_or_else(|_| "apiKeys/-".to_owned(), ApiKeyId::resource_name);
    let call = Call::of(&parts);
    // A key's kind never changes, so nothing comes between the look and the revocation.
    let key = contract.api_key(&call, name).await?;
    if key.kind() != ApiKeyKind::Mailtd {
        return Err(Reason::ApiKeyNotFound.into());
    }
    contract.delete_api_key(&call, key.name).await?;
    Ok(reply::nothing())
}
