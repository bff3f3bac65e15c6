//! Consents: what an account has allowed a client.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Set, sea_query::OnConflict};

use super::{
    entity::consent,
    transaction::{Reader, Tx},
};
use crate::{
    env::Timestamp,
    error::Result,
    model::{id::AccountId, scope::Scopes},
};

impl Reader<'_> {
    /// What the account has allowed the client before, with tokens for this audience; empty when it was never asked.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn consented_scopes(
        &self,
        account: AccountId,
        client_id: &str,
        audience: &[String],
    ) -> Result<Scopes> {
        let row =
            consent::Entity::find_by_id((account.uuid(), client_id.to_owned(), ordered(audience)))
                .one(&self.database)
                .await?;
        Ok(row.map_or_else(Scopes::default, |row| Scopes::from_stored(&row.scopes)))
    }
}

impl Tx<'_> {
    /// Notes what the account allows the client from now on, with tokens for this audience.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn keep_consent(
        &self,
        account: AccountId,
        client_id: &str,
        audience: &[String],
        scopes: &Scopes,
        now: Timestamp,
    ) -> Result<()> {
        let row = consent::ActiveModel {
            account_id: Set(account.uuid()),
            client_id: Set(client_id.to_owned()),
            audience: Set(ordered(audience)),
            scopes: Set(scopes.to_string()),
            created_at: Set(now.millis()),
            updated_at: Set(now.millis()),
        };
        let again = OnConflict::columns([
            consent::Column::AccountId,
            consent::Column::ClientId,
            consent::Column::Audience,
        ])
        .update_columns([consent::Column::Scopes, consent::Column::UpdatedAt])
        .to_owned();
        consent::Entity::insert(row)
            .on_conflict(again)
            .exec_without_returning(&self.database)
            .await?;
        Ok(())
    }

    /// Forgets what the account has allowed the client.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn delete_consent(&self, account: AccountId, client_id: &str) -> Result<()> {
        consent::Entity::delete_many()
            .filter(consent::Column::AccountId.eq(account.uuid()))
            .filter(consent::Column::ClientId.eq(client_id))
            .exec(&self.database)
            .await?;
        Ok(())
    }
}

fn ordered(audience: &[String]) -> String {
    let mut audience = audience.to_vec();
    audience.sort();
    audience.join(" ")
}
