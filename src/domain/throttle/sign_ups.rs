//! Sign-ups, counted across the nodes of one Postgres.

use std::{net::IpAddr, time::Duration};

use super::{Throttle, limited, row_key};
use crate::{
    error::{Reason, Result},
    limits::Class,
    model::{account::Plan, network::Network, pace::Pace},
};

/// What the rows of sign-ups begin with.
const CREATION: u8 = b'c';

/// Rounded up to whole milliseconds, in which the table counts: a pace must not be let through faster than
/// it is configured, nor one of less than a millisecond be none at all.
fn in_whole_millis(pace: Pace) -> Pace {
    const MILLI: Duration = Duration::from_millis(1);
    let millis = pace.interval.as_nanos().div_ceil(MILLI.as_nanos());
    Pace {
        interval: Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)),
        ..pace
    }
}

/// What tells the rows of one limit from those of another.
fn label(class: Class) -> &'static str {
    match class {
        Class::MailTdCreation => "mailtd-account-creation",
        class => class.name(),
    }
}

impl Throttle {
    /// Spends an account that a client on this plan is about to make, of the limit of this server and then of
    /// that of all servers; `mail_td` says whether Mail.td's own limit on sign-ups holds it, too.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the time after which the same call passes.
    pub(in crate::domain) async fn spend_creation(
        &self,
        plan: Plan,
        mail_td: bool,
        client: IpAddr,
    ) -> Result<()> {
        self.limits.creation(plan, mail_td, client)?;
        let spent = self.spend_shared(plan, mail_td, client).await;
        if let Err(refusal) = &spent
            && refusal.reason() == Reason::RateLimited
        {
            let limit = Class::of_creation(plan).counted_as();
            self.metrics.limit(limit).count(false);
        }
        spent
    }

    /// Counts an account that a client on this plan is about to make, where several nodes have to know of
    /// it: each counts its own calls before they come here.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the time after which the same call passes.
    async fn spend_shared(&self, plan: Plan, mail_td: bool, client: IpAddr) -> Result<()> {
        if !self.multi_node {
            return Ok(());
        }
        let network = Network::of(client);
        let mut rows = Vec::new();
        for (class, pace) in self.limits.on_creation(plan, mail_td) {
            let pace = in_whole_millis(pace);
            let client = self.number(label(class), &[network.client()]);
            rows.push((class, client, pace, pace));
            if let Some(site) = network.site() {
                let site = self.number(label(class), &[site, 0]);
                rows.push((class, site, in_whole_millis(pace.of_site()), pace));
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        let now = self.now();
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    for (class, number, pace, told) in rows {
                        let wait = tx.spend_pace(&row_key(CREATION, number), pace, now).await?;
                        if let Some(wait) = wait {
                            // This server's own bucket was spent just now, and fills as slowly.
                            let wait = wait.max(told.interval);
                            let window = told.interval.saturating_mul(told.burst);
                            let refusal = limited(class.name(), told.burst, window);
                            return Err(refusal.retry_after(wait));
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
            let rounded = in_whole_millis(Pace { burst: 1, interval });
            assert_eq!(rounded.interval, Duration::from_millis(whole));
        }
    }
}
