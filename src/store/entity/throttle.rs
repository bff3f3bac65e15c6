//! Table `throttles`.

use sea_orm::{Set, entity::prelude::*};

use crate::{
    env::Timestamp,
    model::throttle::{Mark, RowKey, Turn},
};

/// What stands for a turn that is not needed.
const NOT_NEEDED: i64 = -1;

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "throttles")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: Vec<u8>,
    pub spent_until: i64,
    pub last_at: i64,
    pub turn_at: i64,
    pub expires_at: i64,
}

#[derive(Clone, Copy, Debug, DeriveRelation, EnumIter)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl ActiveModel {
    /// The row of this mark.
    pub fn of(key: &RowKey, mark: &Mark, expires_at: Timestamp) -> Self {
        Self {
            key: Set(key.to_vec()),
            spent_until: Set(mark.until.millis()),
            last_at: Set(mark.last.millis()),
            turn_at: Set(match mark.turn {
                Turn::None => 0,
                Turn::NotNeeded => NOT_NEEDED,
                Turn::At(turn) => turn.millis(),
            }),
            expires_at: Set(expires_at.millis()),
        }
    }
}

impl From<&Model> for Mark {
    fn from(row: &Model) -> Self {
        Self {
            until: Timestamp::from_millis(row.spent_until),
            last: Timestamp::from_millis(row.last_at),
            turn: match row.turn_at {
                0 => Turn::None,
                NOT_NEEDED => Turn::NotNeeded,
                turn => Turn::At(Timestamp::from_millis(turn)),
            },
        }
    }
}
