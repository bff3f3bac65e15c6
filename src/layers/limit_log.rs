//! What limits refuse, in the log: a flood of calls must be no flood of lines.
//!
//! The first call of a client that is refused in a minute has its line. The rest of that minute are counted, and
//! told in one line when it is over, or when the server stops.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::runtime::Handle;

use crate::model::network::Network;

/// How many clients of a minute are counted by themselves.
const MOST_CLIENTS: usize = 1_024;

/// What was refused in this minute, which begins with the first refusal.
pub(super) struct LimitLog {
    minute: Duration,
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
    pub(super) fn new(minute: Duration) -> Arc<Self> {
        Arc::new(Self {
            minute,
            counts: Mutex::default(),
        })
    }

    /// Counts a call that a limit refused. False when it has no line of its own.
    pub(super) fn has_line(self: &Arc<Self>, client: IpAddr) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let places = MOST_CLIENTS - counts.clients.len();
        let network = Network::of(client).client();
        match counts.clients.get_mut(&network) {
            Some((_, count)) => *count += 1,
            None if places > 0 => {
                counts.clients.insert(network, (client, 0));
                if places == MOST_CLIENTS {
                    self.tell_when_over();
                }
                return true;
            }
            None => counts.others += 1,
        }
        false
    }

    /// Nobody's next call is waited for: a flood that has ended is told, too.
    fn tell_when_over(self: &Arc<Self>) {
        let (log, minute) = (Arc::downgrade(self), self.minute);
        // There is none when a call ends because the program does; then the count is told on drop.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                tokio::time::sleep(minute).await;
                if let Some(log) = log.upgrade() {
                    log.tell();
                }
            });
        }
    }

    fn tell(&self) {
        for (client, count) in self.take() {
            tracing::info!(
                target: "countersign::request",
                parent: None,
                client = client.map(tracing::field::display),
                refused = count,
                "more calls were refused by a limit within a minute"
            );
        }
    }

    /// What had no line, of each client and at the end of all others. A new minute begins with the next refusal.
    fn take(&self) -> Vec<(Option<IpAddr>, u64)> {
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

impl Drop for LimitLog {
    fn drop(&mut self) {
        self.tell();
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn client(number: u32) -> IpAddr {
        Ipv4Addr::from(0x0b00_0000 + number).into()
    }

    #[test]
    fn a_flood_of_one_client_has_one_line_and_a_count_in_each_minute() {
        let log = LimitLog::new(MINUTE);
        for _ in 0..2 {
            let lines = (0..1_000).filter(|_| log.has_line(client(1)));
            assert_eq!(lines.count(), 1);
            assert!(log.has_line(client(2)), "another has its own");
            assert_eq!(log.take(), [(Some(client(1)), 999)]);
            assert_eq!(log.take(), [], "told once");
        }
    }

    #[test]
    fn a_flood_of_many_clients_has_no_more_lines_than_there_are_places() {
        let log = LimitLog::new(MINUTE);
        let lines = (0..100_000).filter(|number| log.has_line(client(*number)));
        assert_eq!(lines.count(), MOST_CLIENTS);
        assert_eq!(log.take(), [(None, 100_000 - MOST_CLIENTS as u64)]);
    }

    #[tokio::test]
    async fn a_minute_ends_without_another_call() {
        let log = LimitLog::new(Duration::ZERO);
        assert!(log.has_line(client(1)));
        assert!(!log.has_line(client(1)));
        while !log.counts.lock().unwrap().clients.is_empty() {
            tokio::task::yield_now().await;
        }
        assert!(log.has_line(client(1)), "a new minute");
    }
}
