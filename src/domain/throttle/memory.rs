//! The states of attempts on one node, in bounded memory.

use std::time::Duration;

use crate::{
    capped::Capped,
    env::Timestamp,
    model::throttle::{AttemptState, AttemptStates, Rules, Tier},
};

/// The most keys of each tier, in the order of [`Tier::ALL`]. About 12 MiB when all are full.
const MOST: [usize; Tier::ALL.len()] = [14_336, 114_688, 57_344, 57_344, 14_336];

/// The keys of one attempt, in the order of [`Tier::ALL`]; none where it is not counted.
pub type Keys = [Option<u128>; Tier::ALL.len()];

/// What is remembered of attempts.
#[derive(Debug)]
pub struct Memory {
    tiers: [Capped<AttemptState>; Tier::ALL.len()],
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            tiers: MOST.map(|most| Capped::new(most, |state: AttemptState| rank(state.end()))),
        }
    }
}

impl Memory {
    /// Remembers nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The states under these keys. One for which there is no free place begins with what the state that it would
    /// replace still counts, as far as that holds up anybody else.
    #[must_use]
    pub fn states(&self, keys: &Keys, now: Timestamp, rules: &Rules) -> AttemptStates {
        Tier::ALL.map(|tier| {
            let known = &self.tiers[tier as usize];
            let state = keys[tier as usize].and_then(|key| {
                let replaced = || known.replaced_by(key);
                known
                    .get(key)
                    .or_else(|| replaced().map(|state| rules.inherited(tier, state)))
            });
            state
                .filter(|state| rules.expiry(state) > now)
                .unwrap_or_default()
        })
    }

    /// Keeps what changed in the states under these keys.
    pub fn keep(&mut self, keys: &Keys, before: &AttemptStates, states: &AttemptStates) {
        for at in Tier::ALL.map(|tier| tier as usize) {
            let Some(key) = keys[at].filter(|_| states[at] != before[at]) else {
                continue;
            };
            if states[at] == AttemptState::default() {
                self.tiers[at].remove(key);
            } else {
                self.tiers[at].put(key, states[at]);
            }
        }
    }
}

/// What the table that nodes share has refused, so that it need not be asked again.
#[derive(Debug)]
pub struct Refused(Capped<Timestamp>);

impl Default for Refused {
    fn default() -> Self {
        Self(Capped::new(MOST[Tier::Network as usize], rank))
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
        let until = self.0.get(key).filter(|until| *until > now)?;
        Some(until.since(now))
    }

    /// Notes that this key has to wait so long.
    pub fn note(&mut self, key: u128, wait: Duration, now: Timestamp) {
        self.0.put(key, now.after(wait));
    }
}

/// What ends first goes first.
fn rank(end: Timestamp) -> u64 {
    u64::try_from(end.millis()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;
    use crate::model::{
        network::Network,
        throttle::{Decision, Origin, QueueSlot, decide},
    };

    const RULES: Rules = Rules {
        free: 5,
        first_delay: Duration::from_secs(1),
        longest_delay: Duration::from_secs(900),
        untrusted: 300,
        untrusted_refill: Duration::from_secs(30),
        client: 100,
    };
    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn keys(number: u128) -> Keys {
        [Some(number); Tier::ALL.len()]
    }

    /// Keeps a state that lasts for so long.
    fn fail(memory: &mut Memory, number: u128, lasts: Duration) {
        let state = AttemptState {
            until: NOW.after(lasts),
            last: NOW,
            ..AttemptState::default()
        };
        let before = memory.states(&keys(number), NOW, &RULES);
        memory.keep(&keys(number), &before, &[state; Tier::ALL.len()]);
    }

    #[test]
    fn newcomers_never_push_out_somebody_who_is_held_back_for_longer() {
        let (mut memory, minute) = (Memory::new(), Duration::from_secs(60));
        fail(&mut memory, 1, minute * 11);
        let held_back = memory.states(&keys(1), NOW, &RULES);
        for number in 2..400_000 {
            fail(&mut memory, number, minute * 10);
        }
        let sizes = Tier::ALL.map(|tier| memory.tiers[tier as usize].len());
        assert_eq!(sizes, MOST);
        assert_eq!(memory.states(&keys(1), NOW, &RULES), held_back);
        let newcomer = memory.states(&keys(1_000_000), NOW, &RULES);
        assert_eq!(newcomer[Tier::Untrusted as usize], AttemptState::default());
    }

    #[test]
    fn what_is_as_good_as_none_is_none() {
        let (mut memory, minute) = (Memory::new(), Duration::from_secs(60));
        fail(&mut memory, 1, minute);
        let mut waiting = AttemptStates::default();
        waiting[Tier::Network as usize].slot = QueueSlot::At(NOW);
        memory.keep(&keys(2), &AttemptStates::default(), &waiting);
        let at = |number, now| memory.states(&keys(number), now, &RULES);
        assert_ne!(at(1, NOW), AttemptStates::default());
        assert_eq!(at(1, NOW.after(minute)), AttemptStates::default());
        assert_eq!(at(2, NOW.after(minute * 29)), waiting);
        assert_eq!(at(2, NOW.after(minute * 30)), AttemptStates::default());
    }

    #[test]
    fn a_refusal_is_remembered_until_it_ends() {
        let (mut refused, second) = (Refused::new(), Duration::from_secs(1));
        refused.note(1, second, NOW);
        assert_eq!(refused.wait(1, NOW), Some(second));
        assert_eq!(refused.wait(2, NOW), None);
        assert_eq!(refused.wait(1, NOW.after(second)), None);
    }

    /// A network, as it tries the password of an account.
    fn keys_of(account: u32, client: IpAddr) -> Keys {
        let network = Network::of(client);
        let at = |label: u128, number: u128| Some((label << 120) ^ number);
        [
            None,
            at(1, (u128::from(account) << 80) ^ (network.client() >> 32)),
            at(2, account.into()),
            at(3, network.client()),
            network.site().and_then(|site| at(4, site)),
        ]
    }

    fn attempt(memory: &mut Memory, account: u32, client: IpAddr, now: Timestamp) -> Decision {
        let keys = keys_of(account, client);
        let before = memory.states(&keys, now, &RULES);
        let mut states = before;
        let origin = Origin {
            device: false,
            session_here: Some(false),
        };
        let decision = decide(&mut states, origin, now, &RULES);
        memory.keep(&keys, &before, &states);
        decision
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]

        /// Whatever one site tries at however many accounts.
        #[test]
        fn a_flood_from_one_site_has_no_newcomer_elsewhere_refused(
            ipv6: bool,
            bursts in prop::collection::vec((any::<u16>(), 1_u16..600, 1_u32..200, 0_u64..600), 1..6),
        ) {
            let (mut memory, mut now, mut number) = (Memory::new(), NOW, 0);
            let attacker = |number: u16| -> IpAddr {
                if ipv6 {
                    Ipv6Addr::from((0x2001_0db8_bad0 << 80) + (u128::from(number) << 64)).into()
                } else {
                    Ipv4Addr::new(203, 0, 113, number.to_be_bytes()[1]).into()
                }
            };
            for (first, networks, accounts, pause) in bursts {
                for network in 0..networks {
                    for account in 0..accounts {
                        let client = attacker(first.wrapping_add(network));
                        attempt(&mut memory, account, client, now);
                    }
                }
                for _ in 0..100 {
                    number += 1;
                    let client = Ipv4Addr::from(0x0b00_0000 + number).into();
                    let decision = attempt(&mut memory, 1_000_000 + number, client, now);
                    prop_assert!(matches!(decision, Decision::Pass(_)), "{decision:?}");
                }
                now = now.after(Duration::from_secs(pause));
            }
        }
    }
}
