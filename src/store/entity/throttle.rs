//! Table `throttles`.

use sea_orm::{Set, entity::prelude::*};

use crate::{
    env::Timestamp,
    model::throttle::{AttemptState, QueueSlot, RowKey},
};

/// What stands for a slot that is not needed.
const NOT_NEEDED: i64 = -1;

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "throttles")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: Vec<u8>,
    pub spent_until: i64,
    pub last_at: i64,
    pub slot_at: i64,
    pub expires_at: i64,
}

#[derive(Clone, Copy, Debug, DeriveRelation, EnumIter)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl ActiveModel {
    /// The row of this state.
    pub fn of(key: &RowKey, state: &AttemptState, expires_at: Timestamp) -> Self {
        Self {
            key: Set(key.to_vec()),
            spent_until: Set(state.until.millis()),
            last_at: Set(state.last.millis()),
            slot_at: Set(match state.slot {
                QueueSlot::None => 0,
                QueueSlot::NotNeeded => NOT_NEEDED,
                QueueSlot::At(slot) => slot.millis(),
            }),
            expires_at: Set(expires_at.millis()),
        }
    }
}

impl From<&Model> for AttemptState {
    fn from(row: &Model) -> Self {
        Self {
            until: Timestamp::from_millis(row.spent_until),
            last: Timestamp::from_millis(row.last_at),
            slot: match row.slot_at {
                0 => QueueSlot::None,
                NOT_NEEDED => QueueSlot::NotNeeded,
                slot => QueueSlot::At(Timestamp::from_millis(slot)),
            },
        }
    }
}
