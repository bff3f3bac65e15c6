//! The buckets' levels by address, in bounded memory.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{Mutex, PoisonError},
};

use governor::{nanos::Nanos, state::StateStore};

use crate::capped::Capped;

const SHARDS: usize = 64;

/// Levels by address: when all that was spent will have been given back. A level in the past is that of a bucket
/// nobody has touched, so its place is free.
pub(super) struct Addresses {
    shards: Box<[Mutex<Capped<Nanos>>]>,
    hasher: RandomState,
}

impl Addresses {
    /// Places for so many addresses in each shard.
    pub(super) fn new(most_of_a_shard: usize) -> Self {
        let shard = |_| Mutex::new(Capped::new(most_of_a_shard, Nanos::as_u64));
        Self {
            shards: (0..SHARDS).map(shard).collect(),
            hasher: RandomState::new(),
        }
    }

    fn shard(&self, address: u128) -> &Mutex<Capped<Nanos>> {
        let shard = self.hasher.hash_one(address) % SHARDS as u64;
        &self.shards[usize::try_from(shard).unwrap_or(0)]
    }
}

/// A check of the level of one address.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub(super) struct Check {
    pub(super) address: u128,
    /// Whether it spends, if there is something left. A check that does not keeps nothing.
    pub(super) spends: bool,
}

impl StateStore for Addresses {
    type Key = Check;

    fn measure_and_replace<T, F, E>(&self, check: &Check, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let Check { address, spends } = *check;
        let shard = self.shard(address);
        let mut levels = shard.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever takes the place of another takes over its level, which is the lowest of many: nothing that was
        // spent is forgotten, and nobody is pushed out by one who is refused.
        let level = levels.get(address).or_else(|| levels.replaced_by(address));
        let (outcome, level) = measure(level)?;
        if spends {
            levels.put(address, level);
        }
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MOST: usize = 896;

    /// Lets one call pass in a minute.
    fn spend(addresses: &Addresses, address: u128, now: Duration) -> bool {
        let measure = |level: Option<Nanos>| match level {
            Some(level) if level > now.into() => Err(()),
            _ => Ok(((), (now + Duration::from_secs(60)).into())),
        };
        let spends = Check {
            address,
            spends: true,
        };
        addresses.measure_and_replace(&spends, measure).is_ok()
    }

    #[test]
    fn newcomers_never_push_out_an_address_that_is_held_back() {
        let (addresses, start) = (Addresses::new(MOST), Duration::ZERO);
        assert!(spend(&addresses, 1, start));
        let passed = (2..300_000_u128)
            .filter(|number| spend(&addresses, number << 64, start))
            .count();
        assert_eq!(passed, MOST * SHARDS - 1);
        assert!(!spend(&addresses, 1, start), "still held back");
    }

    #[test]
    fn the_place_of_a_whole_allowance_is_free_at_once() {
        let addresses = Addresses::new(MOST);
        for number in 0..200_000_u128 {
            assert!(spend(
                &addresses,
                number << 64,
                Duration::from_millis(10) * u32::try_from(number).unwrap()
            ));
        }
    }
}
