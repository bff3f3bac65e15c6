//! `countersign.admin.v1.GrantService`: the grants of all accounts.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::{
    domain::Domain,
    grpc::{auth, convert, filter},
    pb::admin::v1::{
        DeleteGrantRequest, DeleteGrantResponse, ListGrantsRequest, ListGrantsResponse,
        grant_service_server::GrantService,
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
impl GrantService for Service {
    async fn list_grants(
        &self,
        request: Request<ListGrantsRequest>,
    ) -> std::result::Result<Response<ListGrantsResponse>, Status> {
        auth::administrator(&request)?;
        let current = auth::optional_caller(&request).and_then(|caller| caller.grant_id());
        let message = request.into_inner();
        let filter = filter::of_grants(&message.filter)?;
        let (grants, next_page_token) = self
            .domain
            .administration
            .grants(&filter, message.page_size, &message.page_token)
            .await?;
        Ok(Response::new(ListGrantsResponse {
            grants: grants
                .iter()
                .map(|grant| convert::grant(grant, current == Some(grant.id)))
                .collect(),
            next_page_token,
        }))
    }

    async fn delete_grant(
        &self,
        request: Request<DeleteGrantRequest>,
    ) -> std::result::Result<Response<DeleteGrantResponse>, Status> {
        let who = auth::administrator(&request)?;
        let id = convert::grant_id(&request.get_ref().name, None)?;
        self.domain.administration.delete_grant(who, id).await?;
        Ok(Response::new(DeleteGrantResponse {}))
    }
}
