//! How often a client may call: independent GCRA buckets by governor, one per class and client network.
//! A call passes when every bucket that matches it has room.

mod addresses;
mod bucket;

use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use governor::Quota;

use self::bucket::{Bucket, EnvClock};
use crate::{
    env::Env,
    error::Result,
    metrics::{self, LimitCounts, Metrics},
    model::{account::Plan, network::Network, throttle::SIGN_UPS_AT_ONCE},
};

/// How many credentials in a form of ours are looked for, where one of any other form is.
const WELL_FORMED: NonZeroU32 = NonZeroU32::new(16).unwrap();
/// Probes and questions of reflection per second: many programs of a network ask at once when it is started.
const PROBES: NonZeroU32 = NonZeroU32::new(50).unwrap();

/// How often each class may call.
#[derive(Clone, Copy, Debug)]
pub struct Quotas {
    /// Calls per second without a credential.
    pub public: NonZeroU32,
    /// Calls per second with a credential, on the free plan.
    pub free: NonZeroU32,
    /// Calls per second with a credential, on the paid plan.
    pub pro: NonZeroU32,
    /// How long a sign-up takes to be given back.
    pub creation: Duration,
    /// Accounts per second that a caller on the paid plan makes.
    pub pro_creation: NonZeroU32,
    /// Calls per second whose credential is none.
    pub failed_credentials: NonZeroU32,
}

/// What a call spends from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Class {
    /// A call without a credential.
    Public,
    /// A call with a credential, on the free plan.
    Free,
    /// A call with a credential, on the paid plan.
    Pro,
    /// A sign-up.
    Creation,
    /// A sign-up of Mail.td's, which is one of [`Self::Creation`], too.
    MailTdCreation,
    /// A new account of an organization on the paid plan.
    ProCreation,
    /// A credential that turned out to be none.
    FailedCredential,
    /// A credential in a form of ours that is not known yet, while failed ones of the network have no room.
    WellFormedCredential,
    /// A log-in by a device that the account knows.
    KnownDevice,
    /// A question to health or reflection.
    Probe,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 10] = [
        Self::Public,
        Self::Free,
        Self::Pro,
        Self::Creation,
        Self::MailTdCreation,
        Self::ProCreation,
        Self::FailedCredential,
        Self::WellFormedCredential,
        Self::KnownDevice,
        Self::Probe,
    ];

    /// The name of the limit in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.counted_as().name()
    }

    const fn counted_as(self) -> metrics::Limit {
        match self {
            Self::Public => metrics::Limit::Public,
            Self::Free => metrics::Limit::Free,
            Self::Pro => metrics::Limit::Pro,
            Self::Creation | Self::MailTdCreation => metrics::Limit::AccountCreation,
            Self::ProCreation => metrics::Limit::ProAccountCreation,
            Self::FailedCredential => metrics::Limit::FailedCredentials,
            Self::WellFormedCredential => metrics::Limit::WellFormedCredentials,
            Self::KnownDevice => metrics::Limit::KnownDevice,
            Self::Probe => metrics::Limit::Probes,
        }
    }

    const fn of_creation(plan: Plan) -> Self {
        match plan {
            Plan::Free => Self::Creation,
            Plan::Pro => Self::ProCreation,
        }
    }

    fn quota(self, quotas: &Quotas) -> Quota {
        let of_creation = |burst: Option<NonZeroU32>| {
            // No time between sign-ups is a nanosecond.
            Quota::with_period(quotas.creation)
                .unwrap_or_else(|| Quota::per_second(NonZeroU32::MAX))
                .allow_burst(burst.unwrap_or(NonZeroU32::MIN))
        };
        match self {
            // A device may do what a client without one may.
            Self::Public | Self::KnownDevice => Quota::per_second(quotas.public),
            Self::Free => Quota::per_second(quotas.free),
            Self::Pro => Quota::per_second(quotas.pro),
            Self::Creation => of_creation(NonZeroU32::new(SIGN_UPS_AT_ONCE)),
            Self::MailTdCreation => of_creation(None),
            Self::ProCreation => Quota::per_second(quotas.pro_creation),
            Self::Probe => Quota::per_second(PROBES),
            Self::FailedCredential => Quota::per_second(quotas.failed_credentials),
            Self::WellFormedCredential => {
                Quota::per_second(quotas.failed_credentials.saturating_mul(WELL_FORMED))
            }
        }
    }
}

/// The buckets of this server.
pub struct Limits {
    /// In the order of [`Class::ALL`].
    buckets: [Bucket; Class::ALL.len()],
    counts: [LimitCounts; Class::ALL.len()],
}

impl Limits {
    /// Empty buckets with these quotas.
    #[must_use]
    pub fn new(env: &Env, quotas: &Quotas) -> Self {
        let clock = EnvClock::new(env);
        let bucket = |class: Class| Bucket::new(class.name(), class.quota(quotas), &clock);
        Self {
            buckets: Class::ALL.map(bucket),
            counts: Default::default(),
        }
    }

    /// The same, counted.
    #[must_use]
    pub fn counted_by(self, metrics: &Metrics) -> Self {
        Self {
            counts: Class::ALL.map(|class| metrics.limit(class.counted_as())),
            ..self
        }
    }

    /// Spends one call of a client without a credential.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the time after which the same call passes.
    pub fn public(&self, client: IpAddr) -> Result<()> {
        self.spend(Class::Public, Network::of(client))
    }

    /// Spends one question of a client to health or reflection.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the time after which the same call passes.
    pub fn probe(&self, client: IpAddr) -> Result<()> {
        self.spend(Class::Probe, Network::of(client))
    }

    /// Spends one call of a client with a credential.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the time after which the same call passes.
    pub fn authenticated(&self, plan: Plan, client: IpAddr) -> Result<()> {
        let class = match plan {
            Plan::Free => Class::Free,
            Plan::Pro => Class::Pro,
        };
        self.spend(class, Network::of(client))
    }

    /// Whether a client on this plan may make an account; without a credential it is the free one. `mail_td` says
    /// whether Mail.td's own limit on sign-ups holds it, too. Spends nothing: a request that is refused for what
    /// it says costs nobody a sign-up.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the time after which the same call passes.
    pub fn may_create(&self, plan: Plan, mail_td: bool, client: IpAddr) -> Result<()> {
        let network = Network::of(client);
        if mail_td && plan == Plan::Free {
            self.look(Class::MailTdCreation, network)?;
        }
        self.look(Class::of_creation(plan), network)
    }

    /// Spends one new account of what [`Self::may_create`] looks at. Comes last of all limits, for it is the one that
    /// takes longest to fill again: what another refuses spends none of it.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the time after which the same call passes.
    pub fn creation(&self, plan: Plan, mail_td: bool, client: IpAddr) -> Result<()> {
        let network = Network::of(client);
        if mail_td && plan == Plan::Free {
            let (client, site) = (network.client(), network.site());
            let own = self.bucket(Class::MailTdCreation).spend(client, site);
            self.count_refusal(Class::MailTdCreation, own)?;
        }
        self.spend(Class::of_creation(plan), network)
    }

    /// Whether a client may still try a credential that nobody here knows yet. Spends nothing: a good
    /// credential costs its first caller no more than its second.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the time after which the same call passes.
    pub fn may_try_credential(&self, client: IpAddr) -> Result<()> {
        self.look(Class::FailedCredential, Network::of(client))
    }

    /// Spends one look for a credential in a form of ours, which its owner may be showing here for the first
    /// time: others who fail at the same address must not keep it out.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the time after which the next one can be tried.
    pub fn well_formed_credential(&self, client: IpAddr) -> Result<()> {
        self.spend(Class::WellFormedCredential, Network::of(client))
    }

    /// Spends one credential of a client that turned out to be none.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the time after which the next one can be tried.
    pub fn failed_credential(&self, client: IpAddr) -> Result<()> {
        self.spend(Class::FailedCredential, Network::of(client))
    }

    /// Spends one call of the devices that an account knows, for a client that has no other left. `account`
    /// is any number that names it. However many accounts, one network has as much here as one site elsewhere.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the time after which the same call passes.
    pub fn known_device(&self, account: u128, client: IpAddr) -> Result<()> {
        let network = Network::of(client).client();
        self.spend_of(Class::KnownDevice, account, Some(network))
    }

    /// How long a call of a client on this plan takes to be given back. It has been spent when a later limit
    /// refuses, so that the next call waits as long.
    #[must_use]
    pub fn refill(&self, plan: Plan) -> Duration {
        let classes: &[Class] = match plan {
            Plan::Free => &[Class::Public, Class::Free],
            Plan::Pro => &[Class::Pro],
        };
        let refills = classes.iter().map(|class| self.bucket(*class).refill());
        refills.max().unwrap_or_default()
    }

    /// Whether there is room. That counts for nothing where there is, since nothing was spent.
    fn look(&self, class: Class, network: Network) -> Result<()> {
        let outcome = self
            .bucket(class)
            .has_room(network.client(), network.site());
        self.count_refusal(class, outcome)
    }

    /// Counts what a limit refused, where what it lets through is counted by another.
    fn count_refusal(&self, class: Class, outcome: Result<()>) -> Result<()> {
        if outcome.is_err() {
            self.counts[class as usize].count(false);
        }
        outcome
    }

    fn spend(&self, class: Class, network: Network) -> Result<()> {
        self.spend_of(class, network.client(), network.site())
    }

    /// Every call that a limit lets through or refuses passes here.
    fn spend_of(&self, class: Class, client: u128, site: Option<u128>) -> Result<()> {
        let outcome = self.bucket(class).spend(client, site);
        self.counts[class as usize].count(outcome.is_ok());
        outcome
    }

    fn bucket(&self, class: Class) -> &Bucket {
        &self.buckets[class as usize]
    }
}

#[cfg(test)]
mod floods;
#[cfg(test)]
mod tests;
