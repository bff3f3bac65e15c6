//! With a public name, calls over plain HTTP are refused: what they carry may have been read on the way.
//! There is no redirect, which would make the mistake look like success.

use std::convert::Infallible;

use axum::{extract::Request, response::Response};
use http::{HeaderMap, HeaderName, header::FORWARDED};
use ipnet::IpNet;

use super::{
    Connection,
    around::{Answer, Middleware, answer},
    client::{elements, is_trusted, pair},
};
use crate::error::{Error, Reason};

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// What supervisors and load balancers ask from inside, without a secret.
pub(super) const PROBES: [&str; 4] = [
    "/livez",
    "/readyz",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
];

/// Refuses what did not come by https, to this server or to a trusted proxy in front.
#[derive(Clone)]
pub(super) struct HttpsOnly {
    required: bool,
    trusted: Vec<IpNet>,
}

impl HttpsOnly {
    pub(super) fn new(required: bool, trusted: Vec<IpNet>) -> Self {
        Self { required, trusted }
    }

    fn allows(&self, request: &Request) -> bool {
        !self.required
            || PROBES.contains(&request.uri().path())
            || request
                .extensions()
                .get::<Connection>()
                .is_some_and(|connection| self.is_https(connection, request.headers()))
    }

    /// A trusted proxy knows how its client came. TLS between it and this server tells nothing of that.
    fn is_https(&self, connection: &Connection, headers: &HeaderMap) -> bool {
        let believed = connection.believed(&self.trusted);
        let said = is_trusted(connection.peer.ip().to_canonical(), believed)
            .then(|| says_https(headers))
            .flatten();
        said.unwrap_or(connection.tls)
    }
}

impl Middleware for HttpsOnly {
    fn handle<F>(&self, request: Request, next: impl FnOnce(Request) -> F) -> Answer
    where
        F: Future<Output = Result<Response, Infallible>> + Send + 'static,
    {
        if self.allows(&request) {
            return Box::pin(next(request));
        }
        answer(Error::new(Reason::HttpsRequired))
    }
}

/// Whether the nearest proxy says that its client came by https; `None` when it says nothing of it. Two
/// headers must agree.
fn says_https(headers: &HeaderMap) -> Option<bool> {
    let protocols = [forwarded_proto(headers), x_forwarded_proto(headers)];
    protocols
        .into_iter()
        .flatten()
        .map(|protocol| protocol.eq_ignore_ascii_case("https"))
        .reduce(|one, other| one && other)
}

/// The `proto` of the last `forwarded-element` (RFC 7239 section 5.4).
fn forwarded_proto(headers: &HeaderMap) -> Option<String> {
    let line = headers
        .get_all(FORWARDED)
        .iter()
        .next_back()?
        .to_str()
        .ok()?;
    let mut rest = *elements(line).first()?;
    loop {
        let (name, value, after) = pair(rest)?;
        if name.eq_ignore_ascii_case("proto") {
            return Some(value);
        }
        rest = after.strip_prefix(';')?;
    }
}

fn x_forwarded_proto(headers: &HeaderMap) -> Option<String> {
    let line = headers
        .get_all(X_FORWARDED_PROTO)
        .iter()
        .next_back()?
        .to_str()
        .ok()?;
    line.rsplit(',')
        .next()
        .map(|protocol| protocol.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(lines: &[(&str, &str)]) -> Option<bool> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        says_https(&headers)
    }

    #[test]
    fn the_nearest_proxy_is_asked() {
        for lines in [
            &[("x-forwarded-proto", "https")][..],
            &[("x-forwarded-proto", "http, HTTPS")],
            &[(
                "forwarded",
                "for=192.0.2.1;proto=http, for=192.0.2.2;Proto=\"https\";by=x",
            )],
            &[("forwarded", "proto=https"), ("x-forwarded-proto", "https")],
        ] {
            assert_eq!(says(lines), Some(true), "{lines:?}");
        }
    }

    #[test]
    fn anything_else_is_not_https() {
        for lines in [
            &[("x-forwarded-proto", "http")][..],
            &[("x-forwarded-proto", "https, http")],
            &[
                ("x-forwarded-proto", "https"),
                ("x-forwarded-proto", "http"),
            ],
            &[("x-forwarded-proto", "httpss")],
            &[("x-forwarded-proto", "")],
            &[("forwarded", "proto=https"), ("x-forwarded-proto", "http")],
            &[("forwarded", "proto=http"), ("x-forwarded-proto", "https")],
        ] {
            assert_eq!(says(lines), Some(false), "{lines:?}");
        }
    }

    #[test]
    fn what_the_nearest_proxy_did_not_write_says_nothing() {
        for lines in [
            &[][..],
            &[("forwarded", "proto=https, for=192.0.2.1")],
            &[("forwarded", "proto=https"), ("forwarded", "for=192.0.2.1")],
            &[("forwarded", "for=\"x;proto=https\"")],
        ] {
            assert_eq!(says(lines), None, "{lines:?}");
        }
    }
}
