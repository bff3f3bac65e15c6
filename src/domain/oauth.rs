//! OAuth 2.1: clients that register themselves, authorizations that people decide, and the tokens that follow.
//!
//! One file for each use case: [`registration`], [`documents`], [`authorize`], [`code`], [`refresh`], [`client_credentials`],
//! [`id_token`], [`introspection`], [`log_out`], [`revocation`], [`user_info`]; and one for how clients say who they are:
//! [`authentication`].

mod authentication;
mod authorize;
mod client_credentials;
mod client_keys;
mod code;
mod documents;
mod id_token;
mod introspection;
mod log_out;
mod refresh;
mod registration;
mod revocation;
mod user_info;

use std::{sync::Arc, time::Duration};

pub(super) use self::client_keys::ClientKeys;
pub use self::{
    authentication::ClientCredentials,
    authorize::{Pending, Started},
    code::CodeExchange,
    id_token::Issued,
    introspection::LiveToken,
    log_out::{LogOut, LogOutRequest},
    registration::NewRegistration,
    user_info::UserInfo,
};
use crate::{
    domain::{Context, refresh::RefreshTokens, tokens::TokenIssuer},
    error::{Error, FieldReason, Reason, Result},
    limits::Limits,
    model::{
        client::{Client, Clients, GrantType, Lifetimes},
        oauth::{document, registration::RegisteredClient, resource::Resources},
    },
    outbound::Outbound,
};

/// What clients' secrets start with.
pub const CLIENT_SECRET_PREFIX: &str = "cs_cs_";
/// What authorization codes start with.
pub const CODE_PREFIX: &str = "cs_ac_";
/// What registration access tokens start with.
pub const REGISTRATION_TOKEN_PREFIX: &str = "cs_rat_";

/// How OAuth behaves, from the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether clients may register themselves.
    pub open_registration: bool,
    /// Whether the URL of a document may be a client.
    pub client_documents: bool,
    /// The clients that the operator has set up.
    pub clients: Vec<Client>,
    /// The resources that tokens can be asked for.
    pub resources: Resources,
    /// How long an authorization waits for a decision.
    pub authorization_lifetime: Duration,
    /// How long a code can be redeemed.
    pub code_lifetime: Duration,
    /// How long the tokens of registered clients live.
    pub lifetimes: Lifetimes,
}

/// OAuth's use cases.
pub struct OAuth {
    pub(super) context: Context,
    pub(super) settings: Settings,
    pub(super) built_in: Clients,
    pub(super) tokens: Arc<TokenIssuer>,
    pub(super) refresh_tokens: Arc<RefreshTokens>,
    pub(super) limits: Arc<Limits>,
    pub(super) outbound: Arc<Outbound>,
    pub(super) client_keys: ClientKeys,
}

impl OAuth {
    /// The client that the operator has set up or that registered itself under this id, or whose document was fetched; none
    /// for an unknown or deleted one.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn client(&self, id: &str) -> Result<Option<Client>> {
        let mut configured = self.settings.clients.iter();
        if let Some(client) = configured.find(|client| client.id == id) {
            return Ok(Some(client.clone()));
        }
        let (reader, lifetimes) = (self.context.store.read(), self.settings.lifetimes);
        if let Some(id) = RegisteredClient::parse_client_id(id) {
            let found = reader.client(id).await?;
            return Ok(found.map(|client| client.client(lifetimes)));
        }
        if document::url(id).is_none() || !self.settings.client_documents {
            return Ok(None);
        }
        let found = reader.client_document(id).await?;
        Ok(found.map(|document| document.client(lifetimes)))
    }

    /// What a client gets that asks for tokens in a way that this server does not know: one that is unknown itself, or shows a wrong
    /// secret, learns that first.
    pub async fn refuse_grant_type(&self, credentials: ClientCredentials<'_>) -> Error {
        let rule = "must be authorization_code, refresh_token or client_credentials";
        match self.authenticate(credentials).await {
            Ok(_) => Error::invalid_field("grant_type", FieldReason::InvalidValue, rule),
            Err(refused) => refused,
        }
    }

    fn require(client: &Client, grant_type: GrantType) -> Result<()> {
        if client.may(grant_type) {
            Ok(())
        } else {
            Err(Error::new(Reason::PermissionDenied).on_field("grant_type"))
        }
    }
}

fn not_a_resource() -> Error {
    Error::new(Reason::ResourceInvalid).on_field("resources")
}

fn failed(field: &'static str) -> Error {
    Error::new(Reason::ClientAuthenticationFailed).on_field(field)
}
