//! Clients that the operator has not set up, as administrators see them.

use super::{Administration, nobody, require_administrator};
use crate::{
    env::Timestamp,
    error::{Reason, Result},
    model::{
        administration::{Administrator, ListedClient},
        id::GrantId,
        invalidation::Invalidation,
        oauth::registration::RegisteredClient,
        page::Page,
    },
    store::Tx,
};

const LIST: &str = "clients";

impl Administration {
    /// A page of the clients that registered themselves or whose document was fetched, the newest first, and the token of the
    /// next page.
    ///
    /// # Errors
    /// `INVALID_FIELD` for a page token that is not of this list.
    pub async fn clients(&self, size: i32, token: &str) -> Result<(Vec<ListedClient>, String)> {
        let pages = &self.context.pages;
        let page = pages.request(LIST, nobody(), size, token)?;
        let Page { items, next } = self.context.store.scan().listed_clients(page).await?;
        Ok((items, pages.token(LIST, nobody(), next)))
    }

    /// Deletes a client: what was granted to it is over, and one that registered itself is not known any more. The client of a
    /// document comes back with its next authorization request, and has to ask everybody again.
    ///
    /// # Errors
    /// `CLIENT_NOT_FOUND`, also for a client that is built in or set up by the operator.
    pub async fn delete_client(&self, who: Administrator, client_id: String) -> Result<()> {
        let now = self.context.env.now();
        let name = client_id.clone();
        self.context
            .credentials
            .end(move |tx| {
                Box::pin(async move {
                    require_administrator(tx, who).await?;
                    let ended = delete(tx, &name, now).await?;
                    Ok(((), ended.into_iter().map(Invalidation::Grant).collect()))
                })
            })
            .await?;
        tracing::info!(administrator = %who, client = client_id, "a client was deleted");
        Ok(())
    }
}

/// Deletes the client, and tells which grants ended.
async fn delete(tx: &Tx<'_>, client_id: &str, now: Timestamp) -> Result<Vec<GrantId>> {
    let Some(id) = RegisteredClient::parse_client_id(client_id) else {
        let ended = tx.delete_client_document(client_id, now).await?;
        return ended.ok_or_else(|| Reason::ClientNotFound.into());
    };
    let client = tx.client(id).await?.ok_or(Reason::ClientNotFound)?;
    tx.delete_client(&client, now).await
}
