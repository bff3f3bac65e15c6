//! Identities at other providers that sign in to accounts.

use sea_orm::{
    ColumnTrait, EntityTrait, PaginatorTrait as _, QueryFilter, QueryOrder, QuerySelect, Set,
    sea_query::OnConflict,
};

use super::{
    accounts::deleted_accounts,
    entity::linked_identity,
    transaction::{Reader, Tx, page, page_limit},
};
use crate::{
    env::Timestamp,
    error::Result,
    model::{
        account::Account,
        id::{AccountId, LinkedIdentityId},
        identity::LinkedIdentity,
        page::{Page, PageRequest},
    },
};

impl Reader<'_> {
    /// The account that somebody at a provider signs in to. One that was deleted is none.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn account_of_identity(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<Account>> {
        let row = linked_identity::Entity::find()
            .filter(linked_identity::Column::Issuer.eq(issuer))
            .filter(linked_identity::Column::Subject.eq(subject))
            .one(&self.database)
            .await?;
        match row {
            Some(row) => self.account(row.account_id.into()).await,
            None => Ok(None),
        }
    }

    /// The linked identity with this id.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn linked_identity(&self, id: LinkedIdentityId) -> Result<Option<LinkedIdentity>> {
        let row = linked_identity::Entity::find_by_id(id.uuid())
            .one(&self.database)
            .await?;
        Ok(row.map(LinkedIdentity::from))
    }

    /// The identity at a provider, if it is linked to this account.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn identity_of_account(
        &self,
        account: AccountId,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<LinkedIdentity>> {
        let row = linked_identity::Entity::find()
            .filter(linked_identity::Column::AccountId.eq(account.uuid()))
            .filter(linked_identity::Column::Issuer.eq(issuer))
            .filter(linked_identity::Column::Subject.eq(subject))
            .one(&self.database)
            .await?;
        Ok(row.map(LinkedIdentity::from))
    }

    /// Who signs in to the account, the newest first.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn linked_identities(
        &self,
        account: AccountId,
        request: PageRequest,
    ) -> Result<Page<LinkedIdentity>> {
        let mut query = linked_identity::Entity::find()
            .filter(linked_identity::Column::AccountId.eq(account.uuid()))
            .order_by_desc(linked_identity::Column::Id)
            .limit(page_limit(request));
        if let Some(id) = request.after {
            query = query.filter(linked_identity::Column::Id.lt(id));
        }
        let rows = query.all(&self.database).await?;
        let identities = rows.into_iter().map(LinkedIdentity::from).collect();
        Ok(page(identities, request, |identity: &LinkedIdentity| {
            identity.id.uuid()
        }))
    }

    /// How many sign in to the account. Call [`Tx::lock_account`] first when something hangs on it.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn count_linked_identities(&self, account: AccountId) -> Result<u64> {
        let linked = linked_identity::Entity::find()
            .filter(linked_identity::Column::AccountId.eq(account.uuid()));
        Ok(linked.count(&self.database).await?)
    }
}

impl Tx<'_> {
    /// Links an identity to an account. False when it signs in to an account already; one that was deleted holds nothing.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn link_identity(&self, identity: &LinkedIdentity) -> Result<bool> {
        linked_identity::Entity::delete_many()
            .filter(linked_identity::Column::Issuer.eq(&identity.issuer))
            .filter(linked_identity::Column::Subject.eq(&identity.subject))
            .filter(linked_identity::Column::AccountId.in_subquery(deleted_accounts()))
            .exec(&self.database)
            .await?;
        let row = linked_identity::ActiveModel {
            id: Set(identity.id.uuid()),
            account_id: Set(identity.account_id.uuid()),
            provider: Set(identity.provider.clone()),
            issuer: Set(identity.issuer.clone()),
            subject: Set(identity.subject.clone()),
            email: Set(identity.email.clone()),
            created_at: Set(identity.created_at.millis()),
        };
        let there = OnConflict::columns([
            linked_identity::Column::Issuer,
            linked_identity::Column::Subject,
        ])
        .do_nothing()
        .to_owned();
        let inserted = linked_identity::Entity::insert(row)
            .on_conflict(there)
            .exec_without_returning(&self.database)
            .await?;
        Ok(inserted == 1)
    }

    /// Unlinks an identity. False when there is no such one.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn unlink_identity(&self, id: LinkedIdentityId) -> Result<bool> {
        let deleted = linked_identity::Entity::delete_by_id(id.uuid())
            .exec(&self.database)
            .await?;
        Ok(deleted.rows_affected == 1)
    }
}

impl From<linked_identity::Model> for LinkedIdentity {
    fn from(row: linked_identity::Model) -> Self {
        Self {
            id: row.id.into(),
            account_id: row.account_id.into(),
            provider: row.provider,
            issuer: row.issuer,
            subject: row.subject,
            email: row.email,
            created_at: Timestamp::from_millis(row.created_at),
        }
    }
}
