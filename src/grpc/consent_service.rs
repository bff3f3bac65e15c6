//! `ConsentService`: what the caller has allowed OAuth clients.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::{
    domain::Domain,
    error::{Reason, Result},
    grpc::{
        auth,
        convert::{segment, timestamp},
    },
    model::{consent::Consent, id::ConsentId},
    pb::v1::{
        self, DeleteConsentRequest, DeleteConsentResponse, ListConsentsRequest,
        ListConsentsResponse, consent_service_server::ConsentService,
    },
};

/// The consent service over the use cases.
pub(super) struct Service {
    domain: Arc<Domain>,
}

impl Service {
    pub(super) fn new(domain: Arc<Domain>) -> Self {
        Self { domain }
    }
}

#[tonic::async_trait]
impl ConsentService for Service {
    async fn list_consents(
        &self,
        request: Request<ListConsentsRequest>,
    ) -> std::result::Result<Response<ListConsentsResponse>, Status> {
        let caller = auth::caller(&request)?;
        let message = request.into_inner();
        let (consents, next_page_token) = self
            .domain
            .grants
            .consents(&caller, message.page_size, &message.page_token)
            .await?;
        Ok(Response::new(ListConsentsResponse {
            consents: consents.into_iter().map(consent).collect(),
            next_page_token,
        }))
    }

    async fn delete_consent(
        &self,
        request: Request<DeleteConsentRequest>,
    ) -> std::result::Result<Response<DeleteConsentResponse>, Status> {
        let caller = auth::caller(&request)?;
        let id = consent_id(&request.get_ref().name)?;
        self.domain.grants.revoke_consent(&caller, id).await?;
        Ok(Response::new(DeleteConsentResponse {}))
    }
}

fn consent_id(name: &str) -> Result<ConsentId> {
    segment(name, ConsentId::COLLECTION)
        .and_then(|id| id.parse().ok())
        .ok_or_else(|| Reason::ConsentNotFound.into())
}

fn consent(consent: Consent) -> v1::Consent {
    v1::Consent {
        name: consent.id.resource_name(),
        client_id: consent.client_id,
        client_name: consent.client_name,
        scopes: consent.scopes.as_slice().to_vec(),
        resources: consent.audience,
        create_time: Some(timestamp(consent.created_at)),
        update_time: Some(timestamp(consent.updated_at)),
    }
}
