//! What other nodes say they have invalidated, by LISTEN and NOTIFY.

use std::time::Duration;

use deadpool::managed::Pool;
use sea_orm::{
    DbErr, SqlxError,
    sqlx::{self, Row as _, postgres::PgListener},
};
use tokio::time::timeout;

use super::{connector::Connector, failure::Failure};
use crate::error::Result;

/// Where nodes speak. Channels belong to a database.
pub(in crate::store) const CHANNEL: &str = "countersign_invalidations";
/// How long to wait for an answer: whoever waits longer would not hear in time what was ended.
const LIMIT: Duration = Duration::from_millis(500);

/// A connection that hears what other nodes say, from the moment that it was made. One that has failed is of no use any
/// more.
pub struct Subscription {
    listener: PgListener,
    pool: Pool<Connector>,
    generation: u64,
}

impl Subscription {
    pub(super) async fn begin(pool: Pool<Connector>) -> std::result::Result<Self, DbErr> {
        let generation = pool.manager().generation();
        let mut listener = pool.manager().listener().await?;
        answer(listener.listen(CHANNEL)).await?;
        Ok(Self {
            listener,
            pool,
            generation,
        })
    }

    /// The names that were said since the last time, among them all that were said in transactions that were committed
    /// before this was called.
    ///
    /// # Errors
    /// `STORAGE_UNAVAILABLE`: some may have been missed.
    pub async fn poll(&mut self) -> Result<Vec<String>> {
        // Postgres sends notifications before it answers. A proxy could have given the session to somebody else.
        let question = sqlx::query("SELECT count(*) FROM pg_listening_channels()");
        let asked = question.persistent(false).fetch_one(&mut self.listener);
        let channels: i64 = answer(async { asked.await?.try_get(0) })
            .await
            .map_err(DbErr::from)?;
        // Others may have lost this server, and speak on the one that has taken its place.
        let is_current = self.pool.manager().generation() == self.generation;
        if channels == 0 || !is_current {
            return Err(DbErr::from(Failure::not_heard()).into());
        }
        let heard = std::iter::from_fn(|| self.listener.next_buffered());
        Ok(heard.map(|said| said.payload().to_owned()).collect())
    }
}

async fn answer<T>(
    question: impl Future<Output = std::result::Result<T, SqlxError>>,
) -> std::result::Result<T, Failure> {
    let answered = timeout(LIMIT, question).await;
    let answered = answered.map_err(|_| Failure::no_answer())?;
    answered.map_err(|cause| Failure::from(&cause))
}
