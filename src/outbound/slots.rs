//! How many requests there are at once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use super::error::FetchErrorKind;

/// Requests that are under way at once, in all.
pub(super) const IN_ALL: usize = 32;
/// Requests that are under way at once to one host, so that a slow one leaves places to others.
pub(super) const PER_HOST: usize = 4;
/// Requests that are under way or wait for it; one more fails at once.
pub(super) const ADMITTED: usize = 256;

/// Of those, the most that are for one host: many that wait for a slow one must not keep others out.
pub(super) const ADMITTED_PER_HOST: usize = 64;

/// Places for requests.
pub(super) struct Slots {
    admitted: Semaphore,
    under_way: Semaphore,
    /// Of each host that a request waits for or is under way to.
    hosts: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// The place of one request, free again when it is dropped.
pub(super) struct Slot<'a> {
    _admitted: SemaphorePermit<'a>,
    _host: OwnedSemaphorePermit,
    _under_way: SemaphorePermit<'a>,
}

impl Slots {
    pub(super) fn new() -> Self {
        Self {
            admitted: Semaphore::new(ADMITTED),
            under_way: Semaphore::new(IN_ALL),
            hosts: Mutex::default(),
        }
    }

    /// A place for a request to this host, as soon as there is one.
    ///
    /// # Errors
    /// Too many wait for one already.
    pub(super) async fn take(&self, host: &str) -> Result<Slot<'_>, FetchErrorKind> {
        let busy = |_| FetchErrorKind::Busy;
        let admitted = self
            .admitted
            .try_acquire()
            .map_err(|_| FetchErrorKind::Busy)?;
        // First the host's: whoever waits for a slow host keeps none of the places of all.
        let host = self.of_host(host);
        // Each that waits, or is under way, holds the host's places; so does this one.
        if Arc::strong_count(&host) > ADMITTED_PER_HOST {
            return Err(FetchErrorKind::Busy);
        }
        let host = host.acquire_owned().await.map_err(busy)?;
        Ok(Slot {
            _admitted: admitted,
            _host: host,
            _under_way: self.under_way.acquire().await.map_err(busy)?,
        })
    }

    fn of_host(&self, host: &str) -> Arc<Semaphore> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.retain(|_, places| places.strong_count() > 0);
        if let Some(places) = hosts.get(host).and_then(Weak::upgrade) {
            return places;
        }
        let places = Arc::new(Semaphore::new(PER_HOST));
        hosts.insert(host.to_owned(), Arc::downgrade(&places));
        places
    }
}
