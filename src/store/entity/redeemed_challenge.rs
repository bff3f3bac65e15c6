//! Table `redeemed_challenges`.

#![expect(
    unreachable_pub,
    reason = "sea-orm wants the types of an entity public, and these rows are never read as data"
)]

use sea_orm::{Set, entity::prelude::*};

use crate::model::pow::Challenge;

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "redeemed_challenges")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: Vec<u8>,
    pub expires_at: i64,
}

#[derive(Clone, Copy, Debug, DeriveRelation, EnumIter)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl From<&Challenge> for ActiveModel {
    fn from(challenge: &Challenge) -> Self {
        Self {
            key: Set(challenge.key().to_vec()),
            expires_at: Set(challenge.expires_at.millis()),
        }
    }
}
