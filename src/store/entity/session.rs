//! Table `sessions`.

use sea_orm::{Set, entity::prelude::*};

use super::grant::words;
use crate::{
    env::Timestamp,
    model::{network::Network, session::Session},
};

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub account_id: Uuid,
    pub amr: String,
    pub created_at: i64,
    pub expires_at: i64,
    pub revoked_at: Option<i64>,
    pub client_address: String,
    pub client_network: Option<Vec<u8>>,
    pub user_agent: String,
    #[sea_orm(unique)]
    pub request_hash: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, DeriveRelation, EnumIter)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What the network of a client is called in the table.
pub(in crate::store) fn stored_network(network: Network) -> Vec<u8> {
    network.client().to_be_bytes().to_vec()
}

impl From<&Session> for ActiveModel {
    fn from(session: &Session) -> Self {
        // A session that was made over no network has none.
        let network = session.client_address.parse().ok().map(Network::of);
        Self {
            id: Set(session.id.uuid()),
            account_id: Set(session.account_id.uuid()),
            amr: Set(session.amr.join(" ")),
            created_at: Set(session.created_at.millis()),
            expires_at: Set(session.expires_at.millis()),
            revoked_at: Set(session.revoked_at.map(Timestamp::millis)),
            client_address: Set(session.client_address.clone()),
            user_agent: Set(session.user_agent.clone()),
            client_network: Set(network.map(stored_network)),
            request_hash: Set(session.request_hash.map(Vec::from)),
        }
    }
}

impl From<Model> for Session {
    fn from(row: Model) -> Self {
        Self {
            id: row.id.into(),
            account_id: row.account_id.into(),
            amr: words(&row.amr),
            created_at: Timestamp::from_millis(row.created_at),
            expires_at: Timestamp::from_millis(row.expires_at),
            revoked_at: row.revoked_at.map(Timestamp::from_millis),
            client_address: row.client_address,
            user_agent: row.user_agent,
            // One of another length is of no request that there is.
            request_hash: row.request_hash.and_then(|hash| hash.try_into().ok()),
        }
    }
}
