//! API keys.

use sea_orm::{
    ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    Select,
    sea_query::{Expr, Query},
};

use super::{
    entity::api_key,
    error::foreign_key_violation,
    transaction::{Reader, Tx, page, page_limit},
};
use crate::{
    env::Timestamp,
    error::{Reason, Result},
    model::{
        api_key::{ApiKey, ApiKeyKind},
        id::{AccountId, ApiKeyId},
        page::{Page, PageRequest},
    },
};

impl Reader<'_> {
    /// The API key with this id, live or not.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn api_key(&self, id: ApiKeyId) -> Result<Option<ApiKey>> {
        self.one_api_key(api_key::Entity::find_by_id(id.uuid()))
            .await
    }

    /// The API key whose secret has this SHA-256, live or not.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn api_key_by_hash(&self, hash: &[u8; 32]) -> Result<Option<ApiKey>> {
        let same = api_key::Column::Hash.eq(hash.to_vec());
        self.one_api_key(api_key::Entity::find().filter(same)).await
    }

    /// The account's API keys of this kind, or of every kind, that can be used at this moment, newest
    /// first.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn live_api_keys(
        &self,
        account: AccountId,
        kind: Option<ApiKeyKind>,
        request: PageRequest,
        now: Timestamp,
    ) -> Result<Page<ApiKey>> {
        let mut query = live_of(account, now)
            .order_by_desc(api_key::Column::Id)
            .limit(page_limit(request));
        if let Some(kind) = kind {
            query = query.filter(api_key::Column::Kind.eq(kind.prefix()));
        }
        if let Some(id) = request.after {
            query = query.filter(api_key::Column::Id.lt(id));
        }
        let rows = query.all(&self.database).await?;
        let keys: Vec<ApiKey> = rows
            .into_iter()
            .map(ApiKey::try_from)
            .collect::<Result<_>>()?;
        Ok(page(keys, request, |key| key.id.uuid()))
    }

    /// How many API keys of the account can be used at this moment, but for those that were rotated. Call
    /// [`Tx::lock_account`] first when a limit hangs on it.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn count_live_api_keys(&self, account: AccountId, now: Timestamp) -> Result<u64> {
        let current = live_of(account, now).filter(api_key::Column::SuccessorId.is_null());
        Ok(current.count(&self.database).await?)
    }

    /// How many API keys of the account were rotated and can still be used at this moment. Call
    /// [`Tx::lock_account`] first when a limit hangs on it.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn count_rotated_api_keys(&self, account: AccountId, now: Timestamp) -> Result<u64> {
        let rotated = live_of(account, now).filter(api_key::Column::SuccessorId.is_not_null());
        Ok(rotated.count(&self.database).await?)
    }

    async fn one_api_key(&self, query: Select<api_key::Entity>) -> Result<Option<ApiKey>> {
        let row = query.one(&self.database).await?;
        row.map(ApiKey::try_from).transpose()
    }
}

impl Tx<'_> {
    /// Writes a new API key.
    ///
    /// # Errors
    /// `ACCOUNT_NOT_FOUND` when the account has just been deleted; else see [`Reader`].
    pub async fn insert_api_key(&self, key: &ApiKey) -> Result<()> {
        api_key::Entity::insert(api_key::ActiveModel::from(key))
            .exec_without_returning(&self.database)
            .await
            .map_err(|cause| foreign_key_violation(cause, Reason::AccountNotFound))?;
        Ok(())
    }

    /// Renames an API key of this account. False when it is not live, or not the account's.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn rename_api_key(
        &self,
        id: ApiKeyId,
        account: AccountId,
        display_name: &str,
        now: Timestamp,
    ) -> Result<bool> {
        let renamed = change_of(id, account, now)
            .col_expr(api_key::Column::DisplayName, Expr::val(display_name))
            .exec(&self.database)
            .await?;
        Ok(renamed.rows_affected == 1)
    }

    /// Notes which key takes the place of one of this account, and ends that one at the latest at this
    /// moment. False, with nothing changed, when it is not live, not the account's, or was rotated before.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn rotate_api_key(
        &self,
        id: ApiKeyId,
        account: AccountId,
        successor: ApiKeyId,
        ends_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool> {
        let ends_sooner = api_key::Column::ExpiresAt.lte(ends_at.millis());
        let end = Expr::case(ends_sooner, Expr::col(api_key::Column::ExpiresAt))
            .finally(Expr::val(ends_at.millis()));
        let rotated = change_of(id, account, now)
            .filter(api_key::Column::SuccessorId.is_null())
            .col_expr(api_key::Column::SuccessorId, Expr::val(successor.uuid()))
            .col_expr(api_key::Column::ExpiresAt, end.into())
            .exec(&self.database)
            .await?;
        Ok(rotated.rows_affected == 1)
    }

    /// Notes that these API keys were used at this moment, unless a later one is noted already.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn note_api_key_uses(&self, ids: &[ApiKeyId], at: Timestamp) -> Result<()> {
        let earlier = Condition::any()
            .add(api_key::Column::LastUsedAt.is_null())
            .add(api_key::Column::LastUsedAt.lt(at.millis()));
        api_key::Entity::update_many()
            .filter(api_key::Column::Id.is_in(ids.iter().map(|id| id.uuid())))
            .filter(earlier)
            .col_expr(api_key::Column::LastUsedAt, Expr::val(at.millis()))
            .exec(&self.database)
            .await?;
        Ok(())
    }

    /// Revokes an API key of this account. False when it is not live, or not the account's.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn revoke_api_key(
        &self,
        id: ApiKeyId,
        account: AccountId,
        now: Timestamp,
    ) -> Result<bool> {
        let revoked = change_of(id, account, now)
            .col_expr(api_key::Column::RevokedAt, Expr::val(now.millis()))
            .exec(&self.database)
            .await?;
        Ok(revoked.rows_affected == 1)
    }

    /// Revokes all API keys of the account, and tells which were not revoked before.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn revoke_api_keys(
        &self,
        account: AccountId,
        now: Timestamp,
    ) -> Result<Vec<ApiKeyId>> {
        let mut revocation = Query::update();
        revocation
            .table(api_key::Entity)
            .value(api_key::Column::RevokedAt, now.millis())
            .and_where(api_key::Column::AccountId.eq(account.uuid()))
            .and_where(api_key::Column::RevokedAt.is_null())
            .returning_col(api_key::Column::Id);
        Ok(self.ids(&revocation).await?)
    }
}

/// A change of a live key of this account.
fn change_of(
    id: ApiKeyId,
    account: AccountId,
    now: Timestamp,
) -> sea_orm::UpdateMany<api_key::Entity> {
    api_key::Entity::update_many()
        .filter(api_key::Column::Id.eq(id.uuid()))
        .filter(api_key::Column::AccountId.eq(account.uuid()))
        .filter(live(now))
}

fn live_of(account: AccountId, now: Timestamp) -> Select<api_key::Entity> {
    api_key::Entity::find()
        .filter(api_key::Column::AccountId.eq(account.uuid()))
        .filter(live(now))
}

/// [`ApiKey::is_live`] as a condition.
fn live(now: Timestamp) -> Condition {
    let unexpired = Condition::any()
        .add(api_key::Column::ExpiresAt.is_null())
        .add(api_key::Column::ExpiresAt.gt(now.millis()));
    Condition::all()
        .add(api_key::Column::RevokedAt.is_null())
        .add(unexpired)
}
