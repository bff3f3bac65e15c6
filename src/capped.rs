//! A map of bounded memory, for what is counted per untrusted client.
//!
//! It is built like a set-associative cache: each key can be kept in a few places alone, its set, and a hash with
//! a secret key says which set that is, so that nobody can choose keys that meet. In a full set a new key takes the
//! place of the state that counts least (Space-Saving: Metwally, Agrawal and El Abbadi, 2005). Each step looks at
//! one set: nothing is swept, and nothing is ever refused for want of a place.

use std::hash::{BuildHasher as _, RandomState};

/// How many keys one set holds.
const WAYS: usize = 16;

/// A key in halves: as a whole it would be aligned to 16 bytes, and an entry be a third larger.
type Packed = [u64; 2];

fn packed(key: u128) -> Packed {
    [(key >> 64) as u64, key as u64]
}

/// States by key.
#[derive(Debug)]
pub struct Capped<S> {
    sets: Box<[Vec<(Packed, S)>]>,
    hasher: RandomState,
    rank: fn(S) -> u64,
}

impl<S: Copy> Capped<S> {
    /// A map of at most so many keys, rounded up to whole sets. The state of the lowest rank goes first.
    #[must_use]
    pub fn new(most: usize, rank: fn(S) -> u64) -> Self {
        let sets = most.div_ceil(WAYS).max(1);
        Self {
            sets: (0..sets).map(|_| Vec::new()).collect(),
            hasher: RandomState::new(),
            rank,
        }
    }

    /// The state of a key.
    #[must_use]
    pub fn get(&self, key: u128) -> Option<S> {
        let known = |(kept, state): &(Packed, S)| (*kept == packed(key)).then_some(*state);
        self.sets[self.set_of(key)].iter().find_map(known)
    }

    /// The state that would go for a new key; none while its set has a free place.
    #[must_use]
    pub fn replaced_by(&self, key: u128) -> Option<S> {
        let set = &self.sets[self.set_of(key)];
        let states = set.iter().map(|(_, state)| *state);
        states
            .min_by_key(|state| (self.rank)(*state))
            .filter(|_| set.len() >= WAYS)
    }

    /// Keeps the state of a key, in its own place, a free one, or that of the lowest rank.
    pub fn put(&mut self, key: u128, state: S) {
        let (at, entry, rank) = (self.set_of(key), (packed(key), state), self.rank);
        let set = &mut self.sets[at];
        let is_full = set.len() >= WAYS;
        let place = match set.iter_mut().position(|(kept, _)| *kept == entry.0) {
            Some(own) => set.get_mut(own),
            None if is_full => set.iter_mut().min_by_key(|(_, state)| rank(*state)),
            None => None,
        };
        match place {
            Some(place) => *place = entry,
            None => set.push(entry),
        }
    }

    /// Forgets a key.
    pub fn remove(&mut self, key: u128) {
        let at = self.set_of(key);
        self.sets[at].retain(|(kept, _)| *kept != packed(key));
    }

    /// How many keys it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sets.iter().map(Vec::len).sum()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn set_of(&self, key: u128) -> usize {
        let set = self.hasher.hash_one(key) % self.sets.len() as u64;
        usize::try_from(set).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_takes_the_place_that_counts_least() {
        let mut map = Capped::new(WAYS, |state: u64| state);
        for key in 0..WAYS as u64 {
            assert_eq!(map.replaced_by(100), None, "there is a free place");
            map.put(key.into(), 10 + key);
        }
        assert_eq!(map.replaced_by(100), Some(10));
        map.put(0, 50);
        assert_eq!(map.replaced_by(100), Some(11));
        map.put(100, 12);
        assert_eq!((map.get(0), map.get(1)), (Some(50), None));
        assert_eq!((map.get(100), map.len()), (Some(12), WAYS));
        map.remove(100);
        assert_eq!((map.get(100), map.replaced_by(1)), (None, None));
        (0..WAYS as u128).for_each(|key| map.remove(key));
        assert!(map.is_empty());
    }

    #[test]
    fn it_never_grows_past_its_cap_and_keeps_what_counts_most() {
        let mut map = Capped::new(1_000, |state: u64| state);
        map.put(7, 1_000_000);
        for key in 0..100_000_u32 {
            map.put(u128::from(key) << 80, u64::from(key));
        }
        assert_eq!(map.len(), 1_000_usize.next_multiple_of(WAYS));
        assert_eq!(map.get(7), Some(1_000_000));
    }

    #[test]
    fn two_maps_put_the_same_keys_into_different_sets() {
        let [one, other] = [(); 2].map(|()| Capped::new(1 << 20, |state: u64| state));
        let alike = (0..1_000).filter(|key| one.set_of(*key) == other.set_of(*key));
        assert!(alike.count() < 10);
    }
}
