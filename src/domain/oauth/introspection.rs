//! A client asks whether a token is live (RFC 7662): one of its own, or one for the resource that it is.

use super::{ClientCredentials, OAuth, failed};
use crate::{
    crypto::secrets,
    domain::tokens::REFRESH_PREFIX,
    env::Timestamp,
    error::{Reason, Result},
    model::{client::GrantType, scope::Scopes, session::Grant},
};

/// A token that is live.
pub struct LiveToken {
    /// The grant that it belongs to; none for a client's own.
    pub grant: Option<Grant>,
    /// The client that it was issued to.
    pub client_id: String,
    /// What it may do.
    pub scopes: Scopes,
    /// Whom it is for.
    pub audience: Vec<String>,
    /// Whether it is an access token.
    pub is_access_token: bool,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl OAuth {
    /// What a live token is good for, of the client itself or, for one that the operator has set up as a resource, of
    /// whoever calls it; none for any other text.
    ///
    /// # Errors
    /// `CLIENT_AUTHENTICATION_FAILED`.
    pub async fn introspect(
        &self,
        credentials: ClientCredentials<'_>,
        token: &str,
    ) -> Result<Option<LiveToken>> {
        let client = self.authenticate(credentials).await?;
        // RFC 7662 section 2.1: whoever asks shows that it may.
        if client.is_public() {
            return Err(failed("client_secret"));
        }
        let now = self.context.env.now();
        let found = self.live_token(token, now).await?;
        // A resource is shown access tokens alone.
        let may_know = |found: &LiveToken| {
            found.client_id == client.id || found.is_access_token && client.serves(&found.audience)
        };
        Ok(found.filter(may_know))
    }

    /// The live token with this text, whoever's it is.
    pub(super) async fn live_token(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Option<LiveToken>> {
        let reader = self.context.store.read();
        let (mut refresh, mut access) = (None, None);
        let grant_id = if secrets::well_formed(token, REFRESH_PREFIX) {
            let stored = reader.refresh_token(&secrets::hash(token)).await?;
            refresh = stored.filter(|stored| stored.consumed_at.is_none());
            refresh.as_ref().map(|stored| stored.grant_id)
        } else {
            access = match self.tokens.read(token, now) {
                Ok(claims) => Some(claims),
                Err(error) if error.reason() == Reason::CredentialInvalid => {
                    return self.live_client_token(token, now).await;
                }
                Err(error) => return Err(error),
            };
            access.as_ref().map(|claims| claims.grant_id)
        };
        let grant = match grant_id {
            Some(id) => reader.grant(id).await?,
            None => None,
        };
        let Some(grant) = grant.filter(|grant| grant.is_live(now)) else {
            return Ok(None);
        };
        let account = reader.account(grant.account_id).await?;
        if account.is_none_or(|account| account.is_disabled()) {
            return Ok(None);
        }
        let issued_at = refresh.map_or(grant.created_at, |stored| stored.created_at);
        let (client_id, scopes) = (grant.client_id.clone(), grant.scopes.clone());
        Ok(Some(match access {
            Some(claims) => LiveToken {
                grant: Some(grant),
                client_id,
                scopes,
                audience: claims.audience,
                is_access_token: true,
                issued_at: claims.issued_at,
                expires_at: claims.expires_at,
            },
            None => LiveToken {
                audience: self.tokens.audience(&grant),
                is_access_token: false,
                issued_at,
                expires_at: grant.expires_at,
                grant: Some(grant),
                client_id,
                scopes,
            },
        }))
    }

    /// A client's own token, as long as there is the client.
    async fn live_client_token(&self, token: &str, now: Timestamp) -> Result<Option<LiveToken>> {
        let claims = match self.tokens.read_of_client(token, now) {
            Ok(claims) => claims,
            Err(error) if error.reason() == Reason::CredentialInvalid => return Ok(None),
            Err(error) => return Err(error),
        };
        let client = self.client(&claims.client_id).await?;
        let client = client.filter(|client| client.may(GrantType::ClientCredentials));
        Ok(client.map(|client| LiveToken {
            grant: None,
            client_id: client.id,
            scopes: Scopes::from_stored(&claims.scope),
            audience: claims.audience,
            is_access_token: true,
            issued_at: claims.issued_at,
            expires_at: claims.expires_at,
        }))
    }
}
