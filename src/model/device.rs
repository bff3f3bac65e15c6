//! The cookie by which a browser's device is known.

use std::{fmt, time::Duration};

/// Its name over https: the prefix keeps other hosts and plain HTTP from setting it (RFC 6265bis section
/// 4.1.3.2).
pub const SECURE_COOKIE: &str = "__Host-countersign_device";
/// Its name over plain HTTP, which is for this machine alone, and from which browsers take nothing `Secure`.
pub const PLAIN_COOKIE: &str = "countersign_device";

/// The cookie that an answer sets. Travels in the extensions of the answer to where HTTP is spoken.
#[derive(Clone, Debug)]
pub struct DeviceCookie {
    /// One of the two names above.
    pub name: &'static str,
    /// Base64url, which every header takes.
    pub value: String,
    /// How long browsers keep it.
    pub max_age: Duration,
    /// Whether they send it over https alone.
    pub secure: bool,
}

/// No script may read it, and no other site's form sends it.
impl fmt::Display for DeviceCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, value, age) = (self.name, &self.value, self.max_age.as_secs());
        let secure = if self.secure { "; Secure" } else { "" };
        write!(
            f,
            "{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}"
        )
    }
}

/// The cookies of a `Cookie` header, by name.
pub fn cookies(header: &str) -> impl Iterator<Item = (&str, &str)> {
    header
        .split(';')
        .filter_map(|cookie| cookie.trim().split_once('='))
}
