//! Sessions and the refresh tokens in them.

use std::time::Duration;

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbBackend, EntityTrait, ExprTrait, QueryFilter,
    QueryOrder, QuerySelect, Statement,
    sea_query::{Expr, Order, Query, UpdateStatement},
};
use uuid::Uuid;

use super::{
    entity::{refresh_token, session},
    fault::orphan,
    transaction::{Reader, Tx, page, page_limit},
};
use crate::{
    env::Timestamp,
    error::{Reason, Result},
    model::{
        id::{AccountId, SessionId},
        page::{Page, PageRequest},
        session::{Profile, RefreshToken, Session},
    },
};

/// How many of the sessions that are too many end at a time.
const FEW: u64 = 64;

/// A rotation in one round trip. The session comes first, so that a rotation and a revocation wait for
/// each other at its row; of two rotations of one token, the second finds it consumed.
const ROTATE: &str = "\
WITH live AS (
    UPDATE sessions SET refreshed_at = $1
    WHERE id = $2 AND revoked_at IS NULL AND expires_at > $1 AND EXISTS (
        SELECT 1 FROM refresh_tokens WHERE hash = $3 AND session_id = $2 AND consumed_at IS NULL)
    RETURNING id
), consumed AS (
    UPDATE refresh_tokens SET consumed_at = $1 FROM live
    WHERE hash = $3 AND session_id = live.id AND consumed_at IS NULL
    RETURNING session_id
)
INSERT INTO refresh_tokens (hash, session_id, created_at) SELECT $4, session_id, $5 FROM consumed";

impl Reader<'_> {
    /// The session with this id, live or not.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn session(&self, id: SessionId) -> Result<Option<Session>> {
        let row = session::Entity::find_by_id(id.uuid())
            .one(&self.database)
            .await?;
        row.map(Session::try_from).transpose()
    }

    /// The account's sessions that can be used at this moment, newest first.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn live_sessions(
        &self,
        account: AccountId,
        request: PageRequest,
        now: Timestamp,
    ) -> Result<Page<Session>> {
        let mut query = session::Entity::find()
            .filter(session::Column::AccountId.eq(account.uuid()))
            .filter(live(now))
            .order_by_desc(session::Column::Id)
            .limit(page_limit(request));
        if let Some(id) = request.after {
            query = query.filter(session::Column::Id.lt(id));
        }
        let rows = query.all(&self.database).await?;
        let sessions: Vec<Session> = rows
            .into_iter()
            .map(Session::try_from)
            .collect::<Result<_>>()?;
        Ok(page(sessions, request, |session| session.id.uuid()))
    }

    /// The newest live session of the account that is more than it may have.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn session_beyond(
        &self,
        account: AccountId,
        most: u64,
        now: Timestamp,
    ) -> Result<Option<SessionId>> {
        let id: Option<Uuid> = session::Entity::find()
            .select_only()
            .column(session::Column::Id)
            .filter(session::Column::AccountId.eq(account.uuid()))
            .filter(live(now))
            .order_by_desc(session::Column::Id)
            .offset(most)
            .into_tuple()
            .one(&self.database)
            .await?;
        Ok(id.map(SessionId::from))
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
    /// Writes a new session.
    ///
    /// # Errors
    /// `ACCOUNT_NOT_FOUND` when the account has just been deleted; else see [`Reader`].
    pub async fn insert_session(&self, session: &Session) -> Result<()> {
        session::Entity::insert(session::ActiveModel::from(session))
            .exec_without_returning(&self.database)
            .await
            .map_err(|cause| orphan(cause, Reason::AccountNotFound))?;
        Ok(())
    }

    /// Writes a new refresh token.
    ///
    /// # Errors
    /// `SESSION_NOT_FOUND` when there is no such session; else see [`Reader`].
    pub async fn insert_refresh_token(&self, token: &RefreshToken) -> Result<()> {
        refresh_token::Entity::insert(refresh_token::ActiveModel::from(token))
            .exec_without_returning(&self.database)
            .await
            .map_err(|cause| orphan(cause, Reason::SessionNotFound))?;
        Ok(())
    }

    /// Notes that the session got an access token. False when it is not live at that moment.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn touch_session(&self, id: SessionId, refreshed_at: Timestamp) -> Result<bool> {
        let touched = session::Entity::update_many()
            .filter(session::Column::Id.eq(id.uuid()))
            .filter(live(refreshed_at))
            .col_expr(
                session::Column::RefreshedAt,
                Expr::val(refreshed_at.millis()),
            )
            .exec(&self.database)
            .await?;
        Ok(touched.rows_affected == 1)
    }

    /// Trades a refresh token for its successor in the same session, and notes it in the session.
    /// False, with nothing traded, when the token was consumed or its session is not live.
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
                successor.session_id.uuid().into(),
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
        let session = successor.session_id;
        let live_session = Query::select()
            .expr(Expr::val(1))
            .from(session::Entity)
            .and_where(session::Column::Id.eq(session.uuid()))
            .cond_where(live(now))
            .take();
        let consumed = refresh_token::Entity::update_many()
            .filter(refresh_token::Column::Hash.eq(old.to_vec()))
            .filter(refresh_token::Column::SessionId.eq(session.uuid()))
            .filter(refresh_token::Column::ConsumedAt.is_null())
            .filter(Expr::exists(live_session))
            .col_expr(refresh_token::Column::ConsumedAt, Expr::val(now.millis()))
            .exec(&self.database)
            .await?;
        if consumed.rows_affected == 0 {
            return Ok(false);
        }
        self.insert_refresh_token(successor).await?;
        self.touch_session(session, now).await
    }

    /// Ends a session of this account. False when it is not live, or not the account's.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn revoke_session(
        &self,
        id: SessionId,
        account: AccountId,
        now: Timestamp,
    ) -> Result<bool> {
        let revoked = session::Entity::update_many()
            .filter(session::Column::Id.eq(id.uuid()))
            .filter(session::Column::AccountId.eq(account.uuid()))
            .filter(live(now))
            .col_expr(session::Column::RevokedAt, Expr::val(now.millis()))
            .exec(&self.database)
            .await?;
        Ok(revoked.rows_affected == 1)
    }

    /// Ends the oldest live sessions of the account, up to this one, and tells which: a few at a time, so that
    /// other writers do not wait long for an account that has far too many.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn revoke_oldest_sessions(
        &self,
        account: AccountId,
        up_to: SessionId,
        now: Timestamp,
    ) -> Result<Vec<SessionId>> {
        let oldest = Query::select()
            .column(session::Column::Id)
            .from(session::Entity)
            .and_where(session::Column::AccountId.eq(account.uuid()))
            .and_where(session::Column::Id.lte(up_to.uuid()))
            .cond_where(live(now))
            .order_by(session::Column::Id, Order::Asc)
            .limit(FEW)
            .take();
        let mut revocation = Query::update();
        revocation
            .table(session::Entity)
            .value(session::Column::RevokedAt, now.millis())
            .and_where(session::Column::Id.in_subquery(oldest))
            .and_where(session::Column::RevokedAt.is_null())
            .returning_col(session::Column::Id);
        self.revoked(&revocation).await
    }

    /// Ends all sessions of the account, or those of one profile, and tells which were not ended
    /// before.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn revoke_sessions(
        &self,
        account: AccountId,
        profile: Option<Profile>,
        now: Timestamp,
    ) -> Result<Vec<SessionId>> {
        let mut revocation = Query::update();
        revocation
            .table(session::Entity)
            .value(session::Column::RevokedAt, now.millis())
            .and_where(session::Column::AccountId.eq(account.uuid()))
            .and_where(session::Column::RevokedAt.is_null())
            .and_where_option(profile.map(|profile| session::Column::Profile.eq(profile.as_str())))
            .returning_col(session::Column::Id);
        self.revoked(&revocation).await
    }

    async fn revoked(&self, revocation: &UpdateStatement) -> Result<Vec<SessionId>> {
        let rows = self.database.query_all(revocation).await?;
        let ids = rows.iter().map(|row| row.try_get_by_index::<Uuid>(0));
        Ok(ids
            .map(|id| id.map(SessionId::from))
            .collect::<std::result::Result<_, _>>()?)
    }

    /// Ends the refreshing of the account's sessions of one profile: their refresh tokens are gone, and
    /// each session ends when the access token that it last got does, `access_lifetime` after its refresh.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn expire_refresh_tokens(
        &self,
        account: AccountId,
        profile: Profile,
        access_lifetime: Duration,
    ) -> Result<()> {
        let of_profile = || {
            Condition::all()
                .add(session::Column::AccountId.eq(account.uuid()))
                .add(session::Column::Profile.eq(profile.as_str()))
        };
        let sessions = Query::select()
            .column(session::Column::Id)
            .from(session::Entity)
            .cond_where(of_profile())
            .take();
        refresh_token::Entity::delete_many()
            .filter(refresh_token::Column::SessionId.in_subquery(sessions))
            .exec(&self.database)
            .await?;
        let lifetime = i64::try_from(access_lifetime.as_millis()).unwrap_or(i64::MAX);
        let end = || Expr::col(session::Column::RefreshedAt).add(lifetime);
        session::Entity::update_many()
            .filter(of_profile())
            .filter(Expr::col(session::Column::ExpiresAt).gt(end()))
            .col_expr(session::Column::ExpiresAt, end())
            .exec(&self.database)
            .await?;
        Ok(())
    }

    /// The account's sessions that were not revoked, whether they have expired or not: what may be
    /// remembered elsewhere and has to be forgotten.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn live_session_ids(&self, account: AccountId) -> Result<Vec<SessionId>> {
        let ids: Vec<Uuid> = session::Entity::find()
            .select_only()
            .column(session::Column::Id)
            .filter(session::Column::AccountId.eq(account.uuid()))
            .filter(session::Column::RevokedAt.is_null())
            .into_tuple()
            .all(&self.database)
            .await?;
        Ok(ids.into_iter().map(SessionId::from).collect())
    }
}

/// [`Session::is_live`] as a condition.
fn live(now: Timestamp) -> Condition {
    Condition::all()
        .add(session::Column::RevokedAt.is_null())
        .add(session::Column::ExpiresAt.gt(now.millis()))
}
