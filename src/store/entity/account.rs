//! Table `accounts`.

use sea_orm::{Set, entity::prelude::*};

use super::{membership, organization, unreadable};
use crate::{
    env::Timestamp,
    error::Error,
    model::{
        account::{Account, Role},
        email::{self, Email},
    },
};

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "accounts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub organization_id: Uuid,
    pub email: String,
    #[sea_orm(unique)]
    pub email_normalized: String,
    pub email_verified: bool,
    pub display_name: String,
    pub password_hash: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
    pub version: i64,
    pub disabled_at: Option<i64>,
    pub administrator: bool,
    pub display_name_folded: String,
    pub request_hash: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, DeriveRelation, EnumIter)]
pub enum Relation {
    #[sea_orm(
        belongs_to = "organization::Entity",
        from = "Column::OrganizationId",
        to = "organization::Column::Id"
    )]
    Organization,
    #[sea_orm(
        belongs_to = "membership::Entity",
        from = "(Column::Id, Column::OrganizationId)",
        to = "(membership::Column::AccountId, membership::Column::OrganizationId)"
    )]
    HomeMembership,
}

impl Related<membership::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::HomeMembership.def()
    }
}

impl Related<organization::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Organization.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

impl From<&Account> for ActiveModel {
    fn from(account: &Account) -> Self {
        Self {
            id: Set(account.id.uuid()),
            organization_id: Set(account.organization.id.uuid()),
            email: Set(account.email.as_str().to_owned()),
            email_normalized: Set(account.email.normalized().to_owned()),
            email_verified: Set(account.email_verified),
            display_name: Set(account.display_name.clone()),
            password_hash: Set(account.password_hash.clone()),
            created_at: Set(account.created_at.millis()),
            updated_at: Set(account.updated_at.millis()),
            version: Set(account.version),
            disabled_at: Set(account.disabled_at.map(Timestamp::millis)),
            administrator: Set(account.administrator),
            display_name_folded: Set(email::fold(&account.display_name)),
            request_hash: Set(account.request_hash.map(Vec::from)),
        }
    }
}

/// An account, its home and its membership there.
pub(in crate::store) type Rows = (
    Model,
    Option<organization::Model>,
    Option<membership::Model>,
);

impl TryFrom<Rows> for Account {
    type Error = Error;

    fn try_from((row, organization, membership): Rows) -> Result<Self, Error> {
        let organization = organization.ok_or_else(|| unreadable("accounts", "organization_id"))?;
        let role = membership.and_then(|membership| Role::from_name(&membership.role));
        Ok(Self {
            id: row.id.into(),
            organization: organization.try_into()?,
            role: role.ok_or_else(|| unreadable("memberships", "role"))?,
            email: Email::from_stored(row.email, row.email_normalized),
            email_verified: row.email_verified,
            display_name: row.display_name,
            password_hash: row.password_hash,
            created_at: Timestamp::from_millis(row.created_at),
            updated_at: Timestamp::from_millis(row.updated_at),
            version: row.version,
            disabled_at: row.disabled_at.map(Timestamp::from_millis),
            administrator: row.administrator,
            // One of another length is of no request that there is.
            request_hash: row.request_hash.and_then(|hash| hash.try_into().ok()),
        })
    }
}
