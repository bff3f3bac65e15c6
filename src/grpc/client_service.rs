//! `ClientService`: the clients that people sign in with.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::{
    domain::Domain,
    error::{Reason, Result},
    grpc::{auth, convert},
    model::client::{Client, GrantType},
    pb::v1::{
        self, GetClientRequest, GetClientResponse, RevokeGrantsRequest, RevokeGrantsResponse,
        client_service_server::ClientService,
    },
};

/// The client service over the use cases.
pub(super) struct Service {
    domain: Arc<Domain>,
}

impl Service {
    pub(super) fn new(domain: Arc<Domain>) -> Self {
        Self { domain }
    }

    async fn find(&self, name: &str) -> Result<Client> {
        let id = convert::client_id(name);
        let found = match self.domain.clients.find(&id) {
            Some(built_in) => Some(built_in.clone()),
            None => self.domain.oauth.client(&id).await?,
        };
        found.ok_or_else(|| Reason::ClientNotFound.into())
    }
}

#[tonic::async_trait]
impl ClientService for Service {
    async fn get_client(
        &self,
        request: Request<GetClientRequest>,
    ) -> std::result::Result<Response<GetClientResponse>, Status> {
        let found = self.find(&request.get_ref().name).await?;
        Ok(Response::new(GetClientResponse {
            client: Some(client(&found)?),
        }))
    }

    async fn revoke_grants(
        &self,
        request: Request<RevokeGrantsRequest>,
    ) -> std::result::Result<Response<RevokeGrantsResponse>, Status> {
        let caller = auth::caller(&request)?;
        let client = self.find(&request.get_ref().name).await?;
        self.domain.grants.revoke_all_to(&caller, client.id).await?;
        Ok(Response::new(RevokeGrantsResponse {}))
    }
}

fn client(client: &Client) -> Result<v1::Client> {
    let names = client.grant_types.iter().copied().map(GrantType::as_str);
    Ok(v1::Client {
        name: convert::client_name(&client.id),
        display_name: client.display_name.clone(),
        grant_types: names.map(str::to_owned).collect(),
        scopes: client.scopes.as_slice().to_vec(),
        access_token_lifetime: Some(convert::duration(client.access_token_lifetime)?),
        grant_lifetime: Some(convert::duration(client.grant_lifetime)?),
        rotates_refresh_tokens: client.rotates_refresh_tokens,
    })
}
