//! `ChallengeService`: the challenges that sign-ups may need.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::{
    domain::Domain,
    grpc::{auth, convert},
    pb::v1::{
        CreateChallengeRequest, CreateChallengeResponse, challenge_service_server::ChallengeService,
    },
};

/// The challenge service over the use cases.
pub(super) struct Service {
    domain: Arc<Domain>,
}

impl Service {
    pub(super) fn new(domain: Arc<Domain>) -> Self {
        Self { domain }
    }
}

#[tonic::async_trait]
impl ChallengeService for Service {
    async fn create_challenge(
        &self,
        request: Request<CreateChallengeRequest>,
    ) -> Result<Response<CreateChallengeResponse>, Status> {
        let client = auth::client_address(request.extensions());
        let purpose = convert::purpose(request.get_ref().purpose());
        let (id, challenge) = self.domain.challenges.create(purpose, client)?;
        Ok(Response::new(CreateChallengeResponse {
            challenge: Some(convert::challenge(id, &challenge)),
        }))
    }
}
