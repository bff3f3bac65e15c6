//! A client asks whether a token of its own is live (RFC 7662).

use super::{ClientCredentials, OAuth};
use crate::{
    crypto::secrets,
    domain::tokens::REFRESH_PREFIX,
    env::Timestamp,
    error::{Reason, Result},
    model::session::Grant,
};

/// A token that is live.
pub struct LiveToken {
    /// The grant that it belongs to.
    pub grant: Grant,
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
    /// What a live token of the client is good for; none for any other text.
    ///
    /// # Errors
    /// `CLIENT_AUTHENTICATION_FAILED`.
    pub async fn introspect(
        &self,
        credentials: ClientCredentials<'_>,
        token: &str,
    ) -> Result<Option<LiveToken>> {
        let client = self.authenticate(credentials).await?;
        let now = self.context.env.now();
        let found = self.live_token(token, now).await?;
        Ok(found.filter(|found| found.grant.client_id == client.id))
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
                Err(error) if error.reason() == Reason::CredentialInvalid => None,
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
        Ok(Some(match access {
            Some(claims) => LiveToken {
                grant,
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
                grant,
            },
        }))
    }
}
