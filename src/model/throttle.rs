//! How often the password of an account may be tried: the rules, over plain state.
//!
//! An attempt is counted where it comes from. A **device** that the account knows, or an earlier session
//! of it, is counted by itself. A **network** is counted at this account, and as one of all the
//! **untrusted clients** who try it; and, as a **client** and a **site**, at all accounts together. So whoever
//! fails holds up himself, many untrusted clients together hold up each other, and nobody holds up a known device
//! or a network in which the account has a session.

use std::time::Duration;

use crate::{env::Timestamp, model::pace::Pace};

/// How many longest delays the queue of untrusted clients is long at most.
const QUEUE_IN_DELAYS: u32 = 4;

/// What is let through at once, and how slowly the rest.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Failures of one network or device at one account before it has to wait.
    pub free: u32,
    /// How long it then waits. Each further failure doubles that.
    pub first_delay: Duration,
    /// The longest that it waits, and the time in which one failure is forgotten.
    pub longest_delay: Duration,
    /// Attempts of all untrusted clients together at one account before they have to queue.
    pub untrusted: u32,
    /// How long one of those takes to be given back.
    pub untrusted_refill: Duration,
    /// Failures of one network at all accounts together before it has to wait.
    pub client: u32,
}

impl Rules {
    /// Failures after which a device that was known is trusted no more.
    #[must_use]
    pub fn trust(&self) -> u32 {
        self.free.saturating_mul(2)
    }

    /// How many failures a tier forgives, and how long it takes to forget one.
    fn allowance(&self, tier: Tier) -> Pace {
        let network = Pace {
            burst: self.free,
            interval: self.longest_delay,
        };
        // As many are forgotten in the same time, in proportion.
        let client = Pace {
            burst: self.client,
            interval: self.longest_delay * self.free / self.client.max(1),
        };
        let pace = match tier {
            Tier::Device | Tier::Network | Tier::Untrusted => network,
            Tier::Client => client,
            Tier::Site => client.of_site(),
        };
        Pace {
            interval: pace.interval.max(Duration::from_millis(1)),
            ..pace
        }
    }

    fn delay(&self, failures: u32, free: u32) -> Duration {
        let Some(doublings) = failures.checked_sub(free) else {
            return Duration::ZERO;
        };
        self.first_delay
            .saturating_mul(1 << doublings.min(31))
            .min(self.longest_delay)
    }

    /// When a state is as good as empty.
    #[must_use]
    pub fn expiry(&self, state: &AttemptState) -> Timestamp {
        // A slot that is not taken is kept for a while.
        state.until.max(match state.slot {
            QueueSlot::At(slot) => slot.after(self.longest_delay * 2),
            QueueSlot::None | QueueSlot::NotNeeded => Timestamp::default(),
        })
    }

    /// What is left of a state for whoever takes its place, so that nobody waits longer than the first delay for
    /// what somebody else failed.
    #[must_use]
    pub fn inherited(&self, tier: Tier, state: AttemptState) -> AttemptState {
        if tier == Tier::Untrusted {
            return AttemptState::default();
        }
        let Pace { burst, interval } = self.allowance(tier);
        AttemptState {
            until: state
                .until
                .min(state.last.after(interval.saturating_mul(burst))),
            last: state.last,
            slot: QueueSlot::None,
        }
    }
}

/// Where an attempt is counted.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Tier {
    /// A known device, or a session, at one account.
    Device,
    /// A network at one account.
    Network,
    /// All untrusted clients at one account.
    Untrusted,
    /// A network at all accounts.
    Client,
    /// A site of networks at all accounts.
    Site,
}

impl Tier {
    /// Every tier.
    pub const ALL: [Self; 5] = [
        Self::Device,
        Self::Network,
        Self::Untrusted,
        Self::Client,
        Self::Site,
    ];
}

/// A network's slot in the queue of untrusted clients.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum QueueSlot {
    /// It has none.
    #[default]
    None,
    /// It needs none: the account has had a session there.
    NotNeeded,
    /// From this moment on, and paid for.
    At(Timestamp),
}

/// What is remembered of earlier attempts in one place.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AttemptState {
    /// When all that was counted will be forgotten: further off with each failure.
    pub until: Timestamp,
    /// When an attempt was last let through.
    pub last: Timestamp,
    /// The slot among the untrusted clients, kept with a network.
    pub slot: QueueSlot,
}

impl AttemptState {
    /// When all that was counted will be forgotten, and the slot has come.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        self.until.max(match self.slot {
            QueueSlot::At(slot) => slot,
            QueueSlot::None | QueueSlot::NotNeeded => Timestamp::default(),
        })
    }

    /// How many failures are not yet forgotten at this moment.
    fn count(&self, allowance: Pace, at: Timestamp) -> u32 {
        let forget = allowance.interval.as_millis().max(1);
        let left = self.until.since(at).as_millis().div_ceil(forget);
        u32::try_from(left).unwrap_or(u32::MAX)
    }

    /// When the next attempt is let through.
    fn opens(&self, allowance: Pace, rules: &Rules, now: Timestamp) -> Timestamp {
        // Another node's clock may run ahead, and a clock may be set back.
        let last = self.last.min(now);
        last.after(rules.delay(self.count(allowance, last), allowance.burst))
    }

    fn add(&mut self, allowance: Pace, now: Timestamp) {
        self.until = self.until.max(now).after(allowance.interval);
        self.last = now;
    }

    fn refund(&mut self, allowance: Pace, counted: &Counted) {
        self.until = self.until.before(allowance.interval);
        // Nobody has tried since: it is as if this attempt had not been.
        if self.last == counted.at {
            self.last = counted.before;
        }
    }
}

/// The key of a state that several nodes share: what it counts, and for whom.
pub type RowKey = [u8; 17];

/// The states of one attempt, in the order of [`Tier::ALL`].
pub type AttemptStates = [AttemptState; Tier::ALL.len()];

/// What is known of an attempt beside its states.
#[derive(Clone, Copy, Debug, Default)]
pub struct Origin {
    /// It comes from a device that the account knows, or from a session of it.
    pub device: bool,
    /// Whether the account has had a session in the same network; none when nobody has looked yet.
    pub session_here: Option<bool>,
}

/// Where one attempt was counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Counted {
    tier: Tier,
    at: Timestamp,
    before: Timestamp,
}

/// What was counted when an attempt was let through, to be refunded if it turns out right.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reservation {
    counted: Vec<Counted>,
    /// It was let through as an untrusted client's.
    untrusted: bool,
}

impl Reservation {
    fn count(&mut self, tier: Tier, states: &mut AttemptStates, rules: &Rules, now: Timestamp) {
        let state = &mut states[tier as usize];
        let before = state.last;
        state.add(rules.allowance(tier), now);
        self.counted.push(Counted {
            tier,
            at: now,
            before,
        });
    }
}

/// What becomes of an attempt.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decision {
    /// It is let through, and counted as if it had failed.
    Pass(Reservation),
    /// It is refused. The same attempt passes after this time, if nobody else fails where it comes from.
    Wait(Duration),
    /// It is refused unless the account has had a session in the same network; nothing is counted yet.
    LookForSession,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The password was right.
    Right,
    /// Nobody found out.
    Unknown,
}

/// Decides about an attempt, and counts it in its states.
pub fn decide(
    states: &mut AttemptStates,
    origin: Origin,
    now: Timestamp,
    rules: &Rules,
) -> Decision {
    let device = Tier::Device;
    if origin.device {
        let (state, allowance) = (&states[device as usize], rules.allowance(device));
        if state.count(allowance, now) < rules.trust() {
            let opens = state.opens(allowance, rules, now);
            return pass_or_wait(opens, states, &[device], false, now, rules);
        }
    }
    let known = states[Tier::Network as usize].slot == QueueSlot::NotNeeded;
    if known || origin.session_here == Some(true) {
        states[Tier::Network as usize].slot = QueueSlot::NotNeeded;
        let opens = opens(Tier::Network, states, rules, now);
        return pass_or_wait(opens, states, &[Tier::Network], false, now, rules);
    }
    decide_about_untrusted(states, origin, now, rules)
}

fn decide_about_untrusted(
    states: &mut AttemptStates,
    origin: Origin,
    now: Timestamp,
    rules: &Rules,
) -> Decision {
    const SPRAYED: [Tier; 2] = [Tier::Client, Tier::Site];
    const COUNTED: [Tier; 3] = [Tier::Network, Tier::Client, Tier::Site];
    let kept = match states[Tier::Network as usize].slot {
        QueueSlot::At(slot) => Some(slot),
        QueueSlot::None | QueueSlot::NotNeeded => None,
    };
    let (slot, paid) = next_slot(&states[Tier::Untrusted as usize], now, rules);
    // A clock that was set back must not make a slot later than any that is given out.
    let slot = kept.map_or(slot, |kept| kept.min(longest_queue(now, rules)));
    let ready = COUNTED
        .iter()
        .map(|tier| opens(*tier, states, rules, now))
        .fold(slot, Timestamp::max);
    if kept.is_none() {
        if ready > now && origin.session_here.is_none() {
            return Decision::LookForSession;
        }
        // A network that tries many accounts is owed no slot at any: to be refused costs it nothing, and
        // each slot takes a place in memory and one in the queue.
        if SPRAYED
            .iter()
            .any(|tier| opens(*tier, states, rules, now) > now)
        {
            return Decision::Wait(ready.since(now));
        }
        states[Tier::Untrusted as usize].until = paid;
    }
    // Kept also by those whom another tier holds up: nobody may take it from them while they wait.
    states[Tier::Network as usize].slot = if ready > now {
        QueueSlot::At(slot)
    } else {
        QueueSlot::None
    };
    pass_or_wait(ready, states, &COUNTED, true, now, rules)
}

/// The next free slot in the queue of untrusted clients, and their state when it is taken.
fn next_slot(untrusted: &AttemptState, now: Timestamp, rules: &Rules) -> (Timestamp, Timestamp) {
    let refill = rules.untrusted_refill;
    let burst = refill * rules.untrusted.saturating_sub(1);
    let slot = untrusted.until.before(burst).max(now);
    let longest = longest_queue(now, rules);
    if slot > longest {
        // The queue is full. Those who come now share its last slot: a network that waited so long has
        // paid for its one attempt, and an owner among them is not locked out.
        return (longest, untrusted.until);
    }
    (slot, untrusted.until.max(now).after(refill))
}

fn longest_queue(now: Timestamp, rules: &Rules) -> Timestamp {
    now.after(rules.longest_delay * QUEUE_IN_DELAYS)
}

fn opens(tier: Tier, states: &AttemptStates, rules: &Rules, now: Timestamp) -> Timestamp {
    states[tier as usize].opens(rules.allowance(tier), rules, now)
}

fn pass_or_wait(
    opens: Timestamp,
    states: &mut AttemptStates,
    tiers: &[Tier],
    untrusted: bool,
    now: Timestamp,
    rules: &Rules,
) -> Decision {
    if opens > now {
        return Decision::Wait(opens.since(now));
    }
    let mut reservation = Reservation {
        untrusted,
        ..Reservation::default()
    };
    for tier in tiers {
        reservation.count(*tier, states, rules, now);
    }
    Decision::Pass(reservation)
}

/// Refunds what an attempt was counted for.
pub fn refund(
    states: &mut AttemptStates,
    reservation: &Reservation,
    outcome: Outcome,
    rules: &Rules,
) {
    for counted in &reservation.counted {
        let tier = counted.tier;
        let state = &mut states[tier as usize];
        match (outcome, tier) {
            // Whoever knows the password is no longer suspected here.
            (Outcome::Right, Tier::Device | Tier::Network) => *state = AttemptState::default(),
            // Of other accounts it says nothing.
            _ => state.refund(rules.allowance(tier), counted),
        }
    }
    if !reservation.untrusted {
        return;
    }
    match (outcome, reservation.counted.first()) {
        // The slot was waited for and stays paid.
        (Outcome::Unknown, Some(counted)) => {
            states[Tier::Network as usize].slot = QueueSlot::At(counted.at);
        }
        _ => {
            let untrusted = &mut states[Tier::Untrusted as usize];
            untrusted.until = untrusted.until.before(rules.untrusted_refill);
        }
    }
}

#[cfg(test)]
mod tests;
