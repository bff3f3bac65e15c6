//! E-mail addresses: what is accepted, and when two are the same.

use std::{borrow::Cow, str::FromStr};

use email_address::{EmailAddress, Options};
use idna::{
    AsciiDenyList,
    uts46::{DnsLength, Hyphens, Uts46},
};
use unicase::UniCase;
use unicode_normalization::UnicodeNormalization;

/// RFC 5321 section 4.5.3.1.3 limits a path to 256 octets with its angle brackets.
const MAX_BYTES: usize = 254;

/// What no mapping may bring into a domain: the characters that an address is written with (RFC 5322 section
/// 3.2.3). The rules for host names would also refuse `_`, which domains of addresses have.
const DENIED: AsciiDenyList = AsciiDenyList::new(true, "\"(),:;<>@[\\]");

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
        let (local, domain) = typed.rsplit_once('@').ok_or(InvalidEmail)?;
        let ascii_domain = Uts46::new()
            .to_ascii(domain.as_bytes(), DENIED, Hyphens::Allow, DnsLength::Verify)
            .map_err(|_| InvalidEmail)?;
        // As mail would be sent to it; the crate knows neither quoted Unicode nor the dots of other scripts.
        let sent = format!("{}@{ascii_domain}", unquoted(&composed(local)));
        let options = Options::default()
            .without_display_text()
            .without_domain_literal()
            .with_minimum_sub_domains(2);
        let normalized = normalize(typed);
        // Some characters grow when folded or encoded; every form has to fit.
        if [typed, &sent, &normalized]
            .iter()
            .any(|form| form.len() > MAX_BYTES)
            || typed.chars().any(char::is_control)
            || EmailAddress::parse_with_options(&sent, options).is_err()
        {
            return Err(InvalidEmail);
        }
        Ok(Self {
            typed: typed.to_owned(),
            normalized,
        })
    }
}

/// The form in which addresses are compared: the domain as IDNA shows it (UTS 46, non-transitional: `ß` is not
/// `ss`, and a final sigma is not another one), the local part case-folded and without quotes that it does
/// not need. What is no address is folded as a whole, and equals none.
#[must_use]
pub fn normalize(address: &str) -> String {
    let address = address.trim();
    let parts = address.rsplit_once('@');
    match parts.and_then(|(local, domain)| Some((local, shown_domain(domain)?))) {
        Some((local, domain)) => format!("{}@{domain}", fold(&unquoted(&composed(local)))),
        None => fold(address),
    }
}

/// A domain, or labels of one, as IDNA shows it; none when it cannot be one.
#[must_use]
pub fn shown_domain(domain: &str) -> Option<String> {
    let (shown, valid) = Uts46::new().to_unicode(domain.as_bytes(), DENIED, Hyphens::Allow);
    valid.ok().map(|()| shown.into_owned())
}

/// The form in which names are searched: trimmed and case-folded (Unicode default caseless matching of
/// canonically equivalent text, Unicode 3.13 D145).
#[must_use]
pub fn fold(text: &str) -> String {
    let decomposed: String = text.trim().nfd().collect();
    UniCase::unicode(decomposed)
        .to_folded_case()
        .nfc()
        .collect()
}

fn composed(text: &str) -> String {
    text.nfc().collect()
}

/// A quoted local part as it is written without quotes, or where it needs them, with no more quoted pairs
/// than it has to have: they all name the same mailbox (RFC 5321 section 4.1.2).
fn unquoted(local: &str) -> Cow<'_, str> {
    let Some(content) = quoted_content(local) else {
        return local.into();
    };
    if !content.starts_with('"') && EmailAddress::is_valid_local_part(&content) {
        return content.into();
    }
    format!("\"{}\"", content.replace('\\', "\\\\").replace('"', "\\\"")).into()
}

/// What a quoted string stands for; none when the text is not one.
fn quoted_content(text: &str) -> Option<String> {
    let inside = text.strip_prefix('"')?.strip_suffix('"')?;
    let (mut content, mut characters) = (String::new(), inside.chars());
    while let Some(character) = characters.next() {
        content.push(match character {
            '"' => return None,
            '\\' => characters.next()?,
            other => other,
        });
    }
    Some(content)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn email(text: &str) -> Email {
        text.parse()
            .unwrap_or_else(|_| panic!("{text:?} is refused"))
    }

    #[test]
    fn spellings_of_one_mailbox_are_the_same() {
        for (left, right) in [
            ("Ann@Example.com", " ann@example.COM "),
            ("STRASSE@example.com", "straße@example.com"),
            ("ÉVA@example.com", "e\u{301}va@example.com"),
            ("eva@bücher.example", "eva@XN--BCHER-kva.example"),
            ("eva@BU\u{308}CHER.example", "eva@xn--bcher-kva.EXAMPLE"),
            ("eva@straße.example", "eva@xn--strae-oqa.example"),
            ("eva@ｅｘａｍｐｌｅ．com", "eva@example.com"),
            ("eva@例え。テスト", "eva@xn--r8jz45g.xn--zckzah"),
            ("eva@exam\u{ad}ple.com", "eva@example.com"),
            ("\"ann\"@example.com", "ann@example.com"),
            ("\"A\\nn\"@example.com", "ann@example.com"),
            ("\"bücher\"@example.com", "BÜCHER@example.com"),
            ("\"ann lee\"@example.com", "\"ann\\ LEE\"@example.com"),
            ("\"a\\\"\\b\"@example.com", "\"A\\\"B\"@example.com"),
        ] {
            assert_eq!(
                email(left).normalized(),
                email(right).normalized(),
                "{left} {right}"
            );
            // However it is typed at a log-in.
            assert_eq!(normalize(left), email(right).normalized());
        }
    }

    #[test]
    fn other_mailboxes_are_not() {
        for (left, right) in [
            ("eva@straße.example", "eva@strasse.example"),
            ("eva@βόλος.example", "eva@βόλοσ.example"),
            ("\"ann lee\"@example.com", "annlee@example.com"),
            ("\"ann@example.com\"@example.com", "ann@example.com"),
            ("\"\\\"ann\\\"\"@example.com", "ann@example.com"),
            ("\".ann\"@example.com", "ann@example.com"),
            ("ann@example.com", "ann@sub.example.com"),
        ] {
            assert_ne!(
                email(left).normalized(),
                email(right).normalized(),
                "{left} {right}"
            );
        }
    }

    #[test]
    fn what_was_typed_is_kept() {
        for (text, kept) in [
            (" Ann.Lee@Example.com\n", "Ann.Lee@Example.com"),
            (
                "\"Ann\"@XN--bcher-kva.example",
                "\"Ann\"@XN--bcher-kva.example",
            ),
        ] {
            assert_eq!(email(text).as_str(), kept);
        }
    }

    #[test]
    fn what_mail_cannot_be_sent_to_is_refused() {
        let long = format!("{}@example.com", "a".repeat(300));
        // Four labels of 60 bytes each, which are more than 63 when they are encoded.
        let long_label = format!("ann@{}.com", "ü".repeat(60));
        let long_local = format!("{}@example.com", "a".repeat(65));
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
            "ann@[IPv6:2001:db8::1]",
            "Ann <ann@example.com>",
            "a\u{0}nn@example.com",
            "ann\r\nbcc:x@example.com",
            "ann@example.com.",
            "ann@example.com。",
            "ann@.example.com",
            "ann@example..com",
            "ann@example。。com",
            // An A-label that is none.
            "ann@xn--a.example",
            "ann@xn--zzzzzz-.example",
            // One that would have been written without it.
            "ann@xn--example-.com",
            "ann@exa\u{ff20}mple.com",
            "ann@exa\u{200d}mple.com",
            "\"ann@example.com",
            "\"a\"nn\"@example.com",
            "\"\"@example.com",
            "\"\\\"@example.com",
            "\"a\\\u{7f}\"@example.com",
            "ann lee@example.com",
            &long,
            &long_label,
            &long_local,
        ] {
            assert_eq!(text.parse::<Email>(), Err(InvalidEmail), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn the_normal_form_of_an_address_is_normal(text in "\\PC{1,12}@[a-zßςü。．A-Z0-9-]{1,12}\\.[a-z]{2,5}") {
            if let Ok(email) = text.parse::<Email>() {
                prop_assert_eq!(normalize(email.normalized()), email.normalized());
            }
        }

        #[test]
        fn quotes_make_no_other_mailbox(local in "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~.ßüΣ-]{1,12}") {
            let plain = format!("{local}@example.com");
            if let Ok(email) = plain.parse::<Email>() {
                let pairs: String = local.chars().flat_map(|c| ['\\', c]).collect();
                for quoted in [format!("\"{local}\"@example.com"), format!("\"{pairs}\"@example.com")] {
                    prop_assert_eq!(normalize(&quoted), email.normalized());
                    prop_assert_eq!(quoted.parse::<Email>().map(|it| it.normalized().to_owned()), Ok(email.normalized().to_owned()));
                }
            }
        }
    }
}
