//! API keys: make, read, list, rename, rotate, revoke.

use std::time::Duration;

use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    crypto::secrets,
    domain::{
        Context,
        caller::{Caller, CredentialId, Reach},
        request_ids,
    },
    env::Timestamp,
    error::{Error, FieldReason, Reason, Result},
    model::{
        account::Account,
        api_key::{ApiKey, ApiKeyKind},
        id::{AccountId, ApiKeyId},
        invalidation::Invalidation,
        page::Page,
        scope::Scopes,
    },
    store::Tx,
};

/// The most live keys of one account, and as many again that were rotated and still work.
const MAX_KEYS: u64 = 100;
/// The longest that a key goes on working beside its successor.
const LONGEST_OVERLAP: Duration = Duration::from_secs(30 * 24 * 3600);
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
    /// Tells a retry (AIP-155).
    pub request_id: Option<Uuid>,
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
            request_id: None,
        }
    }
}

/// What a rotation made.
pub struct Rotated {
    /// The new key.
    pub key: ApiKey,
    /// Its secret.
    pub secret: Zeroizing<String>,
    /// The old key, as it is now.
    pub previous: ApiKey,
}

/// What is asked of a successor: all that the old key has, and where it had an end, the same lifetime.
fn like(old: &ApiKey, request_id: Option<Uuid>, now: Timestamp) -> NewApiKey {
    NewApiKey {
        kind: old.kind,
        display_name: old.display_name.clone(),
        scopes: old.scopes.clone(),
        expires_at: old
            .expires_at
            .map(|end| now.after(end.since(old.created_at))),
        request_id,
    }
}

/// Mail.td's kind is for those who reach their whole organization, every other one for everybody.
fn may_have(caller: &Caller, kind: ApiKeyKind, field: &'static str) -> Result<()> {
    if kind == ApiKeyKind::MailTd && caller.reach() != Reach::Organization {
        Err(Error::new(Reason::PermissionDenied).on_field(field))
    } else {
        Ok(())
    }
}

/// Which kind of key may be made with an account: Mail.td's is for the paid plan, and a new organization
/// is on the free one. There is no caller yet who could be denied anything.
pub(super) fn may_start_with(kind: Option<ApiKeyKind>) -> Result<()> {
    if kind == Some(ApiKeyKind::MailTd) {
        let rule = "must be a kind that is not for the paid plan alone";
        Err(Error::invalid_field(
            "api_key_kind",
            FieldReason::InvalidValue,
            rule,
        ))
    } else {
        Ok(())
    }
}

/// Locks the account of a key that is about to be written, and looks whether what allowed it still does:
/// the caller's credential, and for Mail.td's kind the plan.
async fn lock_owner(
    tx: &Tx<'_>,
    key: &ApiKey,
    credential: CredentialId,
    now: Timestamp,
) -> Result<()> {
    let account = tx.lock_account(key.account_id).await?;
    let is_disabled = account.as_ref().is_none_or(Account::is_disabled);
    if is_disabled || !is_live(tx, credential, now).await? {
        return Err(Reason::CredentialInvalid.into());
    }
    if key.kind == ApiKeyKind::MailTd
        && !account
            .as_ref()
            .is_some_and(Account::owns_paid_organization)
    {
        return Err(Reason::PermissionDenied.into());
    }
    Ok(())
}

/// The key that a request has made before, where it is what the same request asks for now.
fn same(asked: &ApiKey, earlier: ApiKey, now: Timestamp) -> Result<ApiKey> {
    let is_same = earlier.kind == asked.kind
        && earlier.display_name == asked.display_name
        && earlier.scopes == asked.scopes;
    if is_same && earlier.is_live(now) {
        Ok(earlier)
    } else {
        Err(request_ids::used())
    }
}

async fn gone_or_rotated(tx: &Tx<'_>, id: ApiKeyId, now: Timestamp) -> Result<Error> {
    let key = tx.api_key(id).await?;
    let reason = match key.filter(|key| key.is_live(now)) {
        Some(_) => Reason::EtagMismatch,
        None => Reason::ApiKeyNotFound,
    };
    Ok(reason.into())
}

/// Whether the credential of a call can still be used, as the database sees it now.
pub(super) async fn is_live(tx: &Tx<'_>, credential: CredentialId, now: Timestamp) -> Result<bool> {
    Ok(match credential {
        CredentialId::Grant(id) => tx.grant(id).await?.is_some_and(|grant| grant.is_live(now)),
        CredentialId::ApiKey(id) => tx.api_key(id).await?.is_some_and(|key| key.is_live(now)),
    })
}

/// A key that is about to be written, with its secret.
#[derive(Clone)]
pub(super) struct PreparedKey {
    pub(super) key: ApiKey,
    pub(super) secret: Zeroizing<String>,
}

/// The API keys of accounts.
pub struct ApiKeys {
    pub(super) context: Context,
}

impl ApiKeys {
    pub(super) fn prepare(&self, account_id: AccountId, request: NewApiKey) -> Result<PreparedKey> {
        let Context {
            request_ids, env, ..
        } = &self.context;
        let prefix = request.kind.prefix();
        let token = request_ids.secret(prefix, account_id, request.request_id, env)?;
        let key = ApiKey {
            id: self.context.env.uuid()?.into(),
            account_id,
            kind: request.kind,
            hash: token.hash,
            hint: secrets::hint(&token.text),
            display_name: request.display_name.trim().to_owned(),
            scopes: request.scopes,
            created_at: self.context.env.now(),
            expires_at: request.expires_at,
            revoked_at: None,
            last_used_at: None,
            successor_id: None,
        };
        Ok(PreparedKey {
            key,
            secret: token.text,
        })
    }

    /// Makes a key for the caller's account; the secret is never to be had again.
    ///
    /// # Errors
    /// `INVALID_FIELD` when it would end in the past, `CREDENTIAL_INVALID` when the caller's has just been
    /// revoked or its account disabled, `PERMISSION_DENIED` when it could do more than the caller or is of a
    /// kind that is not for them, `QUOTA_EXCEEDED` when there are 100 already.
    pub async fn create(
        &self,
        caller: &Caller,
        request: NewApiKey,
    ) -> Result<(ApiKey, Zeroizing<String>)> {
        may_have(caller, request.kind, "api_key.kind")?;
        let now = self.context.env.now();
        if request.expires_at.is_some_and(|end| end <= now) {
            return Err(Error::invalid_field(
                "api_key.expire_time",
                FieldReason::OutOfRange,
                "must be in the future",
            ));
        }
        if !caller.scopes.covers(&request.scopes) {
            return Err(Error::new(Reason::PermissionDenied).on_field("api_key.scopes"));
        }
        let PreparedKey { key, secret } = self.prepare(caller.account_id, request)?;
        let (written, credential) = (key.clone(), caller.credential);
        let earlier = self
            .context
            .store
            .write(move |tx| {
                Box::pin(async move {
                    // Two at once must not pass the quota, nor a thief the owner's change of password.
                    lock_owner(tx, &written, credential, now).await?;
                    if let Some(earlier) = tx.api_key_by_hash(&written.hash).await? {
                        if earlier.expires_at != written.expires_at {
                            return Err(request_ids::used());
                        }
                        return same(&written, earlier, now).map(Some);
                    }
                    if tx.count_live_api_keys(written.account_id, now).await? >= MAX_KEYS {
                        return Err(Reason::QuotaExceeded.into());
                    }
                    tx.insert_api_key(&written).await?;
                    Ok(None)
                })
            })
            .await?;
        let key = earlier.unwrap_or(key);
        self.context.credentials.remember_key(&key);
        Ok((key, secret))
    }

    /// The key that an earlier request with the same id has made with its account, and its secret.
    ///
    /// # Errors
    /// `INVALID_FIELD` when it made none of this kind, or the key has changed since.
    pub(super) async fn remade(
        &self,
        account_id: AccountId,
        request: NewApiKey,
    ) -> Result<(ApiKey, Zeroizing<String>)> {
        let PreparedKey { key, secret } = self.prepare(account_id, request)?;
        let earlier = self.context.store.read().api_key_by_hash(&key.hash).await?;
        let earlier = earlier.ok_or_else(request_ids::used)?;
        Ok((same(&key, earlier, self.context.env.now())?, secret))
    }

    /// One of the caller's live keys.
    ///
    /// # Errors
    /// `API_KEY_NOT_FOUND`, also for a key of somebody else; `PERMISSION_DENIED` to an e-mail token.
    pub async fn get(&self, caller: &Caller, id: ApiKeyId) -> Result<ApiKey> {
        let now = self.context.env.now();
        let key = self.context.store.read().api_key(id).await?;
        key.filter(|key| key.account_id == caller.account_id && key.is_live(now))
            .ok_or_else(|| Reason::ApiKeyNotFound.into())
    }

    /// A page of the caller's live keys of one kind or all, the newest first, and the token of the next
    /// page, which is good for the same kind.
    ///
    /// # Errors
    /// `INVALID_FIELD` for a page token that is not of this list, `PERMISSION_DENIED` for a kind that is
    /// not for the caller, and to an e-mail token.
    pub async fn list(
        &self,
        caller: &Caller,
        kind: Option<ApiKeyKind>,
        size: i32,
        token: &str,
    ) -> Result<(Vec<ApiKey>, String)> {
        if let Some(kind) = kind {
            may_have(caller, kind, "filter")?;
        }
        let list = format!("{}{LIST}", kind.map_or("", ApiKeyKind::prefix));
        let page = self
            .context
            .pages
            .request(&list, caller.account_id, size, token)?;
        let Page { items, next } = self
            .context
            .store
            .read()
            .live_api_keys(caller.account_id, kind, page, self.context.env.now())
            .await?;
        Ok((
            items,
            self.context.pages.token(&list, caller.account_id, next),
        ))
    }

    /// Renames one of the caller's live keys; without a name, changes nothing.
    ///
    /// # Errors
    /// `API_KEY_NOT_FOUND`, also for a key of somebody else; `PERMISSION_DENIED` to an e-mail token.
    pub async fn update(
        &self,
        caller: &Caller,
        id: ApiKeyId,
        display_name: Option<String>,
    ) -> Result<ApiKey> {
        let Some(name) = display_name else {
            return self.get(caller, id).await;
        };
        let (account_id, now) = (caller.account_id, self.context.env.now());
        self.context
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let name = name.trim();
                    let renamed = tx.rename_api_key(id, account_id, name, now).await?;
                    let key = if renamed { tx.api_key(id).await? } else { None };
                    key.ok_or_else(|| Reason::ApiKeyNotFound.into())
                })
            })
            .await
    }

    /// Makes a key that takes the place of one of the caller's, which goes on working for the overlap.
    ///
    /// # Errors
    /// `API_KEY_NOT_FOUND`, also for a key of somebody else; `ETAG_MISMATCH` when the key was rotated
    /// before; `INVALID_FIELD` for an overlap of more than 30 days; `PERMISSION_DENIED` when the caller
    /// may not make such a key; `QUOTA_EXCEEDED` when 100 rotated ones still work.
    pub async fn rotate(
        &self,
        caller: &Caller,
        id: ApiKeyId,
        overlap: Duration,
        request_id: Option<Uuid>,
    ) -> Result<Rotated> {
        if overlap > LONGEST_OVERLAP {
            return Err(Error::invalid_field(
                "overlap",
                FieldReason::OutOfRange,
                "must be at most 30 days",
            ));
        }
        let old = self.get(caller, id).await?;
        may_have(caller, old.kind, "name")?;
        if !caller.scopes.covers(&old.scopes) {
            return Err(Error::new(Reason::PermissionDenied).on_field("name"));
        }
        let now = self.context.env.now();
        let PreparedKey { key, secret } =
            self.prepare(caller.account_id, like(&old, request_id, now))?;
        let (written, credential) = (key.clone(), caller.credential);
        let ends_at = now.after(overlap);
        let (earlier, previous) = self
            .context
            .credentials
            .end(move |tx| {
                Box::pin(async move {
                    lock_owner(tx, &written, credential, now).await?;
                    let account = written.account_id;
                    if let Some(earlier) = tx.api_key_by_hash(&written.hash).await? {
                        let earlier = same(&written, earlier, now)?;
                        let previous = tx.api_key(id).await?.ok_or(Reason::ApiKeyNotFound)?;
                        if previous.successor_id != Some(earlier.id) {
                            return Err(request_ids::used());
                        }
                        return Ok(((Some(earlier), previous), Vec::new()));
                    }
                    if tx.count_rotated_api_keys(account, now).await? >= MAX_KEYS {
                        return Err(Reason::QuotaExceeded.into());
                    }
                    if !tx
                        .rotate_api_key(id, account, written.id, ends_at, now)
                        .await?
                    {
                        return Err(gone_or_rotated(tx, id, now).await?);
                    }
                    tx.insert_api_key(&written).await?;
                    let previous = tx.api_key(id).await?.ok_or(Reason::ApiKeyNotFound)?;
                    // What is remembered of it has its old end.
                    Ok(((None, previous), vec![Invalidation::ApiKey(id)]))
                })
            })
            .await?;
        let key = earlier.unwrap_or(key);
        self.context.credentials.remember_key(&key);
        Ok(Rotated {
            key,
            secret,
            previous,
        })
    }

    /// Revokes one of the caller's keys; it is refused from then on.
    ///
    /// # Errors
    /// `API_KEY_NOT_FOUND`, also for a key of somebody else; `PERMISSION_DENIED` to an e-mail token.
    pub async fn revoke(&self, caller: &Caller, id: ApiKeyId) -> Result<()> {
        let (account_id, now) = (caller.account_id, self.context.env.now());
        self.context
            .credentials
            .end(move |tx| {
                Box::pin(async move {
                    if !tx.revoke_api_key(id, account_id, now).await? {
                        return Err(Reason::ApiKeyNotFound.into());
                    }
                    Ok(((), vec![Invalidation::ApiKey(id)]))
                })
            })
            .await
    }
}
