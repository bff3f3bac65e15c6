//! `countersign.admin.v1.ClientService`: the clients that registered themselves.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::{
    domain::Domain,
    grpc::{auth, convert},
    model::oauth::registration::RegisteredClient,
    pb::admin::v1::{
        self, DeleteClientRequest, DeleteClientResponse, ListClientsRequest, ListClientsResponse,
        client_service_server::ClientService,
    },
};

/// The collection of clients.
const CLIENTS: &str = "clients";

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
        let id = convert::segment(&request.get_ref().name, CLIENTS).unwrap_or_default();
        self.domain.administration.delete_client(who, id).await?;
        Ok(Response::new(DeleteClientResponse {}))
    }
}

fn client(client: RegisteredClient) -> v1::Client {
    let was_used = client.used_at > client.created_at;
    v1::Client {
        name: format!("{CLIENTS}/{}", client.client_id()),
        display_name: client.metadata.client_name,
        redirect_uris: client.metadata.redirect_uris,
        create_time: Some(convert::timestamp(client.created_at)),
        last_use_time: was_used.then(|| convert::timestamp(client.used_at)),
    }
}
