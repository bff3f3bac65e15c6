//! The buckets' levels by address, in bounded memory.

use std::sync::{Arc, Mutex, PoisonError};

use governor::{
    nanos::Nanos,
    state::{StateStore, keyed::ShrinkableKeyedStateStore},
};

use crate::capped::Capped;

const SHARDS: usize = 64;

/// Levels by address in shards, each with a cap: see [`Capped`] for what becomes of newcomers then.
pub(super) struct Addresses {
    shards: Box<[Mutex<Capped<Nanos>>]>,
}

impl Addresses {
    /// Room for so many addresses in each shard.
    pub(super) fn new(most_of_a_shard: usize) -> Arc<Self> {
        let shard = |_| Mutex::new(Capped::new(most_of_a_shard, 1));
        Arc::new(Self {
            shards: (0..SHARDS).map(shard).collect(),
        })
    }

    fn shard(&self, address: u128) -> &Mutex<Capped<Nanos>> {
        // The low half of an IPv6 key is zero, and the high half of an IPv4 key is constant.
        let folded = (address >> 64) ^ address;
        let spread = (folded as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58;
        &self.shards[spread as usize % SHARDS]
    }

    /// Forgets the addresses whose level is not above this one.
    pub(super) fn retain_above(&self, level: Nanos) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.retain(|kept| *kept > level);
        }
    }

    /// How many addresses are known.
    pub(super) fn len(&self) -> usize {
        let of_a_shard = |shard: &Mutex<Capped<Nanos>>| {
            shard.lock().unwrap_or_else(PoisonError::into_inner).len()
        };
        self.shards.iter().map(of_a_shard).sum()
    }
}

/// Addresses whose levels change as calls are measured.
pub(super) struct Spent(pub(super) Arc<Addresses>);

/// The same addresses, looked at without spending: what is measured is not kept.
pub(super) struct Seen(pub(super) Arc<Addresses>);

impl StateStore for Spent {
    type Key = u128;

    fn measure_and_replace<T, F, E>(&self, address: &u128, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let shard = self.0.shard(*address);
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let (outcome, new) = measure(shard.get(*address))?;
        shard.put(*address, new);
        Ok(outcome)
    }
}

impl StateStore for Seen {
    type Key = u128;

    fn measure_and_replace<T, F, E>(&self, address: &u128, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let shard = self.0.shard(*address);
        let level = shard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(*address);
        measure(level).map(|(outcome, _)| outcome)
    }
}

impl ShrinkableKeyedStateStore<u128> for Spent {
    fn retain_recent(&self, drop_below: Nanos) {
        self.0.retain_above(drop_below);
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn is_empty(&self) -> bool {
        self.0.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MOST: usize = 1_792;

    /// Lets one call pass in a minute.
    fn spend(addresses: &Spent, address: u128) -> bool {
        let measure = |level: Option<Nanos>| match level {
            Some(_) => Err(()),
            None => Ok(((), Nanos::from(Duration::from_secs(60)))),
        };
        addresses.measure_and_replace(&address, measure).is_ok()
    }

    #[test]
    fn newcomers_never_push_out_an_address_that_is_held_back() {
        let addresses = Spent(Addresses::new(MOST));
        assert!(spend(&addresses, 1));
        let passed = (2..2_000_000_u128)
            .filter(|number| spend(&addresses, number << 64))
            .count();
        assert!(passed <= (MOST + 1) * SHARDS, "{passed}");
        assert!(addresses.len() <= MOST * SHARDS);
        assert!(!spend(&addresses, 1), "still held back");
    }

    #[test]
    fn what_is_indistinguishable_from_new_is_forgotten() {
        let addresses = Spent(Addresses::new(MOST));
        assert!(spend(&addresses, 1));
        addresses.retain_recent(Duration::from_secs(59).into());
        assert_eq!(addresses.len(), 1);
        addresses.retain_recent(Duration::from_secs(60).into());
        assert!(addresses.is_empty());
    }
}
