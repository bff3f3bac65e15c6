//! The connections that are open, and which of them goes when another one comes.
//!
//! No client holds more than its share, so that nobody keeps the others out: whoever is over it, and then everybody
//! when all places are taken, loses the connection that has been without a call for longest.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use ipnet::IpNet;
use tokio::{
    net::TcpStream,
    task::{Id, JoinSet},
};
use tokio_util::sync::CancellationToken;

use super::{activity::Activity, connection::Connections, options::ServerOptions, report};
use crate::{layers::client::is_trusted, metrics::Metrics, model::network::Network};

/// The share of one client: an IPv4 address or an IPv6 /64. The site of many, an IPv6 /48, has twice as much.
const SHARES: usize = 4;
/// A share is never smaller.
const SMALLEST_SHARE: usize = 16;
/// How many more descriptors are in use while connections that were shed are being closed.
const CLOSING: usize = 32;

/// Every open connection of a listener.
pub(super) struct Pool {
    connections: Arc<Connections>,
    metrics: Option<Metrics>,
    tasks: JoinSet<()>,
    open: HashMap<Id, Open>,
    held: HashMap<Holder, usize>,
    most: usize,
    share: usize,
    /// Proxies bring the connections of many clients.
    proxies: Vec<IpNet>,
}

/// A connection that may be shed.
struct Open {
    holders: Vec<Holder>,
    activity: Activity,
    shed: CancellationToken,
}

/// Whose share a connection counts in.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Holder {
    Client(u128),
    Site(u128),
}

impl Pool {
    pub(super) fn new(
        options: &ServerOptions,
        connections: Connections,
        metrics: Option<Metrics>,
    ) -> Self {
        let most = options.max_connections.max(1);
        Self {
            connections: Arc::new(connections),
            metrics,
            tasks: JoinSet::new(),
            open: HashMap::new(),
            held: HashMap::new(),
            most,
            share: (most / SHARES).max(SMALLEST_SHARE),
            proxies: options.trusted_proxies.clone(),
        }
    }

    /// Whether another connection can be served, if need be in the place of one without a call.
    pub(super) fn has_place(&self) -> bool {
        self.tasks.len() < self.most + CLOSING
            && (self.open.len() < self.most || self.open.values().any(Open::is_idle))
    }

    /// Serves a connection, unless its client has its whole share in use.
    pub(super) fn take(&mut self, stream: TcpStream, peer: SocketAddr) {
        let holders = self.holders(peer.ip());
        if !self.make_place(&holders) {
            tracing::debug!(%peer, "refused a connection: its client has too many in use");
            return;
        }
        let (activity, shed) = (Activity::default(), CancellationToken::new());
        let served = {
            let (connections, activity) = (Arc::clone(&self.connections), activity.clone());
            let (shed, open) = (
                shed.clone(),
                self.metrics.as_ref().map(Metrics::connection_opened),
            );
            async move {
                let served = connections.serve(stream, peer, activity);
                shed.run_until_cancelled(served).await;
                drop(open);
            }
        };
        let id = self.tasks.spawn(served).id();
        for holder in &holders {
            *self.held.entry(*holder).or_default() += 1;
        }
        let open = Open {
            holders,
            activity,
            shed,
        };
        self.open.insert(id, open);
    }

    fn holders(&self, address: IpAddr) -> Vec<Holder> {
        if is_trusted(address.to_canonical(), &self.proxies) {
            return Vec::new();
        }
        let network = Network::of(address);
        let client = Holder::Client(network.client());
        let site = network.site().map(Holder::Site);
        [client].into_iter().chain(site).collect()
    }

    fn make_place(&mut self, holders: &[Holder]) -> bool {
        for holder in holders {
            let share = match holder {
                Holder::Client(_) => self.share,
                Holder::Site(_) => 2 * self.share,
            };
            let held = self.held.get(holder).copied().unwrap_or_default();
            if held >= share && !self.shed_oldest(|open| open.holders.contains(holder)) {
                return false;
            }
        }
        if self.open.len() >= self.most {
            // One that was idle a moment ago may have a call by now; then there is one more for a while.
            self.shed_oldest(|_| true);
        }
        true
    }

    /// Closes the connection of this kind that has been without a call for longest; false when all have one.
    fn shed_oldest(&mut self, kind: impl Fn(&Open) -> bool) -> bool {
        let idle = self
            .open
            .iter()
            .filter(|(_, open)| open.is_idle() && kind(open));
        let Some(id) = idle
            .min_by_key(|(_, open)| open.activity.order())
            .map(|(id, _)| *id)
        else {
            return false;
        };
        if let Some(open) = self.forget(id) {
            open.shed.cancel();
        }
        true
    }

    /// Frees a descriptor for what is more urgent than a connection without a call.
    pub(super) fn shed_any(&mut self) {
        self.shed_oldest(|_| true);
    }

    fn forget(&mut self, id: Id) -> Option<Open> {
        let open = self.open.remove(&id)?;
        for holder in &open.holders {
            if let Some(held) = self.held.get_mut(holder) {
                *held -= 1;
                if *held == 0 {
                    self.held.remove(holder);
                }
            }
        }
        Some(open)
    }

    /// Waits for the next connection to end; pending while there is none.
    pub(super) async fn ended(&mut self) {
        let id = match self.tasks.join_next_with_id().await {
            None => return std::future::pending().await,
            Some(Ok((id, ()))) => id,
            Some(Err(cause)) => {
                let id = cause.id();
                report(Err(cause));
                id
            }
        };
        self.forget(id);
    }

    /// The connections that are still being served.
    pub(super) fn into_tasks(self) -> JoinSet<()> {
        self.tasks
    }
}

impl Open {
    fn is_idle(&self) -> bool {
        self.activity.is_idle()
    }
}
