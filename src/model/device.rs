//! The cookie by which a browser's device is known.

/// Its name over https: the prefix keeps other hosts and plain HTTP from setting it (RFC 6265bis section
/// 4.1.3.2).
pub const SECURE_COOKIE: &str = "__Host-countersign_device";
/// Its name over plain HTTP, which is for this machine alone, and from which browsers take nothing `Secure`.
pub const PLAIN_COOKIE: &str = "countersign_device";

/// The cookies of a `Cookie` header, by name.
pub fn cookies(header: &str) -> impl Iterator<Item = (&str, &str)> {
    header
        .split(';')
        .filter_map(|cookie| cookie.trim().split_once('='))
}
