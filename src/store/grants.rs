//! Grants, and the refresh tokens in them.

use std::time::Duration;

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, ExprTrait, QueryFilter,
    QueryOrder, QuerySelect, Statement,
    sea_query::{Expr, Query},
};

use super::{
    entity::{grant, refresh_token, session},
    error::foreign_key_violation,
    transaction::{Reader, Tx, page, page_limit},
};
use crate::{
    env::Timestamp,
    error::{Reason, Result},
    model::{
        administration::GrantFilter,
        id::{AccountId, GrantId, SessionId},
        page::{Page, PageRequest},
        session::{Grant, RefreshToken},
    },
};

/// A rotation in one round trip. The grant comes first, so that a rotation and a revocation wait for
/// each other at its row; of two rotations of one token, the second finds it consumed.
const ROTATE: &str = "\
WITH live AS (
    UPDATE grants SET refreshed_at = $1
    WHERE id = $2 AND revoked_at IS NULL AND expires_at > $1 AND EXISTS (
        SELECT 1 FROM refresh_tokens WHERE hash = $3 AND grant_id = $2 AND consumed_at IS NULL)
    RETURNING id
), consumed AS (
    UPDATE refresh_tokens SET consumed_at = $1 FROM live
    WHERE hash = $3 AND grant_id = live.id AND consumed_at IS NULL
    RETURNING grant_id
)
INSERT INTO refresh_tokens (hash, grant_id, created_at) SELECT $4, grant_id, $5 FROM consumed";

impl Reader<'_> {
    /// The grant with this id, live or not.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn grant(&self, id: GrantId) -> Result<Option<Grant>> {
        let row = grant::Entity::find_by_id(id.uuid())
            .one(&self.database)
            .await?;
        Ok(row.map(Grant::from))
    }

    /// The first grant that was given in a session.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn first_grant(&self, session: SessionId) -> Result<Option<Grant>> {
        let row = grant::Entity::find()
            .filter(grant::Column::SessionId.eq(session.uuid()))
            .order_by_asc(grant::Column::Id)
            .one(&self.database)
            .await?;
        Ok(row.map(Grant::from))
    }

    /// The grants that can be used at this moment, newest first: of one account or of all, to one client or to all.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn live_grants(
        &self,
        filter: &GrantFilter,
        request: PageRequest,
        now: Timestamp,
    ) -> Result<Page<Grant>> {
        let mut query = grant::Entity::find()
            .filter(live(now))
            .order_by_desc(grant::Column::Id)
            .limit(page_limit(request));
        if let Some(account) = filter.account {
            query = query.filter(grant::Column::AccountId.eq(account.uuid()));
        }
        if let Some(client_id) = &filter.client_id {
            query = query.filter(grant::Column::ClientId.eq(client_id));
        }
        if let Some(id) = request.after {
            query = query.filter(grant::Column::Id.lt(id));
        }
        let rows = query.all(&self.database).await?;
        let grants = rows.into_iter().map(Grant::from).collect();
        Ok(page(grants, request, |grant| grant.id.uuid()))
    }

    /// The refresh token with this SHA-256, consumed or not.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn refresh_token(&self, hash: &[u8; 32]) -> Result<Option<RefreshToken>> {
        let row = refresh_token::Entity::find_by_id(hash.to_vec())
            .one(&self.database)
            .await?;
        row.map(RefreshToken::try_from).transpose()
    }
}

impl Tx<'_> {
    /// Writes a new grant in its session.
    ///
    /// # Errors
    /// `SESSION_NOT_FOUND` when there is no such session; else see [`Reader`].
    pub async fn insert_grant(&self, grant: &Grant) -> Result<()> {
        grant::Entity::insert(grant::ActiveModel::from(grant))
            .exec_without_returning(&self.database)
            .await
            .map_err(|cause| foreign_key_violation(cause, Reason::SessionNotFound))?;
        Ok(())
    }

    /// Writes a new refresh token.
    ///
    /// # Errors
    /// `GRANT_NOT_FOUND` when there is no such grant; else see [`Reader`].
    pub async fn insert_refresh_token(&self, token: &RefreshToken) -> Result<()> {
        refresh_token::Entity::insert(refresh_token::ActiveModel::from(token))
            .exec_without_returning(&self.database)
            .await
            .map_err(|cause| foreign_key_violation(cause, Reason::GrantNotFound))?;
        Ok(())
    }

    /// Notes that the grant got an access token. False when it is not live at that moment.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn touch_grant(&self, id: GrantId, refreshed_at: Timestamp) -> Result<bool> {
        let touched = grant::Entity::update_many()
            .filter(grant::Column::Id.eq(id.uuid()))
            .filter(live(refreshed_at))
            .col_expr(grant::Column::RefreshedAt, Expr::val(refreshed_at.millis()))
            .exec(&self.database)
            .await?;
        Ok(touched.rows_affected == 1)
    }

    /// Trades a refresh token for its successor in the same grant, and notes it in the grant.
    /// False, with nothing traded, when the token was consumed or its grant is not live.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn rotate_refresh_token(
        &self,
        old: &[u8; 32],
        successor: &RefreshToken,
        now: Timestamp,
    ) -> Result<bool> {
        if !self.is_postgres() {
            return self.rotate_in_steps(old, successor, now).await;
        }
        let rotation = Statement::from_sql_and_values(
            DbBackend::Postgres,
            ROTATE,
            [
                now.millis().into(),
                successor.grant_id.uuid().into(),
                old.to_vec().into(),
                successor.hash.to_vec().into(),
                successor.created_at.millis().into(),
            ],
        );
        Ok(self.database.execute_raw(rotation).await?.rows_affected() == 1)
    }

    /// The same for SQLite, which knows no data-modifying CTE, but lets one transaction write at a time.
    async fn rotate_in_steps(
        &self,
        old: &[u8; 32],
        successor: &RefreshToken,
        now: Timestamp,
    ) -> Result<bool> {
        let grant = successor.grant_id;
        let live_grant = Query::select()
            .expr(Expr::val(1))
            .from(grant::Entity)
            .and_where(grant::Column::Id.eq(grant.uuid()))
            .cond_where(live(now))
            .take();
        let consumed = refresh_token::Entity::update_many()
            .filter(refresh_token::Column::Hash.eq(old.to_vec()))
            .filter(refresh_token::Column::GrantId.eq(grant.uuid()))
            .filter(refresh_token::Column::ConsumedAt.is_null())
            .filter(Expr::exists(live_grant))
            .col_expr(refresh_token::Column::ConsumedAt, Expr::val(now.millis()))
            .exec(&self.database)
            .await?;
        if consumed.rows_affected == 0 {
            return Ok(false);
        }
        self.insert_refresh_token(successor).await?;
        self.touch_grant(grant, now).await
    }

    /// Ends a grant of this account, and its session when nothing else is granted there. False when it is not live, or
    /// not the account's.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn revoke_grant(&self, grant: &Grant, now: Timestamp) -> Result<bool> {
        let session = Condition::from(session::Column::Id.eq(grant.session_id.uuid()));
        self.lock_sessions(session.clone()).await?;
        let this = live(now).add(grant::Column::Id.eq(grant.id.uuid()));
        let ended = revoked(self, this, now).await?;
        self.end_sessions_without_grant(session, now).await?;
        Ok(!ended.is_empty())
    }

    /// Ends a grant whose session has ended in this transaction.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn end_grant(&self, id: GrantId, now: Timestamp) -> Result<()> {
        let this = Condition::from(grant::Column::Id.eq(id.uuid()));
        revoked(self, this, now).await.map(drop)
    }

    /// Ends all grants of the account to one client, and the sessions in which nothing else is granted. Tells which
    /// grants were not ended before.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn revoke_grants_to(
        &self,
        account: AccountId,
        client_id: &str,
        now: Timestamp,
    ) -> Result<Vec<GrantId>> {
        let sessions = session::Column::Id.in_subquery(sessions_of(account, client_id));
        let sessions = Condition::from(sessions);
        self.lock_sessions(sessions.clone()).await?;
        let ended = revoked(self, to_client(account, client_id), now).await?;
        self.end_sessions_without_grant(sessions, now).await?;
        Ok(ended)
    }

    /// Ends the refreshing of the account's grants to one client: their refresh tokens are gone, and each grant, with
    /// its session, ends when the access token that it last got does, `access_lifetime` after its refresh.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn expire_refresh_tokens(
        &self,
        account: AccountId,
        client_id: &str,
        access_lifetime: Duration,
    ) -> Result<()> {
        let sessions = session::Column::Id.in_subquery(sessions_of(account, client_id));
        self.lock_sessions(sessions.into()).await?;
        let lifetime = i64::try_from(access_lifetime.as_millis()).unwrap_or(i64::MAX);
        let end = || Expr::col(grant::Column::RefreshedAt).add(lifetime);
        let grants = || {
            Query::select()
                .column(grant::Column::Id)
                .from(grant::Entity)
                .cond_where(to_client(account, client_id))
                .take()
        };
        refresh_token::Entity::delete_many()
            .filter(refresh_token::Column::GrantId.in_subquery(grants()))
            .exec(&self.database)
            .await?;
        grant::Entity::update_many()
            .filter(to_client(account, client_id))
            .filter(Expr::col(grant::Column::ExpiresAt).gt(end()))
            .col_expr(grant::Column::ExpiresAt, end())
            .exec(&self.database)
            .await?;
        self.end_sessions_with_grants(account, client_id).await
    }

    /// Has sessions in which something is granted to this client alone end with the last of those grants.
    async fn end_sessions_with_grants(&self, account: AccountId, client_id: &str) -> Result<()> {
        let last_end = Query::select()
            .expr(Expr::col((grant::Entity, grant::Column::ExpiresAt)).max())
            .from(grant::Entity)
            .and_where(of_session())
            .take();
        let to_others = Query::select()
            .expr(Expr::val(1))
            .from(grant::Entity)
            .and_where(of_session())
            .and_where(grant::Column::ClientId.ne(client_id))
            .take();
        session::Entity::update_many()
            .filter(session::Column::Id.in_subquery(sessions_of(account, client_id)))
            .filter(Expr::exists(to_others).not())
            .col_expr(session::Column::ExpiresAt, Expr::from(last_end))
            .exec(&self.database)
            .await?;
        Ok(())
    }
}

/// Ends those of these grants that were not ended before, and tells which.
pub(super) async fn revoked(tx: &Tx<'_>, which: Condition, now: Timestamp) -> Result<Vec<GrantId>> {
    let mut revocation = Query::update();
    revocation
        .table(grant::Entity)
        .value(grant::Column::RevokedAt, now.millis())
        .cond_where(which)
        .and_where(grant::Column::RevokedAt.is_null())
        .returning_col(grant::Column::Id);
    Ok(tx.ids(&revocation).await?)
}

/// Joins grants with the session of the row at hand.
pub(super) fn of_session() -> Expr {
    Expr::col((grant::Entity, grant::Column::SessionId))
        .equals((session::Entity, session::Column::Id))
}

/// [`Grant::is_live`] as a condition.
pub(super) fn live(now: Timestamp) -> Condition {
    Condition::all()
        .add(grant::Column::RevokedAt.is_null())
        .add(grant::Column::ExpiresAt.gt(now.millis()))
}

fn to_client(account: AccountId, client_id: &str) -> Condition {
    Condition::all()
        .add(grant::Column::AccountId.eq(account.uuid()))
        .add(grant::Column::ClientId.eq(client_id))
}

/// The sessions in which something was granted to this client.
fn sessions_of(account: AccountId, client_id: &str) -> sea_orm::sea_query::SelectStatement {
    Query::select()
        .column(grant::Column::SessionId)
        .from(grant::Entity)
        .cond_where(to_client(account, client_id))
        .take()
}
