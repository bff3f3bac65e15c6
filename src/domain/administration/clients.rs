//! Clients that registered themselves, as administrators see them.

use super::{Administration, nobody, require_administrator};
use crate::{
    domain::caller::CredentialId,
    error::{Reason, Result},
    model::{administration::Administrator, oauth::registration::RegisteredClient, page::Page},
};

const LIST: &str = "clients";

impl Administration {
    /// A page of the clients that registered themselves, the newest first, and the token of the next page.
    ///
    /// # Errors
    /// `INVALID_FIELD` for a page token that is not of this list.
    pub async fn clients(&self, size: i32, token: &str) -> Result<(Vec<RegisteredClient>, String)> {
        let pages = &self.context.pages;
        let page = pages.request(LIST, nobody(), size, token)?;
        let Page { items, next } = self.context.store.read().clients(page).await?;
        Ok((items, pages.token(LIST, nobody(), next)))
    }

    /// Deletes a client that registered itself: it is not known any more, and what was granted to it is over.
    ///
    /// # Errors
    /// `CLIENT_NOT_FOUND`, also for a client that is built in or the URL of a document.
    pub async fn delete_client(&self, who: Administrator, client_id: &str) -> Result<()> {
        let id = RegisteredClient::parse_client_id(client_id).ok_or(Reason::ClientNotFound)?;
        let found = self.context.store.read().client(id).await?;
        let client = found.ok_or(Reason::ClientNotFound)?;
        let now = self.context.env.now();
        self.context
            .credentials
            .end(move |tx| {
                Box::pin(async move {
                    require_administrator(tx, who).await?;
                    let ended = tx.delete_client(&client, now).await?;
                    Ok(((), ended.into_iter().map(CredentialId::Grant).collect()))
                })
            })
            .await?;
        tracing::info!(administrator = %who, client = client_id, "a client was deleted");
        Ok(())
    }
}
