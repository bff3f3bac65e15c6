//! When API keys were last used: noted in memory at every call, and written down once a minute. A crash
//! loses what was noted since, which is one minute at most.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{env::Timestamp, error::Result, model::id::ApiKeyId, store::Store};

/// The most keys that are noted between two writings, in each shard. Beyond that, uses of further keys go
/// unnoted until the next one: it is a help to tidy up by, not a record.
const MAX_OF_A_SHARD: usize = 1_792;
const SHARDS: usize = 64;
/// The most keys that one transaction writes, so that nobody waits long for the writer.
const BATCH: usize = 500;
/// What is noted, which makes the uses of many keys one write.
const PRECISION: Duration = Duration::from_secs(60);

/// The uses that are not written down yet.
pub(super) struct KeyUses {
    shards: [Mutex<HashMap<ApiKeyId, Timestamp>>; SHARDS],
}

impl KeyUses {
    pub(super) fn new() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// Notes a use. Waits for nothing but other notes of the same shard.
    pub(super) fn note(&self, key: ApiKeyId, now: Timestamp) {
        let moment = to_the_minute(now);
        let mut noted = self.shards[shard_of(key)]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = noted.get_mut(&key) {
            *last = moment.max(*last);
        } else if noted.len() < MAX_OF_A_SHARD {
            noted.insert(key, moment);
        }
    }

    /// Takes what is noted, the keys of one minute together.
    fn take(&self) -> HashMap<Timestamp, Vec<ApiKeyId>> {
        let mut by_moment: HashMap<_, Vec<_>> = HashMap::new();
        for shard in &self.shards {
            let noted = std::mem::take(&mut *shard.lock().unwrap_or_else(PoisonError::into_inner));
            for (key, moment) in noted {
                by_moment.entry(moment).or_default().push(key);
            }
        }
        by_moment
    }

    /// Writes down which API keys were used since the last time: at most one write for each key.
    ///
    /// # Errors
    /// The database cannot be written; what is not written then is kept for the next time.
    pub(super) async fn write(&self, store: &Store) -> Result<()> {
        let mut outcome = Ok(());
        for (moment, keys) in self.take() {
            for batch in keys.chunks(BATCH) {
                if outcome.is_ok() {
                    outcome = write_batch(store, batch.to_vec(), moment).await;
                }
                if outcome.is_err() {
                    batch.iter().for_each(|key| self.note(*key, moment));
                }
            }
        }
        outcome
    }
}

async fn write_batch(store: &Store, keys: Vec<ApiKeyId>, moment: Timestamp) -> Result<()> {
    store
        .write(move |tx| Box::pin(async move { tx.note_api_key_uses(&keys, moment).await }))
        .await
}

/// The last byte of an id is random.
fn shard_of(key: ApiKeyId) -> usize {
    usize::from(key.uuid().as_bytes()[15]) % SHARDS
}

fn to_the_minute(moment: Timestamp) -> Timestamp {
    let minute = i64::try_from(PRECISION.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(moment.millis() - moment.millis().rem_euclid(minute))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn key(number: u128) -> ApiKeyId {
        Uuid::from_u128(number).into()
    }

    #[test]
    fn a_key_is_noted_once_with_the_minute_of_its_last_use() {
        let uses = KeyUses::new();
        for millis in [60_000, 125_000, 179_999, 119_999] {
            uses.note(key(1), Timestamp::from_millis(millis));
        }
        uses.note(key(2), Timestamp::from_millis(120_000));
        let mut taken = uses.take();
        let mut keys = taken.remove(&Timestamp::from_millis(120_000)).unwrap();
        keys.sort();
        assert_eq!((keys, taken.len()), (vec![key(1), key(2)], 0));
        assert!(uses.take().is_empty());
    }

    #[test]
    fn a_flood_of_keys_is_noted_up_to_a_cap_and_known_ones_go_on() {
        let uses = KeyUses::new();
        for number in 0..200_000 {
            uses.note(key(number), Timestamp::from_millis(0));
        }
        uses.note(key(0), Timestamp::from_millis(60_000));
        let taken = uses.take();
        let noted: usize = taken.values().map(Vec::len).sum();
        assert_eq!(noted, SHARDS * MAX_OF_A_SHARD);
        assert_eq!(taken[&Timestamp::from_millis(60_000)], [key(0)]);
    }
}
