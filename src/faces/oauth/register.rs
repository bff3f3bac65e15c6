//! `POST /oauth/register` (RFC 7591), and the registration of a client under its own address (RFC 7592).

use std::borrow::Cow;

use axum::{
    extract::{Path, Request, State},
    response::Response,
};
use http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    super::{
        body::{self, Members},
        contract::{self, rpc},
        reply,
    },
    OAuth, REGISTER,
};
use crate::{
    error::{Error, FieldReason, FieldViolation, Reason, Result},
    pb::v1,
    rest::call::Call,
};

/// A member that is an object here, and text in the contract.
const JWKS: &str = "jwks";

/// A registered client (RFC 7591 section 3.2.1). What was not registered is absent.
#[derive(JsonSchema, Serialize)]
pub(super) struct Registration {
    client_id: String,
    /// In seconds since 1970.
    client_id_issued_at: i64,
    /// Shown when it is made and never again; absent for public clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    /// Always 0: a secret does not expire. Beside a secret alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<u32>,
    /// Reads, changes and deletes the registration (RFC 7592 section 3).
    registration_access_token: String,
    /// Where that is done.
    registration_client_uri: String,
    /// What was registered.
    #[serde(flatten)]
    metadata: Metadata,
}

/// The members of RFC 7591 section 2, those that were said.
#[derive(Serialize)]
#[serde(transparent)]
struct Metadata(Map<String, Value>);

/// Says in the schema of the contract's metadata that a JWK set is an object here.
pub(super) fn with_key_set(schema: &mut Schema) {
    let object = json!({
        "description": "The public keys themselves, a JWK set, in the place of `jwks_uri`.",
        "type": "object",
    });
    if let Some(jwks) = schema.pointer_mut("/properties/jwks") {
        *jwks = object;
    }
}

impl JsonSchema for Metadata {
    fn schema_name() -> Cow<'static, str> {
        "ClientMetadata".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = v1::ClientMetadata::json_schema(generator);
        // What is written is some of what is read.
        schema.remove("required");
        with_key_set(&mut schema);
        schema
    }
}

impl Metadata {
    /// Without what was not said: clients refuse empty URIs.
    fn of(metadata: v1::ClientMetadata) -> Result<Self> {
        let Value::Object(mut members) = serde_json::to_value(metadata).map_err(Error::internal)?
        else {
            return Err(Error::internal("client metadata is no object"));
        };
        if let Some(Value::String(jwks)) = members.get(JWKS).filter(|jwks| *jwks != "") {
            let jwks = serde_json::from_str(jwks).map_err(Error::internal)?;
            members.insert(JWKS.to_owned(), jwks);
        }
        members.retain(|_, value| {
            !value.is_null()
                && !value.as_str().is_some_and(str::is_empty)
                && !value.as_array().is_some_and(Vec::is_empty)
        });
        Ok(Self(members))
    }
}

pub(super) async fn register(State(oauth): State<OAuth>, request: Request) -> Result<Response> {
    let rpc = rpc::REGISTER_CLIENT;
    let (call, members) = body::read_members(&oauth.contract, rpc, request, &[body::JSON]).await?;
    let registered = oauth
        .contract
        .register_client(&call, metadata(members)?)
        .await?;
    Ok(reply::answer(
        StatusCode::CREATED,
        registration(&oauth, registered, "")?,
    ))
}

pub(super) async fn read(
    State(oauth): State<OAuth>,
    Path(client_id): Path<String>,
    request: Request,
) -> Result<Response> {
    let (parts, _) = request.into_parts();
    let call = Call::of(&parts);
    let token = bearer(&call)?;
    let call = call.without_credential();
    let found = oauth
        .contract
        .client_registration(&call, client_id, token.clone())
        .await?;
    Ok(reply::answer(
        StatusCode::OK,
        registration(&oauth, found, &token)?,
    ))
}

pub(super) async fn update(
    State(oauth): State<OAuth>,
    Path(client_id): Path<String>,
    request: Request,
) -> Result<Response> {
    let rpc = rpc::UPDATE_CLIENT_REGISTRATION;
    let (call, members) = body::read_members(&oauth.contract, rpc, request, &[body::JSON]).await?;
    // First: whoever may not change it need not know what is wrong with the rest.
    let token = registration_token(&oauth, &call, &client_id).await?;
    // RFC 7592 section 2.2: the client repeats its id, which it cannot change.
    if body::text(&members, "client_id").is_some_and(|named| named != client_id) {
        let rule = "must be the one of the registration";
        return Err(Error::invalid_field(
            "client_id",
            FieldReason::NotAllowed,
            rule,
        ));
    }
    let message = v1::UpdateClientRegistrationRequest {
        client_id,
        registration_access_token: token.clone(),
        metadata: Some(metadata(members)?),
    };
    let call = call.without_credential();
    let changed = oauth
        .contract
        .update_client_registration(&call, message)
        .await?;
    Ok(reply::answer(
        StatusCode::OK,
        registration(&oauth, changed, &token)?,
    ))
}

pub(super) async fn delete(
    State(oauth): State<OAuth>,
    Path(client_id): Path<String>,
    request: Request,
) -> Result<Response> {
    let (parts, _) = request.into_parts();
    let call = Call::of(&parts);
    let token = bearer(&call)?;
    oauth
        .contract
        .delete_client_registration(&call.without_credential(), client_id, token)
        .await?;
    Ok(reply::nothing())
}

/// The registration access token of a call, if it is the client's.
async fn registration_token(oauth: &OAuth, call: &Call, client_id: &str) -> Result<String> {
    let token = bearer(call)?;
    let call = call.without_credential();
    let (client_id, shown) = (client_id.to_owned(), token.clone());
    oauth
        .contract
        .client_registration(&call, client_id, shown)
        .await?;
    Ok(token)
}

/// The registration access token of a call.
fn bearer(call: &Call) -> Result<String> {
    let header = call.authorization().ok_or(Reason::CredentialMissing)?;
    let header = std::str::from_utf8(header).map_err(|_| Reason::CredentialInvalid)?;
    match header.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            Ok(token.trim().to_owned())
        }
        _ => Err(Reason::CredentialSchemeInvalid.into()),
    }
}

/// What a client says of itself. `null` is an absent member, and one that is not known here is ignored (RFC 7591 section
/// 2).
fn metadata(members: Members) -> Result<v1::ClientMetadata> {
    let sent = members.into_iter().filter(|(_, value)| !value.is_null());
    let mut sent: Members = sent.collect();
    if let Some(jwks) = sent.get_mut(JWKS) {
        if !jwks.is_object() {
            let rule = "is of the wrong type";
            return Err(Error::invalid_field(JWKS, FieldReason::WrongType, rule));
        }
        // The contract has it as text.
        *jwks = jwks.to_string().into();
    }
    let sent = Value::Object(sent);
    serde_path_to_error::deserialize(sent).map_err(|cause| {
        let field = cause.path().to_string();
        Error::invalid(vec![FieldViolation::new(
            field,
            FieldReason::WrongType,
            "is of the wrong type",
        )])
    })
}

/// The registration as the client gets it: with the token that it has shown, where it got no new one.
fn registration(
    oauth: &OAuth,
    registered: v1::ClientRegistration,
    token: &str,
) -> Result<Registration> {
    let issued = contract::moment(registered.create_time, "create_time")?;
    let secret = Some(registered.client_secret).filter(|secret| !secret.is_empty());
    let new_token = registered.registration_access_token;
    Ok(Registration {
        registration_client_uri: format!("{}{REGISTER}/{}", oauth.issuer, registered.client_id),
        client_id: registered.client_id,
        client_id_issued_at: issued.seconds(),
        client_secret_expires_at: secret.is_some().then_some(0),
        client_secret: secret,
        registration_access_token: if new_token.is_empty() {
            token.to_owned()
        } else {
            new_token
        },
        metadata: Metadata::of(contract::present(registered.metadata, "metadata")?)?,
    })
}
