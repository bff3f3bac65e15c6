//! Challenges whose solution was used.

use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, Set, sea_query::OnConflict};

use super::{
    entity::redeemed_challenge,
    restore::RESTORED,
    transaction::{Reader, Tx},
};
use crate::{error::Result, model::pow::Challenge};

impl Reader<'_> {
    /// Whether the solution of this challenge was used, or may have been: it was given out before the database was restored
    /// from a backup.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn is_redeemed(&self, challenge: &Challenge) -> Result<bool> {
        let own = challenge.key();
        let rows = redeemed_challenge::Entity::find()
            .filter(redeemed_challenge::Column::Key.is_in([&own[..], RESTORED]))
            // That of its own row is the same moment.
            .filter(redeemed_challenge::Column::ExpiresAt.gte(challenge.expires_at.millis()));
        Ok(rows.count(&self.database).await? > 0)
    }
}

impl Tx<'_> {
    /// Uses the solution of a challenge. False when it was used before; of several at once, one succeeds.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn redeem_challenge(&self, challenge: &Challenge) -> Result<bool> {
        let used = OnConflict::column(redeemed_challenge::Column::Key)
            .do_nothing()
            .to_owned();
        let inserted =
            redeemed_challenge::Entity::insert(redeemed_challenge::ActiveModel::from(challenge))
                .on_conflict(used)
                .exec_without_returning(&self.database)
                .await?;
        Ok(inserted == 1)
    }

    /// Writes a row and deletes it again: the database has to take that, and nobody sees it. The table is the one
    /// of which a row costs least.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn write_nothing(&self) -> Result<()> {
        let row = redeemed_challenge::ActiveModel {
            // No challenge has this key; another node may be writing it at this moment.
            key: Set(Vec::new()),
            expires_at: Set(0),
        };
        let there = OnConflict::column(redeemed_challenge::Column::Key)
            .do_nothing()
            .to_owned();
        redeemed_challenge::Entity::insert(row)
            .on_conflict(there)
            .exec_without_returning(&self.database)
            .await?;
        redeemed_challenge::Entity::delete_by_id(Vec::new())
            .exec(&self.database)
            .await?;
        Ok(())
    }
}
