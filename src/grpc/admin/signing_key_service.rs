//! `countersign.admin.v1.SigningKeyService`: the keys that sign tokens.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::{
    domain::Domain,
    grpc::{auth, convert},
    model::signing_key::{Phase, SigningKey},
    pb::admin::v1::{
        self, ListSigningKeysRequest, ListSigningKeysResponse, RevokeSigningKeyRequest,
        RevokeSigningKeyResponse, RotateSigningKeysRequest, RotateSigningKeysResponse,
        signing_key_service_server::SigningKeyService,
    },
};

/// The collection of signing keys.
const SIGNING_KEYS: &str = "signingKeys";

/// The service over the use cases.
pub(in crate::grpc) struct Service {
    domain: Arc<Domain>,
}

impl Service {
    pub(in crate::grpc) fn new(domain: Arc<Domain>) -> Self {
        Self { domain }
    }
}

#[tonic::async_trait]
impl SigningKeyService for Service {
    async fn list_signing_keys(
        &self,
        request: Request<ListSigningKeysRequest>,
    ) -> std::result::Result<Response<ListSigningKeysResponse>, Status> {
        auth::administrator(&request)?;
        Ok(Response::new(ListSigningKeysResponse {
            signing_keys: signing_keys(self.domain.signing_keys.list().await?),
        }))
    }

    async fn rotate_signing_keys(
        &self,
        request: Request<RotateSigningKeysRequest>,
    ) -> std::result::Result<Response<RotateSigningKeysResponse>, Status> {
        let who = auth::administrator(&request)?;
        let published = self.domain.signing_keys.rotate(who).await?;
        Ok(Response::new(RotateSigningKeysResponse {
            signing_keys: signing_keys(self.domain.signing_keys.list().await?),
            published,
        }))
    }

    async fn revoke_signing_key(
        &self,
        request: Request<RevokeSigningKeyRequest>,
    ) -> std::result::Result<Response<RevokeSigningKeyResponse>, Status> {
        let who = auth::administrator(&request)?;
        let kid = convert::segment(&request.get_ref().name, SIGNING_KEYS).unwrap_or_default();
        self.domain.signing_keys.revoke(who, kid).await?;
        Ok(Response::new(RevokeSigningKeyResponse {
            signing_keys: signing_keys(self.domain.signing_keys.list().await?),
        }))
    }
}

fn signing_keys(keys: Vec<(SigningKey, Phase)>) -> Vec<v1::SigningKey> {
    let line = |(key, phase): (SigningKey, Phase)| v1::SigningKey {
        name: format!("{SIGNING_KEYS}/{}", key.kid),
        algorithm: key.algorithm.as_str().to_owned(),
        phase: match phase {
            Phase::Next => v1::SigningKeyPhase::Next,
            Phase::Active => v1::SigningKeyPhase::Active,
            Phase::Retired => v1::SigningKeyPhase::Retired,
            Phase::Ended => v1::SigningKeyPhase::Unspecified,
        }
        .into(),
        create_time: Some(convert::timestamp(key.created_at)),
        active_time: Some(convert::timestamp(key.active_at)),
        retire_time: key.retired_at.map(convert::timestamp),
        expire_time: key.expires_at.map(convert::timestamp),
    };
    keys.into_iter().map(line).collect()
}
