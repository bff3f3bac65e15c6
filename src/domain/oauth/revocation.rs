//! A client revokes a token of its own (RFC 7009), or whoever holds one does.

use super::{ClientCredentials, OAuth, failed};
use crate::{
    domain::grants,
    error::{Reason, Result},
};

impl OAuth {
    /// Ends the grant of a live token: of the client, or, where none is named, of any client without a secret. Any other text
    /// is good for nothing already, which is what was asked for (RFC 7009 section 2.2).
    ///
    /// # Errors
    /// `CLIENT_AUTHENTICATION_FAILED`.
    pub async fn revoke(&self, credentials: ClientCredentials<'_>, token: &str) -> Result<()> {
        let names_client = !credentials.id.is_empty();
        if names_client {
            self.authenticate(credentials).await?;
        } else {
            self.limit(credentials)?;
        }
        let now = self.context.env.now();
        let Some(found) = self.live_token(token, now).await? else {
            return Ok(());
        };
        let client_id = found.grant.client_id.as_str();
        if names_client && client_id != credentials.id {
            return Ok(());
        }
        if !names_client {
            let client = self.client(client_id).await?;
            if client.is_some_and(|client| !client.is_public()) {
                return Err(failed("client_id"));
            }
        }
        match grants::end(&self.context, found.grant, Reason::GrantNotFound).await {
            // Somebody else has ended it in the meantime.
            Err(error) if error.reason() == Reason::GrantNotFound => Ok(()),
            ended => ended,
        }
    }
}
