//! Lists for administrators: every account, every organization, and those that a filter lets through.

use std::collections::HashMap;

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, DbErr, EntityTrait, ExprTrait, QueryFilter,
    QueryOrder, QuerySelect, Select, SelectTwo,
    sea_query::{Expr, Func, Query, SelectStatement},
};
use uuid::Uuid;

use super::{
    accounts::at_home,
    entity::{account, membership, organization},
    transaction::{Reader, page, page_limit},
};
use crate::{
    error::Result,
    model::{
        account::{Account, Organization, Role},
        administration::{AccountFilter, OrganizationFilter, OrganizationOverview, SearchText},
        email::Email,
        id::OrganizationId,
        page::{Page, PageRequest},
    },
};

impl Reader<'_> {
    /// The accounts that the filter lets through, newest first.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn search_accounts(
        &self,
        filter: &AccountFilter,
        request: PageRequest,
    ) -> Result<Page<Account>> {
        let mut query = account::Entity::find();
        if let Some(id) = request.after {
            query = query.filter(account::Column::Id.lt(id));
        }
        if let Some(text) = self.named(&filter.text) {
            query = query.filter(text);
        }
        if let Some(id) = filter.organization {
            query = query.filter(account::Column::Id.in_subquery(members_of(id)));
        }
        if let Some(wanted) = filter.administrator {
            query = query.filter(if wanted {
                administers()
            } else {
                administers().not()
            });
        }
        let mut query = at_home(query);
        if let Some(wanted) = filter.disabled {
            query = query.filter(if wanted { disabled() } else { disabled().not() });
        }
        let rows = query
            .order_by_desc(account::Column::Id)
            .limit(page_limit(request))
            .all(&self.database)
            .await?;
        let accounts: Vec<Account> = rows
            .into_iter()
            .map(Account::try_from)
            .collect::<Result<_>>()?;
        Ok(page(accounts, request, |account| account.id.uuid()))
    }

    /// The organizations that the filter lets through, newest first.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn search_organizations(
        &self,
        filter: &OrganizationFilter,
        request: PageRequest,
    ) -> Result<Page<OrganizationOverview>> {
        let mut query = organization::Entity::find()
            .filter(organization::Column::DeletedAt.is_null())
            .order_by_desc(organization::Column::Id)
            .limit(page_limit(request));
        if let Some(id) = request.after {
            query = query.filter(organization::Column::Id.lt(id));
        }
        if let Some(text) = self.named(&filter.text) {
            query = owned_by(query, text);
        }
        if let Some(plan) = filter.plan {
            query = query.filter(organization::Column::Plan.eq(plan.as_str()));
        }
        if let Some(wanted) = filter.disabled {
            let since = organization::Column::DisabledAt;
            query = query.filter(if wanted {
                since.is_not_null()
            } else {
                since.is_null()
            });
        }
        let rows = query.all(&self.database).await?;
        let organizations: Vec<Organization> = rows
            .into_iter()
            .map(Organization::try_from)
            .collect::<Result<_>>()?;
        let Page { items, next } = page(organizations, request, |one| one.id.uuid());
        let items = self.overviews(items).await?;
        Ok(Page { items, next })
    }

    /// The organization with this id, and what it is recognized by.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn organization_overview(
        &self,
        id: OrganizationId,
    ) -> Result<Option<OrganizationOverview>> {
        let found = self.organization(id).await?.into_iter().collect();
        Ok(self.overviews(found).await?.pop())
    }

    /// Whether there is any account.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn has_accounts(&self) -> Result<bool> {
        let any = account::Entity::find().limit(1).all(&self.database).await?;
        Ok(!any.is_empty())
    }

    /// Whether anybody administers the server who can log in.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn has_administrator(&self) -> Result<bool> {
        let enabled = enabled_administrators()
            .limit(1)
            .all(&self.database)
            .await?;
        Ok(!enabled.is_empty())
    }

    /// Adds to organizations what they are recognized by, in two reads however many they are.
    async fn overviews(
        &self,
        organizations: Vec<Organization>,
    ) -> Result<Vec<OrganizationOverview>> {
        let ids: Vec<Uuid> = organizations.iter().map(|one| one.id.uuid()).collect();
        let mut owners: HashMap<Uuid, account::Model> = membership::Entity::find()
            .filter(membership::Column::OrganizationId.is_in(ids.iter().copied()))
            .filter(membership::Column::Role.eq(Role::Owner.as_str()))
            .find_also_related(account::Entity)
            .all(&self.database)
            .await?
            .into_iter()
            .filter_map(|(membership, owner)| Some((membership.organization_id, owner?)))
            .collect();
        let count = Query::select()
            .expr_as(membership::Column::OrganizationId.into_expr(), "id")
            .expr_as(membership::Column::AccountId.count(), "accounts")
            .from(membership::Entity)
            .and_where(membership::Column::OrganizationId.is_in(ids))
            .add_group_by([membership::Column::OrganizationId.into_expr()])
            .take();
        let counts: HashMap<Uuid, i64> = self
            .database
            .query_all(&count)
            .await?
            .iter()
            .map(|row| Ok((row.try_get("", "id")?, row.try_get("", "accounts")?)))
            .collect::<std::result::Result<_, DbErr>>()?;
        let overview = |organization: Organization| OrganizationOverview {
            owner: owners.remove(&organization.id.uuid()).map(|owner| {
                let email = Email::from_stored(owner.email, owner.email_normalized);
                (owner.id.into(), email)
            }),
            accounts: counts
                .get(&organization.id.uuid())
                .and_then(|count| u64::try_from(*count).ok())
                .unwrap_or_default(),
            organization,
        };
        Ok(organizations.into_iter().map(overview).collect())
    }

    /// Accounts whose address or name holds the text. Not by `LIKE`, which folds case on SQLite and not on
    /// Postgres, and in which `%`, `_` and `\` mean something: here every character stands for itself.
    fn named(&self, text: &SearchText) -> Option<Condition> {
        let position = match self.database.get_database_backend() {
            DbBackend::Postgres => "strpos",
            _ => "instr",
        };
        let holds = |column: account::Column, text: &str| {
            let arguments = [column.into_expr(), Expr::val(text)];
            Expr::expr(Func::cust(position).args(arguments)).gt(0)
        };
        let (folded, in_addresses) = (text.folded()?, text.in_addresses());
        let mut found = Condition::any()
            .add(holds(account::Column::EmailNormalized, folded))
            .add(holds(account::Column::DisplayNameFolded, folded));
        // An empty text would be in every address.
        if in_addresses != folded && !in_addresses.is_empty() {
            found = found.add(holds(account::Column::EmailNormalized, in_addresses));
        }
        Some(found)
    }
}

fn enabled_administrators() -> SelectTwo<account::Entity, organization::Entity> {
    account::Entity::find()
        .filter(administers())
        .find_also_related(organization::Entity)
        .filter(organization::Column::DeletedAt.is_null())
        .filter(disabled().not())
}

/// The column by itself: SQLite does not see that `= TRUE` is the condition of the index of administrators.
fn administers() -> Expr {
    account::Column::Administrator.into_expr()
}

/// [`Account::is_disabled`] as a condition.
fn disabled() -> Condition {
    Condition::any()
        .add(account::Column::DisabledAt.is_not_null())
        .add(organization::Column::DisabledAt.is_not_null())
}

/// Organizations whose owner is such an account.
fn owned_by(query: Select<organization::Entity>, such: Condition) -> Select<organization::Entity> {
    let account = (account::Entity, account::Column::Id);
    let owner = Query::select()
        .expr(Expr::val(1))
        .from(membership::Entity)
        .inner_join(
            account::Entity,
            Expr::col(account).equals((membership::Entity, membership::Column::AccountId)),
        )
        .and_where(
            Expr::col((membership::Entity, membership::Column::OrganizationId))
                .equals((organization::Entity, organization::Column::Id)),
        )
        .and_where(membership::Column::Role.eq(Role::Owner.as_str()))
        .cond_where(such)
        .take();
    query.filter(Expr::exists(owner))
}

/// The accounts that are members of an organization.
fn members_of(id: OrganizationId) -> SelectStatement {
    Query::select()
        .column(membership::Column::AccountId)
        .from(membership::Entity)
        .and_where(membership::Column::OrganizationId.eq(id.uuid()))
        .take()
}

#[cfg(test)]
mod tests {
    use sea_orm::QueryTrait as _;

    use super::*;
    use crate::{
        env::Env,
        store::{Database, Options, Store},
    };

    #[tokio::test]
    async fn sqlite_finds_administrators_without_reading_every_account() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.db");
        let database = Database::Sqlite { path, readers: 1 };
        let options = Options { database };
        let store = Store::connect(options, Env::system()).await.unwrap();
        store.migrate().await.unwrap();
        let mut question = enabled_administrators().build(DbBackend::Sqlite);
        question.sql.insert_str(0, "EXPLAIN QUERY PLAN ");
        let plan = store.read().database.query_all_raw(question).await.unwrap();
        let plan: Vec<String> = plan
            .iter()
            .map(|step| step.try_get("", "detail").unwrap())
            .collect();
        let by_index =
            |step: &String| step.contains("accounts USING INDEX accounts_administrators");
        assert!(plan.iter().any(by_index), "{plan:?}");
    }
}
