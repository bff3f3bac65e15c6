//! Grants: what the account allows each client. Look at them, and take them back.

use crate::{
    domain::{
        Domain,
        credentials::{Caller, CredentialId},
    },
    error::{Reason, Result},
    model::{client, id::GrantId, page::Page, session::Grant},
};

const LIST: &str = "grants";

impl Domain {
    /// One of the caller's live grants.
    ///
    /// # Errors
    /// `GRANT_NOT_FOUND`, also for a grant of somebody else.
    pub async fn grant(&self, caller: &Caller, id: GrantId) -> Result<Grant> {
        let now = self.env.now();
        let grant = self.store.read().grant(id).await?;
        grant
            .filter(|grant| grant.account_id == caller.account_id && grant.is_live(now))
            .ok_or_else(|| Reason::GrantNotFound.into())
    }

    /// A page of the caller's live grants, to one client or to all, the newest first, and the token of the next page.
    ///
    /// # Errors
    /// `INVALID_FIELD` for a page token that is not of this list.
    pub async fn grants(
        &self,
        caller: &Caller,
        client_id: Option<&str>,
        size: i32,
        token: &str,
    ) -> Result<(Vec<Grant>, String)> {
        // The client is part of the list: its next page is not that of another one.
        let list = format!("{LIST} {}", client_id.unwrap_or_default());
        let page = self.page_request(&list, caller.account_id, size, token)?;
        let Page { items, next } = self
            .store
            .read()
            .live_grants(caller.account_id, client_id, page, self.env.now())
            .await?;
        Ok((items, self.page_token(&list, caller.account_id, next)))
    }

    /// Takes one of the caller's grants back: its access and refresh tokens are refused from then on.
    ///
    /// # Errors
    /// `GRANT_NOT_FOUND`, also for a grant of somebody else.
    pub async fn revoke_grant(&self, caller: &Caller, id: GrantId) -> Result<()> {
        let grant = self.grant(caller, id).await?;
        self.end_grant(grant, Reason::GrantNotFound).await
    }

    /// Ends a grant, or refuses for this reason where it has ended.
    pub(super) async fn end_grant(&self, grant: Grant, ended: Reason) -> Result<()> {
        let now = self.env.now();
        self.end_credentials(move |tx| {
            Box::pin(async move {
                if !tx.revoke_grant(&grant, now).await? {
                    return Err(ended.into());
                }
                Ok(((), vec![CredentialId::Grant(grant.id)]))
            })
        })
        .await
    }

    /// The clients that this server knows.
    pub fn clients(&self) -> impl Iterator<Item = &client::Client> {
        self.settings.clients.iter()
    }

    /// The client with this id.
    ///
    /// # Errors
    /// `CLIENT_NOT_FOUND`.
    pub fn client(&self, id: &str) -> Result<&client::Client> {
        let found = self.settings.clients.find(id);
        found.ok_or_else(|| Reason::ClientNotFound.into())
    }

    /// Takes back all that the caller's account has granted to a client.
    ///
    /// # Errors
    /// `CLIENT_NOT_FOUND`.
    pub async fn revoke_client(&self, caller: &Caller, id: &str) -> Result<()> {
        let client_id = self.client(id)?.id.clone();
        let (account_id, now) = (caller.account_id, self.env.now());
        self.end_credentials(move |tx| {
            Box::pin(async move {
                let ended = tx.revoke_grants_to(account_id, &client_id, now).await?;
                Ok(((), ended.into_iter().map(CredentialId::Grant).collect()))
            })
        })
        .await
    }
}
