//! Grants and consents: what the account allows each client. Look at them, and take them back.

use crate::{
    domain::{Context, caller::Caller},
    env::Timestamp,
    error::{Reason, Result},
    model::{
        administration::GrantFilter,
        consent::Consent,
        id::{AccountId, ConsentId, GrantId},
        invalidation::Invalidation,
        page::Page,
        session::Grant,
    },
    store::Tx,
};

const LIST: &str = "grants";
const CONSENTS: &str = "consents";

/// The grants of accounts.
pub struct Grants {
    pub(super) context: Context,
}

impl Grants {
    /// One of the caller's live grants.
    ///
    /// # Errors
    /// `GRANT_NOT_FOUND`, also for a grant of somebody else.
    pub async fn get(&self, caller: &Caller, id: GrantId) -> Result<Grant> {
        let now = self.context.env.now();
        let grant = self.context.store.read().grant(id).await?;
        grant
            .filter(|grant| grant.account_id == caller.account_id && grant.is_live(now))
            .ok_or_else(|| Reason::GrantNotFound.into())
    }

    /// A page of the caller's live grants, to one client or to all, the newest first, and the token of the next page.
    ///
    /// # Errors
    /// `INVALID_FIELD` for a page token that is not of this list.
    pub async fn list(
        &self,
        caller: &Caller,
        client_id: Option<String>,
        size: i32,
        token: &str,
    ) -> Result<(Vec<Grant>, String)> {
        let filter = GrantFilter {
            account: Some(caller.account_id),
            client_id,
        };
        // The filter is part of the list: its next page is not that of another one.
        let list = format!("{LIST} {filter:?}");
        let page = self
            .context
            .pages
            .request(&list, caller.account_id, size, token)?;
        let Page { items, next } = self
            .context
            .store
            .read()
            .live_grants(&filter, page, self.context.env.now())
            .await?;
        Ok((
            items,
            self.context.pages.token(&list, caller.account_id, next),
        ))
    }

    /// Takes one of the caller's grants back: its access and refresh tokens are refused from then on, and its client has to
    /// ask again.
    ///
    /// # Errors
    /// `GRANT_NOT_FOUND`, also for a grant of somebody else.
    pub async fn revoke(&self, caller: &Caller, id: GrantId) -> Result<()> {
        let grant = self.get(caller, id).await?;
        let now = self.context.env.now();
        self.context
            .credentials
            .end(move |tx| {
                Box::pin(async move {
                    let ended = take_back(tx, &grant, now).await?;
                    Ok(((), ended))
                })
            })
            .await
    }

    /// A page of what the caller has allowed clients, the newest first, and the token of the next page.
    ///
    /// # Errors
    /// `INVALID_FIELD` for a page token that is not of this list.
    pub async fn consents(
        &self,
        caller: &Caller,
        size: i32,
        token: &str,
    ) -> Result<(Vec<Consent>, String)> {
        let (pages, account) = (&self.context.pages, caller.account_id);
        let page = pages.request(CONSENTS, account, size, token)?;
        let filter = GrantFilter {
            account: Some(account),
            client_id: None,
        };
        let Page { items, next } = self.context.store.read().consents(&filter, page).await?;
        Ok((items, pages.token(CONSENTS, account, next)))
    }

    /// Takes back all that the caller has allowed the client of a consent.
    ///
    /// # Errors
    /// `CONSENT_NOT_FOUND`, also for a consent of somebody else.
    pub async fn revoke_consent(&self, caller: &Caller, id: ConsentId) -> Result<()> {
        let consent = self.context.store.read().consent(id).await?;
        let consent = consent
            .filter(|consent| consent.account_id == caller.account_id)
            .ok_or(Reason::ConsentNotFound)?;
        self.revoke_all_to(caller, consent.client_id).await
    }

    /// Takes back all that the caller's account has granted to a client, which has to ask again from then on.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn revoke_all_to(&self, caller: &Caller, client_id: String) -> Result<()> {
        let (account_id, now) = (caller.account_id, self.context.env.now());
        self.context
            .credentials
            .end(move |tx| {
                Box::pin(async move {
                    let ended = take_back_all(tx, account_id, &client_id, now).await?;
                    Ok(((), ended))
                })
            })
            .await
    }
}

/// Takes a grant back: it is over, and its client has to ask again. Tells what ended.
///
/// # Errors
/// `GRANT_NOT_FOUND` where it has ended.
pub(super) async fn take_back(
    tx: &Tx<'_>,
    grant: &Grant,
    now: Timestamp,
) -> Result<Vec<Invalidation>> {
    // Whoever approves or redeems a code waits for this, or this for them.
    tx.lock_account(grant.account_id).await?;
    if !tx.revoke_grant(grant, now).await? {
        return Err(Reason::GrantNotFound.into());
    }
    tx.end_codes(grant.account_id, &grant.client_id, now)
        .await?;
    tx.delete_consent(grant.account_id, &grant.client_id)
        .await?;
    Ok(vec![Invalidation::Grant(grant.id)])
}

/// Takes back all that an account has allowed a client. Tells what ended.
///
/// # Errors
/// The database does not answer.
pub(super) async fn take_back_all(
    tx: &Tx<'_>,
    account: AccountId,
    client_id: &str,
    now: Timestamp,
) -> Result<Vec<Invalidation>> {
    // Whoever redeems a code waits for this, or this for them.
    tx.lock_account(account).await?;
    tx.end_codes(account, client_id, now).await?;
    let ended = tx.revoke_grants_to(account, client_id, now).await?;
    tx.delete_consent(account, client_id).await?;
    Ok(ended.into_iter().map(Invalidation::Grant).collect())
}

/// Ends a grant, or refuses for this reason where it has ended.
pub(super) async fn end(context: &Context, grant: Grant, ended: Reason) -> Result<()> {
    let now = context.env.now();
    context
        .credentials
        .end(move |tx| {
            Box::pin(async move {
                if !tx.revoke_grant(&grant, now).await? {
                    return Err(ended.into());
                }
                Ok(((), vec![Invalidation::Grant(grant.id)]))
            })
        })
        .await
}
