//! The keys that sign tokens.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, Statement,
    sea_query::Expr,
};

use super::{
    connect::SIGNING_KEYS_LOCK,
    entity::signing_key,
    transaction::{Reader, Tx},
};
use crate::{env::Timestamp, error::Result, model::signing_key::SigningKey};

impl Reader<'_> {
    /// Every signing key, the oldest first.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn signing_keys(&self) -> Result<Vec<SigningKey>> {
        let rows = signing_key::Entity::find()
            .order_by_asc(signing_key::Column::CreatedAt)
            .order_by_asc(signing_key::Column::Kid)
            .all(&self.database)
            .await?;
        rows.into_iter().map(SigningKey::try_from).collect()
    }
}

impl Tx<'_> {
    /// Lets one node at a time past this point, until its transaction ends, so that two of them do not
    /// both make the same keys. Read the keys after it.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn lock_signing_keys(&self) -> Result<()> {
        if self.is_postgres() {
            self.database
                .execute_raw(Statement::from_sql_and_values(
                    DbBackend::Postgres,
                    "SELECT pg_advisory_xact_lock($1)",
                    [SIGNING_KEYS_LOCK.into()],
                ))
                .await?;
        }
        Ok(())
    }

    /// Writes a new signing key.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn insert_signing_key(&self, key: &SigningKey) -> Result<()> {
        signing_key::Entity::insert(signing_key::ActiveModel::from(key))
            .exec_without_returning(&self.database)
            .await?;
        Ok(())
    }

    /// Sets when a key stops to sign and when it stops to verify. False when there is no such key.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn retire_signing_key(
        &self,
        kid: &str,
        retired_at: Timestamp,
        expires_at: Timestamp,
    ) -> Result<bool> {
        let retired = signing_key::Entity::update_many()
            .filter(signing_key::Column::Kid.eq(kid))
            .col_expr(
                signing_key::Column::RetiredAt,
                Expr::val(retired_at.millis()),
            )
            .col_expr(
                signing_key::Column::ExpiresAt,
                Expr::val(expires_at.millis()),
            )
            .exec(&self.database)
            .await?;
        Ok(retired.rows_affected == 1)
    }

    /// Deletes a key. False when there is no such key.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn delete_signing_key(&self, kid: &str) -> Result<bool> {
        let deleted = signing_key::Entity::delete_by_id(kid)
            .exec(&self.database)
            .await?;
        Ok(deleted.rows_affected == 1)
    }
}
