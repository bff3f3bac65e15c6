//! `GrantService`: what the caller allows each client.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::{
    domain::Domain,
    error::Result,
    grpc::{
        auth, convert,
        filter::{self, Term},
    },
    pb::v1::{
        DeleteGrantRequest, DeleteGrantResponse, GetGrantRequest, GetGrantResponse,
        ListGrantsRequest, ListGrantsResponse, grant_service_server::GrantService,
    },
};

/// What a filter may say.
const ACCEPTED: &str = "must be empty or name a client: client_id = \"countersign\"";

/// The grant service over the use cases.
pub(super) struct Service {
    domain: Arc<Domain>,
}

impl Service {
    pub(super) fn new(domain: Arc<Domain>) -> Self {
        Self { domain }
    }
}

#[tonic::async_trait]
impl GrantService for Service {
    async fn get_grant(
        &self,
        request: Request<GetGrantRequest>,
    ) -> std::result::Result<Response<GetGrantResponse>, Status> {
        let caller = auth::caller(&request)?;
        let current = caller.grant_id();
        let id = convert::grant_id(&request.get_ref().name, current)?;
        let grant = self.domain.grants.get(&caller, id).await?;
        Ok(Response::new(GetGrantResponse {
            grant: Some(convert::grant(&grant, current == Some(grant.id))),
        }))
    }

    async fn list_grants(
        &self,
        request: Request<ListGrantsRequest>,
    ) -> std::result::Result<Response<ListGrantsResponse>, Status> {
        let caller = auth::caller(&request)?;
        let (current, message) = (caller.grant_id(), request.into_inner());
        let client_id = client_filter(&message.filter)?;
        let (grants, next_page_token) = self
            .domain
            .grants
            .list(&caller, client_id, message.page_size, &message.page_token)
            .await?;
        let grants = grants
            .iter()
            .map(|grant| convert::grant(grant, current == Some(grant.id)));
        Ok(Response::new(ListGrantsResponse {
            grants: grants.collect(),
            next_page_token,
        }))
    }

    async fn delete_grant(
        &self,
        request: Request<DeleteGrantRequest>,
    ) -> std::result::Result<Response<DeleteGrantResponse>, Status> {
        let caller = auth::caller(&request)?;
        let id = convert::grant_id(&request.get_ref().name, caller.grant_id())?;
        self.domain.grants.revoke(&caller, id).await?;
        Ok(Response::new(DeleteGrantResponse {}))
    }
}

fn client_filter(filter: &str) -> Result<Option<String>> {
    match filter::terms(filter, ACCEPTED)?.as_slice() {
        [] => Ok(None),
        [Term::Equals { field, value }] if field == "client_id" => Ok(Some(value.clone())),
        _ => Err(filter::invalid(ACCEPTED)),
    }
}
