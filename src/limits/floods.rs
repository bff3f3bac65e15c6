//! Many clients at once: nobody takes another's place.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::{
    tests::{ManualClock, limits_and_clock},
    *,
};

/// A client of a network and a site of its own for each number, far from every attacker's.
fn newcomer(number: u32) -> IpAddr {
    let [a, b, c, d] = number.to_be_bytes();
    if number.is_multiple_of(2) {
        Ipv4Addr::new(a.wrapping_add(11), b, c, d).into()
    } else {
        Ipv6Addr::from((0x2001_0db9 << 96) + (u128::from(number) << 80)).into()
    }
}

/// One /64 of the attacker's /48.
fn subscriber(number: u16) -> IpAddr {
    Ipv6Addr::from((0x2001_0db8_bad0 << 80) + (u128::from(number) << 64)).into()
}

/// One address of the attacker's /24.
fn neighbour(number: u16) -> IpAddr {
    let [_, last] = number.to_be_bytes();
    Ipv4Addr::new(203, 0, 113, last).into()
}

/// How many of one call each by so many newcomers are refused, at this pace.
fn refused_newcomers(limits: &Limits, clock: &ManualClock, count: u32, pause: Duration) -> usize {
    let refused = (0..count).filter(|number| {
        clock.advance(pause);
        limits.public(newcomer(*number)).is_err()
    });
    refused.count()
}

#[test]
fn a_thousand_different_clients_a_second_are_refused_nothing() {
    let (limits, clock) = limits_and_clock();
    let refused = refused_newcomers(&limits, &clock, 80_000, Duration::from_millis(1));
    assert_eq!(refused, 0);
}

#[test]
fn a_site_that_floods_has_no_newcomer_refused() {
    let (limits, clock) = limits_and_clock();
    let mut refused = 0;
    for second in 0..40 {
        for call in 0..1_500_u16 {
            let _ = limits.public(subscriber(call.wrapping_add(second * 1_500)));
            clock.advance(Duration::from_micros(600));
        }
        for number in 0..100 {
            let from = newcomer(u32::from(second) * 100 + number);
            refused += usize::from(limits.public(from).is_err());
            clock.advance(Duration::from_millis(1));
        }
    }
    assert_eq!(refused, 0);
}

/// A multiplication is no secret: whoever knows the constant knows which clients meet.
fn multiplied(client: IpAddr) -> u64 {
    let address = Network::of(client).client();
    let folded = (address >> 64) ^ address;
    (folded as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58
}

#[test]
fn a_flood_aimed_at_one_part_of_the_table_has_no_newcomer_refused() {
    let (limits, clock) = limits_and_clock();
    let aimed: Vec<IpAddr> = (0..=u16::MAX)
        .map(subscriber)
        .filter(|client| multiplied(*client) == 7)
        .collect();
    let newcomers: Vec<IpAddr> = (0..100_000)
        .map(newcomer)
        .filter(|client| multiplied(*client) == 7)
        .collect();
    // 31 calls a second for half a minute, and then as many newcomers in between.
    let mut flood = aimed.iter().cycle();
    let mut refused = 0;
    for call in 0..3_000 {
        let _ = limits.public(*flood.next().unwrap());
        clock.advance(Duration::from_millis(16));
        if call > 1_000 && call % 2 == 0 {
            let from = newcomers[call / 2 % newcomers.len()];
            refused += usize::from(limits.public(from).is_err());
        }
        clock.advance(Duration::from_millis(16));
    }
    assert_eq!(refused, 0);
}

/// Spends one call of each kind.
const EVERY_LIMIT: [fn(&Limits, IpAddr) -> Result<()>; 6] = [
    Limits::public,
    |limits, client| limits.authenticated(Plan::Free, client),
    |limits, client| limits.authenticated(Plan::Pro, client),
    |limits, client| limits.creation(Plan::Free, true, client),
    |limits, client| {
        limits.may_try_credential(client)?;
        limits.failed_credential(client)
    },
    Limits::well_formed_credential,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whatever one site does, and however it spreads it over its networks.
    #[test]
    fn a_flood_from_one_site_has_no_newcomer_elsewhere_refused(
        ipv6: bool,
        bursts in prop::collection::vec(
            (any::<u16>(), 1_u16..30_000, 1_u16..4, 0_usize..EVERY_LIMIT.len(), 0_u64..2_000),
            1..8,
        ),
    ) {
        let (limits, clock) = limits_and_clock();
        let site = if ipv6 { subscriber } else { neighbour };
        let mut number = 0;
        for (first, networks, calls, limit, pause) in bursts {
            for call in 0..networks * calls.min(u16::MAX / networks) {
                let network = first.wrapping_add(call % networks);
                let _ = EVERY_LIMIT[limit](&limits, site(network));
            }
            for _ in 0..100 {
                number += 1;
                for spend in EVERY_LIMIT {
                    prop_assert!(spend(&limits, newcomer(number)).is_ok());
                }
            }
            clock.advance(Duration::from_millis(pause));
        }
    }
}
