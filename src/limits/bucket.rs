//! One limit: a GCRA bucket for each client, and one for each site of clients.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use governor::{
    NotUntil, Quota, RateLimiter, clock::Clock, middleware::NoOpMiddleware, nanos::Nanos,
};

use super::addresses::{Addresses, Check};
use crate::{
    env::Env,
    error::{Error, Limit, Reason, Result},
    model::pace::Pace,
};

/// The most clients of one shard.
const MOST_CLIENTS: usize = 896;
/// The most sites of one shard.
const MOST_SITES: usize = 224;

type Limiter = RateLimiter<Check, Addresses, EnvClock, NoOpMiddleware<Nanos>>;

/// The buckets of one limit.
pub(super) struct Bucket {
    limit: Limit,
    clients: Limiter,
    /// IPv6 by /48.
    sites: Limiter,
    /// How long one call takes to be given back to a client.
    refill: Duration,
    clock: EnvClock,
}

impl Bucket {
    pub(super) fn new(name: &'static str, pace: Pace, clock: &EnvClock) -> Self {
        // Rounded up: the window in which so many calls are sure to pass.
        let window = (pace.interval * pace.burst).as_secs_f64().ceil();
        let limit = Limit {
            name: name.into(),
            calls: pace.burst,
            window_seconds: window as u64,
        };
        let (clients, sites) = (Addresses::new(MOST_CLIENTS), Addresses::new(MOST_SITES));
        Self {
            limit,
            clients: RateLimiter::new(quota(pace), clients, clock.clone()),
            sites: RateLimiter::new(quota(pace.of_site()), sites, clock.clone()),
            refill: pace.interval,
            clock: clock.clone(),
        }
    }

    /// Spends a call of the client and of its site. Both are looked at before either spends: a site with nothing
    /// left gets no place for one more of its clients, and a client over its limit spends nothing of its
    /// neighbours'.
    pub(super) fn spend(&self, client: u128, site: Option<u128>) -> Result<()> {
        self.has_room(client, site)?;
        let spend = |limiter: &Limiter, address| {
            let check = Check {
                address,
                spends: true,
            };
            limiter.check_key(&check)
        };
        spend(&self.clients, client).map_err(|until| self.refuse(&until, Duration::ZERO))?;
        match site {
            // Others of the site were faster; the client's own call is gone already.
            Some(site) => {
                spend(&self.sites, site).map_err(|until| self.refuse(&until, self.refill))
            }
            None => Ok(()),
        }
    }

    /// Whether the client and its site could spend a call. When neither could, the longer wait is the one
    /// after which the call passes.
    pub(super) fn has_room(&self, client: u128, site: Option<u128>) -> Result<()> {
        let look = |limiter: &Limiter, address| {
            let check = Check {
                address,
                spends: false,
            };
            limiter.check_key(&check).err()
        };
        let of_client = look(&self.clients, client);
        let of_site = site.and_then(|site| look(&self.sites, site));
        of_client
            .into_iter()
            .chain(of_site)
            .max_by_key(NotUntil::earliest_possible)
            .map_or(Ok(()), |until| Err(self.refuse(&until, Duration::ZERO)))
    }

    fn refuse(&self, until: &NotUntil<Nanos>, at_least: Duration) -> Error {
        Error::new(Reason::RateLimited)
            .limited_by(self.limit.clone())
            .retry_after(until.wait_time_from(self.clock.now()).max(at_least))
    }
}

fn quota(pace: Pace) -> Quota {
    // No time between calls is a nanosecond.
    Quota::with_period(pace.interval)
        .unwrap_or_else(|| Quota::per_second(NonZeroU32::MAX))
        .allow_burst(NonZeroU32::new(pace.burst).unwrap_or(NonZeroU32::MIN))
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
