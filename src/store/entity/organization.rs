//! Table `organizations`.

use sea_orm::{Set, entity::prelude::*};

use super::unreadable;
use crate::{
    env::Timestamp,
    error::Error,
    model::account::{Organization, Plan},
};

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "organizations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub plan: String,
    pub created_at: i64,
    pub disabled_at: Option<i64>,
    /// Since when it and all in it are gone; what is left is to be purged.
    pub deleted_at: Option<i64>,
}

#[derive(Clone, Copy, Debug, DeriveRelation, EnumIter)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl From<&Organization> for ActiveModel {
    fn from(organization: &Organization) -> Self {
        Self {
            id: Set(organization.id.uuid()),
            plan: Set(organization.plan.as_str().to_owned()),
            created_at: Set(organization.created_at.millis()),
            disabled_at: Set(organization.disabled_at.map(Timestamp::millis)),
            deleted_at: Set(None),
        }
    }
}

impl TryFrom<Model> for Organization {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self, Error> {
        Ok(Self {
            id: row.id.into(),
            plan: Plan::from_name(&row.plan).ok_or_else(|| unreadable("organizations", "plan"))?,
            created_at: Timestamp::from_millis(row.created_at),
            disabled_at: row.disabled_at.map(Timestamp::from_millis),
        })
    }
}
