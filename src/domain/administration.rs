//! Administration: any account and any organization, looked at, disabled, enabled and deleted; who
//! administers, and what an organization has paid for. Clients, grants and consents, looked at and deleted.

mod action;
mod clients;
mod grants;

use uuid::Uuid;

use self::action::{AccountAction, OrganizationAction};
use crate::{
    domain::Context,
    error::{Error, Reason, Result},
    model::{
        account::{Account, Plan},
        administration::{
            AccountFilter, Administrator, OrganizationFilter, OrganizationOverview, WhichAccount,
        },
        id::{AccountId, OrganizationId},
        invalidation::Invalidation,
        page::Page,
    },
    store::Tx,
};

/// What an administrator reads who would be the last one.
const LAST_ADMINISTRATOR: &str =
    "must not be the last administrator; `countersign admin` on the server can change even that";

/// What administrators do, to any account and any organization.
pub struct Administration {
    pub(super) context: Context,
}

impl Administration {
    /// A page of the accounts that the filter lets through, the newest first, and the token of the next page.
    ///
    /// # Errors
    /// `INVALID_FIELD` for a page token that is not of this list.
    pub async fn accounts(
        &self,
        filter: &AccountFilter,
        size: i32,
        token: &str,
    ) -> Result<(Vec<Account>, String)> {
        // The filter is part of the list: its next page is not that of another one.
        let list = format!("accounts {filter:?}");
        let page = self.context.pages.request(&list, nobody(), size, token)?;
        let Page { items, next } = self
            .context
            .store
            .scan()
            .search_accounts(filter, page)
            .await?;
        Ok((items, self.context.pages.token(&list, nobody(), next)))
    }

    /// Any account.
    ///
    /// # Errors
    /// `ACCOUNT_NOT_FOUND`.
    pub async fn account(&self, which: &WhichAccount) -> Result<Account> {
        let reader = self.context.store.read();
        let account = match which {
            WhichAccount::Id(id) => reader.account(*id).await?,
            WhichAccount::Email(normalized) => reader.account_by_email(normalized).await?,
        };
        account.ok_or_else(|| Reason::AccountNotFound.into())
    }

    /// Disables an account: its sessions end for good, and its API keys are refused from now on.
    ///
    /// # Errors
    /// `ACCOUNT_NOT_FOUND`; `PERMISSION_DENIED` when nobody would administer the server afterwards.
    pub async fn disable_account(
        &self,
        who: Administrator,
        which: &WhichAccount,
    ) -> Result<Account> {
        self.act_on_account(who, which, AccountAction::Disable)
            .await
    }

    /// Enables an account. It stays disabled while its organization is.
    ///
    /// # Errors
    /// `ACCOUNT_NOT_FOUND`.
    pub async fn enable_account(
        &self,
        who: Administrator,
        which: &WhichAccount,
    ) -> Result<Account> {
        self.act_on_account(who, which, AccountAction::Enable).await
    }

    /// Makes an account an administrator.
    ///
    /// # Errors
    /// `ACCOUNT_NOT_FOUND`.
    pub async fn grant_administrator(
        &self,
        who: Administrator,
        which: &WhichAccount,
    ) -> Result<Account> {
        self.act_on_account(who, which, AccountAction::Grant).await
    }

    /// Takes the right to administer from an account.
    ///
    /// # Errors
    /// `ACCOUNT_NOT_FOUND`; `PERMISSION_DENIED` when nobody would administer the server afterwards.
    pub async fn revoke_administrator(
        &self,
        who: Administrator,
        which: &WhichAccount,
    ) -> Result<Account> {
        self.act_on_account(who, which, AccountAction::Revoke).await
    }

    async fn act_on_account(
        &self,
        who: Administrator,
        which: &WhichAccount,
        action: AccountAction,
    ) -> Result<Account> {
        let (id, now) = (self.account(which).await?.id, self.context.env.now());
        let (account, changed) = self
            .context
            .credentials
            .end(move |tx| {
                Box::pin(async move {
                    require_administrator(tx, who).await?;
                    let account = tx.lock_account(id).await?.ok_or(Reason::AccountNotFound)?;
                    if action.is_done(&account) {
                        return Ok(((account, false), Vec::new()));
                    }
                    action.take(tx, id, now).await?;
                    leave_an_administrator(tx, who).await?;
                    let account = tx.account(id).await?.ok_or(Reason::AccountNotFound)?;
                    Ok(((account, true), vec![Invalidation::Account(id)]))
                })
            })
            .await?;
        if changed {
            tracing::info!(administrator = %who, account = %id, "{}", action.done());
        }
        Ok(account)
    }

    /// Deletes any account with everything that belongs to it, and its organization when nobody else is in it.
    ///
    /// # Errors
    /// `ACCOUNT_NOT_FOUND`; `PERMISSION_DENIED` when nobody would administer the server afterwards.
    pub async fn delete_account(&self, who: Administrator, which: &WhichAccount) -> Result<()> {
        let (id, now) = (self.account(which).await?.id, self.context.env.now());
        self.context
            .credentials
            .end(move |tx| {
                Box::pin(async move {
                    require_administrator(tx, who).await?;
                    let account = tx.lock_account_to_delete(id).await?;
                    let account = account.ok_or(Reason::AccountNotFound)?;
                    tx.delete_account(id, None, now).await?;
                    tx.delete_organization_if_empty(account.organization.id)
                        .await?;
                    leave_an_administrator(tx, who).await?;
                    Ok(((), vec![Invalidation::Account(id)]))
                })
            })
            .await?;
        tracing::info!(administrator = %who, account = %id, "an account was deleted");
        Ok(())
    }

    /// A page of the organizations that the filter lets through, the newest first, and the token of the next page.
    ///
    /// # Errors
    /// `INVALID_FIELD` for a page token that is not of this list.
    pub async fn organizations(
        &self,
        filter: &OrganizationFilter,
        size: i32,
        token: &str,
    ) -> Result<(Vec<OrganizationOverview>, String)> {
        let list = format!("organizations {filter:?}");
        let page = self.context.pages.request(&list, nobody(), size, token)?;
        let Page { items, next } = self
            .context
            .store
            .scan()
            .search_organizations(filter, page)
            .await?;
        Ok((items, self.context.pages.token(&list, nobody(), next)))
    }

    /// Any organization.
    ///
    /// # Errors
    /// `ORGANIZATION_NOT_FOUND`.
    pub async fn organization(&self, id: OrganizationId) -> Result<OrganizationOverview> {
        let found = self.context.store.scan().organization_overview(id).await?;
        found.ok_or_else(|| Reason::OrganizationNotFound.into())
    }

    /// Changes the plan of an organization: limits and what its owner reaches follow at once.
    ///
    /// # Errors
    /// `ORGANIZATION_NOT_FOUND`.
    pub async fn set_plan(
        &self,
        who: Administrator,
        id: OrganizationId,
        plan: Plan,
    ) -> Result<OrganizationOverview> {
        self.act_on_organization(who, id, OrganizationAction::SetPlan(plan))
            .await
    }

    /// Disables an organization with all its accounts: their sessions end for good, and their API keys are
    /// refused from now on.
    ///
    /// # Errors
    /// `ORGANIZATION_NOT_FOUND`; `PERMISSION_DENIED` when nobody would administer the server afterwards.
    pub async fn disable_organization(
        &self,
        who: Administrator,
        id: OrganizationId,
    ) -> Result<OrganizationOverview> {
        self.act_on_organization(who, id, OrganizationAction::Disable)
            .await
    }

    /// Enables an organization, and its accounts but for those that were disabled themselves.
    ///
    /// # Errors
    /// `ORGANIZATION_NOT_FOUND`.
    pub async fn enable_organization(
        &self,
        who: Administrator,
        id: OrganizationId,
    ) -> Result<OrganizationOverview> {
        self.act_on_organization(who, id, OrganizationAction::Enable)
            .await
    }

    async fn act_on_organization(
        &self,
        who: Administrator,
        id: OrganizationId,
        action: OrganizationAction,
    ) -> Result<OrganizationOverview> {
        let now = self.context.env.now();
        let (overview, changed) = self
            .context
            .credentials
            .end(move |tx| {
                Box::pin(async move {
                    require_administrator(tx, who).await?;
                    let overview = overview(tx, id).await?;
                    if action.is_done(&overview.organization) {
                        return Ok(((overview, false), Vec::new()));
                    }
                    action.take(tx, id, now).await?;
                    leave_an_administrator(tx, who).await?;
                    let overview = self::overview(tx, id).await?;
                    Ok(((overview, true), vec![Invalidation::Organization(id)]))
                })
            })
            .await?;
        if changed {
            tracing::info!(administrator = %who, organization = %id, "{}", action.done());
        }
        Ok(overview)
    }

    /// Deletes an organization with all its accounts and everything that belongs to them.
    ///
    /// # Errors
    /// `ORGANIZATION_NOT_FOUND`; `PERMISSION_DENIED` when nobody would administer the server afterwards.
    pub async fn delete_organization(&self, who: Administrator, id: OrganizationId) -> Result<()> {
        let now = self.context.env.now();
        self.context
            .credentials
            .end(move |tx| {
                Box::pin(async move {
                    require_administrator(tx, who).await?;
                    if !tx.delete_organization(id, now).await? {
                        return Err(Reason::OrganizationNotFound.into());
                    }
                    leave_an_administrator(tx, who).await?;
                    Ok(((), vec![Invalidation::Organization(id)]))
                })
            })
            .await?;
        tracing::info!(administrator = %who, organization = %id, "an organization was deleted");
        Ok(())
    }
}

/// The lists of administrators are nobody's own.
fn nobody() -> AccountId {
    Uuid::nil().into()
}

async fn overview(tx: &Tx<'_>, id: OrganizationId) -> Result<OrganizationOverview> {
    let found = tx.organization_overview(id).await?;
    found.ok_or_else(|| Reason::OrganizationNotFound.into())
}

/// Refuses whoever has lost the right since the call began, and makes every other change of who administers
/// wait for this one.
async fn require_administrator(tx: &Tx<'_>, who: Administrator) -> Result<()> {
    tx.lock_administrators().await?;
    let administers = match who {
        Administrator::Operator => true,
        Administrator::Account(id) => tx
            .account(id)
            .await?
            .is_some_and(|account| account.administrator && !account.is_disabled()),
    };
    if administers {
        Ok(())
    } else {
        Err(Reason::PermissionDenied.into())
    }
}

/// Refuses a change after which nobody could administer the server; the operator always can.
pub(super) async fn leave_an_administrator(tx: &Tx<'_>, who: Administrator) -> Result<()> {
    if who == Administrator::Operator || tx.has_administrator().await? {
        Ok(())
    } else {
        Err(Error::new(Reason::PermissionDenied).on_field_because("name", LAST_ADMINISTRATOR))
    }
}
