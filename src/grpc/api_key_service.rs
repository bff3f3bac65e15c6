//! `ApiKeyService`: make, read, list, rename, rotate and revoke API keys.

use std::{sync::Arc, time::Duration};

use tonic::{Request, Response, Status};

use crate::{
    domain::{Domain, api_keys::NewApiKey},
    error::{Error, FieldReason, Result},
    grpc::{
        auth, convert,
        filter::{self, Term},
    },
    model::{api_key::ApiKeyKind, scope::Scopes},
    pb::v1::{
        self, ApiKey, CreateApiKeyRequest, CreateApiKeyResponse, DeleteApiKeyRequest,
        DeleteApiKeyResponse, GetApiKeyRequest, GetApiKeyResponse, ListApiKeysRequest,
        ListApiKeysResponse, RotateApiKeyRequest, RotateApiKeyResponse, UpdateApiKeyRequest,
        UpdateApiKeyResponse, api_key_service_server::ApiKeyService,
    },
};

/// How long a key goes on working beside its successor when nothing is said.
const DEFAULT_OVERLAP: Duration = Duration::from_secs(24 * 3600);

const ACCEPTED: &str = "must be kind = and one of API_KEY_KIND_STANDARD, API_KEY_KIND_MAILKITE and \
                        API_KEY_KIND_MAILTD, or empty";

/// The API key service over the use cases.
pub(super) struct Service {
    domain: Arc<Domain>,
}

impl Service {
    pub(super) fn new(domain: Arc<Domain>) -> Self {
        Self { domain }
    }
}

#[tonic::async_trait]
impl ApiKeyService for Service {
    async fn create_api_key(
        &self,
        request: Request<CreateApiKeyRequest>,
    ) -> std::result::Result<Response<CreateApiKeyResponse>, Status> {
        let caller = auth::caller(&request)?;
        let message = request.into_inner();
        let wanted = NewApiKey {
            request_id: convert::request_id(&message.request_id),
            ..new_key(message.api_key.unwrap_or_default())?
        };
        let (key, secret) = self.domain.api_keys.create(&caller, wanted).await?;
        Ok(Response::new(CreateApiKeyResponse {
            api_key: Some(convert::api_key(&key)),
            secret: secret.to_string(),
        }))
    }

    async fn get_api_key(
        &self,
        request: Request<GetApiKeyRequest>,
    ) -> std::result::Result<Response<GetApiKeyResponse>, Status> {
        let caller = auth::caller(&request)?;
        let id = convert::api_key_id(&request.get_ref().name)?;
        let key = self.domain.api_keys.get(&caller, id).await?;
        Ok(Response::new(GetApiKeyResponse {
            api_key: Some(convert::api_key(&key)),
        }))
    }

    async fn list_api_keys(
        &self,
        request: Request<ListApiKeysRequest>,
    ) -> std::result::Result<Response<ListApiKeysResponse>, Status> {
        let caller = auth::caller(&request)?;
        let message = request.into_inner();
        let kind = kind_filter(&message.filter)?;
        let (keys, next_page_token) = self
            .domain
            .api_keys
            .list(&caller, kind, message.page_size, &message.page_token)
            .await?;
        Ok(Response::new(ListApiKeysResponse {
            api_keys: keys.iter().map(convert::api_key).collect(),
            next_page_token,
        }))
    }

    async fn update_api_key(
        &self,
        request: Request<UpdateApiKeyRequest>,
    ) -> std::result::Result<Response<UpdateApiKeyResponse>, Status> {
        let caller = auth::caller(&request)?;
        let message = request.into_inner();
        let sent = message.api_key.unwrap_or_default();
        let id = convert::api_key_id(&sent.name)?;
        let mask = message.update_mask.map(|mask| mask.paths);
        let name = convert::masks_display_name(mask.as_deref(), &sent.display_name)?
            .then_some(sent.display_name);
        let key = self.domain.api_keys.update(&caller, id, name).await?;
        Ok(Response::new(UpdateApiKeyResponse {
            api_key: Some(convert::api_key(&key)),
        }))
    }

    async fn rotate_api_key(
        &self,
        request: Request<RotateApiKeyRequest>,
    ) -> std::result::Result<Response<RotateApiKeyResponse>, Status> {
        let caller = auth::caller(&request)?;
        let message = request.into_inner();
        let id = convert::api_key_id(&message.name)?;
        let overlap = overlap(message.overlap)?;
        let request_id = convert::request_id(&message.request_id);
        let api_keys = &self.domain.api_keys;
        let made = api_keys.rotate(&caller, id, overlap, request_id).await?;
        Ok(Response::new(RotateApiKeyResponse {
            api_key: Some(convert::api_key(&made.key)),
            secret: made.secret.to_string(),
            previous_api_key: Some(convert::api_key(&made.previous)),
        }))
    }

    async fn delete_api_key(
        &self,
        request: Request<DeleteApiKeyRequest>,
    ) -> std::result::Result<Response<DeleteApiKeyResponse>, Status> {
        let caller = auth::caller(&request)?;
        let id = convert::api_key_id(&request.get_ref().name)?;
        self.domain.api_keys.revoke(&caller, id).await?;
        Ok(Response::new(DeleteApiKeyResponse {}))
    }
}

fn overlap(sent: Option<prost_types::Duration>) -> Result<Duration> {
    match sent {
        None => Ok(DEFAULT_OVERLAP),
        Some(sent) => Duration::try_from(sent).map_err(|_| {
            Error::invalid_field("overlap", FieldReason::OutOfRange, "must not be negative")
        }),
    }
}

fn new_key(wanted: ApiKey) -> Result<NewApiKey> {
    let kind = convert::kind(wanted.kind()).unwrap_or(ApiKeyKind::Standard);
    let scopes = Scopes::requested(wanted.scopes).map_err(|unknown| {
        Error::invalid_field(
            "api_key.scopes",
            FieldReason::InvalidValue,
            unknown.to_string(),
        )
    })?;
    let expires_at = match wanted.expire_time {
        Some(sent) => Some(convert::moment(&sent).ok_or_else(|| {
            Error::invalid_field(
                "api_key.expire_time",
                FieldReason::OutOfRange,
                "must be a valid time",
            )
        })?),
        None => None,
    };
    Ok(NewApiKey {
        kind,
        display_name: wanted.display_name,
        scopes,
        expires_at,
        request_id: None,
    })
}

/// The kind of the keys that are asked for; none for every kind.
fn kind_filter(filter: &str) -> Result<Option<ApiKeyKind>> {
    match filter::terms(filter, ACCEPTED)?.as_slice() {
        [] => Ok(None),
        [Term::Equals { field, value }] if field == "kind" => {
            let kind = v1::ApiKeyKind::from_str_name(value).and_then(convert::kind);
            kind.map(Some).ok_or_else(|| filter::invalid(ACCEPTED))
        }
        _ => Err(filter::invalid(ACCEPTED)),
    }
}
