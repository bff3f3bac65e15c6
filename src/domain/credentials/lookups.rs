//! Look-ups that are shared: whoever wants what is being looked up already waits for the same answer.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;
use tracing::Instrument as _;

use crate::{
    error::{Error, Result},
    telemetry,
};

type Answer<V> = watch::Receiver<Option<std::result::Result<V, Arc<Error>>>>;

/// The look-ups that run now, by what is looked up.
pub(super) struct Lookups<K, V>(Mutex<HashMap<K, Answer<V>>>);

impl<K, V> Default for Lookups<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K, V> Lookups<K, V>
where
    K: Copy + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// What `look_up` finds, or the look-up of the same key that runs already. It goes on when whoever began it goes
    /// away. What it finds is given to `keep`, unless it was outdated by [`Self::outdate`] meanwhile.
    pub(super) async fn share(
        self: &Arc<Self>,
        key: K,
        look_up: impl Future<Output = Result<V>> + Send + 'static,
        keep: impl FnOnce(&V) + Send + 'static,
    ) -> Result<V> {
        let mut answer = self.join(key, look_up, keep);
        let found = answer.wait_for(Option::is_some).await;
        match found.map_err(Error::internal)?.as_ref() {
            Some(Ok(found)) => Ok(found.clone()),
            Some(Err(error)) => Err(copy(error)),
            None => Err(Error::internal("a look-up had no answer")),
        }
    }

    fn join(
        self: &Arc<Self>,
        key: K,
        look_up: impl Future<Output = Result<V>> + Send + 'static,
        keep: impl FnOnce(&V) + Send + 'static,
    ) -> Answer<V> {
        let mut running = self.running();
        if let Some(answer) = running.get(&key) {
            return answer.clone();
        }
        let (tell, answer) = watch::channel(None);
        running.insert(key, answer.clone());
        let (this, own) = (Arc::clone(self), answer.clone());
        // Contains a panic, so that those who wait hear of it.
        let look_up = tokio::spawn(telemetry::here().within(look_up.in_current_span()));
        tokio::spawn(async move {
            let found = look_up
                .await
                .map_err(Error::internal)
                .and_then(|found| found);
            this.end(key, &own, || {
                if let Ok(found) = &found {
                    keep(found);
                }
            });
            // Nobody may be waiting any more.
            let _ = tell.send(Some(found.map_err(Arc::new)));
        });
        answer
    }

    fn end(&self, key: K, own: &Answer<V>, keep: impl FnOnce()) {
        let mut running = self.running();
        let current = running.get(&key);
        if current.is_some_and(|current| current.same_channel(own)) {
            running.remove(&key);
            keep();
        }
    }

    /// Changes what is kept. What the outdated look-ups find is not kept any more, and whoever asks from now on
    /// waits for a new one.
    pub(super) fn outdate(&self, is_outdated: impl Fn(&K) -> bool, change: impl FnOnce()) {
        let mut running = self.running();
        running.retain(|key, _| !is_outdated(key));
        change();
    }

    fn running(&self) -> MutexGuard<'_, HashMap<K, Answer<V>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn copy(error: &Arc<Error>) -> Error {
    let copy = Error::new(error.reason()).because(Arc::clone(error));
    match error.retry_delay() {
        Some(wait) => copy.retry_after(wait),
        None => copy,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use tokio::sync::Notify;

    use super::*;
    use crate::error::Reason;

    struct World {
        lookups: Arc<Lookups<u8, u32>>,
        begun: Arc<AtomicUsize>,
        kept: Arc<AtomicUsize>,
        answered: Arc<Notify>,
    }

    impl World {
        fn new() -> Self {
            Self {
                lookups: Arc::default(),
                begun: Arc::default(),
                kept: Arc::default(),
                answered: Arc::default(),
            }
        }

        /// Asks for 1. The database answers when it is told to.
        fn ask(&self, answer: Result<u32>) -> impl Future<Output = Result<u32>> + use<> {
            let (begun, kept) = (Arc::clone(&self.begun), Arc::clone(&self.kept));
            let (lookups, answered) = (Arc::clone(&self.lookups), Arc::clone(&self.answered));
            async move {
                let look_up = async move {
                    begun.fetch_add(1, Relaxed);
                    answered.notified().await;
                    answer
                };
                let keep = move |_: &u32| {
                    kept.fetch_add(1, Relaxed);
                };
                lookups.share(1, look_up, keep).await
            }
        }

        async fn until_begun(&self, count: usize) {
            while self.begun.load(Relaxed) < count {
                tokio::task::yield_now().await;
            }
        }
    }

    #[tokio::test]
    async fn many_who_ask_at_once_share_one_look_up() {
        let world = World::new();
        let all: Vec<_> = (0..100).map(|_| tokio::spawn(world.ask(Ok(7)))).collect();
        world.until_begun(1).await;
        tokio::task::yield_now().await;
        world.answered.notify_one();
        for one in all {
            assert_eq!(one.await.unwrap().unwrap(), 7);
        }
        assert_eq!(
            (world.begun.load(Relaxed), world.kept.load(Relaxed)),
            (1, 1)
        );
        assert!(world.lookups.running().is_empty());
    }

    #[tokio::test]
    async fn whoever_began_a_look_up_and_goes_away_strands_nobody() {
        let world = World::new();
        let first = tokio::spawn(world.ask(Ok(7)));
        world.until_begun(1).await;
        let second = tokio::spawn(world.ask(Ok(8)));
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        world.answered.notify_one();
        assert_eq!(second.await.unwrap().unwrap(), 7);
        assert_eq!(world.begun.load(Relaxed), 1);
    }

    #[tokio::test]
    async fn what_was_revoked_meanwhile_is_not_kept_and_looked_up_anew() {
        let world = World::new();
        let before = tokio::spawn(world.ask(Ok(7)));
        world.until_begun(1).await;
        world.lookups.outdate(|key| *key == 2, || ());
        world.lookups.outdate(|key| *key == 1, || ());
        let after = tokio::spawn(world.ask(Ok(8)));
        world.until_begun(2).await;
        world.answered.notify_waiters();
        assert_eq!(before.await.unwrap().unwrap(), 7);
        assert_eq!(after.await.unwrap().unwrap(), 8);
        assert_eq!(world.kept.load(Relaxed), 1);
    }

    #[tokio::test]
    async fn a_failure_is_told_to_all_who_wait_and_kept_from_nobody_later() {
        let world = World::new();
        let fail = || Err(Reason::StorageUnavailable.into());
        let all = [(); 2].map(|()| tokio::spawn(world.ask(fail())));
        world.until_begun(1).await;
        tokio::task::yield_now().await;
        world.answered.notify_one();
        for one in all {
            let error = one.await.unwrap().unwrap_err();
            assert_eq!(error.reason(), Reason::StorageUnavailable);
        }
        world.answered.notify_one();
        assert_eq!(world.ask(Ok(7)).await.unwrap(), 7);
    }
}
