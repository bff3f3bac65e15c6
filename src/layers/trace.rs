//! One line per request, and a span that names the request on whatever else is logged meanwhile.
//!
//! Neither holds a query, a header or a body: those can hold secrets.

use std::{
    convert::Infallible,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    time::Instant,
};

use axum::{body::Body, extract::Request, response::Response};
use http::{HeaderMap, StatusCode, Version};
use http_body_util::BodyExt as _;
use tracing::Instrument as _;

use super::{
    around::{Answer, Middleware},
    call::Call,
};
use crate::{env::Env, model::request::RequestContext};

/// A path is cut here; longer ones are nobody's.
const LONGEST_PATH: usize = 256;

const NO_STATUS: i32 = -1;

/// Where the status of a gRPC call is written down by whoever sees it: it can stand in the headers, in the
/// trailers, or, in grpc-web, within the body. Travels in the extensions of the HTTP request.
#[derive(Clone, Debug)]
pub struct GrpcOutcome(Arc<AtomicI32>);

impl Default for GrpcOutcome {
    fn default() -> Self {
        Self(Arc::new(AtomicI32::new(NO_STATUS)))
    }
}

impl GrpcOutcome {
    /// Takes the status from headers or trailers, if it is there.
    pub fn record(&self, headers: &HeaderMap) {
        let status = headers
            .get("grpc-status")
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.parse().ok());
        if let Some(status) = status {
            self.0.store(status, Ordering::Relaxed);
        }
    }

    fn status(&self) -> Option<i32> {
        Some(self.0.load(Ordering::Relaxed)).filter(|status| *status != NO_STATUS)
    }
}

/// Logs every request.
#[derive(Clone)]
pub(super) struct Trace {
    env: Env,
}

impl Trace {
    pub(super) fn new(env: Env) -> Self {
        Self { env }
    }
}

impl Middleware for Trace {
    fn handle<F>(&self, mut request: Request, next: impl FnOnce(Request) -> F) -> Answer
    where
        F: Future<Output = Result<Response, Infallible>> + Send + 'static,
    {
        let mut line = Line::begin(&self.env, &request);
        request.extensions_mut().insert(line.outcome.clone());
        let span = tracing::info_span!("request", request_id = &*line.call.request_id);
        let answer = span.in_scope(|| next(request)).instrument(span);
        Box::pin(async move {
            let response = answer.await?;
            line.status = Some(response.status());
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
    started: Instant,
    call: Call,
    version: Version,
    client: Option<IpAddr>,
    status: Option<StatusCode>,
    outcome: GrpcOutcome,
}

impl Line {
    fn begin(env: &Env, request: &Request) -> Self {
        Self {
            env: env.clone(),
            started: env.monotonic(),
            call: Call::of(request),
            version: request.version(),
            client: request
                .extensions()
                .get::<RequestContext>()
                .map(|context| context.client_address),
            status: None,
            outcome: GrpcOutcome::default(),
        }
    }

    fn path(&self) -> &str {
        let path = self.call.path();
        path.split_at(path.floor_char_boundary(LONGEST_PATH)).0
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let took = self.env.monotonic().saturating_duration_since(self.started);
        let message = if self.status.is_some() {
            "answered"
        } else {
            "abandoned by the client"
        };
        tracing::info!(
            target: "countersign::request",
            parent: None,
            request_id = &*self.call.request_id,
            client = self.client.map(tracing::field::display),
            method = self.call.method.as_str(),
            path = self.path(),
            dialect = self.call.dialect.name(),
            protocol = ?self.version,
            status = self.status.map(|status| status.as_u16()),
            grpc_status = self.outcome.status(),
            duration_ms = took.as_secs_f64() * 1000.0,
            "{message}"
        );
    }
}
