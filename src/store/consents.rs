//! Consents: what an account has allowed a client.

use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set, sea_query::OnConflict,
};

use super::{
    entity::consent,
    transaction::{Reader, Tx, page, page_limit},
};
use crate::{
    env::Timestamp,
    error::Result,
    model::{
        administration::GrantFilter,
        consent::Consent,
        id::{AccountId, ConsentId},
        page::{Page, PageRequest},
        scope::Scopes,
    },
};

impl Reader<'_> {
    /// What the account has allowed the client before, with tokens for this audience and people sent to this destination; empty
    /// when it was never asked.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn consented_scopes(
        &self,
        account: AccountId,
        client_id: &str,
        audience: &[String],
        destination: &str,
    ) -> Result<Scopes> {
        let row = consent::Entity::find()
            .filter(consent::Column::AccountId.eq(account.uuid()))
            .filter(consent::Column::ClientId.eq(client_id))
            .filter(consent::Column::Audience.eq(ordered(audience)))
            .filter(consent::Column::Destination.eq(destination))
            .one(&self.database)
            .await?;
        Ok(row.map_or_else(Scopes::default, |row| Scopes::from_stored(&row.scopes)))
    }

    /// The consent with this id.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn consent(&self, id: ConsentId) -> Result<Option<Consent>> {
        let row = consent::Entity::find_by_id(id.uuid())
            .one(&self.database)
            .await?;
        Ok(row.map(Consent::from))
    }

    /// What was allowed, the newest first: by one account or by all, to one client or to all.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn consents(
        &self,
        filter: &GrantFilter,
        request: PageRequest,
    ) -> Result<Page<Consent>> {
        let mut query = consent::Entity::find()
            .order_by_desc(consent::Column::Id)
            .limit(page_limit(request));
        if let Some(account) = filter.account {
            query = query.filter(consent::Column::AccountId.eq(account.uuid()));
        }
        if let Some(client_id) = &filter.client_id {
            query = query.filter(consent::Column::ClientId.eq(client_id));
        }
        if let Some(id) = request.after {
            query = query.filter(consent::Column::Id.lt(id));
        }
        let rows = query.all(&self.database).await?;
        let consents = rows.into_iter().map(Consent::from).collect();
        Ok(page(consents, request, |consent: &Consent| {
            consent.id.uuid()
        }))
    }
}

impl Tx<'_> {
    /// Keeps what an account allows a client. Where it has allowed it something for the same audience and destination
    /// before, that consent is changed.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn keep_consent(&self, consent: &Consent) -> Result<()> {
        let row = consent::ActiveModel {
            id: Set(consent.id.uuid()),
            account_id: Set(consent.account_id.uuid()),
            client_id: Set(consent.client_id.clone()),
            audience: Set(ordered(&consent.audience)),
            destination: Set(consent.destination.clone()),
            client_name: Set(consent.client_name.clone()),
            scopes: Set(consent.scopes.to_string()),
            created_at: Set(consent.created_at.millis()),
            updated_at: Set(consent.updated_at.millis()),
        };
        let again = OnConflict::columns([
            consent::Column::AccountId,
            consent::Column::ClientId,
            consent::Column::Audience,
            consent::Column::Destination,
        ])
        .update_columns([
            consent::Column::ClientName,
            consent::Column::Scopes,
            consent::Column::UpdatedAt,
        ])
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

impl From<consent::Model> for Consent {
    fn from(row: consent::Model) -> Self {
        Self {
            id: row.id.into(),
            account_id: row.account_id.into(),
            client_id: row.client_id,
            client_name: row.client_name,
            audience: row.audience.split_whitespace().map(str::to_owned).collect(),
            destination: row.destination,
            scopes: Scopes::from_stored(&row.scopes),
            created_at: Timestamp::from_millis(row.created_at),
            updated_at: Timestamp::from_millis(row.updated_at),
        }
    }
}
