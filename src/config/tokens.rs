//! How long credentials live.

use std::time::Duration;

use super::{
    duration::{days, hours},
    rule::{Broken, require, within},
    setting::settings,
};

settings! {
    /// How long credentials live.
    pub struct Tokens {
        /// Access tokens of SMTPD, MoMail and the contract itself, 1m to 1d.
        access_lifetime: Duration = hours(1),
        /// MailKite's session tokens, 1m to 365d.
        mailkite_lifetime: Duration = days(30),
        /// Mail.td's e-mail and Pro tokens, 1m to 365d.
        mailtd_lifetime: Duration = days(7),
        /// Refresh tokens, counted from the log-in and not from their last use, 1m to 365d; not less than
        /// `access_lifetime`.
        refresh_lifetime: Duration = days(30),
        /// The time in which a refresh that is sent again gets the same answer, 0s to 1m. Later it counts
        /// as theft and ends the session.
        refresh_retry_window: Duration = Duration::from_secs(10),
    }
}

impl Tokens {
    pub(super) fn check(&self) -> Result<(), Broken> {
        let minute = Duration::from_secs(60);
        within(
            "tokens.access_lifetime",
            &self.access_lifetime,
            minute..=days(1),
        )?;
        within(
            "tokens.mailkite_lifetime",
            &self.mailkite_lifetime,
            minute..=days(365),
        )?;
        within(
            "tokens.mailtd_lifetime",
            &self.mailtd_lifetime,
            minute..=days(365),
        )?;
        within(
            "tokens.refresh_lifetime",
            &self.refresh_lifetime,
            minute..=days(365),
        )?;
        within(
            "tokens.refresh_retry_window",
            &self.refresh_retry_window,
            Duration::ZERO..=minute,
        )?;
        require(
            self.refresh_lifetime >= self.access_lifetime,
            "tokens.refresh_lifetime",
            "it must not be shorter than `tokens.access_lifetime`",
        )
    }
}
