//! Forgetting what has ended or is deleted.

use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter,
    sea_query::{Expr, ExprTrait, Order, Query, SelectStatement},
};
use uuid::Uuid;

use super::{
    entity::{
        account, api_key, authorization, grant, organization, redeemed_challenge, refresh_token,
        session,
    },
    grants,
    transaction::{Reader, Tx},
};
use crate::{env::Timestamp, error::Result};

/// How many rows of one sort go at a time, so that other writers do not wait long: a session goes with its refresh tokens.
const BATCH: u64 = 100;

impl Reader<'_> {
    /// Whether anything that is deleted is still to be purged.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn has_deleted(&self) -> Result<bool> {
        Ok(self.deleted_organization().await?.is_some())
    }

    async fn deleted_organization(&self) -> Result<Option<Uuid>> {
        let deleted = Query::select()
            .column(organization::Column::Id)
            .from(organization::Entity)
            .and_where(organization::Column::DeletedAt.is_not_null())
            .order_by(organization::Column::Id, Order::Asc)
            .limit(1)
            .take();
        Ok(self.ids(&deleted).await?.pop())
    }
}

impl Tx<'_> {
    /// Purges a piece of what is deleted, two hundred rows at most, sessions and their refresh tokens, and tells how many
    /// rows of one sort went. Zero says that none are
    /// left, or that another node is at it.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn purge_deleted(&self) -> Result<u64> {
        let Some(organization) = self.deleted_organization().await? else {
            return Ok(0);
        };
        let account = Query::select()
            .column(account::Column::Id)
            .from(account::Entity)
            .and_where(account::Column::OrganizationId.eq(organization))
            .order_by(account::Column::Id, Order::Asc)
            .limit(1)
            .take();
        let Some(account) = self.ids::<Uuid>(&account).await?.pop() else {
            let organization = organization::Entity::delete_by_id(organization);
            return Ok(organization.exec(&self.database).await?.rows_affected);
        };
        let grants = of_account(
            grant::Entity,
            grant::Column::Id,
            grant::Column::AccountId,
            account,
        );
        let grants = self.purge_grants(grants).await?;
        if grants > 0 {
            return Ok(grants);
        }
        let sessions = of_account(
            session::Entity,
            session::Column::Id,
            session::Column::AccountId,
            account,
        );
        let sessions = session::Entity::delete_many()
            .filter(session::Column::Id.in_subquery(sessions))
            .exec(&self.database)
            .await?
            .rows_affected;
        if sessions > 0 {
            return Ok(sessions);
        }
        let keys = of_account(
            api_key::Entity,
            api_key::Column::Id,
            api_key::Column::AccountId,
            account,
        );
        let keys = api_key::Entity::delete_many()
            .filter(api_key::Column::Id.in_subquery(keys))
            .exec(&self.database)
            .await?
            .rows_affected;
        if keys > 0 {
            return Ok(keys);
        }
        let account = account::Entity::delete_by_id(account);
        Ok(account.exec(&self.database).await?.rows_affected)
    }

    /// Deletes a batch of grants, once no more than a batch of refresh tokens is in them: a grant that was
    /// refreshed for a month has hundreds. Tells how many rows of one sort went.
    async fn purge_grants(&self, batch: SelectStatement) -> Result<u64> {
        let ids: Vec<Uuid> = self.ids(&batch).await?;
        if ids.is_empty() {
            return Ok(0);
        }
        let tokens = Query::select()
            .column(refresh_token::Column::Hash)
            .from(refresh_token::Entity)
            .and_where(refresh_token::Column::GrantId.is_in(ids.iter().copied()))
            .limit(BATCH)
            .take();
        let tokens = refresh_token::Entity::delete_many()
            .filter(refresh_token::Column::Hash.in_subquery(tokens))
            .exec(&self.database)
            .await?
            .rows_affected;
        if tokens == BATCH {
            return Ok(tokens);
        }
        let grants = grant::Entity::delete_many().filter(grant::Column::Id.is_in(ids));
        Ok(grants.exec(&self.database).await?.rows_affected)
    }

    /// Deletes a batch of the grants (with their refresh tokens), sessions without any, API keys and redeemed challenges that
    /// expired or were revoked before the cutoff, and tells how many. Zero says that none are left.
    ///
    /// # Errors
    /// See [`Reader`](super::Reader).
    pub async fn purge(&self, cutoff: Timestamp) -> Result<u64> {
        let mut purged = 0;
        for column in [grant::Column::ExpiresAt, grant::Column::RevokedAt] {
            let ended = oldest(grant::Entity, grant::Column::Id, column, cutoff);
            purged += self.purge_grants(ended).await?;
        }
        for column in [session::Column::ExpiresAt, session::Column::RevokedAt] {
            let mut ended = oldest(session::Entity, session::Column::Id, column, cutoff);
            ended.and_where(Expr::exists(grants_of_session()).not());
            purged += session::Entity::delete_many()
                .filter(session::Column::Id.in_subquery(ended))
                .exec(&self.database)
                .await?
                .rows_affected;
        }
        for column in [api_key::Column::ExpiresAt, api_key::Column::RevokedAt] {
            let ended = oldest(api_key::Entity, api_key::Column::Id, column, cutoff);
            purged += api_key::Entity::delete_many()
                .filter(api_key::Column::Id.in_subquery(ended))
                .exec(&self.database)
                .await?
                .rows_affected;
        }
        let (id, end) = (authorization::Column::Id, authorization::Column::ExpiresAt);
        let ended = oldest(authorization::Entity, id, end, cutoff);
        purged += authorization::Entity::delete_many()
            .filter(id.in_subquery(ended))
            .exec(&self.database)
            .await?
            .rows_affected;
        let (key, end) = (
            redeemed_challenge::Column::Key,
            redeemed_challenge::Column::ExpiresAt,
        );
        let ended = oldest(redeemed_challenge::Entity, key, end, cutoff);
        purged += redeemed_challenge::Entity::delete_many()
            .filter(key.in_subquery(ended))
            .exec(&self.database)
            .await?
            .rows_affected;
        Ok(purged)
    }
}

/// What is granted in the session of the row at hand, live or not.
fn grants_of_session() -> SelectStatement {
    Query::select()
        .expr(Expr::val(1))
        .from(grant::Entity)
        .and_where(grants::of_session())
        .take()
}

fn of_account<E: EntityTrait>(
    table: E,
    id: E::Column,
    owner: E::Column,
    account: Uuid,
) -> SelectStatement {
    Query::select()
        .column(id)
        .from(table)
        .and_where(owner.eq(account))
        .limit(BATCH)
        .take()
}

fn oldest<E: EntityTrait>(
    table: E,
    id: E::Column,
    end: E::Column,
    cutoff: Timestamp,
) -> SelectStatement {
    Query::select()
        .column(id)
        .from(table)
        .and_where(end.lt(cutoff.millis()))
        .limit(BATCH)
        .take()
}
