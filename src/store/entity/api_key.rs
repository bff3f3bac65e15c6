//! Table `api_keys`.

use sea_orm::{Set, entity::prelude::*};

use super::unreadable;
use crate::{
    env::Timestamp,
    error::Error,
    model::{
        api_key::{ApiKey, ApiKeyKind},
        id::ApiKeyId,
        scope::Scopes,
    },
};

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "api_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub account_id: Uuid,
    pub kind: String,
    #[sea_orm(unique)]
    pub hash: Vec<u8>,
    pub hint: String,
    pub display_name: String,
    pub scopes: String,
    pub created_at: i64,
    pub expires_at: Option<i64>,
    pub revoked_at: Option<i64>,
    pub last_used_at: Option<i64>,
    pub successor_id: Option<Uuid>,
}

#[derive(Clone, Copy, Debug, DeriveRelation, EnumIter)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl From<&ApiKey> for ActiveModel {
    fn from(key: &ApiKey) -> Self {
        Self {
            id: Set(key.id.uuid()),
            account_id: Set(key.account_id.uuid()),
            kind: Set(key.kind.prefix().to_owned()),
            hash: Set(key.hash.to_vec()),
            hint: Set(key.hint.clone()),
            display_name: Set(key.display_name.clone()),
            scopes: Set(key.scopes.to_string()),
            created_at: Set(key.created_at.millis()),
            expires_at: Set(key.expires_at.map(Timestamp::millis)),
            revoked_at: Set(key.revoked_at.map(Timestamp::millis)),
            last_used_at: Set(key.last_used_at.map(Timestamp::millis)),
            successor_id: Set(key.successor_id.map(ApiKeyId::uuid)),
        }
    }
}

impl TryFrom<Model> for ApiKey {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self, Error> {
        Ok(Self {
            id: row.id.into(),
            account_id: row.account_id.into(),
            kind: ApiKeyKind::from_prefix(&row.kind)
                .ok_or_else(|| unreadable("api_keys", "kind"))?,
            hash: row
                .hash
                .try_into()
                .map_err(|_| unreadable("api_keys", "hash"))?,
            hint: row.hint,
            display_name: row.display_name,
            scopes: Scopes::from_stored(&row.scopes),
            created_at: Timestamp::from_millis(row.created_at),
            expires_at: row.expires_at.map(Timestamp::from_millis),
            revoked_at: row.revoked_at.map(Timestamp::from_millis),
            last_used_at: row.last_used_at.map(Timestamp::from_millis),
            successor_id: row.successor_id.map(ApiKeyId::from),
        })
    }
}
