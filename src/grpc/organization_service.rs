//! `OrganizationService`: one's own organization and its members.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::{
    domain::Domain,
    grpc::{auth, convert},
    pb::v1::{
        GetOrganizationRequest, GetOrganizationResponse, ListMembershipsRequest,
        ListMembershipsResponse, organization_service_server::OrganizationService,
    },
};

/// The organization service over the use cases.
pub(super) struct Service {
    domain: Arc<Domain>,
}

impl Service {
    pub(super) fn new(domain: Arc<Domain>) -> Self {
        Self { domain }
    }
}

#[tonic::async_trait]
impl OrganizationService for Service {
    async fn get_organization(
        &self,
        request: Request<GetOrganizationRequest>,
    ) -> Result<Response<GetOrganizationResponse>, Status> {
        let caller = auth::caller(&request)?;
        let own = Some(caller.organization_id);
        let id = convert::organization_id(&request.get_ref().name, own)?;
        let found = self.domain.organizations.get(&caller, id).await?;
        Ok(Response::new(GetOrganizationResponse {
            organization: Some(convert::organization(&found)),
        }))
    }

    async fn list_memberships(
        &self,
        request: Request<ListMembershipsRequest>,
    ) -> Result<Response<ListMembershipsResponse>, Status> {
        let caller = auth::caller(&request)?;
        let message = request.into_inner();
        let own = Some(caller.organization_id);
        let id = convert::organization_id(&message.parent, own)?;
        let (members, next_page_token) = self
            .domain
            .organizations
            .members(&caller, id, message.page_size, &message.page_token)
            .await?;
        Ok(Response::new(ListMembershipsResponse {
            memberships: members.iter().map(convert::membership).collect(),
            next_page_token,
        }))
    }
}
