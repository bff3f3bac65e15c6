//! Table `client_documents`.

use sea_orm::{Set, entity::prelude::*};

use super::unreadable;
use crate::{env::Timestamp, error::Error, model::oauth::document::ClientDocument};

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "client_documents")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub client_id: String,
    #[sea_orm(unique)]
    pub id: Uuid,
    pub metadata: String,
    pub fetched_at: i64,
    pub fresh_until: i64,
}

#[derive(Clone, Copy, Debug, DeriveRelation, EnumIter)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<&ClientDocument> for ActiveModel {
    type Error = Error;

    fn try_from(document: &ClientDocument) -> Result<Self, Error> {
        Ok(Self {
            client_id: Set(document.client_id.clone()),
            id: Set(document.id),
            metadata: Set(serde_json::to_string(&document.metadata).map_err(Error::internal)?),
            fetched_at: Set(document.fetched_at.millis()),
            fresh_until: Set(document.fresh_until.millis()),
        })
    }
}

impl TryFrom<Model> for ClientDocument {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self, Error> {
        Ok(Self {
            client_id: row.client_id,
            id: row.id,
            metadata: serde_json::from_str(&row.metadata)
                .map_err(|_| unreadable("client_documents", "metadata"))?,
            fetched_at: Timestamp::from_millis(row.fetched_at),
            fresh_until: Timestamp::from_millis(row.fresh_until),
        })
    }
}
