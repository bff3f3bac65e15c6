//! What every request passes on its way to a service, whatever the transport: who is calling, what is
//! written down, and the answers that no service gives itself.

pub(crate) mod around;
pub mod body_limit;
pub mod call;
pub mod client;
mod cookies;
pub mod cors;
pub mod deadline;
mod https_only;
mod limit_log;
pub mod panic;
pub mod request_head;
pub mod request_id;
pub mod security_headers;
pub mod trace;
pub mod uncounted;

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use axum::{extract::Request, response::Response};
use http::HeaderName;
use ipnet::IpNet;
use tower::util::BoxCloneSyncService;

use self::around::Around;
use crate::{env::Env, metrics::Metrics, telemetry::Telemetry};

/// A service for whole HTTP requests that always has an answer.
pub type HttpService = BoxCloneSyncService<Request, Response, Infallible>;

/// The connection that a request came in on. The listener puts it into the extensions of the request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Connection {
    /// Who connected: the other end of the socket, or, where a trusted proxy begins with a PROXY header, the
    /// client that it names.
    pub peer: SocketAddr,
    /// Whether it connected over TLS, which ends here or at the proxy that says so in its PROXY header.
    pub tls: bool,
    /// Whether the peer, if it is a trusted proxy, writes `Forwarded` and `X-Forwarded-*`. Not when its PROXY
    /// header names no client: then what follows may be anybody's words.
    pub writes_headers: bool,
}

impl Connection {
    /// Which of the trusted proxies are believed on this connection about who called them, and how.
    fn believed<'a>(&self, trusted: &'a [IpNet]) -> &'a [IpNet] {
        if self.writes_headers { trusted } else { &[] }
    }
}

/// What the layers are told by the configuration.
#[derive(Clone, Debug)]
pub struct LayerOptions {
    /// The networks whose `Forwarded` and `X-Forwarded-For` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The web origins that may call from a browser; none means that browsers may not.
    pub cors_origins: Vec<cors::Origin>,
    /// Request headers that their pages may send beside those of the protocols and of this API.
    pub cors_headers: Vec<HeaderName>,
    /// Whether a path is that of a page which people are sent to, and which scripts of other pages have no business at.
    pub is_page: fn(&str) -> bool,
    /// How long a call may take until its answer begins.
    pub request_timeout: Duration,
    /// Whether calls over plain HTTP are refused.
    pub https_only: bool,
    /// The largest message, in bytes.
    pub max_message_size: u64,
    /// Where traces of requests go.
    pub telemetry: Telemetry,
}

impl Default for LayerOptions {
    fn default() -> Self {
        Self {
            trusted_proxies: Vec::new(),
            cors_origins: Vec::new(),
            cors_headers: Vec::new(),
            is_page: |_| false,
            request_timeout: Duration::from_secs(30),
            https_only: false,
            max_message_size: 64 * 1024,
            telemetry: Telemetry::off(),
        }
    }
}

/// Puts the layers around a service that are near it: those that answer instead of it, with errors that are still to
/// be rendered, and those that add to every answer.
///
/// The first layer below is the innermost; a request passes them from the last to the first.
#[must_use]
pub fn inner(options: &LayerOptions, service: HttpService) -> HttpService {
    // Innermost: only the time that services take counts.
    let service = Around::new(deadline::Deadline::new(options.request_timeout), service);
    // Before the deadline, which starts a timer: a body that is announced too large costs nothing at all.
    let service = Around::new(
        body_limit::BodyLimit::new(options.max_message_size),
        service,
    );
    // Before anything is read of a call that should not have been sent like this.
    let service = Around::new(
        https_only::HttpsOnly::new(options.https_only, options.trusted_proxies.clone()),
        service,
    );
    // Around everything that can panic.
    let service = Around::new(panic::CatchPanic, service);
    // Around every refusal above, which a page could not read otherwise; a preflight ends here.
    let service = cors::wrap(
        &options.cors_origins,
        &options.cors_headers,
        options.is_page,
        service,
    );
    // Before anybody asks what the request means, preflights too.
    let service = Around::new(request_head::RequestHead, service);
    // On every answer, preflights and panics too.
    let service = Around::new(cookies::Cookies, service);
    let service = Around::new(security_headers::SecurityHeaders, service);
    HttpService::new(service)
}

/// Puts the outermost layers around a service whose errors are rendered.
#[must_use]
pub fn outer(
    env: &Env,
    metrics: &Metrics,
    options: &LayerOptions,
    service: HttpService,
) -> HttpService {
    // Sees and counts the final status of every answer, and is the span of whatever is logged and traced below.
    let trace = trace::Trace::new(env.clone(), metrics.clone(), options);
    let service = Around::new(trace, service);
    // Outermost: the log and every answer need the name of the call and the address of the client.
    let service = Around::new(
        request_id::Identify::new(env.clone(), options.trusted_proxies.clone()),
        service,
    );
    HttpService::new(service)
}
