//! Authorizations: what clients asked for, what people decided, and the codes that follow.

use sea_orm::{
    ColumnTrait, Condition, EntityTrait, QueryFilter,
    sea_query::{Expr, Query},
};

use super::{
    entity::authorization,
    transaction::{Reader, Tx},
};
use crate::{
    env::Timestamp,
    error::Result,
    model::{
        id::{AccountId, AuthorizationId, GrantId},
        oauth::authorization::{Approval, Authorization},
    },
};

/// How many go at a time.
const BATCH: u64 = 100;

impl Reader<'_> {
    /// The authorization with this id, decided or not.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn authorization(&self, id: AuthorizationId) -> Result<Option<Authorization>> {
        let row = authorization::Entity::find_by_id(id.uuid())
            .one(&self.database)
            .await?;
        row.map(Authorization::try_from).transpose()
    }

    /// The authorization whose code has this SHA-256, redeemed or not.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn authorization_by_code(&self, hash: &[u8; 32]) -> Result<Option<Authorization>> {
        let row = authorization::Entity::find()
            .filter(authorization::Column::CodeHash.eq(hash.to_vec()))
            .one(&self.database)
            .await?;
        row.map(Authorization::try_from).transpose()
    }
}

impl Tx<'_> {
    /// Writes a new authorization, which nobody has decided.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn insert_authorization(&self, authorization: &Authorization) -> Result<()> {
        authorization::Entity::insert(authorization::ActiveModel::try_from(authorization)?)
            .exec_without_returning(&self.database)
            .await?;
        Ok(())
    }

    /// Approves an authorization. False when somebody has decided already, or it is too late.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn approve_authorization(
        &self,
        id: AuthorizationId,
        approval: &Approval,
        now: Timestamp,
    ) -> Result<bool> {
        let decided = authorization::Entity::update_many()
            .filter(pending(id, now))
            .col_expr(authorization::Column::DecidedAt, Expr::val(now.millis()))
            .col_expr(
                authorization::Column::AccountId,
                Expr::val(approval.account_id.uuid()),
            )
            .col_expr(
                authorization::Column::SessionId,
                Expr::val(approval.session_id.uuid()),
            )
            .col_expr(
                authorization::Column::CodeHash,
                Expr::val(approval.code_hash.to_vec()),
            )
            .col_expr(
                authorization::Column::CodeExpiresAt,
                Expr::val(approval.code_expires_at.millis()),
            )
            .exec(&self.database)
            .await?;
        Ok(decided.rows_affected == 1)
    }

    /// Denies an authorization. False when somebody has decided already, or it is too late.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn deny_authorization(&self, id: AuthorizationId, now: Timestamp) -> Result<bool> {
        let decided = authorization::Entity::update_many()
            .filter(pending(id, now))
            .col_expr(authorization::Column::DecidedAt, Expr::val(now.millis()))
            .exec(&self.database)
            .await?;
        Ok(decided.rows_affected == 1)
    }

    /// Redeems the code of an authorization for this grant. False when it was redeemed before or has expired.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn redeem_code(
        &self,
        id: AuthorizationId,
        grant: GrantId,
        now: Timestamp,
    ) -> Result<bool> {
        let redeemed = authorization::Entity::update_many()
            .filter(authorization::Column::Id.eq(id.uuid()))
            .filter(authorization::Column::GrantId.is_null())
            .filter(authorization::Column::CodeExpiresAt.gt(now.millis()))
            .col_expr(authorization::Column::GrantId, Expr::val(grant.uuid()))
            .exec(&self.database)
            .await?;
        Ok(redeemed.rows_affected == 1)
    }

    /// Has the codes of the account for one client, which nobody has redeemed, end.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn end_codes(
        &self,
        account: AccountId,
        client_id: &str,
        now: Timestamp,
    ) -> Result<()> {
        authorization::Entity::update_many()
            .filter(authorization::Column::AccountId.eq(account.uuid()))
            .filter(authorization::Column::ClientId.eq(client_id))
            .filter(authorization::Column::GrantId.is_null())
            .col_expr(
                authorization::Column::CodeExpiresAt,
                Expr::val(now.millis()),
            )
            .exec(&self.database)
            .await?;
        Ok(())
    }

    /// Deletes a batch of the authorizations that nobody has decided in time, and tells how many went.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn delete_undecided_authorizations(&self, now: Timestamp) -> Result<u64> {
        let undecided = Query::select()
            .column(authorization::Column::Id)
            .from(authorization::Entity)
            .and_where(authorization::Column::ExpiresAt.lt(now.millis()))
            .and_where(authorization::Column::DecidedAt.is_null())
            .limit(BATCH)
            .take();
        let deleted = authorization::Entity::delete_many()
            .filter(authorization::Column::Id.in_subquery(undecided))
            .exec(&self.database)
            .await?;
        Ok(deleted.rows_affected)
    }
}

/// [`Authorization::is_pending`] as a condition.
fn pending(id: AuthorizationId, now: Timestamp) -> Condition {
    Condition::all()
        .add(authorization::Column::Id.eq(id.uuid()))
        .add(authorization::Column::DecidedAt.is_null())
        .add(authorization::Column::ExpiresAt.gt(now.millis()))
}
