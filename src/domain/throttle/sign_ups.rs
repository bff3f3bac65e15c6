//! Sign-ups, counted across the nodes of one Postgres.

use std::time::Duration;

use super::{Limits, limited, network, row_key};
use crate::{
    domain::{Domain, tokens::Client},
    error::{Reason, Result},
    metrics,
    model::{
        account::Plan,
        network::CLIENTS_OF_A_SITE,
        throttle::{Pace, SIGN_UPS_AT_ONCE},
    },
};

/// What the rows of sign-ups begin with.
const CREATION: u8 = b'c';
/// The label of the rows of Mail.td's own limit.
const MAIL_TD: &str = "mailtd-account-creation";

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
                burst: SIGN_UPS_AT_ONCE,
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

/// Spends a new account of the limit that its client is held to on this server.
pub type Admission = Box<dyn FnOnce() -> Result<()> + Send>;

impl Domain {
    /// Spends an account that a client on this plan is about to make, of the limit of this server and then of
    /// that of all servers; `mail_td` says whether Mail.td's own limit on sign-ups holds it, too.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the time after which the same call passes.
    pub(in crate::domain) async fn admit_account(
        &self,
        admission: Admission,
        plan: Plan,
        mail_td: bool,
        client: &Client,
    ) -> Result<()> {
        admission()?;
        let admitted = self.admit_sign_up(plan, mail_td, client).await;
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
    async fn admit_sign_up(&self, plan: Plan, mail_td: bool, client: &Client) -> Result<()> {
        let throttle = &self.throttle;
        let Some(limits) = throttle.limits.filter(|_| throttle.shared) else {
            return Ok(());
        };
        let (name, pace, network) = (
            limit_of(plan).name(),
            limits.creation(plan),
            network(client),
        );
        let of_mail_td =
            (mail_td && plan == Plan::Free).then_some((MAIL_TD, Pace { burst: 1, ..pace }));
        let mut rows = Vec::new();
        for (label, pace) in of_mail_td.into_iter().chain([(name, pace)]) {
            rows.push((throttle.number(label, &[network.client()]), pace, pace));
            if let Some(site) = network.site() {
                rows.push((throttle.number(label, &[site, 0]), of_site(pace), pace));
            }
        }
        let now = throttle.now();
        throttle
            .store
            .write(move |tx| {
                Box::pin(async move {
                    for (number, pace, told) in rows {
                        let wait = tx.spend_pace(&row_key(CREATION, number), pace, now).await?;
                        if let Some(wait) = wait {
                            // This server's own bucket was spent just now, and fills as slowly.
                            let wait = wait.max(told.interval);
                            let window = told.interval.saturating_mul(told.burst);
                            return Err(limited(name, told.burst, window).retry_after(wait));
                        }
                    }
                    Ok(())
                })
            })
            .await
    }
}

fn of_site(pace: Pace) -> Pace {
    Pace {
        burst: pace.burst.saturating_mul(CLIENTS_OF_A_SITE),
        interval: whole_millis(pace.interval / CLIENTS_OF_A_SITE),
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
