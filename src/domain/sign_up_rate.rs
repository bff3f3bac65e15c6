//! How many sign up, from each network and on the whole, and how much harder that makes it.
//!
//! A count halves every [`HALF_LIFE`], so that it follows the rate of the last minutes and decays to
//! nothing. At a threshold a challenge gets one bit harder, and one more at each doubling from there.
//!
//! The counts of all networks together take 128 KiB, however many there are: a count-min sketch
//! (Cormode and Muthukrishnan, 2005). Each network counts in one cell of each row, and its count is that
//! of the lowest of its cells. Networks can meet in a cell, which makes a count too high and never too
//! low; nobody is pushed out by anybody else. Meeting in all rows takes more networks than the count of
//! the whole server lets pass unnoticed, and costs no more than the ceiling.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use crate::{
    crypto::secrets,
    env::Env,
    model::network::{CLIENTS_OF_A_SITE, Network},
};

/// How long until a sign-up counts half.
const HALF_LIFE: Duration = Duration::from_secs(600);
const ROWS: usize = 4;
const CELLS_OF_A_ROW: usize = 4096;

/// From how many sign-ups on it gets harder.
#[derive(Clone, Copy, Debug)]
pub struct Thresholds {
    /// Of one network.
    pub network: u32,
    /// Of all together.
    pub server: u32,
}

/// The counts of this server, since it started.
pub(super) struct SignUpRate {
    thresholds: Thresholds,
    key: [u8; 32],
    env: Env,
    origin: Instant,
    server: Count,
    networks: Vec<Count>,
}

impl SignUpRate {
    /// No sign-ups yet. The key keeps it from being foreseen which networks meet.
    pub(super) fn new(thresholds: Thresholds, key: [u8; 32], env: Env) -> Self {
        Self {
            thresholds,
            key,
            origin: env.monotonic(),
            env,
            server: Count::default(),
            networks: (0..ROWS * CELLS_OF_A_ROW)
                .map(|_| Count::default())
                .collect(),
        }
    }

    /// Counts a sign-up.
    pub(super) fn count(&self, client: IpAddr) {
        let now = self.now();
        self.server.add(now);
        for network in networks(client) {
            for cell in self.cells(&network) {
                cell.add(now);
            }
        }
    }

    /// How many bits harder the next challenge of a client is.
    pub(super) fn extra_bits(&self, client: IpAddr) -> u8 {
        let now = self.now();
        let server = extra_bits(self.server.at(now), self.thresholds.server as f32);
        networks(client)
            .map(|network| {
                let cells = self.cells(&network).into_iter();
                let lowest = cells.map(|cell| cell.at(now)).fold(f32::INFINITY, f32::min);
                extra_bits(lowest, self.thresholds.network as f32 * network.subscribers)
            })
            .fold(server, u8::max)
    }

    /// The cells of a network, one in each row.
    fn cells(&self, network: &Counted) -> [&Count; ROWS] {
        let address = network.address.to_be_bytes();
        let spread = secrets::fingerprint(&self.key, network.kind, &address).to_be_bytes();
        std::array::from_fn(|row| {
            let at = usize::from(u16::from_be_bytes([spread[2 * row], spread[2 * row + 1]]));
            &self.networks[row * CELLS_OF_A_ROW + at % CELLS_OF_A_ROW]
        })
    }

    /// Whole seconds since the start.
    fn now(&self) -> u32 {
        let since = self.env.monotonic().saturating_duration_since(self.origin);
        u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
    }
}

/// A network whose sign-ups are counted.
struct Counted {
    /// Tells a site from its first subscriber, whose network has the same address.
    kind: &'static str,
    address: u128,
    /// How many subscribers share it.
    subscribers: f32,
}

fn networks(client: IpAddr) -> impl Iterator<Item = Counted> {
    let network = Network::of(client);
    let subscriber = Counted {
        kind: "subscriber",
        address: network.client(),
        subscribers: 1.0,
    };
    let site = network.site().map(|address| Counted {
        kind: "site",
        address,
        subscribers: CLIENTS_OF_A_SITE as f32,
    });
    std::iter::once(subscriber).chain(site)
}

/// One bit at the threshold, and one more at each doubling.
fn extra_bits(count: f32, threshold: f32) -> u8 {
    let times = count / threshold;
    if times >= 1.0 {
        1_u8.saturating_add(times.log2() as u8)
    } else {
        0
    }
}

/// A count that halves every [`HALF_LIFE`]: its last value in the low half, and in the high half the
/// second at which it was that.
#[derive(Default)]
struct Count(AtomicU64);

impl Count {
    fn at(&self, now: u32) -> f32 {
        decayed(self.0.load(Relaxed), now)
    }

    fn add(&self, now: u32) {
        let more = |state| {
            let value = decayed(state, now) + 1.0;
            Some(u64::from(now) << 32 | u64::from(value.to_bits()))
        };
        // An update that always has a new value cannot fail.
        let _ = self.0.fetch_update(Relaxed, Relaxed, more);
    }
}

fn decayed(state: u64, now: u32) -> f32 {
    let (then, value) = ((state >> 32) as u32, f32::from_bits(state as u32));
    let elapsed = now.saturating_sub(then) as f32;
    value * (-elapsed / HALF_LIFE.as_secs_f32()).exp2()
}

#[cfg(test)]
mod tests;
