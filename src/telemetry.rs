//! Traces of calls, for a collector that speaks OTLP.
//!
//! One call is one trace: the span of the request, and below it those of its rpcs, of every statement and transaction, of
//! every hash with its wait, of signatures, and of requests to other servers, whatever thread they run on. Where in a trace
//! a task is, the task itself knows ([`here`]).
//!
//! Without a collector no task is in a trace. A span then is `None`, known from one look at a variable of the task: its name
//! is not put together, no time is read, nothing is allocated and nothing is sent.
//!
//! The names are OpenTelemetry's semantic conventions (version 1.45). No span holds what a caller sent but the method, the
//! request id and as much of the path as the log shows; none holds an address, a query, a header, a body or a bound value.

mod conventions;
mod exporter;
mod span;

use std::{fmt, sync::Arc, thread, time::Duration};

use http::HeaderMap;
use opentelemetry::{
    Context,
    trace::{SpanBuilder, TracerProvider as _},
};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tokio::sync::oneshot;

pub use self::{
    conventions::{
        DATABASE_ERROR, failure, hash, hash_queue, outgoing, route, rpc, signature, statement,
        transaction,
    },
    exporter::SetupError,
    span::{Here, Span, here},
};
use crate::env::Env;

/// How long a stop waits for the collector to take what it has not yet.
const LONGEST_FLUSH: Duration = Duration::from_secs(2);
/// What the spans say that they were made by.
const SCOPE: &str = "countersign";

/// Where traces go, and how many.
#[derive(Clone, Debug)]
pub struct Options {
    /// The URL of a collector that speaks OTLP over gRPC.
    pub endpoint: String,
    /// What is sent along with every batch, such as the key of a hosted collector.
    pub headers: HeaderMap,
    /// Which part of the traces that begin here is kept, from 0 to 1. Those that a proxy began are kept as it says.
    pub sample_ratio: f64,
}

/// The traces of one server. Clones are of the same.
#[derive(Clone, Default)]
pub struct Telemetry(Option<Arc<Tracing>>);

/// What makes spans, and takes them when they end.
struct Tracing {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    env: Env,
}

impl Telemetry {
    /// No traces.
    #[must_use]
    pub fn off() -> Self {
        Self::default()
    }

    /// Traces to this collector, which is connected to when there is something to send. Ended spans wait in a bounded
    /// queue for a thread that sends them; what finds it full is dropped.
    ///
    /// # Errors
    /// No client can be made of the options.
    ///
    /// # Panics
    /// Outside of a runtime, in which the connection lives; and when the system gives no thread.
    pub fn start(options: &Options, env: Env) -> Result<Self, SetupError> {
        let provider = exporter::provider(options, &env)?;
        let tracer = provider.tracer(SCOPE);
        Ok(Self(Some(Arc::new(Tracing {
            provider,
            tracer,
            env,
        }))))
    }

    /// Traces that are sent to nobody.
    #[cfg(test)]
    pub(crate) fn unsent(env: Env) -> Self {
        let provider = SdkTracerProvider::default();
        let tracer = provider.tracer(SCOPE);
        Self(Some(Arc::new(Tracing {
            provider,
            tracer,
            env,
        })))
    }

    /// Whether calls are traced.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Begins the first span of a call, as the child of what `trusted` headers name. Without any, a trace begins.
    fn begin(&self, trusted: Option<&HeaderMap>, builder: impl FnOnce() -> SpanBuilder) -> Span {
        let Some(tracing) = &self.0 else {
            return Span::none();
        };
        let parent = trusted.map_or_else(Context::new, span::remote);
        Span::first(tracing, &parent, builder())
    }

    /// Sends what has ended, within 2 seconds. What ends later is dropped.
    pub async fn stop(&self) {
        let Some(tracing) = &self.0 else {
            return;
        };
        let provider = tracing.provider.clone();
        let (tell, told) = oneshot::channel();
        // It blocks, while the connection needs the threads of the runtime.
        let flushing = thread::Builder::new().name("traces-stop".to_owned());
        let flushing = flushing.spawn(move || {
            let flushed = provider.shutdown_with_timeout(LONGEST_FLUSH);
            // Nobody may be waiting any more.
            let _ = tell.send(flushed.is_ok());
        });
        if flushing.is_err() || !told.await.unwrap_or(false) {
            tracing::warn!("the collector did not take the last traces in time");
        }
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Telemetry").field(&self.is_on()).finish()
    }
}
