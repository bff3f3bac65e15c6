//! A client refreshes (OAuth 2.1 section 4.3).

use super::{ClientCredentials, Issued, OAuth, id_token::SignIn};
use crate::{
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
    ) -> Result<Issued> {
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
        let scopes = &found.grant.scopes;
        let signed_in_at = self.signed_in_at(scopes, found.grant.session_id).await?;
        let account = found.account.clone();
        let tokens = self
            .refresh_tokens
            .trade(found, token, &client, false)
            .await?;
        let sign_in = SignIn {
            account: &account,
            at: signed_in_at,
            // OpenID Connect Core section 12.2: a refresh repeats none.
            nonce: "",
        };
        self.issued(&client, tokens, &sign_in, self.context.env.now())
    }
}
