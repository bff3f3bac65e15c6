//! `IdentityProviderService`: sign in with an account somewhere else.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::{
    domain::{
        Domain,
        federation::{Proof, Start},
    },
    error::{Error, FieldReason, Reason, Result},
    grpc::{
        auth, convert,
        convert::{segment, timestamp},
    },
    model::{
        id::LinkedIdentityId,
        identity::{IdentityProvider, LinkedIdentity},
    },
    pb::v1::{
        self, CreateLinkedIdentityRequest, CreateLinkedIdentityResponse,
        DeleteLinkedIdentityRequest, DeleteLinkedIdentityResponse, FinishSignInRequest,
        FinishSignInResponse, ListIdentityProvidersRequest, ListIdentityProvidersResponse,
        ListLinkedIdentitiesRequest, ListLinkedIdentitiesResponse, StartSignInRequest,
        StartSignInResponse, identity_provider_service_server::IdentityProviderService,
    },
};

const COLLECTION: &str = "identityProviders";

type Answer<M> = std::result::Result<Response<M>, Status>;

/// The identity provider service over the use cases.
pub(super) struct Service {
    domain: Arc<Domain>,
}

impl Service {
    pub(super) fn new(domain: Arc<Domain>) -> Self {
        Self { domain }
    }
}

#[tonic::async_trait]
impl IdentityProviderService for Service {
    async fn list_identity_providers(
        &self,
        request: Request<ListIdentityProvidersRequest>,
    ) -> Answer<ListIdentityProvidersResponse> {
        if !request.get_ref().page_token.is_empty() {
            let rule = "must be empty, for there is one page";
            let error = Error::invalid_field("page_token", FieldReason::InvalidValue, rule);
            return Err(error.into());
        }
        let providers = self.domain.federation.providers().map(provider);
        Ok(Response::new(ListIdentityProvidersResponse {
            identity_providers: providers.collect(),
            next_page_token: String::new(),
        }))
    }

    async fn start_sign_in(
        &self,
        request: Request<StartSignInRequest>,
    ) -> Answer<StartSignInResponse> {
        let message = request.into_inner();
        let start = Start {
            redirect_uri: &message.redirect_uri,
            state: &message.state,
            nonce: &message.nonce,
            code_challenge: &message.code_challenge,
        };
        let provider = provider_id(&message.name)?;
        Ok(Response::new(StartSignInResponse {
            authorization_uri: self.domain.federation.start(provider, start).await?,
        }))
    }

    async fn finish_sign_in(
        &self,
        request: Request<FinishSignInRequest>,
    ) -> Answer<FinishSignInResponse> {
        let origin = auth::origin(&self.domain, &request);
        let message = request.into_inner();
        let client = convert::client(&self.domain.clients, "client_id", &message.client_id)?;
        let client = client.unwrap_or_else(|| self.domain.clients.own());
        let sent = message.proof.unwrap_or_default();
        let provider = provider_id(&message.name)?;
        let federation = &self.domain.federation;
        let made = federation
            .finish(provider, proof(&sent), client, origin)
            .await?;
        Ok(Response::new(FinishSignInResponse {
            session: Some(convert::session(&made.session, false)),
            tokens: Some(convert::tokens(made.tokens)),
            account: Some(convert::account(&made.account)),
            organization: Some(convert::organization(&made.account.organization)),
            account_created: made.is_new,
        }))
    }

    async fn create_linked_identity(
        &self,
        request: Request<CreateLinkedIdentityRequest>,
    ) -> Answer<CreateLinkedIdentityResponse> {
        let caller = auth::caller(&request)?;
        let message = request.into_inner();
        let sent = message.proof.unwrap_or_default();
        let provider = provider_id(&message.identity_provider)?;
        let federation = &self.domain.federation;
        let made = federation
            .create_linked(&caller, provider, proof(&sent), &message.expected_email)
            .await?;
        Ok(Response::new(CreateLinkedIdentityResponse {
            linked_identity: Some(linked(made)),
        }))
    }

    async fn list_linked_identities(
        &self,
        request: Request<ListLinkedIdentitiesRequest>,
    ) -> Answer<ListLinkedIdentitiesResponse> {
        let caller = auth::caller(&request)?;
        let message = request.into_inner();
        let federation = &self.domain.federation;
        let (identities, next_page_token) = federation
            .linked(&caller, message.page_size, &message.page_token)
            .await?;
        Ok(Response::new(ListLinkedIdentitiesResponse {
            linked_identities: identities.into_iter().map(linked).collect(),
            next_page_token,
        }))
    }

    async fn delete_linked_identity(
        &self,
        request: Request<DeleteLinkedIdentityRequest>,
    ) -> Answer<DeleteLinkedIdentityResponse> {
        let caller = auth::caller(&request)?;
        let id = segment(&request.get_ref().name, LinkedIdentityId::COLLECTION)
            .and_then(|id| id.parse().ok())
            .ok_or(Reason::LinkedIdentityNotFound)
            .map_err(Error::from)?;
        self.domain.federation.delete_linked(&caller, id).await?;
        Ok(Response::new(DeleteLinkedIdentityResponse {}))
    }
}

fn provider_id(name: &str) -> Result<&str> {
    segment(name, COLLECTION).ok_or_else(|| Reason::IdentityProviderNotFound.into())
}

fn proof(sent: &v1::IdentityProof) -> Proof<'_> {
    Proof {
        id_token: &sent.id_token,
        code: &sent.code,
        redirect_uri: &sent.redirect_uri,
        code_verifier: &sent.code_verifier,
        nonce: &sent.nonce,
    }
}

fn provider(provider: &IdentityProvider) -> v1::IdentityProvider {
    v1::IdentityProvider {
        name: format!("{COLLECTION}/{}", provider.id),
        display_name: provider.display_name.clone(),
    }
}

fn linked(linked: LinkedIdentity) -> v1::LinkedIdentity {
    v1::LinkedIdentity {
        name: linked.id.resource_name(),
        identity_provider: format!("{COLLECTION}/{}", linked.provider),
        subject: linked.subject,
        email: linked.email,
        create_time: Some(timestamp(linked.created_at)),
    }
}
