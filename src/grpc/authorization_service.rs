//! `AuthorizationService`: decide for services behind a proxy.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::{
    domain::{
        Domain,
        caller::{Caller, CredentialId},
    },
    grpc::{auth, convert},
    model::scope::EMAIL,
    pb::v1::{
        CheckAccessRequest, CheckAccessResponse, CredentialKind,
        authorization_service_server::AuthorizationService,
    },
};

/// The authorization service over the use cases.
pub(super) struct Service {
    domain: Arc<Domain>,
}

impl Service {
    pub(super) fn new(domain: Arc<Domain>) -> Self {
        Self { domain }
    }
}

#[tonic::async_trait]
impl AuthorizationService for Service {
    async fn check_access(
        &self,
        request: Request<CheckAccessRequest>,
    ) -> Result<Response<CheckAccessResponse>, Status> {
        let caller = auth::optional_caller(&request);
        let message = request.get_ref();
        self.domain
            .authorization
            .check_access(caller.as_deref(), &message.method, &message.path)
            .await?;
        let identity = caller.as_deref().map(identity);
        Ok(Response::new(identity.unwrap_or_default()))
    }
}

fn identity(caller: &Caller) -> CheckAccessResponse {
    let kind = match caller.credential {
        CredentialId::Grant(_) if caller.is_mailbox() => CredentialKind::EmailToken,
        CredentialId::Grant(_) => CredentialKind::Session,
        CredentialId::ApiKey(_) => CredentialKind::ApiKey,
    };
    // What a client was not allowed to see, the service that it calls does not learn from it.
    let sees_email = caller.scopes.is_full() || caller.is_mailbox() || caller.scopes.has(EMAIL);
    CheckAccessResponse {
        account: caller.account_id.resource_name(),
        organization: caller.organization_id.resource_name(),
        email: if sees_email {
            caller.email.clone()
        } else {
            String::new()
        },
        email_verified: sees_email && caller.email_verified,
        plan: convert::plan(caller.plan).into(),
        scopes: caller.scopes.as_slice().to_vec(),
        credential_kind: kind.into(),
    }
}
