//! The contract's services, and everything that stands before them on every transport.

mod account_service;
mod admin;
mod api_key_service;
pub mod auth;
mod authorization_service;
mod challenge_service;
mod client_service;
pub mod codec;
mod consent_service;
mod convert;
mod device;
mod filter;
mod grant_service;
pub mod health;
mod identity_provider_service;
mod oauth_service;
mod organization_service;
mod reflection;
mod session_service;
pub mod status;
pub mod wire;

use std::{convert::Infallible, sync::Arc};

use tokio::sync::watch;
use tonic::service::Routes;
use tower::util::BoxCloneSyncService;

use crate::{
    domain::Domain,
    limits::Limits,
    pb::{
        PolicyError,
        v1::{
            account_service_server::AccountServiceServer,
            api_key_service_server::ApiKeyServiceServer,
            authorization_service_server::AuthorizationServiceServer,
            challenge_service_server::ChallengeServiceServer,
            client_service_server::ClientServiceServer,
            consent_service_server::ConsentServiceServer, grant_service_server::GrantServiceServer,
            identity_provider_service_server::IdentityProviderServiceServer,
            o_auth_service_server::OAuthServiceServer,
            organization_service_server::OrganizationServiceServer,
            session_service_server::SessionServiceServer,
        },
    },
};

/// The largest message that is read, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// The services of the contract behind the layers that every call passes, however it arrived.
pub type GrpcService = BoxCloneSyncService<
    http::Request<tonic::body::Body>,
    http::Response<tonic::body::Body>,
    Infallible,
>;

/// Builds the services of the contract, with health, which tells `status` until its sender is gone, and
/// reflection.
///
/// # Errors
/// A descriptor cannot be read.
pub fn services(
    domain: &Arc<Domain>,
    limits: Arc<Limits>,
    status: watch::Receiver<health::Status>,
) -> Result<GrpcService, PolicyError> {
    let accounts = account_service::Service::new(Arc::clone(domain));
    let sessions = session_service::Service::new(Arc::clone(domain));
    let grants = grant_service::Service::new(Arc::clone(domain));
    let consents = consent_service::Service::new(Arc::clone(domain));
    let providers = identity_provider_service::Service::new(Arc::clone(domain));
    let clients = client_service::Service::new(Arc::clone(domain));
    let oauth = oauth_service::Service::new(Arc::clone(domain));
    let api_keys = api_key_service::Service::new(Arc::clone(domain));
    let challenges = challenge_service::Service::new(Arc::clone(domain));
    let authorization = authorization_service::Service::new(Arc::clone(domain));
    let organizations = organization_service::Service::new(Arc::clone(domain));
    let (v1, v1alpha) = reflection::services(Arc::clone(&limits), status.clone())?;
    let routes = Routes::new(AccountServiceServer::new(accounts))
        .add_service(SessionServiceServer::new(sessions))
        .add_service(GrantServiceServer::new(grants))
        .add_service(ConsentServiceServer::new(consents))
        .add_service(IdentityProviderServiceServer::new(providers))
        .add_service(ClientServiceServer::new(clients))
        .add_service(OAuthServiceServer::new(oauth))
        .add_service(ApiKeyServiceServer::new(api_keys))
        .add_service(ChallengeServiceServer::new(challenges))
        .add_service(AuthorizationServiceServer::new(authorization))
        .add_service(OrganizationServiceServer::new(organizations))
        .add_service(admin::accounts(domain))
        .add_service(admin::clients(domain))
        .add_service(admin::grants(domain))
        .add_service(admin::consents(domain))
        .add_service(admin::organizations(domain))
        .add_service(admin::signing_keys(domain))
        .add_service(health::service(status)?)
        .add_service(v1)
        .add_service(v1alpha)
        .prepare();
    let checked = wire::Wire::new(routes, &reflection::pool()?, MAX_MESSAGE_BYTES);
    // The policy stands before the decoder: a call that may not be made costs no decoding.
    let guarded = auth::Authorize::new(checked, Arc::clone(domain), limits)?;
    Ok(BoxCloneSyncService::new(guarded))
}
