//! E-mail addresses: what is accepted, and when two are the same.

use std::str::FromStr;

use email_address::{EmailAddress, Options};
use unicase::UniCase;
use unicode_normalization::UnicodeNormalization;

/// RFC 5321 section 4.5.3.1.3 limits a path to 256 octets with its angle brackets.
const MAX_BYTES: usize = 254;

/// An address as it was typed, and the form that it is compared in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Email {
    typed: String,
    normalized: String,
}

/// This is not an address that mail can be sent to.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("must be an e-mail address like name@example.com")]
pub struct InvalidEmail;

impl Email {
    /// An address that was accepted before, as the database keeps it.
    #[must_use]
    pub fn from_stored(typed: String, normalized: String) -> Self {
        Self { typed, normalized }
    }

    /// As it was typed, without the space around it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.typed
    }

    /// The form in which addresses are compared and are unique.
    #[must_use]
    pub fn normalized(&self) -> &str {
        &self.normalized
    }
}

impl FromStr for Email {
    type Err = InvalidEmail;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let typed = text.trim();
        let normalized = normalize(typed);
        let composed: String = typed.nfc().collect();
        let options = Options::default()
            .without_display_text()
            .without_domain_literal()
            .with_minimum_sub_domains(2);
        // Some characters grow when folded; both forms have to fit.
        if typed.len() > MAX_BYTES
            || normalized.len() > MAX_BYTES
            || typed.chars().any(char::is_control)
            || EmailAddress::parse_with_options(&composed, options).is_err()
        {
            return Err(InvalidEmail);
        }
        Ok(Self {
            typed: typed.to_owned(),
            normalized,
        })
    }
}

/// The form in which addresses are compared, and names and addresses are searched: trimmed, and case-folded as a whole (Unicode default
/// caseless matching of canonically equivalent text, Unicode 3.13 D145).
#[must_use]
pub fn normalize(text: &str) -> String {
    let decomposed: String = text.trim().nfd().collect();
    UniCase::unicode(decomposed)
        .to_folded_case()
        .nfc()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_differ_in_case_space_or_composition_are_the_same() {
        for (left, right) in [
            ("Ann@Example.com", " ann@example.COM "),
            ("STRASSE@example.com", "straße@example.com"),
            ("ÉVA@example.com", "e\u{301}va@example.com"),
        ] {
            let (left, right): (Email, Email) = (left.parse().unwrap(), right.parse().unwrap());
            assert_eq!(left.normalized(), right.normalized());
        }
    }

    #[test]
    fn what_was_typed_is_kept() {
        let email: Email = " Ann.Lee@Example.com\n".parse().unwrap();
        assert_eq!(email.as_str(), "Ann.Lee@Example.com");
    }

    #[test]
    fn what_mail_cannot_be_sent_to_is_refused() {
        let long = format!("{}@example.com", "a".repeat(300));
        for text in [
            "",
            " ",
            "ann",
            "@example.com",
            "ann@",
            "ann@@example.com",
            "ann@localhost",
            "ann@exa mple.com",
            "ann@[127.0.0.1]",
            "Ann <ann@example.com>",
            "a\u{0}nn@example.com",
            "ann\r\nbcc:x@example.com",
            &long,
        ] {
            assert_eq!(text.parse::<Email>(), Err(InvalidEmail), "{text:?}");
        }
    }
}
