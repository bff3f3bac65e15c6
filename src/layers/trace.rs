//! One line per request, and a span that names the request on whatever else is logged meanwhile; and where requests are
//! traced, the first span of each.
//!
//! None of them holds a query, a header or a body, and of the path only what can be no secret: people paste
//! keys and tokens into every one of them.

use std::{
    convert::Infallible,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI32, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{body::Body, extract::Request, response::Response};
use http::{HeaderMap, StatusCode, Version};
use http_body_util::BodyExt as _;
use ipnet::IpNet;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use tracing::Instrument as _;

use super::{
    Connection, LayerOptions,
    around::{Answer, Middleware},
    call::{Call, Dialect},
    client::is_trusted,
    https_only::PROBES,
    limit_log::LimitLog,
};
use crate::{
    env::Env,
    error::Reason,
    metrics::{self, Metrics},
    model::request::RequestContext,
    telemetry::{Span, Telemetry},
};

/// A path is cut here; longer ones are nobody's.
const LONGEST_PATH: usize = 256;
/// No name of a service, of a method or of a path is longer than this, and every secret of ours is.
const LONGEST_NAME: usize = 40;

const NO_STATUS: i32 = -1;

/// What refusals by a limit are counted over.
const MINUTE: Duration = Duration::from_secs(60);

/// Where the status of a gRPC call is written down by whoever sees it: it can stand in the headers, in the
/// trailers, or, in grpc-web, within the body. Travels in the extensions of the HTTP request.
#[derive(Clone, Debug)]
pub struct GrpcOutcome(Arc<Outcome>);

#[derive(Debug)]
struct Outcome {
    status: AtomicI32,
    limited: AtomicBool,
}

impl Default for GrpcOutcome {
    fn default() -> Self {
        Self(Arc::new(Outcome {
            status: AtomicI32::new(NO_STATUS),
            limited: AtomicBool::new(false),
        }))
    }
}

impl GrpcOutcome {
    /// Takes the status from headers or trailers, if it is there.
    pub fn record(&self, headers: &HeaderMap) {
        let status = headers
            .get("grpc-status")
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.parse().ok());
        let Some(status) = status else { return };
        self.0.status.store(status, Ordering::Relaxed);
        if status == Code::ResourceExhausted as i32 && is_rate_limited(headers) {
            self.0.limited.store(true, Ordering::Relaxed);
        }
    }

    fn status(&self) -> Option<i32> {
        Some(self.0.status.load(Ordering::Relaxed)).filter(|status| *status != NO_STATUS)
    }
}

/// Overload, full lists and messages that are too large have the same gRPC status.
fn is_rate_limited(headers: &HeaderMap) -> bool {
    Status::from_header_map(headers)
        .and_then(|status| status.get_details_error_info())
        .is_some_and(|info| info.reason == Reason::RateLimited.meaning().name)
}

/// Logs, counts and traces every request.
#[derive(Clone)]
pub(super) struct Trace {
    env: Env,
    metrics: Metrics,
    limits: Arc<LimitLog>,
    telemetry: Telemetry,
    trusted_proxies: Arc<[IpNet]>,
}

impl Trace {
    pub(super) fn new(env: Env, metrics: Metrics, options: &LayerOptions) -> Self {
        Self {
            limits: LimitLog::new(MINUTE),
            env,
            metrics,
            telemetry: options.telemetry.clone(),
            trusted_proxies: options.trusted_proxies.as_slice().into(),
        }
    }

    /// Begins the span of a request. Who called it is believed of trusted proxies alone: anybody else would choose which
    /// traces their calls stand in, and that they are kept.
    fn span(&self, call: &Call, request: &Request) -> Span {
        if !self.telemetry.is_on() {
            return Span::none();
        }
        let connection = request.extensions().get::<Connection>();
        let is_believed = connection.is_some_and(|from| {
            let believed = from.believed(&self.trusted_proxies);
            is_trusted(from.peer.ip().to_canonical(), believed)
        });
        let headers = is_believed.then(|| request.headers());
        let path = shown(call.path());
        let mut span = match call.dialect {
            Dialect::Grpc | Dialect::GrpcWeb { .. } => self.telemetry.grpc_request(&path, headers),
            Dialect::Connect | Dialect::Rest => {
                let is_tls = connection.is_some_and(|connection| connection.tls);
                self.telemetry
                    .http_request(&call.method, &path, is_tls, headers)
            }
        };
        span.set_request_id(&call.request_id);
        span
    }
}

impl Middleware for Trace {
    fn handle<F>(&self, mut request: Request, next: impl FnOnce(Request) -> F) -> Answer
    where
        F: Future<Output = Result<Response, Infallible>> + Send + 'static,
    {
        let mut line = Line::begin(self, &request);
        request.extensions_mut().insert(line.outcome.clone());
        let trace_id = line.trace_id();
        let span = tracing::info_span!("request", request_id = &*line.call.request_id, trace_id);
        let answer = span.in_scope(|| next(request)).instrument(span);
        let answer = line.span.here().within(answer);
        Box::pin(async move {
            let response = answer.await?;
            line.status = Some(response.status());
            // A full list is 429, too, and has no such header.
            line.limited = response.status() == StatusCode::TOO_MANY_REQUESTS
                && response.headers().contains_key("ratelimit");
            line.outcome.record(response.headers());
            // The line is written when the body has been sent or given up.
            Ok(response.map(|body| {
                Body::new(body.map_frame(move |frame| {
                    if let Some(trailers) = frame.trailers_ref() {
                        line.outcome.record(trailers);
                    }
                    frame
                }))
            }))
        })
    }
}

/// What the line will say. It is written on drop, so that a call whose client has gone has one too.
struct Line {
    env: Env,
    metrics: Metrics,
    limits: Arc<LimitLog>,
    started: Instant,
    call: Arc<Call>,
    version: Version,
    client: Option<IpAddr>,
    status: Option<StatusCode>,
    /// Whether an answer that is not gRPC's says that a limit refused the call.
    limited: bool,
    outcome: GrpcOutcome,
    span: Span,
}

impl Line {
    fn begin(trace: &Trace, request: &Request) -> Self {
        let call = Call::of(request);
        Self {
            env: trace.env.clone(),
            metrics: trace.metrics.clone(),
            limits: Arc::clone(&trace.limits),
            started: trace.env.monotonic(),
            span: trace.span(&call, request),
            call,
            version: request.version(),
            client: request
                .extensions()
                .get::<RequestContext>()
                .map(|context| context.client_address),
            status: None,
            limited: false,
            outcome: GrpcOutcome::default(),
        }
    }

    /// Whether a limit on calls, log-ins or sign-ups refused the request: it is to be sent again later.
    fn is_limited(&self) -> bool {
        self.limited || self.outcome.0.limited.load(Ordering::Relaxed)
    }

    /// Whether a probe found the server well, as one does every few seconds: that is counted, and no line of the log.
    fn is_good_probe(&self) -> bool {
        let is_probe = PROBES.contains(&self.call.path());
        let is_good = match self.outcome.status() {
            Some(status) => status == Code::Ok as i32,
            None => self.status == Some(StatusCode::OK),
        };
        is_probe && is_good
    }

    fn trace_id(&self) -> Option<impl tracing::Value + use<>> {
        self.span.trace_id().map(tracing::field::display)
    }

    /// Says in the span how the request ended.
    fn end_span(&mut self) {
        match (self.status, self.outcome.status()) {
            (None, _) => self.span.fail("abandoned"),
            (Some(_), Some(code)) => self.span.end_grpc(Code::from(code)),
            (Some(status), None) => self.span.end_http(&self.call.method, status),
        }
    }

    /// How the request ended, as it is counted: by its gRPC status where it has one.
    fn counted_status(&self) -> metrics::Status {
        match (self.status, self.outcome.status()) {
            (None, _) => metrics::Status::Abandoned,
            (Some(_), Some(status)) => metrics::Status::of_grpc(status),
            (Some(status), None) => metrics::Status::of_http(status.as_u16()),
        }
    }
}

fn counted_dialect(dialect: Dialect) -> metrics::Dialect {
    match dialect {
        Dialect::Grpc => metrics::Dialect::Grpc,
        Dialect::GrpcWeb { .. } => metrics::Dialect::GrpcWeb,
        Dialect::Connect => metrics::Dialect::Connect,
        Dialect::Rest => metrics::Dialect::Rest,
    }
}

/// The path with `*` for every part that is neither a name nor the id of something.
fn shown(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for segment in path.split_inclusive(['/', ':']) {
        let part = segment.trim_end_matches(['/', ':']);
        text.push_str(if is_harmless(part) { part } else { "*" });
        text.push_str(&segment[part.len()..]);
    }
    text.truncate(text.floor_char_boundary(LONGEST_PATH));
    text
}

fn is_harmless(part: &str) -> bool {
    let is_name = || part.len() <= LONGEST_NAME && part.split(['.', '-', '_']).all(is_word);
    is_name() || uuid::Uuid::try_parse(part).is_ok_and(|id| id.to_string() == part)
}

/// Letters, or a version such as `v1` or `v1alpha`; anything random would have other digits too.
fn is_word(word: &str) -> bool {
    let version = word.strip_prefix('v').map(|version| {
        version
            .strip_prefix(|digit: char| digit.is_ascii_digit())
            .unwrap_or(version)
    });
    let letters = version.unwrap_or(word);
    letters.bytes().all(|byte| byte.is_ascii_alphabetic())
}

impl Drop for Line {
    fn drop(&mut self) {
        self.end_span();
        let now = self.env.monotonic();
        let took = now.saturating_duration_since(self.started);
        let dialect = counted_dialect(self.call.dialect);
        self.metrics.request(dialect, self.counted_status(), took);
        let limited = self.client.filter(|_| self.is_limited());
        if self.is_good_probe() || limited.is_some_and(|client| !self.limits.has_line(client)) {
            return;
        }
        let message = if self.status.is_some() {
            "answered"
        } else {
            "abandoned by the client"
        };
        tracing::info!(
            target: "countersign::request",
            parent: None,
            request_id = &*self.call.request_id,
            trace_id = self.trace_id(),
            client = self.client.map(tracing::field::display),
            method = self.call.method.as_str(),
            path = shown(self.call.path()),
            dialect = self.call.dialect.name(),
            protocol = ?self.version,
            status = self.status.map(|status| status.as_u16()),
            grpc_status = self.outcome.status(),
            duration_ms = took.as_secs_f64() * 1000.0,
            "{message}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn of_all_that_is_429_the_refusals_by_a_limit_alone_are_folded() {
        let env = Env::system();
        let trace = Trace::new(env.clone(), Metrics::new(&env).0, &LayerOptions::default());
        for (number, header, folded) in [(1, "ratelimit", true), (2, "retry-after", false)] {
            let client = IpAddr::from([192, 0, 2, number]);
            let mut request = Request::new(Body::empty());
            request
                .extensions_mut()
                .insert(RequestContext::new("r".into(), client));
            let answer = Response::builder().status(429).header(header, "1");
            let answer = answer.body(Body::empty()).unwrap();
            drop(trace.handle(request, async |_| Ok(answer)).await);
            assert_eq!(trace.limits.has_line(client), !folded, "{header}");
        }
    }

    #[test]
    fn a_path_of_names_and_ids_is_shown_as_it_is() {
        for path in [
            "/",
            "*",
            "/v1/accounts",
            "/v1/accounts/me:changePassword",
            "/v1/sessions/0190163d-8694-739b-aea5-966c26f8ad91",
            "/v1/accounts/0190163d-8694-739b-aea5-966c26f8ad91:changePassword",
            "/v1/sessions:revokeRefreshToken",
            "/.well-known/jwks.json",
            "/api/auth/signup",
            "/countersign.v1.SessionService/RevokeRefreshToken",
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        ] {
            assert_eq!(shown(path), path);
        }
    }

    #[test]
    fn what_may_be_a_secret_in_a_path_is_not_shown() {
        let long = "a".repeat(LONGEST_NAME + 1);
        for (path, text) in [
            ("/mk_live_9fKq2TzR", "/*"),
            ("/v1/apiKeys/mk_live_9fKq2TzR", "/v1/apiKeys/*"),
            (
                "/v1/sessions/eyJhbGciOiJFZERTQSJ9.e30.x:revoke",
                "/v1/sessions/*:revoke",
            ),
            ("/a.B/mk_live_9fKq2TzR", "/a.B/*"),
            ("/ann@example.com/", "/*/"),
            ("/p%61ss", "/*"),
            ("/correct horse", "/*"),
            ("/0190163D-8694-739B-AEA5-966C26F8AD91", "/*"),
            ("/\u{e9}", "/*"),
            (&format!("/{long}"), "/*"),
        ] {
            assert_eq!(shown(path), text);
        }
        assert_eq!(shown(&"/a".repeat(1_000)).len(), LONGEST_PATH);
    }
}
