//! Sessions: one sign-in each. Who ends sessions ends the grants in them; sessions come first, so that whoever ends some
//! and whoever adds to them wait for each other there.

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder,
    QuerySelect,
    sea_query::{Expr, LockType, Order, Query},
};
use uuid::Uuid;

use super::{
    administration::accounts_of,
    entity::{grant, session},
    error::foreign_key_violation,
    grants::{self, revoked},
    transaction::{Reader, Tx, page, page_limit},
};
use crate::{
    env::Timestamp,
    error::{Reason, Result},
    model::{
        id::{AccountId, GrantId, OrganizationId, SessionId},
        page::{Page, PageRequest},
        session::Session,
    },
};

/// How many of the sessions that are too many end at a time.
const FEW: u64 = 64;

impl Reader<'_> {
    /// The session with this id, live or not.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn session(&self, id: SessionId) -> Result<Option<Session>> {
        let row = session::Entity::find_by_id(id.uuid())
            .one(&self.database)
            .await?;
        Ok(row.map(Session::from))
    }

    /// The session that the request with this hash made, live or not.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn session_of_request(&self, hash: &[u8; 32]) -> Result<Option<Session>> {
        let row = session::Entity::find()
            .filter(session::Column::RequestHash.eq(hash.to_vec()))
            .one(&self.database)
            .await?;
        Ok(row.map(Session::from))
    }

    /// The account's sessions that are not over at this moment, newest first.
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
        let sessions = rows.into_iter().map(Session::from).collect();
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
        let beyond = Query::select()
            .column(session::Column::Id)
            .from(session::Entity)
            .and_where(session::Column::AccountId.eq(account.uuid()))
            .cond_where(live(now))
            .order_by(session::Column::Id, Order::Desc)
            .limit(1)
            .offset(most)
            .take();
        Ok(self.ids(&beyond).await?.pop())
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
            .map_err(|cause| foreign_key_violation(cause, Reason::AccountNotFound))?;
        Ok(())
    }

    /// Ends a session of this account with the grants in it, and tells which grants ended. None when it is not live, or
    /// not the account's.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn revoke_session(
        &self,
        id: SessionId,
        account: AccountId,
        now: Timestamp,
    ) -> Result<Option<Vec<GrantId>>> {
        let this = session::Column::Id.eq(id.uuid());
        let own = session::Column::AccountId.eq(account.uuid());
        let ended = session::Entity::update_many()
            .filter(live(now).add(this.clone()).add(own))
            .col_expr(session::Column::RevokedAt, Expr::val(now.millis()))
            .exec(&self.database)
            .await?;
        if ended.rows_affected == 0 {
            return Ok(None);
        }
        self.end_grants_of_ended(this.into(), now).await.map(Some)
    }

    /// Ends the oldest live sessions of the account, up to this one, and tells which grants ended: a few at a time, so
    /// that other writers do not wait long for an account that has far too many.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn revoke_oldest_sessions(
        &self,
        account: AccountId,
        up_to: SessionId,
        now: Timestamp,
    ) -> Result<Vec<GrantId>> {
        let oldest = Query::select()
            .column(session::Column::Id)
            .from(session::Entity)
            .and_where(session::Column::AccountId.eq(account.uuid()))
            .and_where(session::Column::Id.lte(up_to.uuid()))
            .cond_where(live(now))
            .order_by(session::Column::Id, Order::Asc)
            .limit(FEW)
            .take();
        let these = session::Column::Id.in_subquery(oldest.clone());
        self.lock_sessions(these.into()).await?;
        let mut revocation = Query::update();
        revocation
            .table(session::Entity)
            .value(session::Column::RevokedAt, now.millis())
            .and_where(session::Column::Id.in_subquery(oldest))
            .and_where(session::Column::RevokedAt.is_null())
            .returning_col(session::Column::Id);
        let ended: Vec<Uuid> = self.ids(&revocation).await?;
        self.end_grants_of_ended(session::Column::Id.is_in(ended).into(), now)
            .await
    }

    /// Ends all sessions and all grants of an account, and tells which grants were not ended before.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn revoke_sessions_and_grants(
        &self,
        account: AccountId,
        now: Timestamp,
    ) -> Result<Vec<GrantId>> {
        let sessions = session::Column::AccountId.eq(account.uuid());
        let grants = grant::Column::AccountId.eq(account.uuid());
        self.revoke_all(sessions, grants, now).await
    }

    /// Ends all sessions and all grants of an organization's accounts, likewise.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn revoke_sessions_and_grants_of(
        &self,
        organization: OrganizationId,
        now: Timestamp,
    ) -> Result<Vec<GrantId>> {
        let sessions = session::Column::AccountId.in_subquery(accounts_of(organization));
        let grants = grant::Column::AccountId.in_subquery(accounts_of(organization));
        self.revoke_all(sessions, grants, now).await
    }

    async fn revoke_all(
        &self,
        sessions: Expr,
        grants: Expr,
        now: Timestamp,
    ) -> Result<Vec<GrantId>> {
        self.lock_sessions(sessions.clone().into()).await?;
        session::Entity::update_many()
            .filter(sessions)
            .filter(session::Column::RevokedAt.is_null())
            .col_expr(session::Column::RevokedAt, Expr::val(now.millis()))
            .exec(&self.database)
            .await?;
        revoked(self, grants.into(), now).await
    }

    /// Locks those of these sessions that were not ended early, the oldest first. Whoever ends several of them, or the
    /// grants in them, does so before, and none of them waits for another who waits for it.
    pub(super) async fn lock_sessions(&self, which: Condition) -> Result<()> {
        // SQLite has one writer.
        if !self.is_postgres() {
            return Ok(());
        }
        let lock = Query::select()
            .column(session::Column::Id)
            .from(session::Entity)
            .cond_where(which)
            .and_where(session::Column::RevokedAt.is_null())
            .order_by(session::Column::Id, Order::Asc)
            .lock(LockType::NoKeyUpdate)
            .take();
        self.database.execute(&lock).await?;
        Ok(())
    }

    /// Ends what was granted in those of these sessions that were ended early, but for what outlives its session.
    async fn end_grants_of_ended(&self, which: Condition, now: Timestamp) -> Result<Vec<GrantId>> {
        let ended = Query::select()
            .column(session::Column::Id)
            .from(session::Entity)
            .cond_where(which)
            .and_where(session::Column::RevokedAt.is_not_null())
            .take();
        let grants = Condition::all()
            .add(grant::Column::SessionId.in_subquery(ended))
            .add(grant::Column::OutlivesSession.eq(false));
        revoked(self, grants, now).await
    }

    /// Ends those of these sessions in which no grant is live any more.
    pub(super) async fn end_sessions_without_grant(
        &self,
        which: Condition,
        now: Timestamp,
    ) -> Result<()> {
        let live_grants = Query::select()
            .expr(Expr::val(1))
            .from(grant::Entity)
            .and_where(grants::of_session())
            .cond_where(grants::live(now))
            .take();
        session::Entity::update_many()
            .filter(which)
            .filter(session::Column::RevokedAt.is_null())
            .filter(Expr::exists(live_grants).not())
            .col_expr(session::Column::RevokedAt, Expr::val(now.millis()))
            .exec(&self.database)
            .await?;
        Ok(())
    }
}

/// [`Session::is_live`] as a condition.
pub(super) fn live(now: Timestamp) -> Condition {
    Condition::all()
        .add(session::Column::RevokedAt.is_null())
        .add(session::Column::ExpiresAt.gt(now.millis()))
}
