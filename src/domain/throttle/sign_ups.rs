//! Sign-ups, counted across the nodes of one Postgres.

use std::time::Duration;

use super::{Limits, limited, network, row_key};
use crate::{
    domain::{Domain, tokens::Client},
    error::{Reason, Result},
    metrics,
    model::{account::Plan, network::CLIENTS_OF_A_SITE, throttle::Pace},
};

/// What the rows of sign-ups begin with.
const CREATION: u8 = b'c';

/// Rounded up to whole milliseconds, in which the table counts: a pace must not be let through faster than
/// it is configured, nor one of less than a millisecond be none at all.
fn whole_millis(interval: Duration) -> Duration {
    const MILLI: Duration = Duration::from_millis(1);
    let millis = interval.as_nanos().div_ceil(MILLI.as_nanos());
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

impl Limits {
    /// How often a client on this plan may make an account.
    fn creation(&self, plan: Plan) -> Pace {
        match plan {
            Plan::Free => Pace {
                burst: 1,
                interval: whole_millis(self.creation),
            },
            Plan::Pro => Pace {
                burst: self.pro_creation.get(),
                interval: whole_millis(Duration::from_secs(1) / self.pro_creation.get()),
            },
        }
    }
}

const fn limit_of(plan: Plan) -> metrics::Limit {
    match plan {
        Plan::Free => metrics::Limit::AccountCreation,
        Plan::Pro => metrics::Limit::ProAccountCreation,
    }
}

/// Spends a new account of the limit that its client is held to on this server. Called once the request is
/// known to be a good one, and before anything is looked up, which would tell who has an account.
pub type Admission = Box<dyn FnOnce() -> Result<()> + Send>;

impl Domain {
    /// Spends an account that a client on this plan is about to make, of the limit of this server and then of
    /// that of all servers.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the time after which the same call passes.
    pub(in crate::domain) async fn admit_account(
        &self,
        admission: Admission,
        plan: Plan,
        client: &Client,
    ) -> Result<()> {
        admission()?;
        let admitted = self.admit_sign_up(plan, client).await;
        if let Err(refusal) = &admitted
            && refusal.reason() == Reason::RateLimited
        {
            self.metrics.limit(limit_of(plan)).count(false);
        }
        admitted
    }

    /// Counts an account that a client on this plan is about to make, where several nodes have to know of
    /// it: each counts its own calls before they come here.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the time after which the same call passes.
    async fn admit_sign_up(&self, plan: Plan, client: &Client) -> Result<()> {
        let throttle = &self.throttle;
        let Some(limits) = throttle.limits.filter(|_| throttle.shared) else {
            return Ok(());
        };
        let (pace, name) = (limits.creation(plan), limit_of(plan).name());
        let network = network(client);
        let mut paces = vec![(throttle.number(name, &[network.client()]), pace)];
        if let Some(site) = network.site() {
            let of_site = Pace {
                burst: pace.burst.saturating_mul(CLIENTS_OF_A_SITE),
                interval: whole_millis(pace.interval / CLIENTS_OF_A_SITE),
            };
            paces.push((throttle.number(name, &[site, 0]), of_site));
        }
        let now = throttle.now();
        let (calls, window) = (pace.burst, pace.interval.saturating_mul(pace.burst));
        let pace_of_client = pace;
        throttle
            .store
            .write(move |tx| {
                Box::pin(async move {
                    for (number, pace) in paces {
                        let wait = tx.spend_pace(&row_key(CREATION, number), pace, now).await?;
                        if let Some(wait) = wait {
                            // This server's own bucket was spent just now, and fills as slowly.
                            let wait = wait.max(pace_of_client.interval);
                            return Err(limited(name, calls, window).retry_after(wait));
                        }
                    }
                    Ok(())
                })
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_never_faster_than_it_is_configured() {
        for (interval, whole) in [
            (Duration::ZERO, 0),
            (Duration::from_nanos(1), 1),
            (Duration::from_secs(1) / 2_000, 1),
            (Duration::from_secs(1) / 300, 4),
            (Duration::from_secs(8), 8_000),
        ] {
            assert_eq!(whole_millis(interval), Duration::from_millis(whole));
        }
    }
}
