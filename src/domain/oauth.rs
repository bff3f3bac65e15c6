//! OAuth 2.1: clients that register themselves, authorizations that people decide, and the tokens that follow.
//!
//! One file for each use case: [`registration`], [`documents`], [`authorize`], [`code`], [`refresh`], [`introspection`], [`revocation`].

mod authorize;
mod code;
mod documents;
mod introspection;
mod refresh;
mod registration;
mod revocation;

use std::{sync::Arc, time::Duration};

use subtle::ConstantTimeEq as _;

pub use self::{
    authorize::{Pending, Started},
    code::CodeExchange,
    introspection::LiveToken,
    registration::NewRegistration,
};
use crate::{
    crypto::secrets,
    domain::{Context, refresh::RefreshTokens, tokens::TokenIssuer},
    error::{Error, Reason, Result},
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
}

/// Who a client says it is (OAuth 2.1 section 2.4).
#[derive(Clone, Copy)]
pub struct ClientCredentials<'c> {
    /// The `client_id`.
    pub id: &'c str,
    /// Its secret; empty when none was sent.
    pub secret: &'c str,
    /// Where the call comes from.
    pub address: std::net::IpAddr,
}

impl OAuth {
    /// The client that registered itself under this id, or whose document was fetched; none for an unknown or deleted one.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn client(&self, id: &str) -> Result<Option<Client>> {
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

    /// The client that calls the token endpoint: with its secret, or, where it has none, by its name alone. Each client at
    /// an address has a rate of its own there, so that those behind one address do not wait for each other.
    async fn authenticate(&self, credentials: ClientCredentials<'_>) -> Result<Client> {
        self.limit(credentials)?;
        let client = self.client(credentials.id).await?;
        let client = client.ok_or_else(|| failed("client_id"))?;
        let is_right = match (&client.secret_hash, credentials.secret) {
            (None, "") => true,
            (None, _) | (Some(_), "") => false,
            (Some(hash), secret) => secrets::hash(secret).ct_eq(hash).into(),
        };
        if is_right {
            Ok(client)
        } else {
            Err(failed("client_secret"))
        }
    }

    /// Spends a call of what this client has at its address.
    fn limit(&self, credentials: ClientCredentials<'_>) -> Result<()> {
        let number = secrets::hash(credentials.id)
            .first_chunk()
            .map_or(0, |half| u128::from_be_bytes(*half));
        self.limits.token_client(number, credentials.address)
    }

    fn require(client: &Client, grant_type: GrantType) -> Result<()> {
        if client.may(grant_type) {
            Ok(())
        } else {
            Err(Error::new(Reason::PermissionDenied).on_field("grant_type"))
        }
    }
}

fn failed(field: &'static str) -> Error {
    Error::new(Reason::ClientAuthenticationFailed).on_field(field)
}
