//! Health (`grpc.health.v1`). tonic-health gives the messages and the trait; its service is not used: it refuses
//! to watch a service that it does not know, where the protocol wants `SERVICE_UNKNOWN` and an open stream.

use std::collections::HashSet;

use futures_util::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use tokio::sync::watch;
use tonic::{Request, Response};
pub use tonic_health::pb::health_check_response::ServingStatus as Status;
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_server::{self, HealthServer},
};

use crate::pb::{self, PolicyError};

/// The services of the contract, which serve or do not together; the empty name is the server as a whole.
pub(super) struct Health {
    services: HashSet<String>,
    status: watch::Receiver<Status>,
}

/// The service, which tells what `status` says. Its streams end when the sender is gone.
///
/// # Errors
/// The descriptor cannot be read.
pub(super) fn service(
    status: watch::Receiver<Status>,
) -> Result<HealthServer<Health>, PolicyError> {
    let pool = pb::pool()?;
    let mut services: HashSet<String> = pool
        .services()
        .map(|service| service.full_name().to_owned())
        .collect();
    services.insert(String::new());
    let health = Health { services, status };
    Ok(HealthServer::new(health))
}

/// Waits until the server stops.
pub(super) async fn stopped(mut status: watch::Receiver<Status>) {
    while status.changed().await.is_ok() {}
}

#[tonic::async_trait]
impl health_server::Health for Health {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, tonic::Status> {
        if self.services.contains(&request.get_ref().service) {
            Ok(Response::new(response(*self.status.borrow())))
        } else {
            Err(tonic::Status::not_found("there is no such service"))
        }
    }

    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, tonic::Status>>;

    /// What is served does not change while the server runs, and so a service that is unknown stays so.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, tonic::Status> {
        let mut status = self.status.clone();
        let watch = if self.services.contains(&request.get_ref().service) {
            status.mark_changed();
            stream::unfold(status, |mut status| async {
                status.changed().await.ok()?;
                let told = response(*status.borrow_and_update());
                Some((Ok(told), status))
            })
            .boxed()
        } else {
            stream::iter([Ok(response(Status::ServiceUnknown))])
                .chain(stream::pending())
                .take_until(stopped(status))
                .boxed()
        };
        Ok(Response::new(watch))
    }
}

fn response(status: Status) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}
