//! How often the password of an account may be tried: the rules, over plain state.
//!
//! An attempt is counted where it comes from. A **device** that the account knows, or an earlier session
//! of it, is counted by itself. A **network** is counted at this account, and as one of all the
//! **strangers** who try it; and, as a **client** and a **site**, at all accounts together. So whoever
//! fails holds up himself, many strangers together hold up strangers, and nobody holds up a known device
//! or a network in which the account has a session.

use std::{num::NonZeroU32, time::Duration};

use crate::{env::Timestamp, model::network::CLIENTS_OF_A_SITE};

/// How many longest delays the queue of strangers is long at most.
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
    /// Attempts of all strangers together at one account before they have to queue.
    pub strangers: u32,
    /// How long one of those takes to be given back.
    pub strangers_refill: Duration,
    /// Failures of one network at all accounts together before it has to wait.
    pub client: u32,
}

impl Rules {
    /// Failures after which a device that was known is a stranger.
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
            Tier::Device | Tier::Network | Tier::Strangers => network,
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

    /// When a mark is as good as none.
    #[must_use]
    pub fn expiry(&self, mark: &Mark) -> Timestamp {
        // A turn that is not taken is kept for a while.
        mark.until.max(match mark.turn {
            Turn::At(turn) => turn.after(self.longest_delay * 2),
            Turn::None | Turn::NotNeeded => Timestamp::default(),
        })
    }

    /// What is left of a mark for whoever takes its place, so that nobody waits longer than the first delay for
    /// what somebody else failed.
    #[must_use]
    pub fn inherited(&self, tier: Tier, mark: Mark) -> Mark {
        if tier == Tier::Strangers {
            return Mark::default();
        }
        let Pace { burst, interval } = self.allowance(tier);
        Mark {
            until: mark
                .until
                .min(mark.last.after(interval.saturating_mul(burst))),
            last: mark.last,
            turn: Turn::None,
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
    /// All strangers at one account.
    Strangers,
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
        Self::Strangers,
        Self::Client,
        Self::Site,
    ];
}

/// A network's turn in the queue of strangers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Turn {
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
pub struct Mark {
    /// When all that was counted will be forgotten: further off with each failure.
    pub until: Timestamp,
    /// When an attempt was last let through.
    pub last: Timestamp,
    /// The turn among the strangers, kept with a network.
    pub turn: Turn,
}

impl Mark {
    /// When all that was counted will be forgotten, and the turn has come.
    #[must_use]
    pub fn end(&self) -> Timestamp {
        self.until.max(match self.turn {
            Turn::At(turn) => turn,
            Turn::None | Turn::NotNeeded => Timestamp::default(),
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

    fn take_back(&mut self, allowance: Pace, counted: &Counted) {
        self.until = self.until.before(allowance.interval);
        // Nobody has tried since: it is as if this attempt had not been.
        if self.last == counted.at {
            self.last = counted.before;
        }
    }
}

/// The key of a mark that several nodes share: what it counts, and for whom.
pub type RowKey = [u8; 17];

/// So many at once, and one more after each interval.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pace {
    /// How many pass at once; at least one.
    pub burst: u32,
    /// How long one takes to be given back.
    pub interval: Duration,
}

impl Pace {
    /// So many in every second.
    #[must_use]
    pub fn per_second(calls: NonZeroU32) -> Self {
        Self {
            burst: calls.get(),
            interval: Duration::from_secs(1) / calls.get(),
        }
    }

    /// That of a site, where this is that of one client.
    #[must_use]
    pub fn of_site(self) -> Self {
        Self {
            burst: self.burst.saturating_mul(CLIENTS_OF_A_SITE),
            interval: self.interval / CLIENTS_OF_A_SITE,
        }
    }
}

/// The marks of one attempt, in the order of [`Tier::ALL`].
pub type Marks = [Mark; Tier::ALL.len()];

/// What is known of an attempt beside its marks.
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

/// What was counted when an attempt was let through, to be given back if it turns out right.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Receipt {
    counted: Vec<Counted>,
    /// It was let through as a stranger's.
    stranger: bool,
}

impl Receipt {
    fn count(&mut self, tier: Tier, marks: &mut Marks, rules: &Rules, now: Timestamp) {
        let mark = &mut marks[tier as usize];
        let before = mark.last;
        mark.add(rules.allowance(tier), now);
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
    Pass(Receipt),
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

/// Decides about an attempt, and notes it in its marks.
pub fn decide(marks: &mut Marks, origin: Origin, now: Timestamp, rules: &Rules) -> Decision {
    let device = Tier::Device;
    if origin.device {
        let (mark, allowance) = (&marks[device as usize], rules.allowance(device));
        if mark.count(allowance, now) < rules.trust() {
            let opens = mark.opens(allowance, rules, now);
            return pass_or_wait(opens, marks, &[device], false, now, rules);
        }
    }
    let known = marks[Tier::Network as usize].turn == Turn::NotNeeded;
    if known || origin.session_here == Some(true) {
        marks[Tier::Network as usize].turn = Turn::NotNeeded;
        let opens = opens(Tier::Network, marks, rules, now);
        return pass_or_wait(opens, marks, &[Tier::Network], false, now, rules);
    }
    decide_about_stranger(marks, origin, now, rules)
}

fn decide_about_stranger(
    marks: &mut Marks,
    origin: Origin,
    now: Timestamp,
    rules: &Rules,
) -> Decision {
    const SPRAYED: [Tier; 2] = [Tier::Client, Tier::Site];
    const COUNTED: [Tier; 3] = [Tier::Network, Tier::Client, Tier::Site];
    let kept = match marks[Tier::Network as usize].turn {
        Turn::At(turn) => Some(turn),
        Turn::None | Turn::NotNeeded => None,
    };
    let (turn, paid) = next_turn(&marks[Tier::Strangers as usize], now, rules);
    // A clock that was set back must not make a turn later than any that is given out.
    let turn = kept.map_or(turn, |kept| kept.min(longest_queue(now, rules)));
    let ready = COUNTED
        .iter()
        .map(|tier| opens(*tier, marks, rules, now))
        .fold(turn, Timestamp::max);
    if kept.is_none() {
        if ready > now && origin.session_here.is_none() {
            return Decision::LookForSession;
        }
        // A network that tries many accounts is owed no turn at any: to be refused costs it nothing, and
        // each turn takes a place in memory and one in the queue.
        if SPRAYED
            .iter()
            .any(|tier| opens(*tier, marks, rules, now) > now)
        {
            return Decision::Wait(ready.since(now));
        }
        marks[Tier::Strangers as usize].until = paid;
    }
    // Kept also by those whom another tier holds up: nobody may take it from them while they wait.
    marks[Tier::Network as usize].turn = if ready > now {
        Turn::At(turn)
    } else {
        Turn::None
    };
    pass_or_wait(ready, marks, &COUNTED, true, now, rules)
}

/// The next free turn among the strangers, and the strangers' mark when it is taken.
fn next_turn(strangers: &Mark, now: Timestamp, rules: &Rules) -> (Timestamp, Timestamp) {
    let refill = rules.strangers_refill;
    let burst = refill * rules.strangers.saturating_sub(1);
    let turn = strangers.until.before(burst).max(now);
    let longest = longest_queue(now, rules);
    if turn > longest {
        // The queue is full. Those who come now share its last turn: a network that waited so long has
        // paid for its one attempt, and an owner among them is not locked out.
        return (longest, strangers.until);
    }
    (turn, strangers.until.max(now).after(refill))
}

fn longest_queue(now: Timestamp, rules: &Rules) -> Timestamp {
    now.after(rules.longest_delay * QUEUE_IN_DELAYS)
}

fn opens(tier: Tier, marks: &Marks, rules: &Rules, now: Timestamp) -> Timestamp {
    marks[tier as usize].opens(rules.allowance(tier), rules, now)
}

fn pass_or_wait(
    opens: Timestamp,
    marks: &mut Marks,
    tiers: &[Tier],
    stranger: bool,
    now: Timestamp,
    rules: &Rules,
) -> Decision {
    if opens > now {
        return Decision::Wait(opens.since(now));
    }
    let mut receipt = Receipt {
        stranger,
        ..Receipt::default()
    };
    for tier in tiers {
        receipt.count(*tier, marks, rules, now);
    }
    Decision::Pass(receipt)
}

/// Gives back what an attempt was counted for.
pub fn give_back(marks: &mut Marks, receipt: &Receipt, outcome: Outcome, rules: &Rules) {
    for counted in &receipt.counted {
        let tier = counted.tier;
        let mark = &mut marks[tier as usize];
        match (outcome, tier) {
            // Whoever knows the password is no longer suspected here.
            (Outcome::Right, Tier::Device | Tier::Network) => *mark = Mark::default(),
            // Of other accounts it says nothing.
            _ => mark.take_back(rules.allowance(tier), counted),
        }
    }
    if !receipt.stranger {
        return;
    }
    match (outcome, receipt.counted.first()) {
        // The turn was waited for and stays paid.
        (Outcome::Unknown, Some(counted)) => {
            marks[Tier::Network as usize].turn = Turn::At(counted.at);
        }
        _ => {
            let strangers = &mut marks[Tier::Strangers as usize];
            strangers.until = strangers.until.before(rules.strangers_refill);
        }
    }
}

#[cfg(test)]
mod tests;
