//! Forgetting what has ended.

use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter,
    sea_query::{Query, SelectStatement},
};

use super::{
    entity::{api_key, redeemed_challenge, session},
    transaction::Tx,
};
use crate::{env::Timestamp, error::Result};

/// How many rows of one sort go at a time, so that other writers do not wait long.
const BATCH: u64 = 500;

impl Tx<'_> {
    /// Deletes a batch of the sessions (with their refresh tokens), API keys and redeemed challenges that
    /// expired or were revoked before the cutoff, and tells how many. Zero says that none are left.
    ///
    /// # Errors
    /// See [`Reader`](super::Reader).
    pub async fn purge(&self, cutoff: Timestamp) -> Result<u64> {
        let mut purged = 0;
        for column in [session::Column::ExpiresAt, session::Column::RevokedAt] {
            let ended = oldest(session::Entity, session::Column::Id, column, cutoff);
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
