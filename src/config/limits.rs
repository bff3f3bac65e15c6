//! Limits on calls.

use std::time::Duration;

use super::{
    duration::days,
    rule::{Broken, within},
    setting::settings,
};

settings! {
    /// How often a client may call. A client is an IPv4 address or an IPv6 /64; the
    /// networks of one IPv6 /48 together have sixteen times the limit of a client.
    pub struct Limits {
        /// Whether they apply. Without them passwords can be guessed quickly.
        enabled: bool = true,
        /// Calls per second and address without a credential, 1 to 1000000.
        public_per_second: u32 = 8,
        /// Calls per second and address with a credential, on the free plan, 1 to 1000000.
        free_per_second: u32 = 8,
        /// Calls per second and address with a credential, on the paid plan, 1 to 1000000.
        pro_per_second: u32 = 20,
        /// Calls per second and address with an invalid credential, 1 to 1000000; past that, credentials
        /// that are not remembered are refused without a look.
        failed_credentials_per_second: u32 = 8,
        /// How long a sign-up takes to be given back to an address, 1ms to 1d. Five pass at once, and of those
        /// that Mail.td documents one.
        creation_interval: Duration = Duration::from_secs(8),
        /// Accounts per second and address that callers on the paid plan make, 1 to 1000000.
        pro_creation_per_second: u32 = 8,
        /// How long the registration of an OAuth client takes to be given back to an address, 1ms to 1d. Fifty pass at once.
        client_registration_interval: Duration = Duration::from_secs(2),
        /// Wrong passwords of one network or known device at one account before it has to wait, 1 to 1000.
        log_in_free_failures: u32 = 5,
        /// How long it then waits, 1ms to `log_in_longest_delay`; each further failure doubles that.
        log_in_first_delay: Duration = Duration::from_secs(1),
        /// The longest that it waits, 1s to 1d; also the time in which one failure is forgotten.
        log_in_longest_delay: Duration = Duration::from_secs(15 * 60),
        /// Attempts at one account by all together who are neither on a known device nor in a network where
        /// the account has had a session, 1 to 1000000; more have to queue.
        log_in_untrusted: u32 = 300,
        /// How long one of those takes to be given back, 1ms to 1d.
        log_in_untrusted_refill: Duration = Duration::from_secs(30),
        /// Wrong passwords of one network at all accounts together before it has to wait, 1 to 1000000. A
        /// known device, and a network where the account has had a session, do not wait for it.
        log_in_client_failures: u32 = 100,
    }
}

impl Limits {
    pub(super) fn check(&self) -> Result<(), Broken> {
        let calls = 1..=1_000_000;
        for (key, value) in [
            ("limits.public_per_second", self.public_per_second),
            ("limits.free_per_second", self.free_per_second),
            ("limits.pro_per_second", self.pro_per_second),
            (
                "limits.failed_credentials_per_second",
                self.failed_credentials_per_second,
            ),
            (
                "limits.pro_creation_per_second",
                self.pro_creation_per_second,
            ),
            ("limits.log_in_untrusted", self.log_in_untrusted),
            ("limits.log_in_client_failures", self.log_in_client_failures),
        ] {
            within(key, &value, calls.clone())?;
        }
        within(
            "limits.log_in_free_failures",
            &self.log_in_free_failures,
            1..=1_000,
        )?;
        self.check_times()
    }

    fn check_times(&self) -> Result<(), Broken> {
        let (shortest, longest) = (Duration::from_millis(1), days(1));
        within(
            "limits.creation_interval",
            &self.creation_interval,
            shortest..=longest,
        )?;
        within(
            "limits.client_registration_interval",
            &self.client_registration_interval,
            shortest..=longest,
        )?;
        within(
            "limits.log_in_longest_delay",
            &self.log_in_longest_delay,
            Duration::from_secs(1)..=longest,
        )?;
        within(
            "limits.log_in_first_delay",
            &self.log_in_first_delay,
            shortest..=self.log_in_longest_delay,
        )?;
        within(
            "limits.log_in_untrusted_refill",
            &self.log_in_untrusted_refill,
            shortest..=longest,
        )
    }
}
