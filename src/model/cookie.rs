//! The cookies that this server sets (RFC 6265bis).

use std::{fmt, time::Duration};

use http::{HeaderMap, header::COOKIE};

/// What a browser's device is known by.
pub const DEVICE: &str = "countersign_device";

/// Keeps other hosts and plain HTTP from setting a cookie of this name (RFC 6265bis section 4.1.3.2).
const HOST_PREFIX: &str = "__Host-";

/// A cookie that an answer sets. Travels in the extensions of the answer to where HTTP is spoken.
#[derive(Clone, Debug)]
pub struct Cookie {
    /// Its name, without a prefix.
    pub name: &'static str,
    /// Base64url or a token, which every header takes.
    pub value: String,
    /// How long browsers keep it; zero takes it away.
    pub max_age: Duration,
    /// Whether they send it over https alone. Over plain HTTP, which is for this machine alone, they take nothing `Secure`.
    pub secure: bool,
}

/// No script may read it, and no other site's form sends it.
impl fmt::Display for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, value, age) = (self.name, &self.value, self.max_age.as_secs());
        let (prefix, secure) = if self.secure {
            (HOST_PREFIX, "; Secure")
        } else {
            ("", "")
        };
        write!(
            f,
            "{prefix}{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}"
        )
    }
}

/// The value of the cookie of this name that a request brings, which over https has the prefix.
#[must_use]
pub fn find<'h>(headers: &'h HeaderMap, name: &str, secure: bool) -> Option<&'h str> {
    all(headers).find_map(|(found, value)| {
        let found = if secure {
            found.strip_prefix(HOST_PREFIX)?
        } else {
            found
        };
        (found == name).then_some(value)
    })
}

/// The cookies of this name that a request brings, with and without the prefix, as they stand in the header.
pub fn named<'h>(
    headers: &'h HeaderMap,
    name: &'h str,
) -> impl Iterator<Item = (&'h str, &'h str)> {
    all(headers).filter(move |(found, _)| found.strip_prefix(HOST_PREFIX).unwrap_or(found) == name)
}

fn all(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers.get_all(COOKIE).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
}
