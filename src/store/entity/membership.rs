//! Table `memberships`.

use sea_orm::{Set, entity::prelude::*};

use super::account;
use crate::model::account::Account;

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "memberships")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub organization_id: Uuid,
    pub role: String,
    pub created_at: i64,
}

#[derive(Clone, Copy, Debug, DeriveRelation, EnumIter)]
pub enum Relation {
    #[sea_orm(
        belongs_to = "account::Entity",
        from = "Column::AccountId",
        to = "account::Column::Id"
    )]
    Account,
}

impl Related<account::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Account.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

/// The place of a new account in its home.
impl From<&Account> for ActiveModel {
    fn from(account: &Account) -> Self {
        Self {
            account_id: Set(account.id.uuid()),
            organization_id: Set(account.organization.id.uuid()),
            role: Set(account.role.as_str().to_owned()),
            created_at: Set(account.created_at.millis()),
        }
    }
}
