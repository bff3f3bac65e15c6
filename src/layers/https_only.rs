//! With a public name, calls over plain HTTP are refused: what they carry may have been read on the way.
//! There is no redirect, which would make the mistake look like success.

use std::convert::Infallible;

use axum::{extract::Request, response::Response};
use http::{HeaderMap, HeaderName, header::FORWARDED};
use ipnet::IpNet;

use super::{
    Connection,
    around::{Answer, Middleware, answer},
    call::Call,
    client::{elements, is_trusted, pair},
    refusal::{RenderRefusal, refuse},
};
use crate::error::Reason;

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// What supervisors and load balancers ask from inside, without a secret.
const PROBES: [&str; 4] = [
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
    render: RenderRefusal,
}

impl HttpsOnly {
    pub(super) fn new(required: bool, trusted: Vec<IpNet>, render: RenderRefusal) -> Self {
        Self {
            required,
            trusted,
            render,
        }
    }

    fn allows(&self, request: &Request) -> bool {
        !self.required
            || PROBES.contains(&request.uri().path())
            || request
                .extensions()
                .get::<Connection>()
                .is_some_and(|connection| {
                    connection.tls
                        || (is_trusted(connection.peer.ip().to_canonical(), &self.trusted)
                            && says_https(request.headers()))
                })
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
        answer(refuse(
            &Call::of(&request),
            &Reason::HttpsRequired.into(),
            &self.render,
        ))
    }
}

/// Whether the nearest proxy says that its client came by https. When it says two things, it said nothing.
fn says_https(headers: &HeaderMap) -> bool {
    let protocols = [forwarded_proto(headers), x_forwarded_proto(headers)];
    let mut said = protocols.into_iter().flatten().peekable();
    said.peek().is_some() && said.all(|protocol| protocol.eq_ignore_ascii_case("https"))
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

    fn says(lines: &[(&str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        says_https(&headers)
    }

    #[test]
    fn the_nearest_proxy_is_asked() {
        assert!(says(&[("x-forwarded-proto", "https")]));
        assert!(says(&[("x-forwarded-proto", "http, HTTPS")]));
        assert!(says(&[(
            "forwarded",
            "for=192.0.2.1;proto=http, for=192.0.2.2;Proto=\"https\";by=x"
        )]));
        assert!(says(&[
            ("forwarded", "proto=https"),
            ("x-forwarded-proto", "https")
        ]));
    }

    #[test]
    fn anything_else_is_not_https() {
        for lines in [
            &[][..],
            &[("x-forwarded-proto", "http")],
            &[("x-forwarded-proto", "https, http")],
            &[
                ("x-forwarded-proto", "https"),
                ("x-forwarded-proto", "http"),
            ],
            &[("x-forwarded-proto", "httpss")],
            &[("forwarded", "proto=https, for=192.0.2.1")],
            &[("forwarded", "proto=https"), ("x-forwarded-proto", "http")],
            &[("forwarded", "for=\"x;proto=https\"")],
        ] {
            assert!(!says(lines), "{lines:?}");
        }
    }
}
