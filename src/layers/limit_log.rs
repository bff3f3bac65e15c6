//! What limits refuse, in the log: a flood of calls must be no flood of lines.
//!
//! The first call of a client that is refused in a minute has its line. The rest of that minute are counted, and
//! told in one line when it is over.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use crate::model::network::Network;

/// How many clients of a minute are counted by themselves.
const MOST_CLIENTS: usize = 1_024;
const MINUTE_SECONDS: u64 = 60;

/// What was refused in this minute.
pub(super) struct LimitLog {
    origin: Instant,
    minute: AtomicU64,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    /// By network: an address of it, and how many calls had no line.
    clients: HashMap<u128, (IpAddr, u64)>,
    /// The calls of all others.
    others: u64,
}

impl LimitLog {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            origin: now,
            minute: AtomicU64::new(0),
            counts: Mutex::default(),
        }
    }

    /// Counts a call that a limit refused. False when it has no line of its own.
    pub(super) fn has_line(&self, client: IpAddr) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let has_place = counts.clients.len() < MOST_CLIENTS;
        let network = Network::of(client).client();
        match counts.clients.get_mut(&network) {
            Some((_, count)) => *count += 1,
            None if has_place => {
                counts.clients.insert(network, (client, 0));
                return true;
            }
            None => counts.others += 1,
        }
        false
    }

    /// Tells what had no line, when the minute is over.
    pub(super) fn tell(&self, now: Instant) {
        for (client, count) in self.take(now) {
            tracing::info!(
                target: "countersign::request",
                parent: None,
                client = client.map(tracing::field::display),
                refused = count,
                "more calls were refused by a limit within a minute"
            );
        }
    }

    /// What had no line in the minute that is over, of each client and at the end of all others.
    fn take(&self, now: Instant) -> Vec<(Option<IpAddr>, u64)> {
        let minute = now.saturating_duration_since(self.origin).as_secs() / MINUTE_SECONDS;
        if self.minute.load(Relaxed) == minute || self.minute.swap(minute, Relaxed) == minute {
            return Vec::new();
        }
        let Counts { clients, others } =
            std::mem::take(&mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner));
        clients
            .into_values()
            .map(|(client, count)| (Some(client), count))
            .chain([(None, others)])
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, time::Duration};

    use super::*;
    use crate::env::Env;

    fn client(number: u32) -> IpAddr {
        Ipv4Addr::from(0x0b00_0000 + number).into()
    }

    #[test]
    fn a_flood_of_one_client_has_one_line_and_a_count_in_each_minute() {
        let start = Env::system().monotonic();
        let (log, minute) = (LimitLog::new(start), Duration::from_secs(60));
        for turn in 1..3 {
            let lines = (0..1_000).filter(|_| log.has_line(client(1)));
            assert_eq!(lines.count(), 1);
            assert!(log.has_line(client(2)), "another has its own");
            assert_eq!(log.take(start + minute * turn - minute / 2), []);
            let told = log.take(start + minute * turn);
            assert_eq!(told, [(Some(client(1)), 999)]);
            assert_eq!(log.take(start + minute * turn), [], "told once");
        }
    }

    #[test]
    fn a_flood_of_many_clients_has_no_more_lines_than_there_are_places() {
        let start = Env::system().monotonic();
        let log = LimitLog::new(start);
        let lines = (0..100_000).filter(|number| log.has_line(client(*number)));
        assert_eq!(lines.count(), MOST_CLIENTS);
        let told = log.take(start + Duration::from_secs(60));
        assert_eq!(told, [(None, 100_000 - MOST_CLIENTS as u64)]);
    }
}
