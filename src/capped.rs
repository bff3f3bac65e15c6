//! A map that never grows past its cap, for what is counted per stranger.

use std::collections::HashMap;

/// A key in halves: as a whole it would be aligned to 16 bytes, and an entry be a third larger.
type Packed = [u64; 2];

fn packed(key: u128) -> Packed {
    [(key >> 64) as u64, key as u64]
}

/// States by key. When it is full, newcomers share a few places: they wait for each other, but never push
/// out a key that is being held back.
#[derive(Debug)]
pub struct Capped<S> {
    known: HashMap<Packed, S>,
    newcomers: Box<[Option<S>]>,
    most: usize,
}

impl<S: Copy> Capped<S> {
    /// A map of at most so many keys, with so many places (at least one) that newcomers share when it is
    /// full. Seven eighths of a power of two is where a table would double.
    #[must_use]
    pub fn new(most: usize, shared_places: usize) -> Self {
        Self {
            known: HashMap::new(),
            newcomers: vec![None; shared_places.max(1)].into(),
            most,
        }
    }

    /// The state of a key, or of its place when the map is full of others.
    #[must_use]
    pub fn get(&self, key: u128) -> Option<S> {
        match self.known.get(&packed(key)) {
            Some(state) => Some(*state),
            None if self.known.len() < self.most => None,
            None => self.newcomers[self.place(key)],
        }
    }

    /// Whether a key would have to share a place.
    #[must_use]
    pub fn is_shared(&self, key: u128) -> bool {
        self.known.len() >= self.most && !self.known.contains_key(&packed(key))
    }

    /// Keeps the state of a key, or of its place when the map is full of others.
    pub fn put(&mut self, key: u128, state: S) {
        if let Some(known) = self.known.get_mut(&packed(key)) {
            *known = state;
        } else if self.known.len() < self.most {
            self.known.insert(packed(key), state);
        } else {
            self.newcomers[self.place(key)] = Some(state);
        }
    }

    /// Forgets a key. What shares a place stays.
    pub fn remove(&mut self, key: u128) {
        self.known.remove(&packed(key));
    }

    /// Forgets the keys whose state need not be kept, and gives their memory back.
    pub fn retain(&mut self, keep: impl Fn(&S) -> bool) {
        self.known.retain(|_, state| keep(state));
        self.known.shrink_to_fit();
    }

    /// How many keys it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    fn place(&self, key: u128) -> usize {
        let [high, low] = packed(key);
        let folded = high ^ low;
        usize::try_from(folded % self.newcomers.len() as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newcomers_of_a_full_map_share_a_place_and_push_nobody_out() {
        let mut map = Capped::new(2, 1);
        map.put(1, "one");
        map.put(2, "two");
        assert!(map.is_shared(3) && !map.is_shared(2));
        map.put(3, "others");
        assert_eq!(
            [map.get(1), map.get(2), map.get(3), map.get(4)],
            [Some("one"), Some("two"), Some("others"), Some("others")]
        );
        assert_eq!(map.len(), 2);
        map.remove(1);
        assert_eq!(map.get(4), None, "there is room again");
    }

    #[test]
    fn what_need_not_be_kept_is_forgotten() {
        let mut map = Capped::new(8, 1);
        map.put(1, 10);
        map.put(2, 20);
        map.retain(|state| *state > 10);
        assert_eq!((map.get(1), map.get(2)), (None, Some(20)));
        map.retain(|_| false);
        assert!(map.is_empty());
    }
}
