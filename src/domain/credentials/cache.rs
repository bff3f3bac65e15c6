//! What is remembered about credentials.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use moka::sync::Cache;

use super::lookups::Lookups;
use crate::{
    domain::caller::{Caller, CredentialId},
    env::Timestamp,
    model::invalidation::Invalidation,
};

/// The most credentials that are remembered; the least used go first.
const REMEMBERED: u64 = 100_000;
/// How long a caller is taken for what it was when the database was asked last, where other nodes change it too.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// A credential that was found good: which one it is, and when this copy of it ends.
#[derive(Clone, Copy)]
pub(super) struct Presented {
    pub(super) id: CredentialId,
    pub(super) ends_at: Option<Timestamp>,
}

/// What is remembered about credentials. Bounded; losing any of it costs only time.
pub(super) struct CredentialCache {
    pub(super) presented: Cache<[u8; 32], Presented>,
    callers: Cache<CredentialId, Remembered>,
    /// Where other nodes may invalidate callers, too.
    agreement: Option<Agreement>,
    /// Counts the times that a signing key was taken away. What was verified is remembered only when none was
    /// meanwhile.
    key_changes: Mutex<u64>,
    /// Keys that are being looked for by their hash.
    pub(super) key_lookups: Arc<Lookups<[u8; 32], Option<Presented>>>,
    /// Callers that are being read. One that is revoked meanwhile is not remembered: a slow read must not bring
    /// back what was just revoked.
    pub(super) caller_lookups: Arc<Lookups<CredentialId, Option<Arc<Caller>>>>,
}

#[derive(Clone)]
struct Remembered {
    caller: Arc<Caller>,
    read_at: Instant,
}

/// Until when all that other nodes have invalidated is known.
struct Agreement {
    start: Instant,
    /// Milliseconds after the start.
    millis: AtomicU64,
}

impl CredentialCache {
    /// An empty one; `now` is for a database that several nodes use.
    pub(super) fn new(multi_node: Option<Instant>) -> Self {
        Self {
            presented: Cache::new(REMEMBERED),
            callers: Cache::new(REMEMBERED),
            agreement: multi_node.map(|start| Agreement {
                start,
                millis: AtomicU64::new(0),
            }),
            key_changes: Mutex::default(),
            key_lookups: Arc::default(),
            caller_lookups: Arc::default(),
        }
    }

    /// The caller of a credential, when it is remembered and nobody can have changed it.
    pub(super) fn caller(&self, id: CredentialId, now: Instant) -> Option<Arc<Caller>> {
        let Remembered { caller, read_at } = self.callers.get(&id)?;
        let is_current = self.agreement.as_ref().is_none_or(|agreement| {
            let millis = agreement.millis.load(Relaxed);
            let agreed_at = agreement.start + Duration::from_millis(millis);
            now < agreed_at.max(read_at) + TRUSTED_FOR
        });
        is_current.then_some(caller)
    }

    /// Remembers a caller that began to be read at this time.
    pub(super) fn remember_caller(&self, caller: &Arc<Caller>, read_at: Instant) {
        let caller = Arc::clone(caller);
        self.callers
            .insert(caller.credential, Remembered { caller, read_at });
    }

    /// Notes that all is forgotten that other nodes had invalidated at this time.
    pub(super) fn agree(&self, at: Instant) {
        if let Some(agreement) = &self.agreement {
            let millis = at.saturating_duration_since(agreement.start).as_millis();
            let millis = u64::try_from(millis).unwrap_or(u64::MAX);
            agreement.millis.store(millis, Relaxed);
        }
    }

    /// Forgets what was invalidated, and nothing else. Called after the commit and before the answer: what begins to be
    /// read later is what it has become.
    pub(super) fn forget(&self, invalid: Vec<Invalidation>) {
        let (mut accounts, mut organizations) = (HashSet::new(), HashSet::new());
        for invalid in invalid {
            match invalid {
                Invalidation::Grant(id) => self.forget_caller(CredentialId::Grant(id)),
                Invalidation::ApiKey(id) => self.forget_caller(CredentialId::ApiKey(id)),
                Invalidation::Account(id) => drop(accounts.insert(id)),
                Invalidation::Organization(id) => drop(organizations.insert(id)),
            }
        }
        if !accounts.is_empty() || !organizations.is_empty() {
            self.forget_callers(|it| {
                accounts.contains(&it.account_id) || organizations.contains(&it.organization_id)
            });
        }
    }

    fn forget_caller(&self, id: CredentialId) {
        self.caller_lookups
            .outdate(|running| *running == id, || self.callers.invalidate(&id));
    }

    fn forget_callers(&self, is_invalid: impl Fn(&Caller) -> bool) {
        // Whose look-up it is that runs is not known yet.
        self.caller_lookups.outdate(|_| true, || ());
        for (id, remembered) in &self.callers {
            if is_invalid(&remembered.caller) {
                self.callers.invalidate(&*id);
            }
        }
    }

    /// Forgets every caller, when it may have been missed what other nodes have invalidated.
    pub(super) fn forget_all_callers(&self) {
        self.caller_lookups
            .outdate(|_| true, || self.callers.invalidate_all());
    }

    pub(super) fn key_changes(&self) -> MutexGuard<'_, u64> {
        self.key_changes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn remember_presented(
        &self,
        hash: [u8; 32],
        presented: Presented,
        changes_before: u64,
    ) {
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
