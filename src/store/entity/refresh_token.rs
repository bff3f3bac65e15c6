//! Table `refresh_tokens`.

use sea_orm::{Set, entity::prelude::*};

use super::unreadable;
use crate::{env::Timestamp, error::Error, model::session::RefreshToken};

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "refresh_tokens")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub hash: Vec<u8>,
    pub grant_id: Uuid,
    pub created_at: i64,
    pub consumed_at: Option<i64>,
}

#[derive(Clone, Copy, Debug, DeriveRelation, EnumIter)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl From<&RefreshToken> for ActiveModel {
    fn from(token: &RefreshToken) -> Self {
        Self {
            hash: Set(token.hash.to_vec()),
            grant_id: Set(token.grant_id.uuid()),
            created_at: Set(token.created_at.millis()),
            consumed_at: Set(token.consumed_at.map(Timestamp::millis)),
        }
    }
}

impl TryFrom<Model> for RefreshToken {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self, Error> {
        Ok(Self {
            hash: row
                .hash
                .try_into()
                .map_err(|_| unreadable("refresh_tokens", "hash"))?,
            grant_id: row.grant_id.into(),
            created_at: Timestamp::from_millis(row.created_at),
            consumed_at: row.consumed_at.map(Timestamp::from_millis),
        })
    }
}
