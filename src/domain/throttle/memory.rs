//! The marks of one node, in bounded memory.

use std::time::Duration;

use crate::{
    capped::Capped,
    env::Timestamp,
    model::throttle::{Mark, Marks, Rules, Tier},
};

/// The most keys of each tier, in the order of [`Tier::ALL`]: seven eighths of a power of two, past which a
/// table would double. About 14 MiB when all are full.
const MOST: [usize; Tier::ALL.len()] = [14_336, 114_688, 57_344, 57_344, 14_336];
/// How many places the newcomers of a full tier share.
const SHARED_PLACES: usize = 64;
/// How often what is as good as none is forgotten.
const PRUNE_EVERY: Duration = Duration::from_secs(60);

/// The keys of one attempt, in the order of [`Tier::ALL`]; none where it is not counted.
pub(super) type Keys = [Option<u128>; Tier::ALL.len()];

/// What is remembered of attempts.
pub(super) struct Memory {
    tiers: [Capped<Mark>; Tier::ALL.len()],
    prune_at: Timestamp,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self {
            tiers: MOST.map(|most| Capped::new(most, SHARED_PLACES)),
            prune_at: Timestamp::default(),
        }
    }

    /// The marks under these keys.
    pub(super) fn marks(&self, keys: &Keys) -> Marks {
        Tier::ALL.map(|tier| {
            let mark = keys[tier as usize].and_then(|key| self.tiers[tier as usize].get(key));
            mark.unwrap_or_default()
        })
    }

    /// Keeps what changed in the marks under these keys.
    pub(super) fn keep(&mut self, keys: &Keys, before: &Marks, marks: &Marks, rules: &Rules) {
        for tier in Tier::ALL {
            let (at, mark) = (tier as usize, marks[tier as usize]);
            let Some(key) = keys[at].filter(|_| mark != before[at]) else {
                continue;
            };
            let known = &mut self.tiers[at];
            if known.is_shared(key) {
                known.put(key, rules.shared(tier, mark));
            } else if mark == Mark::default() {
                known.remove(key);
            } else {
                known.put(key, mark);
            }
        }
    }

    /// Forgets what is as good as none, once in a while.
    pub(super) fn prune(&mut self, now: Timestamp, rules: &Rules) {
        if now < self.prune_at {
            return;
        }
        self.prune_at = now.after(PRUNE_EVERY);
        for known in &mut self.tiers {
            known.retain(|mark| rules.expiry(mark) > now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        free: 5,
        first_delay: Duration::from_secs(1),
        longest_delay: Duration::from_secs(900),
        strangers: 300,
        strangers_refill: Duration::from_secs(30),
        client: 100,
    };
    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn keys(number: u128) -> Keys {
        [Some(number); Tier::ALL.len()]
    }

    /// Keeps a mark that lasts for ten minutes.
    fn fail(memory: &mut Memory, number: u128) {
        let mark = Mark {
            until: NOW.after(Duration::from_secs(600)),
            last: NOW,
            ..Mark::default()
        };
        let before = memory.marks(&keys(number));
        memory.keep(&keys(number), &before, &[mark; Tier::ALL.len()], &RULES);
    }

    #[test]
    fn newcomers_never_push_out_somebody_who_is_held_back() {
        let mut memory = Memory::new();
        fail(&mut memory, 1);
        let held_back = memory.marks(&keys(1));
        for number in 2..500_000 {
            fail(&mut memory, number);
        }
        let sizes = Tier::ALL.map(|tier| memory.tiers[tier as usize].len());
        assert_eq!(sizes, MOST);
        assert_eq!(memory.marks(&keys(1)), held_back);
        let newcomer = memory.marks(&keys(1_000_000));
        assert_eq!(newcomer[Tier::Strangers as usize], Mark::default());
    }

    #[test]
    fn what_is_as_good_as_none_is_forgotten() {
        let mut memory = Memory::new();
        fail(&mut memory, 1);
        memory.prune(NOW, &RULES);
        assert_ne!(memory.marks(&keys(1)), Marks::default());
        memory.prune(NOW.after(Duration::from_secs(600)), &RULES);
        assert!(memory.tiers.iter().all(Capped::is_empty));
    }
}
