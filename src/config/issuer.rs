//! The URL that names this server in tokens.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use url::{Host, Url};

use super::setting::Scalar;

/// The issuer identifier (RFC 8414 section 2): an http or https URL without query, fragment, user or
/// trailing slash.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Issuer {
    text: String,
    https: bool,
    public: bool,
}

impl Issuer {
    /// The URL of an address to listen on. "Every address" is reached by the loopback one.
    #[must_use]
    pub fn of_address(address: SocketAddr, tls: bool) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let (scheme, usual_port) = if tls { ("https", 443) } else { ("http", 80) };
        let host = match ip {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        let port = match address.port() {
            port if port == usual_port => String::new(),
            port => format!(":{port}"),
        };
        Self {
            text: format!("{scheme}://{host}{port}"),
            https: tls,
            public: !ip.is_loopback(),
        }
    }

    /// The URL, to which paths that start with a slash can be appended.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether clients must come by TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// Whether it names more than this machine's own addresses.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.public
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Scalar for Issuer {
    fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).ok().filter(is_plain).ok_or(
            "it must be an http or https URL without user, query and fragment, such as https://id.example.com",
        )?;
        Ok(Self {
            text: url.as_str().trim_end_matches('/').to_owned(),
            https: url.scheme() == "https",
            public: !is_loopback(&url),
        })
    }

    fn print(&self) -> String {
        self.text.clone()
    }
}

fn is_plain(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
}

/// Names below `localhost` never leave the machine (RFC 6761 section 6.3).
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_has_one_spelling() {
        for (typed, kept) in [
            ("https://ID.example.com/", "https://id.example.com"),
            ("https://id.example.com:443", "https://id.example.com"),
            ("https://example.com/id//", "https://example.com/id"),
            ("http://localhost:8080/", "http://localhost:8080"),
        ] {
            assert_eq!(Issuer::parse(typed).unwrap().as_str(), kept);
        }
    }

    #[test]
    fn what_cannot_be_an_issuer_is_refused() {
        for text in [
            "id.example.com",
            "ftp://example.com",
            "https://a@example.com",
            "https://example.com?x",
            "https://example.com#x",
            "https://",
        ] {
            assert!(Issuer::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_loopback_is_private() {
        for (text, public) in [
            ("http://127.0.0.1", false),
            ("http://[::1]:8080", false),
            ("http://app.localhost", false),
            ("http://10.0.0.1", true),
            ("http://localhost.example.com", true),
        ] {
            assert_eq!(Issuer::parse(text).unwrap().is_public(), public, "{text}");
        }
    }

    #[test]
    fn an_address_has_a_url() {
        for (address, tls, url) in [
            ("127.0.0.1:8080", false, "http://127.0.0.1:8080"),
            ("0.0.0.0:80", false, "http://127.0.0.1"),
            ("[::]:443", true, "https://[::1]"),
            ("192.0.2.1:80", true, "https://192.0.2.1:80"),
        ] {
            let issuer = Issuer::of_address(address.parse().unwrap(), tls);
            assert_eq!(issuer.as_str(), url);
        }
    }
}
