//! The marks of one node, in bounded memory.

use std::time::Duration;

use crate::{
    capped::Capped,
    env::Timestamp,
    model::throttle::{Mark, Marks, Rules, Tier, Turn},
};

/// The most keys of each tier, in the order of [`Tier::ALL`]: seven eighths of a power of two, past which a
/// table would double. About 14 MiB when all are full.
const MOST: [usize; Tier::ALL.len()] = [14_336, 114_688, 57_344, 57_344, 14_336];
/// How many places the newcomers of a full tier share.
const SHARED_PLACES: usize = 64;
/// How often what is as good as none is forgotten.
const PRUNE_EVERY: Duration = Duration::from_secs(60);

/// The keys of one attempt, in the order of [`Tier::ALL`]; none where it is not counted.
pub type Keys = [Option<u128>; Tier::ALL.len()];

/// What is remembered of attempts.
#[derive(Debug)]
pub struct Memory {
    tiers: [Capped<Mark>; Tier::ALL.len()],
    prune_at: Timestamp,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            tiers: MOST.map(|most| Capped::new(most, SHARED_PLACES)),
            prune_at: Timestamp::default(),
        }
    }
}

impl Memory {
    /// Remembers nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The marks under these keys.
    #[must_use]
    pub fn marks(&self, keys: &Keys) -> Marks {
        Tier::ALL.map(|tier| {
            let mark = keys[tier as usize].and_then(|key| self.tiers[tier as usize].get(key));
            mark.unwrap_or_default()
        })
    }

    /// Keeps what changed in the marks under these keys.
    pub fn keep(&mut self, keys: &Keys, before: &Marks, marks: &Marks, rules: &Rules) {
        let owes_turn = matches!(marks[Tier::Network as usize].turn, Turn::At(_));
        let keeps_turn = keys[Tier::Network as usize]
            .is_some_and(|key| !self.tiers[Tier::Network as usize].is_shared(key));
        for tier in Tier::ALL {
            let (at, mark) = (tier as usize, marks[tier as usize]);
            let Some(key) = keys[at].filter(|_| mark != before[at]) else {
                continue;
            };
            // A turn for which there is no place is not paid for, or who comes back would pay for another.
            if tier == Tier::Strangers && owes_turn && !keeps_turn {
                continue;
            }
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
    pub fn prune(&mut self, now: Timestamp, rules: &Rules) {
        if now < self.prune_at {
            return;
        }
        self.prune_at = now.after(PRUNE_EVERY);
        for known in &mut self.tiers {
            known.retain(|mark| rules.expiry(mark) > now);
        }
    }
}

/// What the table that nodes share has refused, so that it need not be asked again. Those for whom there is no
/// place are asked for each time.
#[derive(Debug)]
pub struct Refused {
    until: Capped<Timestamp>,
    prune_at: Timestamp,
}

impl Default for Refused {
    fn default() -> Self {
        Self {
            until: Capped::new(MOST[Tier::Network as usize], 1),
            prune_at: Timestamp::default(),
        }
    }
}

impl Refused {
    /// Remembers nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How long this key still has to wait, as far as is known here.
    #[must_use]
    pub fn wait(&self, key: u128, now: Timestamp) -> Option<Duration> {
        if self.until.is_shared(key) {
            return None;
        }
        let until = self.until.get(key).filter(|until| *until > now)?;
        Some(until.since(now))
    }

    /// Notes that this key has to wait so long.
    pub fn note(&mut self, key: u128, wait: Duration, now: Timestamp) {
        if now >= self.prune_at {
            self.prune_at = now.after(PRUNE_EVERY);
            self.until.retain(|until| *until > now);
        }
        if !self.until.is_shared(key) {
            self.until.put(key, now.after(wait));
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
    fn a_turn_for_which_there_is_no_place_is_not_paid_for() {
        let mut memory = Memory::new();
        for number in 1..200_000 {
            fail(&mut memory, number);
        }
        let mut newcomer = keys(1_000_000);
        newcomer[Tier::Strangers as usize] = Some(1);
        let before = memory.marks(&newcomer);
        let mut after = before;
        after[Tier::Network as usize].turn = Turn::At(NOW.after(RULES.longest_delay));
        after[Tier::Strangers as usize].until = NOW.after(RULES.longest_delay);
        memory.keep(&newcomer, &before, &after, &RULES);
        assert_eq!(memory.marks(&newcomer), before);
    }

    #[test]
    fn a_refusal_is_remembered_until_it_ends() {
        let (mut refused, second) = (Refused::new(), Duration::from_secs(1));
        refused.note(1, second, NOW);
        assert_eq!(refused.wait(1, NOW), Some(second));
        assert_eq!(refused.wait(2, NOW), None);
        assert_eq!(refused.wait(1, NOW.after(second)), None);
        refused.note(2, second, NOW.after(PRUNE_EVERY));
        assert_eq!(refused.until.len(), 1);
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
