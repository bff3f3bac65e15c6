//! How often a client may call: independent GCRA buckets by governor, one per class and client address.
//! A call passes when every bucket that matches it has room.

use std::{
    collections::HashMap,
    net::IpAddr,
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use governor::{
    NotUntil, Quota, RateLimiter,
    clock::Clock,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{StateStore, keyed::ShrinkableKeyedStateStore},
};

use crate::{
    env::Env,
    error::{Error, Limit, Reason, Result},
    model::account::Plan,
};

const SHARDS: usize = 64;
/// The most addresses of one shard: seven eighths of 2,048, past which its table would double.
const MAX_OF_A_SHARD: usize = 1_792;
/// How many clients' worth of calls a site may make.
const CLIENTS_OF_A_SITE: NonZeroU32 = NonZeroU32::new(16).unwrap();
/// How often addresses that have been quiet are forgotten.
const PRUNE_EVERY: Duration = Duration::from_secs(60);

/// How often each class may call.
#[derive(Clone, Copy, Debug)]
pub struct Quotas {
    /// Calls per second without a credential.
    pub public: NonZeroU32,
    /// Calls per second with a credential, on the free plan.
    pub free: NonZeroU32,
    /// Calls per second with a credential, on the paid plan.
    pub pro: NonZeroU32,
    /// The time between two sign-ups.
    pub creation: Duration,
}

/// The buckets of this server.
pub struct Limits {
    public: Bucket,
    free: Bucket,
    pro: Bucket,
    creation: Bucket,
}

impl Limits {
    /// Empty buckets with these quotas. A quota of no time between sign-ups is one of a nanosecond.
    #[must_use]
    pub fn new(env: &Env, quotas: &Quotas) -> Self {
        let clock = EnvClock {
            env: env.clone(),
            origin: env.monotonic(),
        };
        let per_second = |name, calls| Bucket::new(name, Quota::per_second(calls), &clock);
        let creation = Quota::with_period(quotas.creation)
            .unwrap_or_else(|| Quota::per_second(NonZeroU32::MAX));
        Self {
            public: per_second("public", quotas.public),
            free: per_second("free", quotas.free),
            pro: per_second("pro", quotas.pro),
            creation: Bucket::new("account-creation", creation, &clock),
        }
    }

    /// Spends one call of a client without a credential.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the time after which the same call passes.
    pub fn public(&self, client: IpAddr) -> Result<()> {
        self.public.spend(client)
    }

    /// Spends one sign-up of a client. To be spent last, for it is what takes longest to be given back:
    /// what another limit refuses spends none of it.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the time after which the same call passes.
    pub fn creation(&self, client: IpAddr) -> Result<()> {
        self.creation.spend(client)
    }

    /// Spends one call of a client with a credential.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the time after which the same call passes.
    pub fn authenticated(&self, plan: Plan, client: IpAddr) -> Result<()> {
        match plan {
            Plan::Free => self.free.spend(client),
            Plan::Pro => self.pro.spend(client),
        }
    }

    /// Forgets quiet addresses at an interval until the future is dropped.
    pub async fn run(&self) {
        let mut ticks = tokio::time::interval(PRUNE_EVERY);
        loop {
            ticks.tick().await;
            for bucket in [&self.public, &self.free, &self.pro, &self.creation] {
                bucket.clients.retain_recent();
                bucket.sites.retain_recent();
            }
        }
    }
}

type Limiter = RateLimiter<u128, Addresses, EnvClock, NoOpMiddleware<Nanos>>;

struct Bucket {
    limit: Limit,
    clients: Limiter,
    /// IPv6 by /48, which is what one site gets: many clients, but not 65,536 of them.
    sites: Limiter,
    /// How long one call takes to be given back to a client.
    refill: Duration,
    clock: EnvClock,
}

impl Bucket {
    fn new(name: &'static str, quota: Quota, clock: &EnvClock) -> Self {
        let (calls, refill) = (quota.burst_size(), quota.replenish_interval());
        // Rounded up: the window in which so many calls are sure to pass.
        let window = (refill * calls.get()).as_secs_f64().ceil();
        let limit = Limit {
            name: name.into(),
            calls: calls.get(),
            window_seconds: window as u64,
        };
        let site = Quota::with_period(refill / CLIENTS_OF_A_SITE.get())
            .unwrap_or(quota)
            .allow_burst(calls.saturating_mul(CLIENTS_OF_A_SITE));
        let limiter = |quota| RateLimiter::new(quota, Addresses::new(), clock.clone());
        Self {
            limit,
            clients: limiter(quota),
            sites: limiter(site),
            refill,
            clock: clock.clone(),
        }
    }

    /// Spends a call of the client, then one of its site: a client over its limit spends nothing of its
    /// neighbours'.
    fn spend(&self, client: IpAddr) -> Result<()> {
        let client = client.to_canonical();
        self.clients
            .check_key(&key(client))
            .map_err(|until| self.refuse(&until, Duration::ZERO))?;
        match site(client) {
            // The client's own call is gone already; the next one may have to wait for it.
            Some(site) => self
                .sites
                .check_key(&site)
                .map_err(|until| self.refuse(&until, self.refill)),
            None => Ok(()),
        }
    }

    fn refuse(&self, until: &NotUntil<Nanos>, at_least: Duration) -> Error {
        Error::new(Reason::RateLimited)
            .limited_by(self.limit.clone())
            .retry_after(until.wait_time_from(self.clock.now()).max(at_least))
    }
}

/// The /48 of an IPv6 client.
fn site(client: IpAddr) -> Option<u128> {
    const SITE: u128 = u128::MAX << 80;
    match client {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => Some(u128::from(address) & SITE),
    }
}

/// What counts as one client: an IPv4 address, also when it is written as IPv6, or the /64 that one
/// IPv6 subscriber gets.
fn key(client: IpAddr) -> u128 {
    const SUBSCRIBER: u128 = u128::MAX << 64;
    match client {
        IpAddr::V4(address) => address.to_ipv6_mapped().into(),
        IpAddr::V6(address) => u128::from(address) & SUBSCRIBER,
    }
}

/// The program's clock, for governor.
#[derive(Clone)]
struct EnvClock {
    env: Env,
    origin: Instant,
}

impl Clock for EnvClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.env.monotonic().duration_since(self.origin).into()
    }
}

/// The buckets' levels by address, about 4 MiB when it is full. When a shard is, newcomers share one level there: they wait for
/// each other, but never push out an address that is being held back.
struct Addresses {
    shards: Box<[Mutex<Shard>]>,
}

#[derive(Default)]
struct Shard {
    levels: HashMap<u128, Nanos>,
    newcomers: Option<Nanos>,
}

impl Addresses {
    fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    fn shard(&self, address: u128) -> &Mutex<Shard> {
        // The low half of an IPv6 key is zero, and the high half of an IPv4 key is constant.
        let folded = (address >> 64) ^ address;
        let spread = (folded as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58;
        &self.shards[spread as usize % SHARDS]
    }
}

impl StateStore for Addresses {
    type Key = u128;

    fn measure_and_replace<T, F, E>(&self, address: &u128, measure: F) -> std::result::Result<T, E>
    where
        F: Fn(Option<Nanos>) -> std::result::Result<(T, Nanos), E>,
    {
        let mut shard = self
            .shard(*address)
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(level) = shard.levels.get_mut(address) {
            let (outcome, new) = measure(Some(*level))?;
            *level = new;
            Ok(outcome)
        } else if shard.levels.len() < MAX_OF_A_SHARD {
            let (outcome, new) = measure(None)?;
            shard.levels.insert(*address, new);
            Ok(outcome)
        } else {
            let (outcome, new) = measure(shard.newcomers)?;
            shard.newcomers = Some(new);
            Ok(outcome)
        }
    }
}

impl ShrinkableKeyedStateStore<u128> for Addresses {
    fn retain_recent(&self, drop_below: Nanos) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.levels.retain(|_, level| *level > drop_below);
            shard.levels.shrink_to_fit();
        }
    }

    fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| {
                shard
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .levels
                    .len()
            })
            .sum()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets one call pass in a minute.
    fn spend(addresses: &Addresses, address: u128) -> bool {
        let measure = |level: Option<Nanos>| match level {
            Some(_) => Err(()),
            None => Ok(((), Nanos::from(Duration::from_secs(60)))),
        };
        addresses.measure_and_replace(&address, measure).is_ok()
    }

    #[test]
    fn newcomers_never_push_out_an_address_that_is_held_back() {
        let addresses = Addresses::new();
        assert!(spend(&addresses, 1));
        let passed = (2..2_000_000_u128)
            .filter(|number| spend(&addresses, number << 64))
            .count();
        assert!(passed <= (MAX_OF_A_SHARD + 1) * SHARDS, "{passed}");
        assert!(addresses.len() <= MAX_OF_A_SHARD * SHARDS);
        assert!(!spend(&addresses, 1), "still held back");
    }

    #[test]
    fn what_is_indistinguishable_from_new_is_forgotten() {
        let addresses = Addresses::new();
        assert!(spend(&addresses, 1));
        addresses.retain_recent(Duration::from_secs(59).into());
        assert_eq!(addresses.len(), 1);
        addresses.retain_recent(Duration::from_secs(60).into());
        assert!(addresses.is_empty());
    }

    #[test]
    fn one_spelling_counts_for_all_of_a_client() {
        let key = |text: &str| super::key(text.parse::<IpAddr>().unwrap().to_canonical());
        assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
    }
}
