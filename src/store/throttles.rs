//! What several nodes remember together of sign-ups and of attempts to log in.

use std::time::Duration;

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter,
    sea_query::{Expr, Func, LockBehavior, LockType, OnConflict, Query},
};
use uuid::Uuid;

use super::{
    entity::{account, session, throttle},
    transaction::{Reader, Tx},
};
use crate::{
    env::Timestamp,
    error::Result,
    model::{
        network::Network,
        pace::Pace,
        throttle::{AttemptState, RowKey},
    },
};

/// How far another node's clock may run ahead. What lies further off was written before a clock was set.
const CLOCK_LEEWAY: Duration = Duration::from_secs(60);
/// How many rows are purged at a time, so that other writers do not wait long.
const BATCH: u64 = 500;

impl Reader<'_> {
    /// Whether the account with this normalized e-mail address has had a session in this network, live or
    /// ended; false of an account that does not exist. One statement that reads both indexes once, whoever
    /// is asked about: its time tells nobody who has an account.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn had_session(&self, normalized: &str, network: Network) -> Result<bool> {
        let account = Query::select()
            .column(account::Column::Id)
            .from(account::Entity)
            .and_where(account::Column::EmailNormalized.eq(normalized))
            .take();
        // Of an account that does not exist, the sessions of nobody are looked for all the same.
        let account = Func::coalesce([Expr::from(account), Expr::val(Uuid::nil())]);
        let session = Query::select()
            .expr(Expr::val(1))
            .from(session::Entity)
            .and_where(Expr::col(session::Column::AccountId).eq(account))
            .and_where(session::Column::ClientNetwork.eq(session::stored_network(network)))
            .limit(1)
            .take();
        Ok(self.database.query_one(&session).await?.is_some())
    }
}

impl Tx<'_> {
    /// The states of attempts under these keys, empty where there is none, which nobody else can read or change in this
    /// way until this transaction ends. The keys must be sorted: two transactions that take them in another
    /// order would wait for each other.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn lock_attempts(
        &self,
        keys: &[RowKey],
        now: Timestamp,
    ) -> Result<Vec<AttemptState>> {
        let fresh = keys
            .iter()
            .map(|key| throttle::ActiveModel::of(key, &AttemptState::default(), now));
        // An update that changes nothing takes the lock of a row that is there.
        let locked = OnConflict::column(throttle::Column::Key)
            .update_column(throttle::Column::Key)
            .to_owned();
        let rows = throttle::Entity::insert_many(fresh)
            .on_conflict(locked)
            .exec_with_returning(&self.database)
            .await?;
        let state = |key: &RowKey| {
            rows.iter()
                .find(|row| row.key == key)
                .map(AttemptState::from)
        };
        Ok(keys
            .iter()
            .map(|key| state(key).unwrap_or_default())
            .collect())
    }

    /// Writes states, each with the time at which it is as good as none.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn put_attempts(&self, states: &[(RowKey, AttemptState, Timestamp)]) -> Result<()> {
        let rows = states
            .iter()
            .map(|(key, state, expiry)| throttle::ActiveModel::of(key, state, *expiry));
        let replaced = OnConflict::column(throttle::Column::Key)
            .update_columns([
                throttle::Column::SpentUntil,
                throttle::Column::LastAt,
                throttle::Column::SlotAt,
                throttle::Column::ExpiresAt,
            ])
            .to_owned();
        throttle::Entity::insert_many(rows)
            .on_conflict(replaced)
            .exec_without_returning(&self.database)
            .await?;
        Ok(())
    }

    /// Spends one of what may happen under this key at this pace, in one statement: of several nodes that
    /// do it at once, each sees what the others have spent. Gives the time to wait when there is none.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn spend_pace(
        &self,
        key: &RowKey,
        pace: Pace,
        now: Timestamp,
    ) -> Result<Option<Duration>> {
        let tolerance = pace.interval * pace.burst.saturating_sub(1);
        let (full, end) = (now.after(tolerance), now.after(pace.interval));
        let unbelievable = full.after(pace.interval).after(CLOCK_LEEWAY);
        let column = || Expr::col((throttle::Entity, throttle::Column::SpentUntil));
        let believed = column()
            .gt(now.millis())
            .and(column().lte(unbelievable.millis()));
        let interval = end.millis() - now.millis();
        let next = || {
            let level = Expr::case(believed.clone(), column()).finally(now.millis());
            Expr::expr(level).add(interval)
        };
        let spent = OnConflict::column(throttle::Column::Key)
            .value(throttle::Column::SpentUntil, next())
            .value(throttle::Column::ExpiresAt, next())
            .action_and_where(
                column()
                    .lte(full.millis())
                    .or(column().gt(unbelievable.millis())),
            )
            .to_owned();
        let first = AttemptState {
            until: end,
            ..AttemptState::default()
        };
        let written = throttle::Entity::insert(throttle::ActiveModel::of(key, &first, end))
            .on_conflict(spent)
            .exec_without_returning(&self.database)
            .await?;
        if written == 1 {
            return Ok(None);
        }
        let row = throttle::Entity::find_by_id(key.to_vec())
            .one(&self.database)
            .await?;
        let until = row.map_or(end, |row| Timestamp::from_millis(row.spent_until));
        Ok(Some(until.since(full)))
    }

    /// Deletes a batch of the rows that are as good as none at this moment, and tells how many. Zero says
    /// that none are left but those which somebody holds, and may be renewing: it waits for nobody.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn purge_throttles(&self, now: Timestamp) -> Result<u64> {
        let expired = Query::select()
            .column(throttle::Column::Key)
            .from(throttle::Entity)
            .and_where(throttle::Column::ExpiresAt.lt(now.millis()))
            .limit(BATCH)
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
            .take();
        let purged = throttle::Entity::delete_many()
            .filter(throttle::Column::Key.in_subquery(expired))
            .exec(&self.database)
            .await?;
        Ok(purged.rows_affected)
    }
}
