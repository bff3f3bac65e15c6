//! `countersign.admin.v1.ConsentService`: the consents of all accounts.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::{
    domain::Domain,
    grpc::{auth, convert, filter},
    pb::admin::v1::{
        DeleteConsentRequest, DeleteConsentResponse, ListConsentsRequest, ListConsentsResponse,
        consent_service_server::ConsentService,
    },
};

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
impl ConsentService for Service {
    async fn list_consents(
        &self,
        request: Request<ListConsentsRequest>,
    ) -> std::result::Result<Response<ListConsentsResponse>, Status> {
        auth::administrator(&request)?;
        let message = request.into_inner();
        let filter = filter::of_grants(&message.filter)?;
        let (consents, next_page_token) = self
            .domain
            .administration
            .consents(&filter, message.page_size, &message.page_token)
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
        let who = auth::administrator(&request)?;
        let id = convert::consent_id(&request.get_ref().name)?;
        self.domain.administration.delete_consent(who, id).await?;
        Ok(Response::new(DeleteConsentResponse {}))
    }
}
