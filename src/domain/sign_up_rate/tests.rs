use std::{net::Ipv6Addr, sync::Arc};

use super::*;
use crate::env::{Clock, RandomnessUnavailable, Rng, Timestamp};

/// A clock that moves when a test says so.
struct ManualClock {
    origin: Instant,
    seconds: AtomicU64,
}

impl ManualClock {
    fn advance(&self, by: Duration) {
        self.seconds.fetch_add(by.as_secs(), Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }

    fn monotonic(&self) -> Instant {
        self.origin + Duration::from_secs(self.seconds.load(Relaxed))
    }
}

struct NoRng;

impl Rng for NoRng {
    fn fill(&self, _buffer: &mut [u8]) -> Result<(), RandomnessUnavailable> {
        Err(RandomnessUnavailable)
    }
}

/// Harder from 4 sign-ups of a network on, and from 1,000 of all.
fn rate() -> (SignUpRate, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock {
        origin: Env::system().monotonic(),
        seconds: AtomicU64::new(0),
    });
    let thresholds = Thresholds {
        network: 4,
        server: 1000,
    };
    let env = Env::new(clock.clone(), Arc::new(NoRng));
    (SignUpRate::new(thresholds, [7; 32], env), clock)
}

fn v4(number: u32) -> IpAddr {
    IpAddr::V4(number.into())
}

/// An address in this /48 and this /64 of it.
fn v6(site: u16, network: u16, host: u16) -> IpAddr {
    Ipv6Addr::new(0x2001, 0xdb8, site, network, 0, 0, 0, host).into()
}

#[test]
fn one_bit_at_the_threshold_and_one_at_each_doubling() {
    for (count, bits) in [
        (0.0, 0),
        (3.9, 0),
        (4.0, 1),
        (7.9, 1),
        (8.0, 2),
        (16.0, 3),
        (4000.0, 10),
    ] {
        assert_eq!(extra_bits(count, 4.0), bits, "{count}");
    }
    assert_eq!(extra_bits(f32::INFINITY, 1.0), 255);
}

#[test]
fn a_network_makes_it_harder_for_itself_alone() {
    let (rate, _) = rate();
    let bits = (0..9).map(|_| {
        rate.count(v4(1));
        rate.extra_bits(v4(1))
    });
    assert_eq!(bits.collect::<Vec<_>>(), [0, 0, 0, 1, 1, 1, 1, 2, 2]);
    assert_eq!(rate.extra_bits(v4(2)), 0);
}

#[test]
fn it_gets_easier_again() {
    let (rate, clock) = rate();
    for _ in 0..8 {
        rate.count(v4(1));
    }
    assert_eq!(rate.extra_bits(v4(1)), 2);
    clock.advance(Duration::from_secs(1));
    assert_eq!(rate.extra_bits(v4(1)), 1);
    clock.advance(HALF_LIFE);
    assert_eq!(rate.extra_bits(v4(1)), 0);
    clock.advance(Duration::from_secs(365 * 24 * 3600));
    rate.count(v4(1));
    assert_eq!(rate.extra_bits(v4(1)), 0);
}

#[test]
fn all_together_make_it_harder_for_everybody() {
    let (rate, _) = rate();
    for number in 0..1000 {
        rate.count(v4(number));
    }
    assert_eq!(rate.extra_bits(v4(u32::MAX)), 1);
}

#[test]
fn a_subscriber_is_one_network_and_a_site_is_sixteen() {
    let (rate, _) = rate();
    for host in 0..4 {
        rate.count(v6(1, 0, host));
    }
    assert_eq!(rate.extra_bits(v6(1, 0, 99)), 1);
    assert_eq!(rate.extra_bits(v6(1, 1, 0)), 0);
    for network in 1..61 {
        rate.count(v6(1, network, 0));
    }
    assert_eq!(rate.extra_bits(v6(1, 999, 0)), 1, "the site's 64th");
    assert_eq!(rate.extra_bits(v6(2, 0, 0)), 0);
}

#[test]
fn newcomers_push_nobody_out_and_hardly_meet() {
    let (rate, _) = rate();
    for _ in 0..8 {
        rate.count(v4(1));
    }
    for number in 2..902 {
        rate.count(v4(number));
    }
    assert!(rate.extra_bits(v4(1)) >= 2);
    let met = (10_000..20_000).filter(|number| rate.extra_bits(v4(*number)) > 0);
    assert_eq!(met.count(), 0, "others for whom it got harder");
}

#[test]
fn sign_ups_at_once_are_all_counted() {
    let (rate, _) = rate();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..250).for_each(|_| rate.count(v4(1))));
        }
    });
    assert_eq!(rate.server.at(0), 1000.0);
    assert_eq!(rate.extra_bits(v4(1)), 8, "250 times the threshold");
}

#[test]
fn a_site_at_its_limit_makes_nothing_harder_for_newcomers_elsewhere() {
    let (rate, clock) = rate();
    for network in 0..7_200 {
        rate.count(v6(1, network, 1));
        if network.is_multiple_of(2) {
            clock.advance(Duration::from_secs(1));
        }
    }
    let of_the_server = rate.extra_bits(v4(u32::MAX));
    for number in 0..1_000 {
        assert_eq!(rate.extra_bits(v4(number)), of_the_server);
        assert_eq!(rate.extra_bits(v6(7, number as u16, 1)), of_the_server);
    }
}
