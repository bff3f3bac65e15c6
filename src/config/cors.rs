//! Browser apps on other origins.

use std::str::FromStr;

use http::HeaderName;
use url::Url;

use super::setting::{Scalar, settings};

settings! {
    /// Browser apps that may call this server from another origin.
    pub struct Cors {
        /// Their exact origins, such as `https://app.example.com`; `*` is refused. Empty: none.
        origins: Vec<Origin> = Vec::new(),
        /// Request headers that their pages may send beside those of this API and of Connect and gRPC-Web, such as
        /// `x-tenant`.
        allowed_headers: Vec<RequestHeader> = Vec::new(),
    }
}

/// The name of a request header (RFC 9110 section 5.1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RequestHeader(HeaderName);

impl RequestHeader {
    /// The name, in lower case.
    #[must_use]
    pub fn name(&self) -> &HeaderName {
        &self.0
    }
}

impl Scalar for RequestHeader {
    fn parse(text: &str) -> Result<Self, String> {
        let name = text.parse().ok().filter(|name| *name != "*").map(Self);
        name.ok_or_else(|| {
            "it must be names of request headers, such as x-tenant; name each one, for `*` is not allowed"
                .to_owned()
        })
    }

    fn print(&self) -> String {
        self.0.to_string()
    }
}

/// The origin of a web page (RFC 6454 section 6.2): scheme, host, and port unless it is the usual one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Origin(String);

impl Origin {
    /// The origin as browsers send it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Url::parse(text)
            .ok()
            .filter(is_bare)
            .map(|url| Self(url.origin().ascii_serialization()))
            .ok_or_else(|| {
                "it must be exact origins without path, such as https://app.example.com; name each one, for `*` is not allowed"
                    .to_owned()
            })
    }
}

impl Scalar for Origin {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse()
    }

    fn print(&self) -> String {
        self.0.clone()
    }
}

fn is_bare(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.username().is_empty()
        && url.password().is_none()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && !url.host_str().unwrap_or("*").contains('*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_kept_as_browsers_send_it() {
        for (text, kept) in [
            ("https://App.example.com/", "https://app.example.com"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("https://a.example:443", "https://a.example"),
        ] {
            assert_eq!(Origin::parse(text).unwrap().as_str(), kept);
        }
    }

    #[test]
    fn patterns_and_paths_are_refused() {
        for text in [
            "*",
            "https://*",
            "https://*.example.com",
            "https://a.example/x",
            "null",
        ] {
            assert!(Origin::parse(text).is_err(), "{text}");
        }
    }
}
