//! Refuses request heads that RFC 9112 and RFC 9113 call invalid and that hyper passes on. docs/HTTP.md lists what
//! is refused, and by whom.

use std::{convert::Infallible, net::Ipv6Addr};

use axum::{extract::Request, response::Response};
use http::{
    HeaderValue, Method, StatusCode, Uri, Version,
    header::{CONNECTION, HOST, TRANSFER_ENCODING},
    uri::Authority,
};

use super::{
    HttpService,
    around::{Answer, Around, Middleware, answer},
};
use crate::error::{Error, FieldReason, FieldViolation, Reason};

/// Refuses what is invalid, and answers `OPTIONS *`.
#[derive(Clone)]
pub(super) struct RequestHead;

/// Puts the layer around a service that has no other.
#[must_use]
pub fn wrap(service: HttpService) -> HttpService {
    HttpService::new(Around::new(RequestHead, service))
}

/// The HTTP status is that of the problem in every dialect: this is no answer of an rpc.
fn refuse(request: &Request, problem: Problem) -> Error {
    let violation = FieldViolation::new(problem.part, FieldReason::InvalidValue, problem.rule);
    let error = Error::new(Reason::MalformedRequest)
        .violating(violation)
        .with_http_status(problem.status);
    if request.version() < Version::HTTP_2 {
        // Where the next request begins is not certain.
        return error.with_header(CONNECTION, HeaderValue::from_static("close"));
    }
    error
}

impl Middleware for RequestHead {
    fn handle<F>(&self, request: Request, next: impl FnOnce(Request) -> F) -> Answer
    where
        F: Future<Output = Result<Response, Infallible>> + Send + 'static,
    {
        match check(&request) {
            Err(problem) => answer(refuse(&request, problem)),
            // About the server as a whole (RFC 9110 section 9.3.7); it has nothing to say.
            Ok(()) if request.uri().path() == "*" => answer(StatusCode::NO_CONTENT),
            Ok(()) => Box::pin(next(request)),
        }
    }
}

/// What is wrong with a head.
struct Problem {
    part: &'static str,
    rule: &'static str,
    status: StatusCode,
}

fn invalid(part: &'static str, rule: &'static str) -> Problem {
    Problem {
        part,
        rule,
        status: StatusCode::BAD_REQUEST,
    }
}

fn not_implemented(part: &'static str, rule: &'static str) -> Problem {
    Problem {
        status: StatusCode::NOT_IMPLEMENTED,
        ..invalid(part, rule)
    }
}

fn check(request: &Request) -> Result<(), Problem> {
    check_transfer_coding(request)?;
    check_target(request)?;
    check_authority(request)
}

/// hyper reads the last coding alone, which makes sure that a body ends with its chunks.
fn check_transfer_coding(request: &Request) -> Result<(), Problem> {
    let lines = request.headers().get_all(TRANSFER_ENCODING).iter();
    let codings = lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|coding| !coding.is_empty());
    let (chunked, others): (Vec<_>, Vec<_>) =
        codings.partition(|coding| coding.eq_ignore_ascii_case(b"chunked"));
    // RFC 9112 section 6.1: "A sender MUST NOT apply the chunked transfer coding more than once".
    if chunked.len() > 1 {
        return Err(invalid("transfer-encoding", "must be chunked once"));
    }
    if !others.is_empty() {
        return Err(not_implemented("transfer-encoding", "must be chunked"));
    }
    Ok(())
}

/// The forms of a request target (RFC 9112 section 3.2). An absolute one is served like its path.
fn check_target(request: &Request) -> Result<(), Problem> {
    let (method, uri) = (request.method(), request.uri());
    if method == Method::CONNECT {
        return Err(not_implemented("method", "must not be CONNECT"));
    }
    if uri.path() == "*" && method != Method::OPTIONS {
        return Err(invalid("target", "may be * for OPTIONS alone"));
    }
    if uri.path() != "*" && !uri.path().starts_with('/') {
        return Err(invalid("target", "must be a path or an absolute URI"));
    }
    Ok(())
}

/// Who is addressed: exactly one valid `Host` (RFC 9112 section 3.2), or in HTTP/2 `:authority`, and where both
/// are there, the same (RFC 9113 section 8.3.1).
fn check_authority(request: &Request) -> Result<(), Problem> {
    let uri = request.uri();
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(invalid("host", "must be given once"));
    }
    if host.is_some_and(|host| !is_valid(host.as_bytes())) {
        return Err(invalid("host", "must be a name or an address, and a port"));
    }
    if uri
        .authority()
        .is_some_and(|target| !is_valid(target.as_str().as_bytes()))
    {
        return Err(invalid("target", "must name a host, and no user"));
    }
    match (request.version(), host, uri.authority()) {
        // HTTP/1.0 came before the header.
        (Version::HTTP_10, ..) => Ok(()),
        (Version::HTTP_2, None, None) | (Version::HTTP_11, None, _) => {
            Err(invalid("host", "is required"))
        }
        (Version::HTTP_2, Some(host), Some(authority)) if !are_same(host, authority, uri) => {
            Err(invalid("host", "must be the same as :authority"))
        }
        _ => Ok(()),
    }
}

/// `uri-host [ ":" port ]` (RFC 9110 section 7.2), not empty.
fn is_valid(text: &[u8]) -> bool {
    let Ok(authority) = Authority::try_from(text) else {
        return false;
    };
    let (text, host) = (authority.as_str(), authority.host());
    let name = match host.strip_prefix('[') {
        Some(address) => address
            .strip_suffix(']')
            .is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        None => !host.is_empty(),
    };
    let port = match text.strip_prefix(host) {
        Some("" | ":") => true,
        Some(port) => port.strip_prefix(':').is_some_and(|port| {
            port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
        }),
        // A user name stands before the host.
        None => false,
    };
    name && port
}

/// Whether both name the same host and port, where the scheme's own port may be left out.
fn are_same(host: &HeaderValue, authority: &Authority, uri: &Uri) -> bool {
    let usual = match uri.scheme_str() {
        Some("https") => 443,
        _ => 80,
    };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(usual);
    Authority::try_from(host.as_bytes()).is_ok_and(|host| {
        host.host().eq_ignore_ascii_case(authority.host()) && port(&host) == port(authority)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_and_a_port() {
        for host in [
            "localhost",
            "id.example.com",
            "id.example.com:8443",
            "id.example.com:",
            "my_service:80",
            "xn--bcher-kva.example",
            "127.0.0.1:8080",
            "[::1]",
            "[2001:db8::1]:443",
        ] {
            assert!(is_valid(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn anything_else_is_no_host() {
        for host in [
            "",
            ":80",
            "a b",
            "a/b",
            "http://a",
            "a?b",
            "a#b",
            "user@a",
            "user:pw@a:80",
            "a:b",
            "a:-1",
            "a:+1",
            "a:65536",
            "a:1:2",
            "[::1",
            "::1",
            "[::g]",
            "[a]",
            "[::1]x",
            "a\u{e9}",
            "a\\b",
        ] {
            assert!(!is_valid(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn the_port_of_the_scheme_may_be_left_out() {
        for (host, target, same) in [
            ("a.example", "http://A.example/", true),
            ("a.example:80", "http://a.example/", true),
            ("a.example", "https://a.example:443/", true),
            ("a.example", "http://a.example:443/", false),
            ("b.example", "http://a.example/", false),
            ("a.example:8080", "http://a.example/", false),
        ] {
            let (host, uri) = (HeaderValue::from_static(host), Uri::from_static(target));
            assert_eq!(
                are_same(&host, uri.authority().unwrap(), &uri),
                same,
                "{host:?} {target}"
            );
        }
    }
}
