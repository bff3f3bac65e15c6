//! From a credential to its caller. Verified credentials are remembered, so that a call with one
//! touches no database and verifies no signature twice; what is revoked is forgotten at once.

mod lookups;

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use moka::sync::Cache;
use tracing::Instrument as _;

use self::lookups::Lookups;
use crate::{
    crypto::{keyring::Expected, secrets},
    domain::Domain,
    env::Timestamp,
    error::{Error, Reason, Result},
    model::{
        account::{Account, Plan},
        administration::Administrator,
        api_key::{ApiKey, ApiKeyKind},
        id::{AccountId, ApiKeyId, GrantId, OrganizationId, SessionId},
        scope::Scopes,
    },
    store::{BoxFuture, Store, Tx},
};

/// The longest credential that is looked at, in bytes.
const MAX_BYTES: usize = 4096;
/// The most credentials that are remembered; the least used go first.
const REMEMBERED: u64 = 100_000;
/// How long a revocation by another node of the same database may go unseen.
const MULTI_NODE_DELAY: Duration = Duration::from_secs(2);
/// How far another node's clock may run ahead of ours.
const CLOCK_LEEWAY: Duration = Duration::from_secs(60);

/// What a call was made with.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum CredentialId {
    /// An access token of this grant.
    Grant(GrantId),
    /// An API key.
    ApiKey(ApiKeyId),
}

/// Which accounts a call may see and act on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// The caller's own.
    Account,
    /// Every account of the caller's organization.
    Organization,
}

/// Who makes a call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Caller {
    /// The account that the call acts as.
    pub account_id: AccountId,
    /// The organization of the account.
    pub organization_id: OrganizationId,
    /// The plan of the organization.
    pub plan: Plan,
    /// Whether the account owns an organization on the paid plan.
    owns_paid_organization: bool,
    /// The e-mail address of the account, as it was typed.
    pub email: String,
    /// Whether mail to the address has been shown to reach its owner.
    pub email_verified: bool,
    /// Whether the account is an administrator; [`Self::administers`] says whether this call may act as one.
    administrator: bool,
    /// What the call was made with.
    pub credential: CredentialId,
    /// The session that the call was made in; none for an API key.
    pub session_id: Option<SessionId>,
    /// What it may do.
    pub scopes: Scopes,
    /// When the credential ends; absent for never.
    ends_at: Option<Timestamp>,
}

impl Caller {
    fn new(
        account: &Account,
        credential: CredentialId,
        session_id: Option<SessionId>,
        scopes: Scopes,
        ends_at: Option<Timestamp>,
    ) -> Self {
        Self {
            account_id: account.id,
            organization_id: account.organization.id,
            plan: account.organization.plan,
            owns_paid_organization: account.owns_paid_organization(),
            email: account.email.as_str().to_owned(),
            email_verified: account.email_verified,
            administrator: account.administrator,
            credential,
            session_id,
            scopes,
            ends_at,
        }
    }

    /// Whether the call was made with an e-mail token, which is for one mailbox.
    #[must_use]
    pub fn is_mailbox(&self) -> bool {
        self.scopes.is_mailbox()
    }

    /// Whether the call may act as the whole account, as far as its own: with an e-mail token too.
    #[must_use]
    pub fn acts_as_account(&self) -> bool {
        self.scopes.is_full() || self.is_mailbox()
    }

    /// Which accounts the caller reaches: the owner of an organization on the paid plan all of it, unless
    /// the call was made with an e-mail token, and everybody else their own.
    #[must_use]
    pub fn reach(&self) -> Reach {
        if self.owns_paid_organization && !self.is_mailbox() {
            Reach::Organization
        } else {
            Reach::Account
        }
    }

    /// The administrator who makes the call: with any credential of an administrator's full account, but
    /// not with an e-mail token, which is for one mailbox.
    #[must_use]
    pub fn administers(&self) -> Option<Administrator> {
        let administers = self.administrator && self.scopes.is_full() && !self.is_mailbox();
        administers.then_some(Administrator::Account(self.account_id))
    }

    fn is_live(&self, now: Timestamp) -> bool {
        self.ends_at.is_none_or(|end| now < end)
    }
}

/// A credential that was found good: which one it is, and when this copy of it ends.
#[derive(Clone, Copy)]
struct Presented {
    id: CredentialId,
    ends_at: Option<Timestamp>,
}

/// What is remembered about credentials. Bounded; losing any of it costs only time.
pub(super) struct CredentialCache {
    presented: Cache<[u8; 32], Presented>,
    callers: Cache<CredentialId, Arc<Caller>>,
    /// Counts the times that a signing key was taken away. What was verified is remembered only when none was
    /// meanwhile.
    key_changes: Mutex<u64>,
    /// Keys that are being looked for by their hash.
    key_lookups: Arc<Lookups<[u8; 32], Option<Presented>>>,
    /// Callers that are being read. One that is revoked meanwhile is not remembered: a slow read must not bring
    /// back what was just revoked.
    caller_lookups: Arc<Lookups<CredentialId, Option<Arc<Caller>>>>,
}

impl CredentialCache {
    pub(super) fn new(multi_node: bool) -> Self {
        let callers = Cache::builder().max_capacity(REMEMBERED);
        let callers = if multi_node {
            callers.time_to_live(MULTI_NODE_DELAY)
        } else {
            callers
        };
        Self {
            presented: Cache::new(REMEMBERED),
            callers: callers.build(),
            key_changes: Mutex::default(),
            key_lookups: Arc::default(),
            caller_lookups: Arc::default(),
        }
    }

    /// Forgets what was revoked, and nothing else. Called after the commit and before the answer.
    fn forget(&self, revoked: &[CredentialId]) {
        for id in revoked {
            self.caller_lookups
                .outdate(|running| running == id, || self.callers.invalidate(id));
        }
    }

    /// Forgets the callers of whom this is true. Called after the commit, when the database has none of them any
    /// more: what begins to be read later is not among them.
    fn forget_callers(&self, gone: impl Fn(&Caller) -> bool) {
        // Whose look-up it is that runs is not known yet.
        self.caller_lookups.outdate(|_| true, || ());
        for (id, caller) in &self.callers {
            if gone(&caller) {
                self.callers.invalidate(&*id);
            }
        }
    }

    fn key_changes(&self) -> MutexGuard<'_, u64> {
        self.key_changes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn remember_presented(&self, hash: [u8; 32], presented: Presented, changes_before: u64) {
        let changes = self.key_changes();
        if *changes == changes_before {
            self.presented.insert(hash, presented);
        }
    }

    /// Has every token verified again, when a key that signed some is gone.
    pub(super) fn forget_tokens(&self) {
        *self.key_changes() += 1;
        self.presented.invalidate_all();
    }
}

impl Domain {
    /// Runs a use case that ends credentials, and forgets them before it answers. Goes on when the
    /// caller goes away meanwhile: what was committed must not stay remembered.
    pub(super) async fn end_credentials<T, F>(&self, use_case: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t Tx<'t>) -> BoxFuture<'t, Result<(T, Vec<CredentialId>)>>
            + Send
            + 'static,
    {
        let (store, credentials) = (self.store.clone(), Arc::clone(&self.credentials));
        let work = async move {
            let ended = Arc::new(Mutex::new(Vec::new()));
            let noted = Arc::clone(&ended);
            let written = store
                .write(move |tx| {
                    Box::pin(async move {
                        let (answer, ending) = use_case(tx).await?;
                        *noted.lock().unwrap_or_else(PoisonError::into_inner) = ending;
                        Ok(answer)
                    })
                })
                .await;
            let refusal = written.as_ref().err().map(Error::reason);
            // A commit whose answer was lost may have happened, and ended these and no others.
            if refusal.is_none_or(|reason| reason == Reason::StorageUnavailable) {
                credentials.forget(&ended.lock().unwrap_or_else(PoisonError::into_inner));
            }
            written
        };
        tokio::spawn(work.in_current_span())
            .await
            .map_err(Error::internal)?
    }

    /// Runs a use case that deletes accounts, and forgets every caller of theirs before it answers, likewise.
    pub(super) async fn delete_accounts<F>(
        &self,
        gone: impl Fn(&Caller) -> bool + Send + 'static,
        use_case: F,
    ) -> Result<()>
    where
        F: for<'t> FnOnce(&'t Tx<'t>) -> BoxFuture<'t, Result<()>> + Send + 'static,
    {
        let (store, credentials) = (self.store.clone(), Arc::clone(&self.credentials));
        let work = async move {
            let deleted = store.write(use_case).await;
            let refusal = deleted.as_ref().err().map(Error::reason);
            // A commit whose answer was lost may have happened.
            if refusal.is_none_or(|reason| reason == Reason::StorageUnavailable) {
                credentials.forget_callers(gone);
            }
            deleted
        };
        tokio::spawn(work.in_current_span())
            .await
            .map_err(Error::internal)?
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
            self.limits.failed_credential(client)?;
        }
        found
    }

    async fn find_caller(&self, credential: &str, client: IpAddr) -> Result<Arc<Caller>> {
        if credential.len() > MAX_BYTES || !credential.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Reason::CredentialInvalid.into());
        }
        let hash = secrets::hash(credential);
        let now = self.env.now();
        let presented = match self.credentials.presented.get(&hash) {
            Some(presented) => presented,
            None => {
                self.may_look_for(credential, client)?;
                self.verify(credential, hash, now).await?
            }
        };
        if presented.ends_at.is_some_and(|end| end <= now) {
            return Err(Reason::CredentialInvalid.into());
        }
        let caller = match self.credentials.callers.get(&presented.id) {
            Some(caller) => caller,
            None => match self.load_caller(presented.id, now).await? {
                Some(caller) => caller,
                None => {
                    // It was revoked. The next one who shows it is a stranger again.
                    self.credentials.presented.invalidate(&hash);
                    return Err(Reason::CredentialInvalid.into());
                }
            },
        };
        if !caller.is_live(now) {
            return Err(Reason::CredentialInvalid.into());
        }
        if let CredentialId::ApiKey(id) = caller.credential {
            self.key_uses.note(id, now);
        }
        Ok(caller)
    }

    /// A look-up or a signature is more work than a caller who only tries should get. Once too many have failed, what
    /// is not remembered is looked for only in a form of ours, and not without end.
    fn may_look_for(&self, credential: &str, client: IpAddr) -> Result<()> {
        match self.limits.may_try_credential(client) {
            Err(_) if could_have_issued(credential) => self.limits.well_formed_credential(client),
            admitted => admitted,
        }
    }

    async fn verify(&self, credential: &str, hash: [u8; 32], now: Timestamp) -> Result<Presented> {
        let changes = *self.credentials.key_changes();
        let presented = if is_token(credential) {
            self.verify_access_token(credential, now)?
        } else {
            self.find_api_key(credential, &hash, now).await?
        };
        self.credentials
            .remember_presented(hash, presented, changes);
        Ok(presented)
    }

    fn verify_access_token(&self, token: &str, now: Timestamp) -> Result<Presented> {
        let expected = Expected {
            issuer: &self.settings.issuer,
            audience: &self.settings.issuer,
            now,
            leeway: CLOCK_LEEWAY,
        };
        let claims = self.key_ring.verify(token, &expected)?;
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
        let (store, hash) = (self.store.clone(), *hash);
        let look_up = async move {
            let key = store.read().api_key_by_hash(&hash).await?;
            Ok(key.filter(|key| key.is_live(now)).map(|key| Presented {
                id: CredentialId::ApiKey(key.id),
                ends_at: key.expires_at,
            }))
        };
        let lookups = &self.credentials.key_lookups;
        let found = lookups.share(hash, look_up, |_| ()).await?;
        found.ok_or_else(|| Reason::CredentialInvalid.into())
    }

    async fn load_caller(&self, id: CredentialId, now: Timestamp) -> Result<Option<Arc<Caller>>> {
        let (store, credentials) = (self.store.clone(), Arc::clone(&self.credentials));
        let look_up = async move { Ok(read_caller(&store, id, now).await?.map(Arc::new)) };
        let keep = move |caller: &Option<Arc<Caller>>| {
            if let Some(caller) = caller {
                credentials.callers.insert(id, Arc::clone(caller));
            }
        };
        let lookups = &self.credentials.caller_lookups;
        lookups.share(id, look_up, keep).await
    }

    /// Remembers an access token of ours as if it had been shown, so that its first use is no stranger's.
    /// Whether its grant is live is asked when it is used.
    pub(super) fn expect(&self, token: &str, grant: GrantId, expires_at: Timestamp) {
        let presented = Presented {
            id: CredentialId::Grant(grant),
            // As the token says it: in whole seconds.
            ends_at: Some(Timestamp::from_seconds(expires_at.seconds())),
        };
        self.credentials
            .presented
            .insert(secrets::hash(token), presented);
    }

    /// Remembers a key of ours as if it had been shown. Whether it is live is asked when it is used.
    pub(super) fn expect_key(&self, key: &ApiKey) {
        let presented = Presented {
            id: CredentialId::ApiKey(key.id),
            ends_at: key.expires_at,
        };
        self.credentials.presented.insert(key.hash, presented);
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
