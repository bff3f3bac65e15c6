//! Table `authorizations`.

use sea_orm::{Set, entity::prelude::*};

use super::unreadable;
use crate::{
    env::Timestamp,
    error::Error,
    model::oauth::authorization::{Approval, Authorization},
};

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "authorizations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub client_id: String,
    pub request: String,
    pub created_at: i64,
    pub expires_at: i64,
    pub decided_at: Option<i64>,
    pub account_id: Option<Uuid>,
    pub session_id: Option<Uuid>,
    pub code_hash: Option<Vec<u8>>,
    pub code_expires_at: Option<i64>,
    pub grant_id: Option<Uuid>,
}

#[derive(Clone, Copy, Debug, DeriveRelation, EnumIter)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// One that nobody has decided.
impl TryFrom<&Authorization> for ActiveModel {
    type Error = Error;

    fn try_from(authorization: &Authorization) -> Result<Self, Error> {
        let request = serde_json::to_string(&authorization.request).map_err(Error::internal)?;
        Ok(Self {
            id: Set(authorization.id.uuid()),
            client_id: Set(authorization.client_id.clone()),
            request: Set(request),
            created_at: Set(authorization.created_at.millis()),
            expires_at: Set(authorization.expires_at.millis()),
            ..<Self as sea_orm::ActiveModelTrait>::default()
        })
    }
}

impl TryFrom<Model> for Authorization {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self, Error> {
        let request = serde_json::from_str(&row.request);
        let code_hash = row.code_hash.map(<[u8; 32]>::try_from).transpose();
        let code_hash = code_hash.map_err(|_| unreadable("authorizations", "code_hash"))?;
        let approval = match (
            row.account_id,
            row.session_id,
            code_hash,
            row.code_expires_at,
        ) {
            (Some(account), Some(session), Some(code_hash), Some(end)) => Some(Approval {
                account_id: account.into(),
                session_id: session.into(),
                code_hash,
                code_expires_at: Timestamp::from_millis(end),
            }),
            _ => None,
        };
        Ok(Self {
            id: row.id.into(),
            client_id: row.client_id,
            request: request.map_err(|_| unreadable("authorizations", "request"))?,
            created_at: Timestamp::from_millis(row.created_at),
            expires_at: Timestamp::from_millis(row.expires_at),
            decided_at: row.decided_at.map(Timestamp::from_millis),
            approval,
            grant_id: row.grant_id.map(Into::into),
        })
    }
}
