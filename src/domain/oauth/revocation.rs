//! A client revokes a token of its own (RFC 7009), or whoever holds one does.

use super::{ClientCredentials, OAuth, failed};
use crate::{
    domain::grants,
    error::{Error, FieldReason, Reason, Result},
};

impl OAuth {
    /// Ends the grant of a live token: of the client, or, where none is named, of any client without a secret. Any other text
    /// is good for nothing already, which is what was asked for (RFC 7009 section 2.2).
    ///
    /// # Errors
    /// `CLIENT_AUTHENTICATION_FAILED`; `INVALID_FIELD` for a client's own token, which nothing keeps.
    pub async fn revoke(&self, credentials: ClientCredentials<'_>, token: &str) -> Result<()> {
        let client = if credentials.name_somebody() {
            Some(self.authenticate(credentials).await?)
        } else {
            self.limit(credentials.id, credentials.address)?;
            None
        };
        let now = self.context.env.now();
        let Some(found) = self.live_token(token, now).await? else {
            return Ok(());
        };
        match client {
            Some(client) if client.id != found.client_id => return Ok(()),
            Some(_) => {}
            None => {
                let owner = self.client(&found.client_id).await?;
                if owner.is_some_and(|owner| !owner.is_public()) {
                    return Err(failed("client_id"));
                }
            }
        }
        let Some(grant_id) = found.grant_id else {
            let rule = "must not be a token of the client itself, which ends when it expires and not before";
            return Err(Error::invalid_field("token", FieldReason::NotAllowed, rule));
        };
        let Some(grant) = self.context.store.read().grant(grant_id).await? else {
            return Ok(());
        };
        match grants::end(&self.context, grant, Reason::GrantNotFound).await {
            // Somebody else has ended it in the meantime.
            Err(error) if error.reason() == Reason::GrantNotFound => Ok(()),
            ended => ended,
        }
    }
}
