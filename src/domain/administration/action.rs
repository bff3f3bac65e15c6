//! What an administrator does to an account or an organization, in the transaction that does it.

use crate::{
    domain::password_change::revoke_all,
    env::Timestamp,
    error::Result,
    model::{
        account::{Account, Organization, Plan},
        id::{AccountId, OrganizationId},
    },
    store::Tx,
};

/// A change of an account.
#[derive(Clone, Copy, Debug)]
pub(super) enum AccountAction {
    Disable,
    Enable,
    Grant,
    Revoke,
}

impl AccountAction {
    /// Whether the account is as it would be afterwards.
    pub(super) fn is_done(self, account: &Account) -> bool {
        match self {
            Self::Disable => account.disabled_at.is_some(),
            Self::Enable => account.disabled_at.is_none(),
            Self::Grant => account.administrator,
            Self::Revoke => !account.administrator,
        }
    }

    /// Changes the account.
    pub(super) async fn take(self, tx: &Tx<'_>, id: AccountId, now: Timestamp) -> Result<()> {
        match self {
            Self::Disable => {
                tx.set_account_disabled(id, Some(now), now).await?;
                // API keys live on and are refused: programs work again when the account is enabled.
                revoke_all(tx, id, true, now).await?;
            }
            Self::Enable => {
                tx.set_account_disabled(id, None, now).await?;
            }
            Self::Grant | Self::Revoke => {
                let administrator = matches!(self, Self::Grant);
                tx.set_administrator(id, administrator, now).await?;
            }
        }
        Ok(())
    }

    /// What the log says.
    pub(super) fn done(self) -> &'static str {
        match self {
            Self::Disable => "an account was disabled",
            Self::Enable => "an account was enabled",
            Self::Grant => "an account was made an administrator",
            Self::Revoke => "an account is no administrator any more",
        }
    }
}

/// A change of an organization.
#[derive(Clone, Copy, Debug)]
pub(super) enum OrganizationAction {
    Disable,
    Enable,
    SetPlan(Plan),
}

impl OrganizationAction {
    /// Whether the organization is as it would be afterwards.
    pub(super) fn is_done(self, organization: &Organization) -> bool {
        match self {
            Self::Disable => organization.disabled_at.is_some(),
            Self::Enable => organization.disabled_at.is_none(),
            Self::SetPlan(plan) => organization.plan == plan,
        }
    }

    /// Changes the organization.
    pub(super) async fn take(self, tx: &Tx<'_>, id: OrganizationId, now: Timestamp) -> Result<()> {
        match self {
            Self::Disable => tx.set_organization_disabled(id, Some(now)).await?,
            Self::Enable => tx.set_organization_disabled(id, None).await?,
            Self::SetPlan(plan) => tx.set_plan(id, plan).await?,
        };
        if matches!(self, Self::Disable) {
            tx.revoke_sessions_and_grants_of(id, now).await?;
        }
        Ok(())
    }

    /// What the log says.
    pub(super) fn done(self) -> &'static str {
        match self {
            Self::Disable => "an organization was disabled",
            Self::Enable => "an organization was enabled",
            Self::SetPlan(Plan::Free) => "an organization was put on the free plan",
            Self::SetPlan(Plan::Pro) => "an organization was put on the paid plan",
        }
    }
}
