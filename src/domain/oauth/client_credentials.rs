//! A client gets a token of its own (RFC 6749 section 4.4): nobody's account, for the services that the operator has
//! registered.

use super::{ClientCredentials, OAuth, not_a_resource};
use crate::{
    domain::tokens::ClientToken,
    error::{Error, Reason, Result},
    model::{client::GrantType, scope::Scopes},
};

impl OAuth {
    /// Issues a token to a client that the operator has set up for it. One that registered itself cannot have any:
    /// otherwise anybody could.
    ///
    /// # Errors
    /// `SCOPE_INVALID`, `RESOURCE_INVALID`, `CLIENT_AUTHENTICATION_FAILED`, `PERMISSION_DENIED`.
    pub async fn issue_to_client(
        &self,
        credentials: ClientCredentials<'_>,
        scope: &str,
        resources: &[String],
    ) -> Result<ClientToken> {
        let client = self.authenticate(credentials).await?;
        Self::require(&client, GrantType::ClientCredentials)?;
        let allowed = Scopes::from_stored(&client.metadata.scope);
        let asked = Scopes::from_stored(scope);
        // As where people decide: what cannot be had is left out, and refused when nothing is left.
        let scopes = match asked.is_empty() {
            true => allowed,
            false => asked.without(&asked.without(&allowed)),
        };
        if scopes.is_empty() && !asked.is_empty() {
            return Err(Error::new(Reason::ScopeInvalid).on_field("scope"));
        }
        let audience = self.settings.resources.audiences(resources);
        let audience =
            audience.map_err(|unknown| not_a_resource().with_message(unknown.to_string()))?;
        self.tokens.issue_to_client(&client, scopes, audience)
    }
}
