//! API keys: make, read, list, revoke.

use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use crate::{
    crypto::secrets,
    domain::{
        Domain,
        credentials::{Caller, CredentialId},
    },
    env::Timestamp,
    error::{Error, Reason, Result},
    model::{
        api_key::{ApiKey, ApiKeyKind},
        id::{AccountId, ApiKeyId},
        page::Page,
        scope::Scopes,
    },
    store::Tx,
};

/// The most live keys of one account.
const MAX_KEYS: u64 = 100;
const LIST: &str = "apiKeys";

/// What somebody asks of a new key.
#[derive(Debug)]
pub struct NewApiKey {
    /// Its kind.
    pub kind: ApiKeyKind,
    /// What it is for.
    pub display_name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// When it ends; absent for never.
    pub expires_at: Option<Timestamp>,
}

impl NewApiKey {
    /// A key for the full account that never ends.
    #[must_use]
    pub fn default_of(kind: ApiKeyKind) -> Self {
        Self {
            kind,
            display_name: String::new(),
            scopes: Scopes::full(),
            expires_at: None,
        }
    }
}

/// Whether the credential of a call can still be used, as the database sees it now.
async fn is_live(tx: &Tx<'_>, credential: CredentialId, now: Timestamp) -> Result<bool> {
    Ok(match credential {
        CredentialId::Session(id) => tx
            .session(id)
            .await?
            .is_some_and(|session| session.is_live(now)),
        CredentialId::ApiKey(id) => tx.api_key(id).await?.is_some_and(|key| key.is_live(now)),
    })
}

/// A key that is about to be written, with its secret.
pub(super) struct PreparedKey {
    pub(super) key: ApiKey,
    pub(super) secret: Zeroizing<String>,
}

impl Domain {
    pub(super) fn prepare_key(
        &self,
        account_id: AccountId,
        request: NewApiKey,
    ) -> Result<PreparedKey> {
        let token = secrets::generate(request.kind.prefix(), &self.env)?;
        let key = ApiKey {
            id: self.env.uuid()?.into(),
            account_id,
            kind: request.kind,
            hash: token.hash,
            hint: secrets::hint(token.text.expose_secret()),
            display_name: request.display_name.trim().to_owned(),
            scopes: request.scopes,
            created_at: self.env.now(),
            expires_at: request.expires_at,
            revoked_at: None,
        };
        Ok(PreparedKey {
            key,
            secret: Zeroizing::new(token.text.expose_secret().to_owned()),
        })
    }

    /// Makes a key for the caller's account; the secret is never to be had again.
    ///
    /// # Errors
    /// `INVALID_FIELD` when it would end in the past, `PERMISSION_DENIED` when it could do more than
    /// the caller, `QUOTA_EXCEEDED` when there are 100 already.
    pub async fn create_api_key(
        &self,
        caller: &Caller,
        request: NewApiKey,
    ) -> Result<(ApiKey, Zeroizing<String>)> {
        let now = self.env.now();
        if request.expires_at.is_some_and(|end| end <= now) {
            return Err(Error::invalid_field(
                "api_key.expire_time",
                "must be in the future",
            ));
        }
        if !caller.scopes.covers(&request.scopes) {
            return Err(Error::new(Reason::PermissionDenied).on_field("api_key.scopes"));
        }
        let PreparedKey { key, secret } = self.prepare_key(caller.account_id, request)?;
        let (written, credential) = (key.clone(), caller.credential);
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    // Two at once must not pass the quota, nor a thief the owner's change of password.
                    tx.lock_account(written.account_id).await?;
                    if !is_live(tx, credential, now).await? {
                        return Err(Reason::CredentialInvalid.into());
                    }
                    if tx.count_live_api_keys(written.account_id, now).await? >= MAX_KEYS {
                        return Err(Reason::QuotaExceeded.into());
                    }
                    tx.insert_api_key(&written).await
                })
            })
            .await?;
        Ok((key, secret))
    }

    /// One of the caller's live keys.
    ///
    /// # Errors
    /// `API_KEY_NOT_FOUND`, also for a key of somebody else.
    pub async fn api_key(&self, caller: &Caller, id: ApiKeyId) -> Result<ApiKey> {
        let now = self.env.now();
        let key = self.store.read().api_key(id).await?;
        key.filter(|key| key.account_id == caller.account_id && key.is_live(now))
            .ok_or_else(|| Reason::ApiKeyNotFound.into())
    }

    /// A page of the caller's live keys, the newest first, and the token of the next page.
    ///
    /// # Errors
    /// `INVALID_FIELD` for a page token that is not of this list.
    pub async fn api_keys(
        &self,
        caller: &Caller,
        size: i32,
        token: &str,
    ) -> Result<(Vec<ApiKey>, String)> {
        let page = self.page_request(LIST, caller.account_id, size, token)?;
        let Page { items, next } = self
            .store
            .read()
            .live_api_keys(caller.account_id, page, self.env.now())
            .await?;
        Ok((items, self.page_token(LIST, caller.account_id, next)))
    }

    /// Revokes one of the caller's keys; it is refused from then on.
    ///
    /// # Errors
    /// `API_KEY_NOT_FOUND`, also for a key of somebody else.
    pub async fn revoke_api_key(&self, caller: &Caller, id: ApiKeyId) -> Result<()> {
        let (account_id, now) = (caller.account_id, self.env.now());
        self.end_credentials(move |tx| {
            Box::pin(async move {
                if !tx.revoke_api_key(id, account_id, now).await? {
                    return Err(Reason::ApiKeyNotFound.into());
                }
                Ok(((), vec![CredentialId::ApiKey(id)]))
            })
        })
        .await
    }
}
