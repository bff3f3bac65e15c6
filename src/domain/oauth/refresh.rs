//! A client refreshes (OAuth 2.1 section 4.3).

use super::{ClientCredentials, OAuth};
use crate::{
    domain::tokens::Tokens,
    error::{Error, Reason, Result},
    model::{client::GrantType, scope::Scopes},
};

impl OAuth {
    /// Trades a refresh token for new tokens, to the client that it was issued to. The scopes stay what was granted:
    /// asking for fewer changes nothing (RFC 6749 section 3.3), and asking for others is refused.
    ///
    /// # Errors
    /// `REFRESH_TOKEN_INVALID`; a token that was already used also ends its grant. `SCOPE_INVALID`, `RESOURCE_INVALID`,
    /// `CLIENT_AUTHENTICATION_FAILED`, `PERMISSION_DENIED`.
    pub async fn refresh(
        &self,
        credentials: ClientCredentials<'_>,
        token: &str,
        scope: &str,
        resources: &[String],
    ) -> Result<Tokens> {
        let client = self.authenticate(credentials).await?;
        Self::require(&client, GrantType::RefreshToken)?;
        let mut found = self.refresh_tokens.find(token).await?;
        if found.grant.client_id != client.id {
            return Err(Reason::RefreshTokenInvalid.into());
        }
        let asked = Scopes::from_stored(scope);
        if !asked.without(&found.grant.scopes).is_empty() {
            return Err(Error::new(Reason::ScopeInvalid).on_field("scope"));
        }
        // For the new access token alone: the grant stays for all that it was given for.
        found.grant.audience = self.audience(&found.grant.audience, resources)?;
        self.refresh_tokens
            .trade(found, token, &client, false)
            .await
    }
}
