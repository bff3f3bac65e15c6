//! Accounts and their organizations.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, ExprTrait, FromQueryResult, IdenStatic,
    Iterable as _, PaginatorTrait, QueryFilter, QueryTrait, Select, SelectA, SelectB, SelectC,
    SelectThree, Set, TopologyStar,
    sea_query::{Expr, LockType, OnConflict, Query, SelectStatement},
};
use uuid::Uuid;

use super::{
    entity::{account, membership, organization},
    transaction::{Reader, Tx},
};
use crate::{
    env::Timestamp,
    error::Result,
    model::{
        account::{Account, Organization, Plan},
        email,
        id::{AccountId, OrganizationId},
    },
};

/// The second lock of [`Tx::lock_account`].
const SHARING_ORGANIZATION: &str = r#" FOR SHARE OF "organizations""#;
/// The second lock of [`Tx::lock_account_to_delete`].
const ALONE_IN_ORGANIZATION: &str = r#" FOR UPDATE OF "organizations""#;

impl Reader<'_> {
    /// The account with this id.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn account(&self, id: AccountId) -> Result<Option<Account>> {
        self.one_account(account::Entity::find_by_id(id.uuid()))
            .await
    }

    /// The account with this e-mail address, given in its normalized form.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn account_by_email(&self, normalized: &str) -> Result<Option<Account>> {
        let same = account::Column::EmailNormalized.eq(normalized);
        self.one_account(account::Entity::find().filter(same)).await
    }

    /// The organization with this id.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn organization(&self, id: OrganizationId) -> Result<Option<Organization>> {
        let row = organization::Entity::find_by_id(id.uuid())
            .filter(organization::Column::DeletedAt.is_null())
            .one(&self.database)
            .await?;
        row.map(Organization::try_from).transpose()
    }

    /// How many accounts belong to this organization. Call [`Tx::lock_account`] with its owner first when a
    /// limit hangs on it.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn count_accounts(&self, organization: OrganizationId) -> Result<u64> {
        let members = membership::Entity::find()
            .filter(membership::Column::OrganizationId.eq(organization.uuid()));
        Ok(members.count(&self.database).await?)
    }

    async fn one_account(&self, query: Select<account::Entity>) -> Result<Option<Account>> {
        let rows = at_home(query).one(&self.database).await?;
        rows.map(Account::try_from).transpose()
    }
}

/// Accounts with their home and their membership there, but for those that are deleted.
pub(super) fn at_home(
    accounts: Select<account::Entity>,
) -> SelectThree<account::Entity, organization::Entity, membership::Entity, TopologyStar> {
    accounts
        .find_also_related(organization::Entity)
        .find_also_related(membership::Entity)
        .filter(organization::Column::DeletedAt.is_null())
}

impl Tx<'_> {
    /// The account with this id, which nobody else can change or delete until this transaction ends, and
    /// whose organization cannot be disabled either. Whoever decides by what an account is — its password
    /// above all — reads it this way: Postgres runs transactions side by side.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn lock_account(&self, id: AccountId) -> Result<Option<Account>> {
        self.lock_account_and(id, SHARING_ORGANIZATION).await
    }

    /// The same for whoever deletes the account: one at a time in an organization, so that of two who are its
    /// last accounts the second sees that it leaves nobody (see [`Self::delete_organization_if_empty`]).
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn lock_account_to_delete(&self, id: AccountId) -> Result<Option<Account>> {
        self.lock_account_and(id, ALONE_IN_ORGANIZATION).await
    }

    /// Locks the account, and then its organization as `organization` says.
    async fn lock_account_and(&self, id: AccountId, organization: &str) -> Result<Option<Account>> {
        // SQLite has one writer.
        if !self.is_postgres() {
            return self.account(id).await;
        }
        let mut query = account::Entity::find_by_id(id.uuid())
            .inner_join(organization::Entity)
            .inner_join(membership::Entity)
            .filter(organization::Column::DeletedAt.is_null())
            .select_also(organization::Entity);
        // sea-orm selects two tables of an inner join, and Postgres locks no row of an outer one.
        for column in membership::Column::iter() {
            let name = format!("{}{}", SelectC.as_str(), column.as_str());
            QueryTrait::query(&mut query).expr_as(Expr::col((membership::Entity, column)), name);
        }
        // Waits for other writers of the row, but not for rows that refer to it.
        QueryTrait::query(&mut query).lock_with_tables(LockType::NoKeyUpdate, [account::Entity]);
        let mut locking = query.build(DbBackend::Postgres);
        // The organization is locked too, or it would be read as it was before a wait; shared, so that others
        // who log in to it need not wait. sea-query writes one lock in a statement.
        locking.sql.push_str(organization);
        let Some(row) = self.database.query_one_raw(locking).await? else {
            return Ok(None);
        };
        let account = account::Model::from_query_result(&row, SelectA.as_str())?;
        let organization = organization::Model::from_query_result(&row, SelectB.as_str())?;
        let membership = membership::Model::from_query_result(&row, SelectC.as_str())?;
        Account::try_from((account, Some(organization), Some(membership))).map(Some)
    }

    /// Writes a new organization. Its owner follows.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn insert_organization(&self, organization: &Organization) -> Result<()> {
        organization::Entity::insert(organization::ActiveModel::from(organization))
            .exec_without_returning(&self.database)
            .await?;
        Ok(())
    }

    /// Writes a new account into its organization. False when its e-mail address is taken; the
    /// transaction goes on.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn insert_account(&self, account: &Account) -> Result<bool> {
        self.free_address(account.email.normalized()).await?;
        let taken = OnConflict::column(account::Column::EmailNormalized)
            .do_nothing()
            .to_owned();
        let inserted = account::Entity::insert(account::ActiveModel::from(account))
            .on_conflict(taken)
            .exec_without_returning(&self.database)
            .await?;
        if inserted == 0 {
            return Ok(false);
        }
        membership::Entity::insert(membership::ActiveModel::from(account))
            .exec_without_returning(&self.database)
            .await?;
        Ok(true)
    }

    /// Changes the display name. False when there is no such account, or not in this version.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn update_display_name(
        &self,
        id: AccountId,
        display_name: &str,
        expected_version: Option<i64>,
        now: Timestamp,
    ) -> Result<bool> {
        let mut change = changed(id, now)
            .col_expr(account::Column::DisplayName, Expr::val(display_name))
            .col_expr(
                account::Column::DisplayNameFolded,
                Expr::val(email::fold(display_name)),
            );
        if let Some(version) = expected_version {
            change = change.filter(account::Column::Version.eq(version));
        }
        Ok(change.exec(&self.database).await?.rows_affected == 1)
    }

    /// Replaces the password's hash; with `expected`, only while the stored one is still that. False
    /// when there is no such account or another hash.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn set_password_hash(
        &self,
        id: AccountId,
        expected: Option<&str>,
        new: &str,
        now: Timestamp,
    ) -> Result<bool> {
        let mut change = changed(id, now).col_expr(account::Column::PasswordHash, Expr::val(new));
        if let Some(hash) = expected {
            change = change.filter(account::Column::PasswordHash.eq(hash));
        }
        Ok(change.exec(&self.database).await?.rows_affected == 1)
    }

    /// Deletes an account with its sessions, refresh tokens and API keys: it is gone at once, as the only one of an
    /// organization that is deleted, and the rows go with [`Tx::purge_deleted`]. False when there is no such
    /// account, or not in this version.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn delete_account(
        &self,
        id: AccountId,
        expected_version: Option<i64>,
        now: Timestamp,
    ) -> Result<bool> {
        // Account and organization have ids of one kind, of which there are no two.
        let last = organization::ActiveModel {
            deleted_at: Set(Some(now.millis())),
            ..organization::ActiveModel::from(&Organization {
                id: id.uuid().into(),
                plan: Plan::Free,
                created_at: now,
                disabled_at: Some(now),
            })
        };
        let there = OnConflict::column(organization::Column::Id)
            .do_nothing()
            .to_owned();
        organization::Entity::insert(last)
            .on_conflict(there)
            .exec_without_returning(&self.database)
            .await?;
        let mut deletion = account::Entity::update_many()
            .filter(account::Column::Id.eq(id.uuid()))
            .filter(account::Column::OrganizationId.not_in_subquery(deleted()))
            .col_expr(account::Column::OrganizationId, Expr::val(id.uuid()));
        if let Some(version) = expected_version {
            deletion = deletion.filter(account::Column::Version.eq(version));
        }
        if deletion.exec(&self.database).await?.rows_affected == 0 {
            return Ok(false);
        }
        membership::Entity::delete_many()
            .filter(membership::Column::AccountId.eq(id.uuid()))
            .exec(&self.database)
            .await?;
        Ok(true)
    }

    /// Takes its address from an account that is deleted and still to be purged.
    async fn free_address(&self, normalized: &str) -> Result<()> {
        let holder = Query::select()
            .column(account::Column::Id)
            .from(account::Entity)
            .and_where(account::Column::EmailNormalized.eq(normalized))
            .and_where(account::Column::OrganizationId.in_subquery(deleted()))
            .take();
        for id in self.ids::<Uuid>(&holder).await? {
            let none = format!("deleted {id}");
            account::Entity::update_many()
                .filter(account::Column::Id.eq(id))
                .col_expr(account::Column::EmailNormalized, Expr::val(none))
                .exec(&self.database)
                .await?;
        }
        Ok(())
    }

    /// Deletes an organization that no account belongs to. False when one does, or when there is no
    /// such organization.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn delete_organization_if_empty(&self, id: OrganizationId) -> Result<bool> {
        let members = Query::select()
            .expr(Expr::val(1))
            .from(membership::Entity)
            .and_where(membership::Column::OrganizationId.eq(id.uuid()))
            .take();
        let deleted = organization::Entity::delete_many()
            .filter(organization::Column::Id.eq(id.uuid()))
            .filter(Expr::exists(members).not())
            .exec(&self.database)
            .await?;
        Ok(deleted.rows_affected == 1)
    }
}

/// The organizations that are deleted and still to be purged.
fn deleted() -> SelectStatement {
    Query::select()
        .column(organization::Column::Id)
        .from(organization::Entity)
        .and_where(organization::Column::DeletedAt.is_not_null())
        .take()
}

/// The accounts that are deleted and still to be purged.
pub(super) fn deleted_accounts() -> SelectStatement {
    Query::select()
        .column(account::Column::Id)
        .from(account::Entity)
        .and_where(account::Column::OrganizationId.in_subquery(deleted()))
        .take()
}

/// A change of this account, which counts as one.
pub(super) fn changed(id: AccountId, now: Timestamp) -> sea_orm::UpdateMany<account::Entity> {
    account::Entity::update_many()
        .filter(account::Column::Id.eq(id.uuid()))
        .col_expr(account::Column::UpdatedAt, Expr::val(now.millis()))
        .col_expr(
            account::Column::Version,
            Expr::col(account::Column::Version).add(1),
        )
}
