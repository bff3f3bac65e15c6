//! `countersign.admin.v1.ClientService`: the clients that the operator has not set up.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::{
    domain::Domain,
    grpc::{auth, convert},
    model::administration::ListedClient,
    pb::admin::v1::{
        self, DeleteClientRequest, DeleteClientResponse, ListClientsRequest, ListClientsResponse,
        client_service_server::ClientService,
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
impl ClientService for Service {
    async fn list_clients(
        &self,
        request: Request<ListClientsRequest>,
    ) -> std::result::Result<Response<ListClientsResponse>, Status> {
        auth::administrator(&request)?;
        let message = request.into_inner();
        let (clients, next_page_token) = self
            .domain
            .administration
            .clients(message.page_size, &message.page_token)
            .await?;
        Ok(Response::new(ListClientsResponse {
            clients: clients.into_iter().map(client).collect(),
            next_page_token,
        }))
    }

    async fn delete_client(
        &self,
        request: Request<DeleteClientRequest>,
    ) -> std::result::Result<Response<DeleteClientResponse>, Status> {
        let who = auth::administrator(&request)?;
        let id = convert::client_id(&request.get_ref().name);
        self.domain.administration.delete_client(who, id).await?;
        Ok(Response::new(DeleteClientResponse {}))
    }
}

fn client(client: ListedClient) -> v1::Client {
    v1::Client {
        name: convert::client_name(&client.client_id),
        display_name: client.metadata.client_name,
        redirect_uris: client.metadata.redirect_uris,
        create_time: Some(convert::timestamp(client.created_at)),
        last_use_time: client.used_at.map(convert::timestamp),
    }
}
