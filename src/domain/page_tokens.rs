//! Page tokens: opaque, and refused when they were not made here for this list (AIP-158).

use uuid::Uuid;

use crate::{
    crypto::secrets,
    error::{Error, FieldReason, Result},
    model::{id::AccountId, page::PageRequest},
};

/// Makes and reads the page tokens of lists.
#[derive(Clone)]
pub(super) struct PageTokens {
    key: [u8; 32],
}

impl PageTokens {
    /// Page tokens that are signed with this key.
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// Reads what a caller sent to ask for a page of one of its lists.
    pub(super) fn request(
        &self,
        list: &str,
        owner: AccountId,
        size: i32,
        token: &str,
    ) -> Result<PageRequest> {
        let after = match token {
            "" => None,
            token => Some(self.open(list, owner, token)?),
        };
        Ok(PageRequest::new(u64::try_from(size).unwrap_or(0), after))
    }

    /// The token that asks for the page after this id.
    pub(super) fn token(&self, list: &str, owner: AccountId, next: Option<Uuid>) -> String {
        next.map(|id| secrets::sign_value(&self.key, &purpose(list, owner), id.as_bytes()))
            .unwrap_or_default()
    }

    fn open(&self, list: &str, owner: AccountId, token: &str) -> Result<Uuid> {
        secrets::verify_value(&self.key, &purpose(list, owner), token)
            .and_then(|bytes| Uuid::from_slice(&bytes).ok())
            .ok_or_else(|| {
                Error::invalid_field(
                    "page_token",
                    FieldReason::InvalidValue,
                    "must be the next_page_token of the page before",
                )
            })
    }
}

fn purpose(list: &str, owner: AccountId) -> String {
    format!("page of {list} of {owner}")
}
