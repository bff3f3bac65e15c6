//! One client, and its neighbours.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use super::*;
use crate::env::{Clock, RandomnessUnavailable, Rng, Timestamp};

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A clock that moves when a test says so.
pub(super) struct ManualClock {
    origin: Instant,
    moved_micros: AtomicU64,
}

impl ManualClock {
    pub(super) fn advance(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap();
        self.moved_micros.fetch_add(micros, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::default()
    }

    fn monotonic(&self) -> Instant {
        self.origin + Duration::from_micros(self.moved_micros.load(Ordering::Relaxed))
    }
}

impl Rng for ManualClock {
    fn fill(&self, _: &mut [u8]) -> std::result::Result<(), RandomnessUnavailable> {
        Err(RandomnessUnavailable)
    }
}

/// The default limits, but for failed credentials, and the clock that they go by.
pub(super) fn limits_and_clock() -> (Limits, Arc<ManualClock>) {
    let calls = |calls| NonZeroU32::new(calls).unwrap();
    let quotas = Quotas {
        public: calls(8),
        free: calls(8),
        pro: calls(20),
        creation: Duration::from_secs(8),
        pro_creation: calls(8),
        failed_credentials: calls(3),
        client_registration: Duration::from_secs(2),
        log_in: Rules {
            free: 5,
            first_delay: Duration::from_secs(1),
            longest_delay: Duration::from_secs(900),
            untrusted: 300,
            untrusted_refill: Duration::from_secs(30),
            client: 100,
        },
    };
    let clock = Arc::new(ManualClock {
        origin: Env::system().monotonic(),
        moved_micros: AtomicU64::new(0),
    });
    let limits = Limits::new(&Env::new(clock.clone(), clock.clone()), &quotas);
    (limits, clock)
}

fn limits() -> Limits {
    limits_and_clock().0
}

#[test]
fn classes_stand_in_the_order_of_their_buckets() {
    for (index, class) in Class::ALL.into_iter().enumerate() {
        assert_eq!(class as usize, index);
    }
}

#[test]
fn each_plan_makes_accounts_at_its_own_pace() {
    for (plan, calls, wait, name) in [
        (Plan::Free, 5, Duration::from_secs(8), "account-creation"),
        (
            Plan::Pro,
            8,
            Duration::from_millis(125),
            "pro-account-creation",
        ),
    ] {
        let limits = limits();
        for _ in 0..calls {
            limits.creation(plan, false, CLIENT).unwrap();
        }
        let refused = limits.creation(plan, false, CLIENT).unwrap_err();
        assert_eq!(refused.retry_delay(), Some(wait));
        assert_eq!(refused.limit().unwrap().name, name);
    }
}

#[test]
fn mail_td_holds_its_own_sign_ups_to_one_and_all_together_to_five() {
    let (limits, clock) = limits_and_clock();
    limits.creation(Plan::Free, true, CLIENT).unwrap();
    let refused = limits.creation(Plan::Free, true, CLIENT).unwrap_err();
    assert_eq!(refused.retry_delay(), Some(Duration::from_secs(8)));
    assert_eq!(refused.limit().unwrap().calls, 1);
    for _ in 0..4 {
        limits.creation(Plan::Free, false, CLIENT).unwrap();
    }
    let refused = limits.creation(Plan::Free, false, CLIENT).unwrap_err();
    assert_eq!(refused.limit().unwrap().calls, 5);
    clock.advance(Duration::from_secs(8));
    limits.creation(Plan::Free, true, CLIENT).unwrap();
    for _ in 0..8 {
        limits.creation(Plan::Pro, true, CLIENT).unwrap();
    }
}

#[test]
fn a_site_without_room_has_none_for_a_client_that_has_spent_nothing() {
    let limits = limits();
    let subscriber = |number: u16| IpAddr::from([0x2001, 0xdb8, 1, number, 0, 0, 0, 1]);
    for number in (0..46).chain([0, 0]) {
        limits.may_try_credential(subscriber(number)).unwrap();
        limits.failed_credential(subscriber(number)).unwrap();
    }
    let refused = limits.may_try_credential(subscriber(48)).unwrap_err();
    let wait = Duration::from_secs(1) / 3 / 16;
    assert_eq!(refused.retry_delay(), Some(wait));
    let refused = limits.may_try_credential(subscriber(0)).unwrap_err();
    let of_client = Duration::from_secs(1) / 3;
    assert_eq!(refused.retry_delay(), Some(of_client), "the longer wait");
    let neighbour = IpAddr::from([0x2001, 0xdb8, 2, 0, 0, 0, 0, 1]);
    limits.may_try_credential(neighbour).unwrap();
}

#[test]
fn looking_at_a_bucket_spends_nothing() {
    let limits = limits();
    for _ in 0..100 {
        limits.may_try_credential(CLIENT).unwrap();
    }
    for _ in 0..3 {
        limits.failed_credential(CLIENT).unwrap();
    }
    let refused = limits.may_try_credential(CLIENT).unwrap_err();
    assert_eq!(refused.limit().unwrap().name, "failed-credentials");
}
