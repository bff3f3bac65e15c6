//! What a restore ends. Nobody knows what was revoked or spent after the backup was made, so all of it is over.

use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter, Set,
    sea_query::{Expr, OnConflict},
};

use super::{
    entity::{
        api_key, authorization, consent, grant, outbox, redeemed_challenge, session, signing_key,
    },
    transaction::Tx,
};
use crate::{env::Timestamp, error::Result};

/// The key of the row that says until when challenges were given out before the restore. No challenge has it: theirs
/// have 24 bytes.
pub(super) const RESTORED: &[u8] = b"restored";

/// How much a restore has ended.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Ended {
    /// Sessions that were live.
    pub sessions: u64,
    /// Grants that were live, with their refresh tokens.
    pub grants: u64,
    /// API keys that were not revoked.
    pub api_keys: u64,
    /// What accounts had allowed clients.
    pub consents: u64,
    /// Signing keys.
    pub signing_keys: u64,
    /// Mails that were still to be sent.
    pub mails: u64,
}

impl Tx<'_> {
    /// Ends all that may have been revoked or spent since the backup: sessions, grants, authorizations and their codes,
    /// consents, signing keys, mails, and challenges that end no later than this; API keys unless they are kept.
    ///
    /// # Errors
    /// See [`Reader`](super::Reader).
    pub async fn end_what_was_given(
        &self,
        now: Timestamp,
        challenges_until: Timestamp,
        keep_api_keys: bool,
    ) -> Result<Ended> {
        let database = &self.database;
        let sessions = session::Entity::update_many()
            .filter(session::Column::RevokedAt.is_null())
            .col_expr(session::Column::RevokedAt, Expr::val(now.millis()))
            .exec(database)
            .await?;
        let grants = grant::Entity::update_many()
            .filter(grant::Column::RevokedAt.is_null())
            .col_expr(grant::Column::RevokedAt, Expr::val(now.millis()))
            .exec(database)
            .await?;
        let api_keys = match keep_api_keys {
            true => 0,
            false => self.revoke_every_api_key(now).await?,
        };
        authorization::Entity::delete_many().exec(database).await?;
        let consents = consent::Entity::delete_many().exec(database).await?;
        let signing_keys = signing_key::Entity::delete_many().exec(database).await?;
        let mails = outbox::Entity::delete_many().exec(database).await?;
        self.end_challenges(challenges_until).await?;
        Ok(Ended {
            sessions: sessions.rows_affected,
            grants: grants.rows_affected,
            api_keys,
            consents: consents.rows_affected,
            signing_keys: signing_keys.rows_affected,
            mails: mails.rows_affected,
        })
    }

    async fn revoke_every_api_key(&self, now: Timestamp) -> Result<u64> {
        let revoked = api_key::Entity::update_many()
            .filter(api_key::Column::RevokedAt.is_null())
            .col_expr(api_key::Column::RevokedAt, Expr::val(now.millis()))
            .exec(&self.database)
            .await?;
        Ok(revoked.rows_affected)
    }

    /// Has every challenge that ends no later than this count as used. The purge takes the row away when its time is over.
    async fn end_challenges(&self, until: Timestamp) -> Result<()> {
        let row = redeemed_challenge::ActiveModel {
            key: Set(RESTORED.to_vec()),
            expires_at: Set(until.millis()),
        };
        let again = OnConflict::column(redeemed_challenge::Column::Key)
            .update_column(redeemed_challenge::Column::ExpiresAt)
            .to_owned();
        redeemed_challenge::Entity::insert(row)
            .on_conflict(again)
            .exec_without_returning(&self.database)
            .await?;
        Ok(())
    }
}
