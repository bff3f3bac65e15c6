//! Table `grants`.

use sea_orm::{Set, entity::prelude::*};

use crate::{
    env::Timestamp,
    model::{scope::Scopes, session::Grant},
};

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "grants")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub session_id: Uuid,
    pub account_id: Uuid,
    pub client_id: String,
    pub scopes: String,
    pub audience: String,
    pub outlives_session: bool,
    pub created_at: i64,
    pub refreshed_at: i64,
    pub expires_at: i64,
    pub revoked_at: Option<i64>,
}

#[derive(Clone, Copy, Debug, DeriveRelation, EnumIter)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl From<&Grant> for ActiveModel {
    fn from(grant: &Grant) -> Self {
        Self {
            id: Set(grant.id.uuid()),
            session_id: Set(grant.session_id.uuid()),
            account_id: Set(grant.account_id.uuid()),
            client_id: Set(grant.client_id.clone()),
            scopes: Set(grant.scopes.to_string()),
            audience: Set(grant.audience.join(" ")),
            outlives_session: Set(grant.outlives_session),
            created_at: Set(grant.created_at.millis()),
            refreshed_at: Set(grant.refreshed_at.millis()),
            expires_at: Set(grant.expires_at.millis()),
            revoked_at: Set(grant.revoked_at.map(Timestamp::millis)),
        }
    }
}

impl From<Model> for Grant {
    fn from(row: Model) -> Self {
        Self {
            id: row.id.into(),
            session_id: row.session_id.into(),
            account_id: row.account_id.into(),
            client_id: row.client_id,
            scopes: Scopes::from_stored(&row.scopes),
            audience: words(&row.audience),
            outlives_session: row.outlives_session,
            created_at: Timestamp::from_millis(row.created_at),
            refreshed_at: Timestamp::from_millis(row.refreshed_at),
            expires_at: Timestamp::from_millis(row.expires_at),
            revoked_at: row.revoked_at.map(Timestamp::from_millis),
        }
    }
}

/// What was stored as a list separated by spaces.
pub(super) fn words(list: &str) -> Vec<String> {
    list.split_ascii_whitespace().map(str::to_owned).collect()
}
