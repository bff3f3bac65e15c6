//! How often a client may call, sign up and guess passwords. What is counted in the memory of this server is
//! counted here: independent GCRA buckets by governor, one per class and client network. A call passes when every
//! bucket that matches it has room. Log-ins, and sign-ups across servers, are counted by the domain, with the
//! numbers that stand here.

mod addresses;
mod bucket;

use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use self::bucket::{Bucket, EnvClock};
use crate::{
    env::Env,
    error::Result,
    metrics::{self, LimitCounts, Metrics},
    model::{account::Plan, network::Network, pace::Pace, throttle::Rules},
};

/// How many accounts one client makes at once without a paid plan, but for those of Mail.td, whose document
/// promises one at a time.
pub const SIGN_UPS_AT_ONCE: u32 = 5;
/// How many credentials in a form of ours are looked for, where one of any other form is.
const WELL_FORMED: NonZeroU32 = NonZeroU32::new(16).unwrap();
/// Probes and questions of reflection per second: many programs of a network ask at once when it is started.
const PROBES: NonZeroU32 = NonZeroU32::new(50).unwrap();
/// How many OAuth clients' worth of calls for tokens one address has: hosted clients share a few.
const TOKEN_CLIENTS: NonZeroU32 = NonZeroU32::new(16).unwrap();
/// How many OAuth clients one address registers at once: hosted clients register again for each of their users.
const REGISTRATIONS_AT_ONCE: u32 = 50;

/// What is let through.
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
    /// Calls per second with an invalid credential.
    pub failed_credentials: NonZeroU32,
    /// How long the registration of an OAuth client takes to be given back.
    pub client_registration: Duration,
    /// Attempts to log in.
    pub log_in: Rules,
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
    /// An invalid credential.
    FailedCredential,
    /// A credential in a form of ours that is not known yet, while failed ones of the network have no room.
    WellFormedCredential,
    /// A log-in by a device that the account knows.
    KnownDevice,
    /// A question to health or reflection.
    Probe,
    /// A call of an OAuth client for tokens, of all clients at an address.
    Token,
    /// The same, of one client at an address.
    TokenClient,
    /// The registration of an OAuth client.
    ClientRegistration,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 13] = [
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
        Self::Token,
        Self::TokenClient,
        Self::ClientRegistration,
    ];

    /// The name of the limit in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.counted_as().name()
    }

    /// What its calls are counted as.
    #[must_use]
    pub const fn counted_as(self) -> metrics::Limit {
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
            Self::Token => metrics::Limit::Token,
            Self::TokenClient => metrics::Limit::TokenClient,
            Self::ClientRegistration => metrics::Limit::ClientRegistration,
        }
    }

    /// The limit on the accounts that callers on this plan make.
    #[must_use]
    pub const fn of_creation(plan: Plan) -> Self {
        match plan {
            Plan::Free => Self::Creation,
            Plan::Pro => Self::ProCreation,
        }
    }

    /// Mail.td's own limit on sign-ups, where it holds this one, too.
    fn of_mail_td(plan: Plan, mail_td: bool) -> Option<Self> {
        (mail_td && plan == Plan::Free).then_some(Self::MailTdCreation)
    }

    fn pace(self, quotas: &Quotas) -> Pace {
        match self {
            // A device, and an OAuth client, may do what a client of the network without one may.
            Self::Public | Self::KnownDevice | Self::TokenClient => Pace::per_second(quotas.public),
            Self::Token => Pace::per_second(quotas.public.saturating_mul(TOKEN_CLIENTS)),
            Self::ClientRegistration => Pace {
                burst: REGISTRATIONS_AT_ONCE,
                interval: quotas.client_registration,
            },
            Self::Free => Pace::per_second(quotas.free),
            Self::Pro => Pace::per_second(quotas.pro),
            Self::Creation => Pace {
                burst: SIGN_UPS_AT_ONCE,
                interval: quotas.creation,
            },
            Self::MailTdCreation => Pace {
                burst: 1,
                interval: quotas.creation,
            },
            Self::ProCreation => Pace::per_second(quotas.pro_creation),
            Self::Probe => Pace::per_second(PROBES),
            Self::FailedCredential => Pace::per_second(quotas.failed_credentials),
            Self::WellFormedCredential => {
                Pace::per_second(quotas.failed_credentials.saturating_mul(WELL_FORMED))
            }
        }
    }
}

/// The limits of this server; switched off, they let everything through.
pub struct Limits(Option<Enabled>);

struct Enabled {
    quotas: Quotas,
    /// In the order of [`Class::ALL`].
    buckets: [Bucket; Class::ALL.len()],
    counts: [LimitCounts; Class::ALL.len()],
}

impl Limits {
    /// No limits.
    #[must_use]
    pub fn disabled() -> Self {
        Self(None)
    }

    /// Empty buckets with these quotas.
    #[must_use]
    pub fn new(env: &Env, quotas: &Quotas) -> Self {
        let clock = EnvClock::new(env);
        let bucket = |class: Class| Bucket::new(class.name(), class.pace(quotas), &clock);
        Self(Some(Enabled {
            quotas: *quotas,
            buckets: Class::ALL.map(bucket),
            counts: Default::default(),
        }))
    }

    /// The same, counted.
    #[must_use]
    pub fn counted_by(self, metrics: &Metrics) -> Self {
        Self(self.0.map(|enabled| Enabled {
            counts: Class::ALL.map(|class| metrics.limit(class.counted_as())),
            ..enabled
        }))
    }

    /// What is let through of attempts to log in; none when all are.
    #[must_use]
    pub fn log_in(&self) -> Option<Rules> {
        self.0.as_ref().map(|enabled| enabled.quotas.log_in)
    }

    /// The limits that hold a new account, in the order in which it spends them; none when nothing does.
    #[must_use]
    pub fn on_creation(&self, plan: Plan, mail_td: bool) -> Vec<(Class, Pace)> {
        let Some(Enabled { quotas, .. }) = &self.0 else {
            return Vec::new();
        };
        Class::of_mail_td(plan, mail_td)
            .into_iter()
            .chain([Class::of_creation(plan)])
            .map(|class| (class, class.pace(quotas)))
            .collect()
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
        let classes = [Class::of_creation(plan)].into_iter();
        for class in classes.chain(Class::of_mail_td(plan, mail_td)) {
            self.look(class, Network::of(client))
                .map_err(|refusal| refusal.waiting_at_least(self.call_refill(plan)))?;
        }
        Ok(())
    }

    /// Spends one new account of what [`Self::may_create`] looks at. Comes last of all limits, for it is the one that
    /// takes longest to fill again: what another refuses spends none of it.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the time after which the same call passes.
    pub fn creation(&self, plan: Plan, mail_td: bool, client: IpAddr) -> Result<()> {
        let own = Class::of_mail_td(plan, mail_td).into_iter();
        for class in own.chain([Class::of_creation(plan)]) {
            self.spend(class, Network::of(client))
                .map_err(|refusal| refusal.waiting_at_least(self.call_refill(plan)))?;
        }
        Ok(())
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

    /// Spends one invalid credential of a client.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the time after which the next one can be tried.
    pub fn failed_credential(&self, client: IpAddr) -> Result<()> {
        self.spend(Class::FailedCredential, Network::of(client))
    }

    /// Spends one call for tokens of what the OAuth clients at an address have together.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the time after which the same call passes.
    pub fn token(&self, address: IpAddr) -> Result<()> {
        self.spend(Class::Token, Network::of(address))
    }

    /// Spends one call for tokens of what one OAuth client at an address has. `client` is any number that names it.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the time after which the same call passes.
    pub fn token_client(&self, client: u128, address: IpAddr) -> Result<()> {
        let key = client ^ Network::of(address).client();
        self.spend_of(Class::TokenClient, key, None)
    }

    /// Spends one registration of an OAuth client.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the time after which the next one passes.
    pub fn client_registration(&self, address: IpAddr) -> Result<()> {
        self.spend(Class::ClientRegistration, Network::of(address))
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
    pub fn call_refill(&self, plan: Plan) -> Duration {
        let Some(Enabled { quotas, .. }) = &self.0 else {
            return Duration::ZERO;
        };
        let calls = match plan {
            Plan::Free => quotas.public.min(quotas.free),
            Plan::Pro => quotas.pro,
        };
        Pace::per_second(calls).interval
    }

    /// Whether there is room. That counts for nothing where there is, since nothing was spent.
    fn look(&self, class: Class, network: Network) -> Result<()> {
        let look = |bucket: &Bucket| bucket.has_room(network.client(), network.site());
        self.ask(class, false, look)
    }

    fn spend(&self, class: Class, network: Network) -> Result<()> {
        self.spend_of(class, network.client(), network.site())
    }

    fn spend_of(&self, class: Class, client: u128, site: Option<u128>) -> Result<()> {
        // What Mail.td's own limit lets through is counted by the one on all sign-ups.
        let is_counted = class != Class::MailTdCreation;
        self.ask(class, is_counted, |bucket| bucket.spend(client, site))
    }

    /// Every call that a limit lets through or refuses passes here. Counts what is refused, and what passes where
    /// `counts_passes`.
    fn ask(
        &self,
        class: Class,
        counts_passes: bool,
        ask: impl FnOnce(&Bucket) -> Result<()>,
    ) -> Result<()> {
        let Some(enabled) = &self.0 else {
            return Ok(());
        };
        let outcome = ask(&enabled.buckets[class as usize]);
        if counts_passes || outcome.is_err() {
            enabled.counts[class as usize].count(outcome.is_ok());
        }
        outcome
    }
}

#[cfg(test)]
mod floods;
#[cfg(test)]
mod tests;
