//! Clients whose id is the URL of a document (draft-ietf-oauth-client-id-metadata-document). A document is fetched when an
//! authorization is started, and read from the database afterwards: an authorization that has begun does not depend on the
//! document's host.

use std::{net::IpAddr, time::Duration};

use super::OAuth;
use crate::{
    error::{Error, Reason, Result},
    model::{
        client::Client,
        oauth::document::{self, ClientDocument},
    },
    outbound::Bounds,
};

/// Section 6.6 advises a limit; documents of real clients have 1 KiB or so.
const BOUNDS: Bounds = Bounds {
    time: Duration::from_secs(5),
    bytes: 8 * 1024,
};
/// How long the last document stands in for one that cannot be fetched.
const KEPT: Duration = Duration::from_secs(24 * 3600);

impl OAuth {
    /// The client of a document, fetched anew where it is not fresh any more. None for an id that is no document's.
    ///
    /// # Errors
    /// `CLIENT_NOT_FOUND` when the document cannot be fetched, or is not one; `RATE_LIMITED`.
    pub(super) async fn client_of_document(
        &self,
        client_id: &str,
        address: IpAddr,
    ) -> Result<Option<Client>> {
        let Some(url) = document::url(client_id).filter(|_| self.settings.client_documents) else {
            return Ok(None);
        };
        let now = self.context.env.now();
        let stored = self.context.store.read().client_document(client_id).await?;
        if let Some(fresh) = stored.as_ref().filter(|stored| now < stored.fresh_until) {
            return Ok(Some(fresh.clone().client(self.settings.lifetimes)));
        }
        // One address must not take all the places of `outbound`, nor fill the database.
        self.limits.client_registration(address)?;
        let document = match self.outbound.get(&url, None, BOUNDS).await {
            Ok(answer) => ClientDocument {
                client_id: client_id.to_owned(),
                id: self.context.env.uuid()?,
                metadata: document::read(client_id, &answer.body).map_err(not_taken)?,
                fetched_at: now,
                fresh_until: answer.fresh_until,
            },
            // The host may be down for a while.
            Err(cause) => {
                let last = stored.filter(|stored| now < stored.fetched_at.after(KEPT));
                let last = last.ok_or_else(|| not_taken("it cannot be fetched").because(cause))?;
                return Ok(Some(last.client(self.settings.lifetimes)));
            }
        };
        let row = document.clone();
        self.context
            .store
            .write(move |tx| Box::pin(async move { tx.keep_client_document(&row).await }))
            .await?;
        Ok(Some(document.client(self.settings.lifetimes)))
    }
}

/// For the developer of the client. Why something cannot be fetched is for the operator alone: others could find out with
/// it what this server reaches.
fn not_taken(why: &str) -> Error {
    let message = format!("The client's document is not taken: {why}.");
    Error::new(Reason::ClientNotFound)
        .with_message(message)
        .on_field("client_id")
}
