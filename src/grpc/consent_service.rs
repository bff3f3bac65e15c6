//! `ConsentService`: what the caller has allowed OAuth clients.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::{
    domain::Domain,
    grpc::{auth, convert},
    pb::v1::{
        DeleteConsentRequest, DeleteConsentResponse, ListConsentsRequest, ListConsentsResponse,
        consent_service_server::ConsentService,
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
            consents: consents.into_iter().map(convert::consent).collect(),
            next_page_token,
        }))
    }

    async fn delete_consent(
        &self,
        request: Request<DeleteConsentRequest>,
    ) -> std::result::Result<Response<DeleteConsentResponse>, Status> {
        let caller = auth::caller(&request)?;
        let id = convert::consent_id(&request.get_ref().name)?;
        self.domain.grants.revoke_consent(&caller, id).await?;
        Ok(Response::new(DeleteConsentResponse {}))
    }
}
