//! From a credential to its caller. Verified credentials are remembered, so that a call with one
//! touches no database and verifies no signature twice; what is revoked is forgotten at once.

mod cache;
mod lookups;

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tracing::Instrument as _;

use self::cache::{CredentialCache, Presented};
use crate::{
    crypto::{
        keyring::{Expected, KeyRing},
        secrets,
    },
    domain::{
        caller::{Caller, CredentialId},
        key_uses::KeyUses,
    },
    env::{Env, Timestamp},
    error::{Error, Reason, Result},
    limits::Limits,
    model::{
        api_key::{ApiKey, ApiKeyKind},
        id::GrantId,
        invalidation::{Invalidation, UnknownName},
    },
    store::{BoxFuture, Store, Subscription, Tx},
    telemetry,
};

/// The longest credential that is looked at, in bytes.
const MAX_BYTES: usize = 4096;
/// How long to wait after the second failure to hear other nodes. It doubles with each more, and stays at 8 s.
const PAUSE: Duration = Duration::from_secs(1);
const DOUBLINGS: u32 = 3;
/// How far another node's clock may run ahead of ours.
pub(super) const CLOCK_LEEWAY: Duration = Duration::from_secs(60);

/// Finds the callers of credentials, and forgets what is revoked.
#[derive(Clone)]
pub struct Credentials(Arc<Inner>);

struct Inner {
    env: Env,
    store: Store,
    key_ring: KeyRing,
    issuer: String,
    limits: Arc<Limits>,
    cache: CredentialCache,
    hearing: tokio::sync::Mutex<Hearing>,
    key_uses: KeyUses,
}

/// How other nodes are heard.
#[derive(Default)]
struct Hearing {
    subscription: Option<Subscription>,
    /// How often in a row they were not.
    failures: u32,
    /// When to seek them again.
    retry_at: Option<Instant>,
}

impl Credentials {
    /// The credentials of this server, none of them remembered yet.
    pub(super) fn new(
        (env, store): (Env, Store),
        key_ring: KeyRing,
        issuer: String,
        limits: Arc<Limits>,
    ) -> Self {
        let multi_node = store.is_multi_node().then(|| env.monotonic());
        Self(Arc::new(Inner {
            env,
            store,
            key_ring,
            issuer,
            limits,
            cache: CredentialCache::new(multi_node),
            hearing: tokio::sync::Mutex::default(),
            key_uses: KeyUses::new(),
        }))
    }

    /// Writes down which API keys were used since the last time.
    ///
    /// # Errors
    /// The database cannot be written; what is not written then is kept for the next time.
    pub async fn write_key_uses(&self) -> Result<()> {
        self.0.key_uses.write(&self.0.store).await
    }

    /// Has every token verified again, when a key that signed some is gone.
    pub(super) fn forget_tokens(&self) {
        self.0.cache.forget_tokens();
    }

    /// Runs a use case that ends credentials, or changes what their callers are; forgets those before it answers, and has
    /// other nodes forget them. Goes on when the caller goes away meanwhile: what was committed must not stay remembered.
    pub(super) async fn end<T, F>(&self, use_case: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t Tx<'t>) -> BoxFuture<'t, Result<(T, Vec<Invalidation>)>>
            + Clone
            + Send
            + 'static,
    {
        let inner = Arc::clone(&self.0);
        let work = async move {
            let invalid = Arc::new(Mutex::new(Vec::new()));
            let noted = Arc::clone(&invalid);
            let written = inner
                .store
                .write(move |tx| {
                    Box::pin(async move {
                        let (answer, invalid) = use_case(tx).await?;
                        tx.announce(&invalid).await?;
                        *noted.lock().unwrap_or_else(PoisonError::into_inner) = invalid;
                        Ok(answer)
                    })
                })
                .await;
            let refusal = written.as_ref().err().map(Error::reason);
            // A commit whose answer was lost may have happened, and ended these and no others.
            if refusal.is_none_or(|reason| reason == Reason::StorageUnavailable) {
                let mut invalid = invalid.lock().unwrap_or_else(PoisonError::into_inner);
                inner.cache.forget(std::mem::take(&mut *invalid));
            }
            written
        };
        tokio::spawn(telemetry::here().within(work.in_current_span()))
            .await
            .map_err(Error::internal)?
    }

    /// Hears from other nodes what they have invalidated, and forgets it. A caller is remembered for a second after this was
    /// done last.
    ///
    /// # Errors
    /// The other nodes are not heard any more. They are sought again, less and less often until they are.
    pub async fn hear_other_nodes(&self) -> Result<()> {
        let now = self.0.env.monotonic();
        let mut hearing = self.0.hearing.lock().await;
        if hearing.retry_at.is_some_and(|at| now < at) {
            return Ok(());
        }
        let Err(error) = Box::pin(self.hear(&mut hearing.subscription)).await else {
            if std::mem::take(&mut hearing.failures) > 0 {
                tracing::info!("other nodes are heard again");
            }
            hearing.retry_at = None;
            return Ok(());
        };
        hearing.subscription = None;
        hearing.failures += 1;
        if hearing.failures == 1 {
            return Err(error);
        }
        tracing::debug!(cause = error.cause(), "other nodes are not heard");
        let doublings = (hearing.failures - 2).min(DOUBLINGS);
        hearing.retry_at = Some(now + PAUSE * 2_u32.pow(doublings));
        Ok(())
    }

    async fn hear(&self, place: &mut Option<Subscription>) -> Result<()> {
        let (asked_at, cache) = (self.0.env.monotonic(), &self.0.cache);
        if place.is_none() {
            *place = self.0.store.subscribe().await?;
            if place.is_some() {
                // What was said before may have been missed.
                cache.forget_all_callers();
            }
        }
        let Some(subscription) = place else {
            return Ok(());
        };
        let names = subscription.poll().await?;
        match names.iter().map(|name| name.parse()).collect() {
            Ok(invalid) => cache.forget(invalid),
            // A newer node knows of more.
            Err(UnknownName) => cache.forget_all_callers(),
        }
        cache.agree(asked_at);
        Ok(())
    }

    /// The caller whose credential this is: an access token, a session token or an API key. Trying credentials
    /// spends a quota of its own: neither that of those who have a good one at the same address, nor of those who log
    /// in there.
    ///
    /// # Errors
    /// `CREDENTIAL_INVALID` when it is malformed, unknown, expired or revoked, or its account disabled;
    /// `RATE_LIMITED` when too many from this address were.
    pub async fn authenticate(&self, credential: &str, client: IpAddr) -> Result<Arc<Caller>> {
        let found = self.find_caller(credential, client).await;
        if let Err(refusal) = &found
            && refusal.reason() == Reason::CredentialInvalid
        {
            self.0.limits.failed_credential(client)?;
        }
        found
    }

    async fn find_caller(&self, credential: &str, client: IpAddr) -> Result<Arc<Caller>> {
        if credential.len() > MAX_BYTES || !credential.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Reason::CredentialInvalid.into());
        }
        let hash = secrets::hash(credential);
        let now = self.0.env.now();
        let presented = match self.0.cache.presented.get(&hash) {
            Some(presented) => presented,
            None => {
                self.may_look_for(credential, client)?;
                self.verify(credential, hash, now).await?
            }
        };
        if presented.ends_at.is_some_and(|end| end <= now) {
            return Err(Reason::CredentialInvalid.into());
        }
        let remembered = self.0.cache.caller(presented.id, self.0.env.monotonic());
        let caller = match remembered {
            Some(caller) => caller,
            None => match self.load_caller(presented.id, now).await? {
                Some(caller) => caller,
                None => {
                    // It was revoked. Whoever shows it next is an untrusted client again.
                    self.0.cache.presented.invalidate(&hash);
                    return Err(Reason::CredentialInvalid.into());
                }
            },
        };
        if !caller.is_live(now) {
            return Err(Reason::CredentialInvalid.into());
        }
        if let CredentialId::ApiKey(id) = caller.credential {
            self.0.key_uses.note(id, now);
        }
        Ok(caller)
    }

    /// The caller whom an access token of this grant acts for, whomever else the token is for; none when the grant has ended,
    /// or its account is disabled.
    pub(super) async fn caller_of_grant(
        &self,
        id: GrantId,
        now: Timestamp,
    ) -> Result<Option<Arc<Caller>>> {
        let id = CredentialId::Grant(id);
        let caller = match self.0.cache.caller(id, self.0.env.monotonic()) {
            Some(caller) => Some(caller),
            None => self.load_caller(id, now).await?,
        };
        Ok(caller.filter(|caller| caller.is_live(now)))
    }

    /// A look-up or a signature is more work than a caller who only tries should get. Once too many have failed, what
    /// is not remembered is looked for only in a form of ours, and not without end.
    fn may_look_for(&self, credential: &str, client: IpAddr) -> Result<()> {
        match self.0.limits.may_try_credential(client) {
            Err(_) if could_have_issued(credential) => self.0.limits.well_formed_credential(client),
            admitted => admitted,
        }
    }

    async fn verify(&self, credential: &str, hash: [u8; 32], now: Timestamp) -> Result<Presented> {
        let changes = *self.0.cache.key_changes();
        let presented = if is_token(credential) {
            self.verify_access_token(credential, now)?
        } else {
            self.find_api_key(credential, &hash, now).await?
        };
        self.0.cache.remember_presented(hash, presented, changes);
        Ok(presented)
    }

    fn verify_access_token(&self, token: &str, now: Timestamp) -> Result<Presented> {
        let expected = Expected {
            issuer: &self.0.issuer,
            audience: Some(&self.0.issuer),
            now,
            leeway: CLOCK_LEEWAY,
        };
        let claims = self.0.key_ring.verify(token, &expected)?;
        Ok(Presented {
            id: CredentialId::Grant(claims.grant_id),
            ends_at: Some(claims.expires_at),
        })
    }

    async fn find_api_key(
        &self,
        secret: &str,
        hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<Presented> {
        // A typo in a key of ours is seen by its check and costs no look-up.
        let ours = ApiKeyKind::ALL
            .into_iter()
            .find(|kind| secret.starts_with(kind.prefix()));
        if ours.is_some_and(|kind| !secrets::well_formed(secret, kind.prefix())) {
            return Err(Reason::CredentialInvalid.into());
        }
        let (store, hash) = (self.0.store.clone(), *hash);
        let look_up = async move {
            let key = store.read().api_key_by_hash(&hash).await?;
            Ok(key.filter(|key| key.is_live(now)).map(|key| Presented {
                id: CredentialId::ApiKey(key.id),
                ends_at: key.expires_at,
            }))
        };
        let lookups = &self.0.cache.key_lookups;
        let found = lookups.share(hash, look_up, |_| ()).await?;
        found.ok_or_else(|| Reason::CredentialInvalid.into())
    }

    async fn load_caller(&self, id: CredentialId, now: Timestamp) -> Result<Option<Arc<Caller>>> {
        let (store, inner) = (self.0.store.clone(), Arc::clone(&self.0));
        let read_at = self.0.env.monotonic();
        let look_up = async move { Ok(read_caller(&store, id, now).await?.map(Arc::new)) };
        let keep = move |caller: &Option<Arc<Caller>>| {
            if let Some(caller) = caller {
                inner.cache.remember_caller(caller, read_at);
            }
        };
        let lookups = &self.0.cache.caller_lookups;
        lookups.share(id, look_up, keep).await
    }

    /// Remembers an access token of ours as if it had been shown, so that its first use is not charged as an unknown one.
    /// Whether its grant is live is asked when it is used.
    pub(super) fn remember_token(&self, token: &str, grant: GrantId, expires_at: Timestamp) {
        let presented = Presented {
            id: CredentialId::Grant(grant),
            // As the token says it: in whole seconds.
            ends_at: Some(Timestamp::from_seconds(expires_at.seconds())),
        };
        self.0
            .cache
            .presented
            .insert(secrets::hash(token), presented);
    }

    /// Remembers a key of ours as if it had been shown. Whether it is live is asked when it is used.
    pub(super) fn remember_key(&self, key: &ApiKey) {
        let presented = Presented {
            id: CredentialId::ApiKey(key.id),
            ends_at: key.expires_at,
        };
        self.0.cache.presented.insert(key.hash, presented);
    }
}

async fn read_caller(store: &Store, id: CredentialId, now: Timestamp) -> Result<Option<Caller>> {
    let reader = store.read();
    let (account_id, session_id, scopes, ends_at) = match id {
        CredentialId::Grant(id) => match reader.grant(id).await? {
            Some(grant) if grant.is_live(now) => (
                grant.account_id,
                Some(grant.session_id),
                grant.scopes,
                Some(grant.expires_at),
            ),
            _ => return Ok(None),
        },
        CredentialId::ApiKey(id) => match reader.api_key(id).await? {
            Some(key) if key.is_live(now) => (key.account_id, None, key.scopes, key.expires_at),
            _ => return Ok(None),
        },
    };
    let account = reader.account(account_id).await?;
    let account = account.filter(|account| !account.is_disabled());
    Ok(account.map(|account| Caller::new(&account, id, session_id, scopes, ends_at)))
}

/// Whether a credential has the form of one that a server like this issues: a token, or a key whose check is
/// right. It tells a typo and other people's keys from ours, and not a forgery.
fn could_have_issued(credential: &str) -> bool {
    is_token(credential)
        || ApiKeyKind::ALL
            .into_iter()
            .any(|kind| secrets::well_formed(credential, kind.prefix()))
}

/// A JWT in compact form has three parts (RFC 7519 section 3).
fn is_token(credential: &str) -> bool {
    credential.bytes().filter(|byte| *byte == b'.').count() == 2
}
