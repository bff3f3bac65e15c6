//! What is remembered about credentials.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use moka::sync::Cache;

use super::lookups::Lookups;
use crate::{
    domain::caller::{Caller, CredentialId},
    env::Timestamp,
};

/// The most credentials that are remembered; the least used go first.
const REMEMBERED: u64 = 100_000;
/// How long a revocation by another node of the same database may go unseen.
const MULTI_NODE_DELAY: Duration = Duration::from_secs(2);

/// A credential that was found good: which one it is, and when this copy of it ends.
#[derive(Clone, Copy)]
pub(super) struct Presented {
    pub(super) id: CredentialId,
    pub(super) ends_at: Option<Timestamp>,
}

/// What is remembered about credentials. Bounded; losing any of it costs only time.
pub(super) struct CredentialCache {
    pub(super) presented: Cache<[u8; 32], Presented>,
    pub(super) callers: Cache<CredentialId, Arc<Caller>>,
    /// Counts the times that a signing key was taken away. What was verified is remembered only when none was
    /// meanwhile.
    key_changes: Mutex<u64>,
    /// Keys that are being looked for by their hash.
    pub(super) key_lookups: Arc<Lookups<[u8; 32], Option<Presented>>>,
    /// Callers that are being read. One that is revoked meanwhile is not remembered: a slow read must not bring
    /// back what was just revoked.
    pub(super) caller_lookups: Arc<Lookups<CredentialId, Option<Arc<Caller>>>>,
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
    pub(super) fn forget(&self, revoked: &[CredentialId]) {
        for id in revoked {
            self.caller_lookups
                .outdate(|running| running == id, || self.callers.invalidate(id));
        }
    }

    /// Forgets the callers of whom this is true. Called after the commit, when the database has none of them any
    /// more: what begins to be read later is not among them.
    pub(super) fn forget_callers(&self, gone: impl Fn(&Caller) -> bool) {
        // Whose look-up it is that runs is not known yet.
        self.caller_lookups.outdate(|_| true, || ());
        for (id, caller) in &self.callers {
            if gone(&caller) {
                self.callers.invalidate(&*id);
            }
        }
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
