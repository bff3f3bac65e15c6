//! Table `signing_keys`.

use sea_orm::{Set, entity::prelude::*};

use super::unreadable;
use crate::{
    env::Timestamp,
    error::Error,
    model::signing_key::{Algorithm, SigningKey},
};

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "signing_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub kid: String,
    pub algorithm: String,
    pub sealed: Vec<u8>,
    pub created_at: i64,
    pub active_at: i64,
    pub retired_at: Option<i64>,
    pub expires_at: Option<i64>,
}

#[derive(Clone, Copy, Debug, DeriveRelation, EnumIter)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl From<&SigningKey> for ActiveModel {
    fn from(key: &SigningKey) -> Self {
        Self {
            kid: Set(key.kid.clone()),
            algorithm: Set(key.algorithm.as_str().to_owned()),
            sealed: Set(key.sealed.clone()),
            created_at: Set(key.created_at.millis()),
            active_at: Set(key.active_at.millis()),
            retired_at: Set(key.retired_at.map(Timestamp::millis)),
            expires_at: Set(key.expires_at.map(Timestamp::millis)),
        }
    }
}

impl TryFrom<Model> for SigningKey {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self, Error> {
        Ok(Self {
            kid: row.kid,
            algorithm: Algorithm::from_name(&row.algorithm)
                .ok_or_else(|| unreadable("signing_keys", "algorithm"))?,
            sealed: row.sealed,
            created_at: Timestamp::from_millis(row.created_at),
            active_at: Timestamp::from_millis(row.active_at),
            retired_at: row.retired_at.map(Timestamp::from_millis),
            expires_at: row.expires_at.map(Timestamp::from_millis),
        })
    }
}
