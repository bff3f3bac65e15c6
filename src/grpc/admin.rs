//! `countersign.admin.v1`: any account, any organization, any client, grant and consent, and the signing keys, for
//! administrators.

mod account_service;
mod client_service;
mod consent_service;
mod grant_service;
mod organization_service;
mod signing_key_service;

use std::sync::Arc;

use crate::{
    domain::Domain,
    pb::admin::v1::{
        account_service_server::AccountServiceServer, client_service_server::ClientServiceServer,
        consent_service_server::ConsentServiceServer, grant_service_server::GrantServiceServer,
        organization_service_server::OrganizationServiceServer,
        signing_key_service_server::SigningKeyServiceServer,
    },
};

/// Any account.
pub(super) fn accounts(domain: &Arc<Domain>) -> AccountServiceServer<account_service::Service> {
    AccountServiceServer::new(account_service::Service::new(Arc::clone(domain)))
}

/// The clients that the operator has not set up.
pub(super) fn clients(domain: &Arc<Domain>) -> ClientServiceServer<client_service::Service> {
    ClientServiceServer::new(client_service::Service::new(Arc::clone(domain)))
}

/// What clients may do.
pub(super) fn grants(domain: &Arc<Domain>) -> GrantServiceServer<grant_service::Service> {
    GrantServiceServer::new(grant_service::Service::new(Arc::clone(domain)))
}

/// What people have allowed clients.
pub(super) fn consents(domain: &Arc<Domain>) -> ConsentServiceServer<consent_service::Service> {
    ConsentServiceServer::new(consent_service::Service::new(Arc::clone(domain)))
}

/// Any organization.
pub(super) fn organizations(
    domain: &Arc<Domain>,
) -> OrganizationServiceServer<organization_service::Service> {
    OrganizationServiceServer::new(organization_service::Service::new(Arc::clone(domain)))
}

/// The keys that sign tokens.
pub(super) fn signing_keys(
    domain: &Arc<Domain>,
) -> SigningKeyServiceServer<signing_key_service::Service> {
    SigningKeyServiceServer::new(signing_key_service::Service::new(Arc::clone(domain)))
}
