//! Outgoing mail.

use lettre::message::Mailbox;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::{
    rule::{Broken, require},
    setting::settings,
};

settings! {
    /// Outgoing mail.
    pub struct Mail {
        /// The server that takes mail, `smtp://user:password@host:587?tls=required` or `smtps://…`.
        /// Empty: no mail is sent.
        smtp_url: SecretString = SecretString::default(),
        /// The sender of every mail.
        from: String = "Countersign <no-reply@localhost>".to_owned(),
    }
}

impl Mail {
    /// Whether mail is sent.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        !self.smtp_url.expose_secret().is_empty()
    }

    pub(super) fn check(&self) -> Result<(), Broken> {
        require(
            self.from.parse::<Mailbox>().is_ok(),
            "mail.from",
            "it must be a mailbox such as `Example <no-reply@example.com>`",
        )?;
        if !self.is_enabled() {
            return Ok(());
        }
        let url = Url::parse(self.smtp_url.expose_secret())
            .ok()
            .filter(is_smtp);
        require(
            url.is_some(),
            "mail.smtp_url",
            "it must be smtp://user:password@host:587?tls=required or smtps://user:password@host",
        )?;
        require(
            url.is_some_and(|url| keeps_password_secret(&url)),
            "mail.smtp_url",
            "it must be smtps:// or end in ?tls=required, for the password would travel in the clear",
        )
    }
}

fn is_smtp(url: &Url) -> bool {
    matches!(url.scheme(), "smtp" | "smtps") && url.has_host()
}

/// Opportunistic STARTTLS can be stripped on the way (RFC 8314 section 3).
fn keeps_password_secret(url: &Url) -> bool {
    let local = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => {
            name == "localhost"
                || name
                    .parse()
                    .is_ok_and(|ip: std::net::Ipv4Addr| ip.is_loopback())
        }
        None => false,
    };
    let encrypted = url.scheme() == "smtps"
        || url
            .query_pairs()
            .any(|(name, value)| name == "tls" && value == "required");
    encrypted || local || url.password().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(url: &str) -> bool {
        let mail = Mail {
            smtp_url: url.into(),
            ..Mail::default()
        };
        mail.check().is_ok()
    }

    #[test]
    fn a_password_travels_encrypted_or_not_at_all() {
        for url in [
            "",
            "smtps://user:pass@mail.example.com",
            "smtp://user:pass@mail.example.com:587?tls=required",
            "smtp://user:pass@127.0.0.1:1025",
            "smtp://user:pass@localhost:1025",
            "smtp://relay.internal:25",
        ] {
            assert!(allowed(url), "{url}");
        }
        for url in [
            "smtp://user:pass@mail.example.com",
            "smtp://user:pass@mail.example.com?tls=opportunistic",
            "http://mail.example.com",
            "mail.example.com:587",
        ] {
            assert!(!allowed(url), "{url}");
        }
    }

    #[test]
    fn the_sender_is_a_mailbox() {
        let mail = |from: &str| Mail {
            from: from.to_owned(),
            ..Mail::default()
        };
        assert!(Mail::default().check().is_ok());
        assert!(mail("no-reply@example.com").check().is_ok());
        assert!(mail("nobody").check().is_err());
    }
}
