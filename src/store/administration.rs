//! What administrators change: any account, any organization.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, Statement, Value,
    sea_query::{Expr, Query, SelectStatement},
};

use super::{
    accounts::changed,
    connect::ADMINISTRATORS_LOCK,
    entity::{account, organization},
    transaction::Tx,
};
use crate::{
    env::Timestamp,
    error::Result,
    model::{
        account::Plan,
        id::{AccountId, OrganizationId},
    },
};

impl Tx<'_> {
    /// Lets one administrator at a time past this point, until its transaction ends: of two who take each
    /// other's right, the second finds that it has none. Read who administers after it.
    ///
    /// # Errors
    /// See [`Reader`](super::Reader).
    pub async fn lock_administrators(&self) -> Result<()> {
        if self.is_postgres() {
            let lock = Statement::from_sql_and_values(
                DbBackend::Postgres,
                "SELECT pg_advisory_xact_lock($1)",
                [ADMINISTRATORS_LOCK.into()],
            );
            self.database.execute_raw(lock).await?;
        }
        Ok(())
    }

    /// Disables an account from this moment on, or enables it with none. False when there is no such account.
    ///
    /// # Errors
    /// See [`Reader`](super::Reader).
    pub async fn set_account_disabled(
        &self,
        id: AccountId,
        since: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<bool> {
        let change = changed(id, now).col_expr(account::Column::DisabledAt, moment(since));
        Ok(change.exec(&self.database).await?.rows_affected == 1)
    }

    /// Makes an account an administrator, or takes that from it. False when there is no such account.
    ///
    /// # Errors
    /// See [`Reader`](super::Reader).
    pub async fn set_administrator(
        &self,
        id: AccountId,
        administrator: bool,
        now: Timestamp,
    ) -> Result<bool> {
        let change =
            changed(id, now).col_expr(account::Column::Administrator, Expr::val(administrator));
        Ok(change.exec(&self.database).await?.rows_affected == 1)
    }

    /// Disables an organization from this moment on, or enables it with none. False when there is no such
    /// organization. Waits for those who are logging in to its accounts (see [`Tx::lock_account`]), and keeps
    /// others from it until this transaction ends.
    ///
    /// # Errors
    /// See [`Reader`](super::Reader).
    pub async fn set_organization_disabled(
        &self,
        id: OrganizationId,
        since: Option<Timestamp>,
    ) -> Result<bool> {
        let changed = organization::Entity::update_many()
            .filter(organization::Column::Id.eq(id.uuid()))
            .filter(organization::Column::DeletedAt.is_null())
            .col_expr(organization::Column::DisabledAt, moment(since))
            .exec(&self.database)
            .await?;
        Ok(changed.rows_affected == 1)
    }

    /// Changes the plan of an organization. False when there is no such organization.
    ///
    /// # Errors
    /// See [`Reader`](super::Reader).
    pub async fn set_plan(&self, id: OrganizationId, plan: Plan) -> Result<bool> {
        let changed = organization::Entity::update_many()
            .filter(organization::Column::Id.eq(id.uuid()))
            .filter(organization::Column::DeletedAt.is_null())
            .col_expr(organization::Column::Plan, Expr::val(plan.as_str()))
            .exec(&self.database)
            .await?;
        Ok(changed.rows_affected == 1)
    }

    /// Deletes an organization with its accounts, their sessions, refresh tokens and API keys: they are gone at
    /// once, and the rows go with [`Tx::purge_deleted`]. Waits for those who are logging in to it or adding an account.
    /// False when there is no such organization.
    ///
    /// # Errors
    /// See [`Reader`](super::Reader).
    pub async fn delete_organization(&self, id: OrganizationId, now: Timestamp) -> Result<bool> {
        let deleted = organization::Entity::update_many()
            .filter(organization::Column::Id.eq(id.uuid()))
            .filter(organization::Column::DeletedAt.is_null())
            .col_expr(organization::Column::DisabledAt, moment(Some(now)))
            .col_expr(organization::Column::DeletedAt, moment(Some(now)))
            .exec(&self.database)
            .await?;
        Ok(deleted.rows_affected == 1)
    }
}

fn moment(since: Option<Timestamp>) -> Expr {
    Expr::val(Value::BigInt(since.map(Timestamp::millis)))
}

/// The accounts whose home is this organization.
pub(super) fn accounts_of(id: OrganizationId) -> SelectStatement {
    Query::select()
        .column(account::Column::Id)
        .from(account::Entity)
        .and_where(account::Column::OrganizationId.eq(id.uuid()))
        .take()
}
