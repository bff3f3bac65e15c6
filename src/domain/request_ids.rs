//! Retries (AIP-155): what a request with an id makes follows from that id, so that a retry gets the same.

use uuid::Uuid;

use crate::{
    crypto::secrets::{self, SecretToken},
    env::Env,
    error::{Error, FieldReason, Result},
    model::id::AccountId,
};

/// Tells retries by the ids of their requests.
#[derive(Clone)]
pub(super) struct RequestIds {
    key: [u8; 32],
}

impl RequestIds {
    /// Ids are hidden under this key.
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// The secret that a request of this account makes: always the same one for the same id, although only hashes are
    /// stored.
    pub(super) fn secret(
        &self,
        prefix: &str,
        account: AccountId,
        request_id: Option<Uuid>,
        env: &Env,
    ) -> Result<SecretToken> {
        Ok(match request_id {
            Some(id) => secrets::derive(prefix, &self.key, "secret of a request", &of(account, id)),
            None => secrets::generate(prefix, env)?,
        })
    }

    /// What tells a request of this account from others.
    pub(super) fn hash(&self, account: AccountId, request_id: Option<Uuid>) -> Option<[u8; 32]> {
        let derive = |id| secrets::derive("", &self.key, "request", &of(account, id)).hash;
        request_id.map(derive)
    }
}

fn of(account: AccountId, request_id: Uuid) -> Vec<u8> {
    [*account.uuid().as_bytes(), *request_id.as_bytes()].concat()
}

/// Refuses an id whose request was another one, or whose answer has arrived.
pub(super) fn used() -> Error {
    Error::invalid_field(
        "request_id",
        FieldReason::NotAllowed,
        "was used before, for another request or for what has changed since",
    )
}
