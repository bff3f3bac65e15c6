//! Redirect URIs (OAuth 2.1 section 2.3): which may be registered, and which of them a request means.
//!
//! They are compared as text and never parsed for it: what two parsers read differently is not equal.

use url::{Host, Url, form_urlencoded};

/// The schemes of browsers and scripts, which no program answers to.
const DENIED_SCHEMES: [&str; 25] = [
    "microsoft-edge",
    "search",
    "search-ms",
    "javascript",
    "data",
    "file",
    "blob",
    "vbscript",
    "about",
    "ws",
    "wss",
    "ftp",
    "filesystem",
    "view-source",
    "chrome",
    "mailto",
    "tel",
    "sms",
    "ssh",
    "jar",
    "intent",
    "ms-msdt",
    "search-ms",
    "chrome-extension",
    "moz-extension",
];

/// This machine's own names, as they are spelt in URIs (RFC 8252 section 7.3). `localhost` is among them because real
/// clients register it, and without a port.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Whether the URI leads to another machine, by https: to a host that nobody can pass for.
#[must_use]
pub fn leaves_machine(uri: &str) -> bool {
    Url::parse(uri).is_ok_and(|url| url.scheme() == "https" && !is_this_machine(&url))
}

/// Whether a URL names this machine (RFC 6761 section 6.3).
#[must_use]
pub fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether nobody on the way reads what goes to a URL: https, or http on this machine.
#[must_use]
pub fn is_secure(url: &Url) -> bool {
    url.scheme() == "https" || url.scheme() == "http" && is_this_machine(url)
}

/// Whether a client may register the URI; a public client is one without a secret.
///
/// # Errors
/// What the URI must be.
pub fn check(uri: &str, is_public: bool) -> Result<(), &'static str> {
    let is_plain =
        |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'<' | b'>');
    if uri.is_empty() || !uri.bytes().all(is_plain) {
        return Err("must be an absolute URI in visible ASCII");
    }
    if uri.contains('#') {
        return Err("must have no fragment");
    }
    let parsed = Url::parse(uri).map_err(|_| "must be an absolute URI")?;
    let Some(rest) = uri.strip_prefix(parsed.scheme()) else {
        return Err("must have its scheme in lower case");
    };
    match parsed.scheme() {
        "https" => check_authority(&parsed, rest),
        "http" if loopback(uri).is_some() => Ok(()),
        "http" => Err("must be https, or http on localhost, 127.0.0.1 or [::1]"),
        // Those of Windows, each of which opens something of the system.
        scheme if DENIED_SCHEMES.contains(&scheme) || scheme.starts_with("ms-") => {
            Err("must not have a scheme of browsers")
        }
        _ if !is_public => {
            Err("must be https, or http on this machine, for a client with a secret")
        }
        _ => Ok(()),
    }
}

/// The host must be what anybody reads there: without a user name, and spelt as it is resolved.
fn check_authority(parsed: &Url, after_scheme: &str) -> Result<(), &'static str> {
    const RULE: &str = "must name a host after https://, without a user name, in lower case";
    let authority = after_scheme.strip_prefix("://").ok_or(RULE)?;
    let authority = authority.split(['/', '?']).next().unwrap_or_default();
    let host = match parsed.host() {
        Some(Host::Domain(name)) => name.to_owned(),
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => format!("[{address}]"),
        None => return Err(RULE),
    };
    let port = authority.strip_prefix(host.as_str()).ok_or(RULE)?;
    let is_port = |text: &str| {
        text.parse::<u16>()
            .is_ok_and(|port| port.to_string() == text)
    };
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok(()),
        Some(port) if is_port(port) => Ok(()),
        _ => Err(RULE),
    }
}

/// Whether a request for `requested` means the registered URI: the same text, or the same but for the port on this
/// machine (RFC 8252 section 7.3).
#[must_use]
pub fn matches(registered: &str, requested: &str) -> bool {
    if registered == requested {
        return true;
    }
    match (loopback(registered), loopback(requested)) {
        (Some(registered), Some(requested)) => registered == requested,
        _ => false,
    }
}

/// The host, and what follows the port, of a URI of this machine by http.
fn loopback(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http://")?;
    let host = LOOPBACK.into_iter().find(|host| rest.starts_with(host))?;
    let rest = &rest[host.len()..];
    let rest = match rest.strip_prefix(':') {
        None => rest,
        Some(rest) => {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (port, rest) = rest.split_at(digits);
            port.parse::<u16>().ok()?;
            rest
        }
    };
    let ends = rest.is_empty() || rest.starts_with(['/', '?']);
    let is_plain = rest
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\' && byte != b'#');
    (ends && is_plain).then_some((host, rest))
}

/// The place that a redirect URI leads to, for which people decide: the origin, without a port on this machine, where any program
/// may have any port; or the scheme of a program.
#[must_use]
pub fn destination(uri: &str) -> String {
    if let Some((host, _)) = loopback(uri) {
        return format!("http://{host}");
    }
    match Url::parse(uri) {
        Ok(url) if url.origin().is_tuple() => url.origin().ascii_serialization(),
        Ok(url) => format!("{}:", url.scheme()),
        Err(_) => uri.to_owned(),
    }
}

/// The redirect URI with these parameters added to its query, which it keeps (RFC 6749 section 4.1.2).
#[must_use]
pub fn with_parameters(uri: &str, parameters: &[(&str, &str)]) -> String {
    let added = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters)
        .finish();
    let joint = match uri.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some(_) => "&",
    };
    format!("{uri}{joint}{added}")
}

#[cfg(test)]
mod tests;
