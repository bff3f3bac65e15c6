//! Somebody guesses, and the owner still gets in.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

const RULES: Rules = Rules {
    free: 5,
    first_delay: SECOND,
    longest_delay: Duration::from_secs(900),
    untrusted: 300,
    untrusted_refill: Duration::from_secs(30),
    client: 100,
};

/// Who tries which account from where.
#[derive(Clone, Copy)]
struct Try {
    account: u32,
    network: u32,
    device: Option<u32>,
    had_session: bool,
}

/// An untrusted client who tries this account from this network.
fn untrusted(account: u32, network: u32) -> Try {
    Try {
        account,
        network,
        device: None,
        had_session: false,
    }
}

struct World {
    states: HashMap<(Tier, u32, u32), AttemptState>,
    now: Timestamp,
    looked: usize,
}

impl World {
    fn new() -> Self {
        Self {
            states: HashMap::new(),
            now: Timestamp::from_seconds(1_800_000_000),
            looked: 0,
        }
    }

    fn keys(who: Try) -> [(Tier, u32, u32); 5] {
        [
            (Tier::Device, who.account, who.device.unwrap_or_default()),
            (Tier::Network, who.account, who.network),
            (Tier::Untrusted, who.account, 0),
            (Tier::Client, 0, who.network),
            (Tier::Site, 0, who.network),
        ]
    }

    fn states(&self, who: Try) -> AttemptStates {
        Self::keys(who).map(|key| self.states.get(&key).copied().unwrap_or_default())
    }

    fn keep(&mut self, who: Try, states: AttemptStates) {
        for (key, state) in Self::keys(who).into_iter().zip(states) {
            if key.0 != Tier::Device || who.device.is_some() {
                self.states.insert(key, state);
            }
        }
    }

    /// Tries, and gives what was counted or how long to wait.
    fn attempt(&mut self, who: Try) -> Result<Reservation, Duration> {
        let mut states = self.states(who);
        let mut origin = Origin {
            device: who.device.is_some(),
            session_here: None,
        };
        loop {
            match decide(&mut states, origin, self.now, &RULES) {
                Decision::Pass(reservation) => {
                    self.keep(who, states);
                    return Ok(reservation);
                }
                Decision::Wait(wait) => {
                    self.keep(who, states);
                    return Err(wait);
                }
                Decision::LookForSession => {
                    assert_eq!(states, self.states(who), "nothing is counted yet");
                    self.looked += 1;
                    origin.session_here = Some(who.had_session);
                }
            }
        }
    }

    fn end(&mut self, who: Try, reservation: &Reservation, outcome: Outcome) {
        let mut states = self.states(who);
        refund(&mut states, reservation, outcome, &RULES);
        self.keep(who, states);
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now.after(time);
        let now = self.now;
        self.states.retain(|_, state| RULES.expiry(state) > now);
    }

    /// How often somebody gets through who tries without a pause for so long.
    fn hammer(&mut self, who: Try, time: Duration) -> usize {
        let (end, mut passed) = (self.now.after(time), 0);
        loop {
            match self.attempt(who) {
                Ok(_) => passed += 1,
                Err(wait) if self.now.after(wait) > end => return passed,
                Err(wait) => self.wait(wait),
            }
        }
    }
}

#[test]
fn five_failures_are_free_and_then_each_doubles_the_wait() {
    let (mut world, eve) = (World::new(), untrusted(1, 1));
    for _ in 0..5 {
        world.attempt(eve).unwrap();
    }
    for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256] {
        let wait = world.attempt(eve).unwrap_err();
        assert_eq!(wait, SECOND * seconds);
        assert_eq!(world.attempt(eve), Err(wait), "asking costs nothing");
        world.wait(wait);
        world.attempt(eve).unwrap();
    }
    // One failure has been forgotten by now, and the longest wait is in sight.
    for _ in 0..5 {
        let wait = world.attempt(eve).unwrap_err();
        assert!(
            (SECOND * 256..=RULES.longest_delay).contains(&wait),
            "{wait:?}"
        );
        world.wait(wait);
        world.attempt(eve).unwrap();
    }
}

#[test]
fn one_network_has_a_few_guesses_an_hour() {
    let (mut world, eve) = (World::new(), untrusted(1, 1));
    let first = world.hammer(eve, MINUTE * 60);
    assert!((15..=20).contains(&first), "{first}");
    for _ in 0..24 {
        let later = world.hammer(eve, MINUTE * 60);
        assert!(later <= 6, "{later}");
    }
}

#[test]
fn failures_are_forgotten_one_by_one() {
    let (mut world, ann) = (World::new(), untrusted(1, 1));
    for _ in 0..5 {
        world.attempt(ann).unwrap();
    }
    world.wait(RULES.longest_delay);
    world.attempt(ann).unwrap();
    assert_eq!(world.attempt(ann), Err(SECOND));
    world.wait(RULES.longest_delay * 6);
    assert!(world.states.is_empty(), "{:?}", world.states);
}

#[test]
fn attempts_at_once_do_not_get_around_the_count() {
    let mut world = World::new();
    let passed = (0..1_000).filter(|_| world.attempt(untrusted(1, 1)).is_ok());
    assert_eq!(passed.count(), 5);
}

#[test]
fn the_right_password_is_given_back_and_clears_where_it_came_from() {
    let (mut world, ann) = (World::new(), untrusted(1, 1));
    for _ in 0..4 {
        world.attempt(ann).unwrap();
    }
    let reservation = world.attempt(ann).unwrap();
    world.end(ann, &reservation, Outcome::Right);
    for _ in 0..1_000 {
        let reservation = world.attempt(ann).unwrap();
        world.end(ann, &reservation, Outcome::Right);
    }
    // The four failures at other accounts still stand.
    let states = world.states(ann);
    let counted = states[Tier::Client as usize].count(RULES.allowance(Tier::Client), world.now);
    assert_eq!(counted, 4);
}

#[test]
fn an_attempt_without_an_end_was_none() {
    let (mut world, ann) = (World::new(), untrusted(1, 1));
    for _ in 0..6 {
        if let Err(wait) = world.attempt(ann) {
            world.wait(wait);
        }
    }
    world.wait(SECOND * 2);
    let before = world.states(ann);
    let reservation = world.attempt(ann).unwrap();
    assert!(world.attempt(ann).is_err());
    world.end(ann, &reservation, Outcome::Unknown);
    let after = world.states(ann);
    for tier in [Tier::Client, Tier::Site] {
        assert_eq!(after[tier as usize], before[tier as usize]);
    }
    world.attempt(ann).unwrap();
}

#[test]
fn failures_of_one_network_hold_up_no_other() {
    let mut world = World::new();
    world.hammer(untrusted(1, 1), MINUTE * 60);
    assert!(world.attempt(untrusted(1, 1)).is_err());
    for _ in 0..5 {
        world.attempt(untrusted(1, 2)).unwrap();
    }
}

#[test]
fn twenty_addresses_that_flood_an_account_do_not_hold_up_a_newcomer() {
    let mut world = World::new();
    for number in 0..24 * 60 {
        // Each of the twenty tries as often as it can.
        for network in 1..=20 {
            while world.attempt(untrusted(1, network)).is_ok() {}
        }
        let owner = untrusted(1, 100_000 + number);
        let reservation = world.attempt(owner).expect("the owner is let through");
        world.end(owner, &reservation, Outcome::Right);
        world.wait(MINUTE);
    }
    assert!(world.looked <= 20 * 24 * 60, "{}", world.looked);
}

#[test]
fn many_untrusted_clients_queue_and_known_networks_and_devices_do_not() {
    let mut world = World::new();
    for network in 0..2_000 {
        let _ = world.attempt(untrusted(1, network));
    }
    let newcomer = untrusted(1, 9_999);
    let wait = world.attempt(newcomer).unwrap_err();
    assert_eq!(wait, RULES.longest_delay * 4, "the queue is full");
    let known_network = Try {
        had_session: true,
        ..newcomer
    };
    let device = Try {
        device: Some(1),
        ..untrusted(1, 9_998)
    };
    for owner in [
        device,
        Try {
            network: 9_997,
            ..known_network
        },
    ] {
        let reservation = world.attempt(owner).expect("the owner is let through");
        world.end(owner, &reservation, Outcome::Right);
    }
    assert_eq!(
        world.attempt(untrusted(2, 9_998)).map(drop),
        Ok(()),
        "another account"
    );
    world.wait(wait);
    world.attempt(newcomer).unwrap();
}

#[test]
fn a_botnet_gets_the_burst_and_what_is_given_back_while_its_networks_queue() {
    let mut world = World::new();
    let mut passed = 0;
    for _ in 0..60 {
        for network in 0..1_000 {
            passed += usize::from(world.attempt(untrusted(1, network)).is_ok());
        }
        world.wait(MINUTE);
    }
    assert!(passed <= 300 + 120 + 1, "{passed}");
}

#[test]
fn a_device_keeps_its_own_count_on_an_attackers_network_until_it_fails_too_often() {
    let mut world = World::new();
    world.hammer(untrusted(1, 1), MINUTE * 60);
    let device = Try {
        device: Some(7),
        ..untrusted(1, 1)
    };
    for _ in 0..5 {
        world.attempt(device).unwrap();
    }
    for seconds in [1, 2, 4, 8, 16] {
        assert_eq!(world.attempt(device), Err(SECOND * seconds));
        world.wait(SECOND * seconds);
        world.attempt(device).unwrap();
    }
    let wait = world.attempt(device).unwrap_err();
    assert_eq!(
        Err(wait),
        world.attempt(untrusted(1, 1)),
        "an untrusted client like the others"
    );
}

#[test]
fn spraying_many_accounts_holds_up_the_network_but_no_device_and_no_known_network() {
    let mut world = World::new();
    let passed = (0..10_000).filter(|account| world.attempt(untrusted(*account, 1)).is_ok());
    assert_eq!(passed.count(), 100);
    let fresh = untrusted(20_000, 1);
    let wait = world.attempt(fresh).unwrap_err();
    assert_eq!(wait, SECOND);
    let known = Try {
        had_session: true,
        ..untrusted(20_001, 1)
    };
    let device = Try {
        device: Some(1),
        ..untrusted(20_002, 1)
    };
    world.attempt(known).unwrap();
    world.attempt(device).unwrap();
    world.attempt(untrusted(20_000, 2)).unwrap();
    world.wait(wait);
    world.attempt(fresh).unwrap();
}

#[test]
fn sessions_are_looked_for_once_for_each_refusal_that_is_new() {
    let mut world = World::new();
    for _ in 0..1_000 {
        let _ = world.attempt(untrusted(1, 1));
    }
    assert_eq!(world.looked, 1);
}

#[test]
fn a_clock_that_is_set_back_locks_nobody_out() {
    let (mut world, ann) = (World::new(), untrusted(1, 1));
    for _ in 0..5 {
        world.attempt(ann).unwrap();
    }
    world.now = world.now.before(MINUTE * 60);
    let wait = world.attempt(ann).unwrap_err();
    assert!(wait <= RULES.longest_delay, "{wait:?}");
    world.attempt(untrusted(1, 2)).unwrap();
}

#[test]
fn who_takes_a_place_over_waits_no_longer_than_the_first_delay() {
    let mut state = AttemptState::default();
    for _ in 0..50 {
        state.add(
            RULES.allowance(Tier::Network),
            Timestamp::from_seconds(1_000),
        );
        state = RULES.inherited(Tier::Network, state);
    }
    let now = Timestamp::from_seconds(1_000);
    let opens = state.opens(RULES.allowance(Tier::Network), &RULES, now);
    assert_eq!(opens, now.after(RULES.first_delay));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Whatever others do meanwhile, waiting the stated time is enough.
    #[test]
    fn the_stated_wait_is_always_enough(
        floods in prop::collection::vec((0_u32..400, 0_u64..60_000), 1..600),
        own in 1_usize..20,
    ) {
        let (mut world, ann) = (World::new(), untrusted(1, 50_000));
        for (network, pause) in &floods {
            let _ = world.attempt(untrusted(1, *network));
            if own > 10 {
                world.wait(Duration::from_millis(*pause / 100));
            }
        }
        for _ in 0..own {
            if let Err(wait) = world.attempt(ann) {
                let end = world.now.after(wait);
                for (network, pause) in floods.iter().cycle().take(1_000) {
                    let _ = world.attempt(untrusted(1, *network));
                    let pause = Duration::from_millis(*pause).min(end.since(world.now));
                    world.wait(pause);
                }
                world.wait(end.since(world.now));
                prop_assert!(world.attempt(ann).is_ok());
            }
        }
    }
}

#[test]
fn a_network_that_tries_many_accounts_takes_no_slot_at_any() {
    let tired = AttemptState {
        until: Timestamp::from_seconds(1_900_000_000),
        last: Timestamp::from_seconds(1_800_000_000),
        ..AttemptState::default()
    };
    let mut states = AttemptStates::default();
    states[Tier::Client as usize] = tired;
    let before = states;
    let nobody = Origin {
        device: false,
        session_here: Some(false),
    };
    let now = Timestamp::from_seconds(1_800_000_001);
    assert!(matches!(
        decide(&mut states, nobody, now, &RULES),
        Decision::Wait(_)
    ));
    assert_eq!(states, before, "a refusal that costs nothing keeps nothing");
}
