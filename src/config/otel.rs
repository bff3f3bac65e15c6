//! Where traces go.

use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use toml::Value;
use url::{Host, Url};

use super::{
    rule::{Broken, require},
    setting::{Scalar, settings},
};
use crate::model::oauth::redirect::is_secure;

settings! {
    /// Traces of calls, for a collector that speaks OpenTelemetry's protocol (OTLP).
    pub struct Otel {
        /// The URL of the collector, which takes OTLP over gRPC, such as `http://127.0.0.1:4317`.
        /// Empty: nothing is traced.
        endpoint: String = String::new(),
        /// What is sent along with the traces, such as the key of a hosted collector: `name=value`, separated by commas.
        headers: SecretString = SecretString::default(),
        /// Which part of the traces is kept, from 0 to 1. Those that a proxy of `trusted_proxies` began with a `traceparent`
        /// are kept as that says.
        sample_ratio: Ratio = Ratio::ALL,
    }
}

/// A part of all, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio(f64);

impl Ratio {
    /// All of it.
    pub const ALL: Self = Self(1.0);

    /// The number.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Scalar for Ratio {
    const KIND: &'static str = "a number from 0 to 1";

    fn parse(text: &str) -> Result<Self, String> {
        let number = text.parse().ok();
        number
            .filter(|number| (0.0..=1.0).contains(number))
            .map(Self)
            .ok_or_else(|| format!("it must be {}", Self::KIND))
    }

    fn print(&self) -> String {
        self.0.to_string()
    }

    fn to_value(&self) -> Value {
        Value::Float(self.0)
    }

    fn text_of(value: &Value) -> Option<String> {
        let whole = || value.as_integer().map(|number| number.to_string());
        value
            .as_float()
            .map(|number| number.to_string())
            .or_else(whole)
    }
}

impl Otel {
    /// Whether calls are traced.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        !self.endpoint.is_empty()
    }

    /// The headers; nothing when they cannot be read.
    #[must_use]
    pub fn header_map(&self) -> Option<HeaderMap> {
        let pairs = self.headers.expose_secret().split(',').map(str::trim);
        pairs.filter(|pair| !pair.is_empty()).map(header).collect()
    }

    pub(super) fn check(&self) -> Result<(), Broken> {
        require(
            self.header_map().is_some(),
            "otel.headers",
            "it must be name=value, and more of them after commas, such as api-key=abc",
        )?;
        if !self.is_enabled() {
            return Ok(());
        }
        let url = Url::parse(&self.endpoint).ok().filter(is_collector);
        require(
            url.is_some(),
            "otel.endpoint",
            "it must be the URL of a collector that takes OTLP over gRPC, without a path or a user, such as \
             http://127.0.0.1:4317 or https://otlp.example.com:4317",
        )?;
        require(
            self.headers.expose_secret().is_empty() || url.is_some_and(|url| is_secure(&url)),
            "otel.endpoint",
            "it must be https beside `otel.headers`, which would travel in the clear",
        )
    }
}

fn header(pair: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = pair.split_once('=')?;
    let mut value = HeaderValue::from_str(value.trim()).ok()?;
    value.set_sensitive(true);
    Some((name.trim().parse().ok()?, value))
}

fn is_collector(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && !matches!(url.host(), None | Some(Host::Domain("")))
        && url.username().is_empty()
        && url.password().is_none()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_allowed(endpoint: &str, headers: &str) -> bool {
        let otel = Otel {
            endpoint: endpoint.to_owned(),
            headers: headers.into(),
            ..Otel::default()
        };
        otel.check().is_ok()
    }

    #[test]
    fn a_collector_is_a_plain_url() {
        for endpoint in [
            "",
            "http://otel-collector:4317",
            "https://otlp.example.com",
            "http://[::1]:4317/",
        ] {
            assert!(is_allowed(endpoint, ""), "{endpoint}");
        }
        for endpoint in [
            "127.0.0.1:4317",
            "grpc://127.0.0.1:4317",
            "http://user:key@collector:4317",
            "http://collector:4318/v1/traces",
            "http://collector:4317?key=abc",
        ] {
            assert!(!is_allowed(endpoint, ""), "{endpoint}");
        }
    }

    #[test]
    fn the_key_of_a_collector_travels_encrypted_or_not_at_all() {
        assert!(is_allowed(
            "https://otlp.example.com",
            "api-key=abc, tenant = one"
        ));
        assert!(is_allowed("http://127.0.0.1:4317", "api-key=abc"));
        assert!(!is_allowed("http://otel-collector:4317", "api-key=abc"));
        assert!(!is_allowed("https://otlp.example.com", "abc"));
        assert!(!is_allowed("https://otlp.example.com", "api key=abc"));
    }

    #[test]
    fn a_ratio_lies_between_nothing_and_all() {
        for text in ["0", "1", "0.001"] {
            assert!(Ratio::parse(text).is_ok(), "{text}");
        }
        for text in ["-0.1", "1.1", "10%", "NaN", ""] {
            assert!(Ratio::parse(text).is_err(), "{text}");
        }
        assert_eq!(Ratio::text_of(&Value::Integer(1)).as_deref(), Some("1"));
    }
}
