//! CORS: which web pages may call from a browser, and what they may see of the answer. Those of the origins in the
//! settings may call everything, with the cookie of the device. Those of all others may, without it, what OAuth clients in
//! browsers need (OAuth 2.1 section 3.2): metadata, keys, registrations and tokens, and never the authorization endpoint
//! (section 3.1).

use std::{convert::Infallible, fmt, str::FromStr, sync::Arc, time::Duration};

use axum::{extract::Request, response::Response};
use http::{
    HeaderName, HeaderValue, Method,
    header::{
        ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, ACCESS_CONTROL_REQUEST_METHOD, ALLOW,
        AUTHORIZATION, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, LOCATION, ORIGIN, RETRY_AFTER,
        WWW_AUTHENTICATE,
    },
};
use tower::{Layer as _, Service, ServiceExt as _};
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

use super::{
    HttpService,
    around::{Answer, Around, Middleware},
    call::{Call, Dialect},
    request_id::X_REQUEST_ID,
};

/// How long a browser may remember a preflight; browsers allow two hours at most.
const PREFLIGHT_LIFETIME: Duration = Duration::from_secs(2 * 60 * 60);

/// A web origin (RFC 6454), exactly as browsers send it: `https://app.example.com`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Origin(HeaderValue);

/// A text that is not a web origin.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "`{0}` is not a web origin; write the scheme, the host and, unless it is the default, the port: https://app.example.com"
)]
pub struct InvalidOrigin(String);

impl FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let invalid = || InvalidOrigin(text.to_owned());
        let url = url::Url::parse(text).map_err(|_| invalid())?;
        let origin = url.origin().ascii_serialization();
        // Browsers compare nothing but send one spelling; any other in the list would never match.
        if !matches!(url.scheme(), "http" | "https") || origin != text || text.contains('*') {
            return Err(invalid());
        }
        HeaderValue::from_str(&origin)
            .map(Self)
            .map_err(|_| invalid())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_str().unwrap_or_default())
    }
}

/// Answers preflights and lets pages read answers: from these origins of all, and from others of what is open to all. Nobody
/// may at a page that a person is sent to: CORS must not be supported there (OAuth 2.1 section 3.1).
pub(super) fn wrap<S>(
    origins: &[Origin],
    more_headers: &[HeaderName],
    is_page: fn(&str) -> bool,
    inner: S,
) -> Around<Browsers, S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    let listed = (!origins.is_empty())
        .then(|| HttpService::new(policy(origins, more_headers).layer(inner.clone())));
    let browsers = Browsers {
        origins: origins.into(),
        listed,
        open: HttpService::new(open_policy(more_headers).layer(inner.clone())),
        is_page,
    };
    Around::new(browsers, inner)
}

/// Whether pages of every origin may make this call. Not where SMTPD's clients log in, on paths of OAuth's: a page could
/// guess passwords through the browsers of its visitors, and read what came of it.
fn is_open(request: &Request) -> bool {
    let path = request.uri().path();
    let is_metadata = path.starts_with("/.well-known/") || path.ends_with(APPENDED_METADATA);
    let is_shared = ["/oauth/token", "/oauth/revoke"].contains(&path);
    is_metadata
        || path == "/oauth/userinfo"
        || path == "/oauth/register"
        || path.starts_with("/oauth/register/")
        || is_shared && request.uri().query().is_none() && !Call::of(request).is_json
}

/// Below an issuer with a path.
const APPENDED_METADATA: &str = "/.well-known/openid-configuration";

/// What a page may send: the contract's own headers, those of gRPC-Web and Connect with the names that their
/// browser clients use, and those by which calls are traced.
const ALLOWED: [HeaderName; 22] = [
    AUTHORIZATION,
    CONTENT_TYPE,
    ACCEPT,
    ACCEPT_LANGUAGE,
    IF_MATCH,
    IF_NONE_MATCH,
    X_REQUEST_ID,
    HeaderName::from_static("x-countersign-device"),
    HeaderName::from_static("x-grpc-web"),
    HeaderName::from_static("x-user-agent"),
    HeaderName::from_static("grpc-timeout"),
    HeaderName::from_static("grpc-encoding"),
    HeaderName::from_static("grpc-accept-encoding"),
    HeaderName::from_static("connect-protocol-version"),
    HeaderName::from_static("connect-timeout-ms"),
    HeaderName::from_static("connect-content-encoding"),
    HeaderName::from_static("connect-accept-encoding"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("baggage"),
    HeaderName::from_static("mcp-protocol-version"),
    HeaderName::from_static("dpop"),
];

/// What a page may read, without which it could not tell a refusal from success or know when to try again.
const EXPOSED: [HeaderName; 18] = [
    RETRY_AFTER,
    WWW_AUTHENTICATE,
    ALLOW,
    ACCEPT,
    ACCEPT_ENCODING,
    ETAG,
    LOCATION,
    X_REQUEST_ID,
    HeaderName::from_static("accept-post"),
    HeaderName::from_static("grpc-status"),
    HeaderName::from_static("grpc-message"),
    HeaderName::from_static("grpc-status-details-bin"),
    HeaderName::from_static("grpc-encoding"),
    HeaderName::from_static("grpc-accept-encoding"),
    HeaderName::from_static("grpc-retry-pushback-ms"),
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
    HeaderName::from_static("dpop-nonce"),
];

/// The origins are exact, so their pages may send and keep the cookie of the device.
fn policy(origins: &[Origin], more_headers: &[HeaderName]) -> CorsLayer {
    let origins = origins.iter().map(|origin| origin.0.clone());
    open_policy(more_headers)
        .allow_origin(AllowOrigin::list(origins))
        .allow_credentials(true)
}

/// Pages of every origin, without cookies.
fn open_policy(more_headers: &[HeaderName]) -> CorsLayer {
    let allowed: Vec<_> = ALLOWED.iter().chain(more_headers).cloned().collect();
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ])
        .allow_headers(allowed)
        .expose_headers(EXPOSED)
        .max_age(PREFLIGHT_LIFETIME)
}

/// CORS where a browser can be the caller.
#[derive(Clone)]
pub(super) struct Browsers {
    origins: Arc<[Origin]>,
    /// The service once more, behind the policy for these origins.
    listed: Option<HttpService>,
    /// And behind the one for all.
    open: HttpService,
    is_page: fn(&str) -> bool,
}

impl Browsers {
    /// The service that answers a call from a page.
    fn for_pages(&self, request: &Request) -> Option<&HttpService> {
        if (self.is_page)(request.uri().path()) {
            return None;
        }
        let origin = request.headers().get(ORIGIN);
        let is_listed = self.origins.iter().any(|listed| Some(&listed.0) == origin);
        if !is_listed && is_open(request) {
            Some(&self.open)
        } else {
            self.listed.as_ref()
        }
    }
}

impl Middleware for Browsers {
    fn handle<F>(&self, request: Request, next: impl FnOnce(Request) -> F) -> Answer
    where
        F: Future<Output = Result<Response, Infallible>> + Send + 'static,
    {
        match self.for_pages(&request) {
            Some(cors) if concerns(&request) => Box::pin(cors.clone().oneshot(request)),
            _ => Box::pin(next(request)),
        }
    }
}

/// Native gRPC has no browsers. An `OPTIONS` that asks for no method is not a preflight (Fetch, section
/// 3.3.2) but a request of its own.
fn concerns(request: &Request) -> bool {
    let headers = request.headers();
    if request.method() == Method::OPTIONS {
        return headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    }
    Call::of(request).dialect != Dialect::Grpc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_what_browsers_send() {
        for text in [
            "https://app.example.com",
            "http://localhost:3000",
            "http://[::1]:8080",
        ] {
            assert_eq!(text.parse::<Origin>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "*",
            "null",
            "app.example.com",
            "https://app.example.com/",
            "https://App.example.com",
            "https://app.example.com:443",
            "https://*.example.com",
            "file:///x",
            "https://a@b.example",
            "ftp://x.example",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }
}
