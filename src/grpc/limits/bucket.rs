//! One limit: a GCRA bucket for each client, and one for each site of clients.

use std::{
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use governor::{
    NotUntil, Quota, RateLimiter, clock::Clock, middleware::NoOpMiddleware, nanos::Nanos,
};

use super::addresses::{Addresses, Seen, Spent};
use crate::{
    env::Env,
    error::{Error, Limit, Reason, Result},
    model::network::{CLIENTS_OF_A_SITE, Network},
};

/// The most clients of one shard: seven eighths of 1,024, past which its table would double.
const MOST_CLIENTS: usize = 896;
/// The most sites of one shard.
const MOST_SITES: usize = 224;

type Limiter<S> = RateLimiter<u128, S, EnvClock, NoOpMiddleware<Nanos>>;

/// The buckets of one limit.
pub(super) struct Bucket {
    limit: Limit,
    clients: Limiter<Spent>,
    /// The same buckets, for looking at.
    seen: Limiter<Seen>,
    /// IPv6 by /48.
    sites: Limiter<Spent>,
    seen_sites: Limiter<Seen>,
    /// How long one call takes to be given back to a client.
    refill: Duration,
    clock: EnvClock,
}

impl Bucket {
    pub(super) fn new(name: &'static str, quota: Quota, clock: &EnvClock) -> Self {
        let (calls, refill) = (quota.burst_size(), quota.replenish_interval());
        // Rounded up: the window in which so many calls are sure to pass.
        let window = (refill * calls.get()).as_secs_f64().ceil();
        let limit = Limit {
            name: name.into(),
            calls: calls.get(),
            window_seconds: window as u64,
        };
        let clients_of_a_site = NonZeroU32::new(CLIENTS_OF_A_SITE).unwrap_or(NonZeroU32::MIN);
        let site = Quota::with_period(refill / clients_of_a_site.get())
            .unwrap_or(quota)
            .allow_burst(calls.saturating_mul(clients_of_a_site));
        let (clients, sites) = (Addresses::new(MOST_CLIENTS), Addresses::new(MOST_SITES));
        Self {
            limit,
            seen: RateLimiter::new(quota, Seen(Arc::clone(&clients)), clock.clone()),
            clients: RateLimiter::new(quota, Spent(clients), clock.clone()),
            seen_sites: RateLimiter::new(site, Seen(Arc::clone(&sites)), clock.clone()),
            sites: RateLimiter::new(site, Spent(sites), clock.clone()),
            refill,
            clock: clock.clone(),
        }
    }

    /// Spends a call of the client, then one of its site: a client over its limit spends nothing of its
    /// neighbours'.
    pub(super) fn spend(&self, client: u128, site: Option<u128>) -> Result<()> {
        self.clients
            .check_key(&client)
            .map_err(|until| self.refuse(&until, Duration::ZERO))?;
        match site {
            // The client's own call is gone already; the next one may have to wait for it.
            Some(site) => self
                .sites
                .check_key(&site)
                .map_err(|until| self.refuse(&until, self.refill)),
            None => Ok(()),
        }
    }

    /// How long one call takes to be given back to a client.
    pub(super) fn refill(&self) -> Duration {
        self.refill
    }

    /// Whether the client and its site could spend a call. When neither could, the longer wait is the one
    /// after which the call passes.
    pub(super) fn has_room(&self, network: Network) -> Result<()> {
        let client = self.seen.check_key(&network.client()).err();
        let site = network
            .site()
            .and_then(|site| self.seen_sites.check_key(&site).err());
        client
            .into_iter()
            .chain(site)
            .max_by_key(NotUntil::earliest_possible)
            .map_or(Ok(()), |until| Err(self.refuse(&until, Duration::ZERO)))
    }

    /// Forgets clients and sites that are indistinguishable from new ones.
    pub(super) fn forget_quiet(&self) {
        self.clients.retain_recent();
        self.sites.retain_recent();
    }

    fn refuse(&self, until: &NotUntil<Nanos>, at_least: Duration) -> Error {
        Error::new(Reason::RateLimited)
            .limited_by(self.limit.clone())
            .retry_after(until.wait_time_from(self.clock.now()).max(at_least))
    }
}

/// The program's clock, for governor.
#[derive(Clone)]
pub(super) struct EnvClock {
    env: Env,
    origin: Instant,
}

impl EnvClock {
    pub(super) fn new(env: &Env) -> Self {
        Self {
            env: env.clone(),
            origin: env.monotonic(),
        }
    }
}

impl Clock for EnvClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.env.monotonic().duration_since(self.origin).into()
    }
}
