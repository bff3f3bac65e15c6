//! Whom tokens are for, and how long credentials live.

use std::time::Duration;

use super::{
    duration::{days, hours},
    rule::{Broken, require, within},
    setting::settings,
};

/// More would make tokens longer than is accepted back.
const MOST_AUDIENCES: usize = 4;

settings! {
    /// Whom tokens are for, and how long credentials live.
    pub struct Tokens {
        /// The services that the access tokens are for beside this server, up to 4, such as `https://api.example.com`:
        /// their `aud` is then the issuer and these, else the issuer alone. A service that verifies tokens itself
        /// asks for its own name there (docs/TOKENS.md). Tokens that were issued before keep theirs.
        audiences: Vec<String> = Vec::new(),
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
        /// Live sessions of one account, 1 to 100000; a log-in beyond that ends the oldest.
        max_sessions: u32 = 1_000,
    }
}

impl Tokens {
    /// Whom tokens are for beside the issuer, each of them once.
    #[must_use]
    pub fn audiences_beside(&self, issuer: &str) -> Vec<String> {
        let mut others = Vec::new();
        for name in &self.audiences {
            if name != issuer && !others.contains(name) {
                others.push(name.clone());
            }
        }
        others
    }

    pub(super) fn check(&self) -> Result<(), Broken> {
        require(
            self.audiences.len() <= MOST_AUDIENCES,
            "tokens.audiences",
            "it must be at most 4 names",
        )?;
        require(
            self.audiences.iter().all(|name| is_audience(name)),
            "tokens.audiences",
            "it must be names of 1 to 200 visible characters of ASCII without quotes, commas and backslashes, such as https://api.example.com",
        )?;
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
        within("tokens.max_sessions", &self.max_sessions, 1..=100_000)?;
        require(
            self.refresh_lifetime >= self.access_lifetime,
            "tokens.refresh_lifetime",
            "it must not be shorter than `tokens.access_lifetime`",
        )
    }
}

/// What stands in tokens and settings as it is, and in every language's source.
fn is_audience(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b',');
    (1..=200).contains(&name.len()) && name.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(names: &[&str]) -> Tokens {
        Tokens {
            audiences: names.iter().map(|name| (*name).to_owned()).collect(),
            ..Tokens::default()
        }
    }

    #[test]
    fn audiences_are_up_to_four_plain_names() {
        let good = ["https://api.example.com", "api", "urn:example:mail", "b"];
        assert!(with(&good).check().is_ok());
        assert!(with(&["a", "b", "c", "d", "e"]).check().is_err());
        let long = "x".repeat(201);
        for name in ["", "a b", "a,b", "\"a\"", "a\\b", "é", "a\n", &long] {
            assert!(with(&[name]).check().is_err(), "{name}");
        }
    }

    #[test]
    fn the_issuer_is_named_once() {
        let issuer = "https://id.example.com";
        let others = with(&["a", issuer, "a", "b"]).audiences_beside(issuer);
        assert_eq!(others, ["a", "b"]);
    }
}
