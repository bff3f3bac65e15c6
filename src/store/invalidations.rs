//! Telling other nodes what a transaction has invalidated, and hearing it from them.

use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::{
    Engine, Store,
    postgres::{self, Subscription},
    transaction::Tx,
};
use crate::{error::Result, model::invalidation::Invalidation};

impl Tx<'_> {
    /// Tells the other nodes of this database, once the transaction is committed.
    ///
    /// # Errors
    /// See [`Reader`](super::Reader).
    pub async fn announce(&self, invalid: &[Invalidation]) -> Result<()> {
        if !self.is_postgres() || invalid.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = invalid.iter().map(ToString::to_string).collect();
        let said = "SELECT pg_notify($1, name) FROM unnest(string_to_array($2, ' ')) AS name";
        let values = [postgres::CHANNEL.into(), names.join(" ").into()];
        let said = Statement::from_sql_and_values(DbBackend::Postgres, said, values);
        self.database.execute_raw(said).await?;
        Ok(())
    }
}

impl Store {
    /// Begins to hear what other nodes announce; none where nobody can: on SQLite, and behind a pooler, which keeps no
    /// session that could listen.
    ///
    /// # Errors
    /// `STORAGE_UNAVAILABLE`.
    pub async fn subscribe(&self) -> Result<Option<Subscription>> {
        match &self.inner.engine {
            Engine::Sqlite(_) => Ok(None),
            Engine::Postgres(postgres) => Ok(postgres.subscribe().await?),
        }
    }
}
