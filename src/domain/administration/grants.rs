//! Grants and consents of all accounts, as administrators see them and take them back.

use super::{Administration, nobody, require_administrator};
use crate::{
    domain::grants::{take_back, take_back_all},
    error::{Reason, Result},
    model::{
        administration::{Administrator, GrantFilter},
        consent::Consent,
        id::{ConsentId, GrantId},
        page::Page,
        session::Grant,
    },
};

impl Administration {
    /// A page of the live grants that the filter lets through, the newest first, and the token of the next page.
    ///
    /// # Errors
    /// `INVALID_FIELD` for a page token that is not of this list.
    pub async fn grants(
        &self,
        filter: &GrantFilter,
        size: i32,
        token: &str,
    ) -> Result<(Vec<Grant>, String)> {
        let list = format!("grants of all {filter:?}");
        let pages = &self.context.pages;
        let page = pages.request(&list, nobody(), size, token)?;
        let now = self.context.env.now();
        let reader = self.context.store.scan();
        let Page { items, next } = reader.live_grants(filter, page, now).await?;
        Ok((items, pages.token(&list, nobody(), next)))
    }

    /// Takes any grant back: it is over at once, and its client has to ask again.
    ///
    /// # Errors
    /// `GRANT_NOT_FOUND`, also for one that is over.
    pub async fn delete_grant(&self, who: Administrator, id: GrantId) -> Result<()> {
        let now = self.context.env.now();
        let grant = self.context.store.read().grant(id).await?;
        let grant = grant.ok_or(Reason::GrantNotFound)?;
        self.context
            .credentials
            .end(move |tx| {
                Box::pin(async move {
                    require_administrator(tx, who).await?;
                    let ended = take_back(tx, &grant, now).await?;
                    Ok(((), ended))
                })
            })
            .await?;
        tracing::info!(administrator = %who, grant = %id, "a grant was taken back");
        Ok(())
    }

    /// A page of the consents that the filter lets through, the newest first, and the token of the next page.
    ///
    /// # Errors
    /// `INVALID_FIELD` for a page token that is not of this list.
    pub async fn consents(
        &self,
        filter: &GrantFilter,
        size: i32,
        token: &str,
    ) -> Result<(Vec<Consent>, String)> {
        let list = format!("consents of all {filter:?}");
        let pages = &self.context.pages;
        let page = pages.request(&list, nobody(), size, token)?;
        let Page { items, next } = self.context.store.scan().consents(filter, page).await?;
        Ok((items, pages.token(&list, nobody(), next)))
    }

    /// Takes back all that the account of a consent has allowed its client.
    ///
    /// # Errors
    /// `CONSENT_NOT_FOUND`.
    pub async fn delete_consent(&self, who: Administrator, id: ConsentId) -> Result<()> {
        let now = self.context.env.now();
        let consent = self.context.store.read().consent(id).await?;
        let consent = consent.ok_or(Reason::ConsentNotFound)?;
        self.context
            .credentials
            .end(move |tx| {
                Box::pin(async move {
                    require_administrator(tx, who).await?;
                    let (account, client_id) = (consent.account_id, &consent.client_id);
                    let ended = take_back_all(tx, account, client_id, now).await?;
                    Ok(((), ended))
                })
            })
            .await?;
        tracing::info!(administrator = %who, consent = %id, "a consent was taken back");
        Ok(())
    }
}
