//! A client asks whether a token is live (RFC 7662): one of its own, or one for the resource that it is.

use super::{ClientCredentials, OAuth, failed};
use crate::{
    crypto::secrets,
    domain::tokens::REFRESH_PREFIX,
    env::Timestamp,
    error::{Reason, Result},
    model::{
        client::GrantType,
        id::{AccountId, GrantId},
        scope::Scopes,
    },
};

/// A token that is live.
pub struct LiveToken {
    /// The grant that it belongs to; none for a client's own.
    pub grant_id: Option<GrantId>,
    /// The account that it acts for; none for a client's own.
    pub account_id: Option<AccountId>,
    /// The client that it was issued to; empty for an access token that does not say it.
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
        if secrets::well_formed(token, REFRESH_PREFIX) {
            return self.live_refresh_token(token, now).await;
        }
        let claims = match self.tokens.read(token, now) {
            Ok(claims) => claims,
            Err(error) if error.reason() == Reason::CredentialInvalid => {
                return self.live_client_token(token, now).await;
            }
            Err(error) => return Err(error),
        };
        // Remembered, as that of a token which opens something here: a service that asks often costs no read.
        let credentials = &self.context.credentials;
        let caller = credentials.caller_of_grant(claims.grant_id, now).await?;
        Ok(caller.map(|caller| LiveToken {
            grant_id: Some(claims.grant_id),
            account_id: Some(caller.account_id),
            client_id: claims.client_id,
            scopes: caller.scopes.clone(),
            audience: claims.audience,
            is_access_token: true,
            issued_at: claims.issued_at,
            expires_at: claims.expires_at,
        }))
    }

    async fn live_refresh_token(&self, token: &str, now: Timestamp) -> Result<Option<LiveToken>> {
        let reader = self.context.store.read();
        let stored = reader.refresh_token(&secrets::hash(token)).await?;
        let Some(stored) = stored.filter(|stored| stored.consumed_at.is_none()) else {
            return Ok(None);
        };
        let grant = reader.grant(stored.grant_id).await?;
        let Some(grant) = grant.filter(|grant| grant.is_live(now)) else {
            return Ok(None);
        };
        let account = reader.account(grant.account_id).await?;
        let account = account.filter(|account| !account.is_disabled());
        Ok(account.map(|account| LiveToken {
            grant_id: Some(grant.id),
            account_id: Some(account.id),
            audience: self.tokens.audience(&grant),
            is_access_token: false,
            issued_at: stored.created_at,
            expires_at: grant.expires_at,
            client_id: grant.client_id,
            scopes: grant.scopes,
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
            grant_id: None,
            account_id: None,
            client_id: client.id,
            scopes: Scopes::from_stored(&claims.scope),
            audience: claims.audience,
            is_access_token: true,
            issued_at: claims.issued_at,
            expires_at: claims.expires_at,
        }))
    }
}
