//! Table `clients`.

use sea_orm::{Set, entity::prelude::*};

use super::unreadable;
use crate::{env::Timestamp, error::Error, model::oauth::registration::RegisteredClient};

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "clients")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub metadata: String,
    pub secret_hash: Option<Vec<u8>>,
    pub registration_token_hash: Vec<u8>,
    pub created_at: i64,
    pub used_at: i64,
    pub deleted_at: Option<i64>,
}

#[derive(Clone, Copy, Debug, DeriveRelation, EnumIter)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<&RegisteredClient> for ActiveModel {
    type Error = Error;

    fn try_from(client: &RegisteredClient) -> Result<Self, Error> {
        Ok(Self {
            id: Set(client.id),
            metadata: Set(serde_json::to_string(&client.metadata).map_err(Error::internal)?),
            secret_hash: Set(client.secret_hash.map(|hash| hash.to_vec())),
            registration_token_hash: Set(client.registration_token_hash.to_vec()),
            created_at: Set(client.created_at.millis()),
            used_at: Set(client.used_at.millis()),
            deleted_at: Set(None),
        })
    }
}

impl TryFrom<Model> for RegisteredClient {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self, Error> {
        let hash = |bytes: Vec<u8>, column| {
            <[u8; 32]>::try_from(bytes).map_err(|_| unreadable("clients", column))
        };
        let secret_hash = row.secret_hash.map(|bytes| hash(bytes, "secret_hash"));
        Ok(Self {
            id: row.id,
            metadata: serde_json::from_str(&row.metadata)
                .map_err(|_| unreadable("clients", "metadata"))?,
            secret_hash: secret_hash.transpose()?,
            registration_token_hash: hash(row.registration_token_hash, "registration_token_hash")?,
            created_at: Timestamp::from_millis(row.created_at),
            used_at: Timestamp::from_millis(row.used_at),
        })
    }
}
