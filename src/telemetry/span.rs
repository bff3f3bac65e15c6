//! Spans, and where in a trace a task is.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use futures_util::future::{BoxFuture, Either};
use http::{HeaderMap, HeaderValue};
use opentelemetry::{
    Context, KeyValue, Value,
    propagation::{Extractor, TextMapPropagator as _},
    trace::{
        Span as _, SpanBuilder, SpanContext, Status, TraceContextExt as _, TraceFlags, TraceId,
        Tracer as _,
    },
};
use opentelemetry_sdk::{propagation::TraceContextPropagator, trace::Span as SdkSpan};
use tokio::task_local;

use super::Tracing;

task_local! {
    static HERE: Arc<Place>;
}

/// A span that others begin below.
pub(super) struct Place {
    tracing: Arc<Tracing>,
    clock: Clock,
    span: SpanContext,
    /// At which of the paths that are served the call of this span came.
    pub(super) route: OnceLock<String>,
}

/// The time in one trace: that of its beginning, and how much has passed since. Setting the machine's clock does not
/// tear it.
#[derive(Clone, Copy)]
struct Clock {
    began: SystemTime,
    since: Instant,
}

impl Clock {
    fn start(tracing: &Tracing) -> Self {
        let millis = u64::try_from(tracing.env.now().millis()).unwrap_or(0);
        Self {
            began: UNIX_EPOCH + Duration::from_millis(millis),
            since: tracing.env.monotonic(),
        }
    }

    fn now(self, tracing: &Tracing) -> SystemTime {
        let passed = tracing.env.monotonic();
        self.began + passed.saturating_duration_since(self.since)
    }
}

/// Where in a trace something happens, to be taken along to another task or thread.
#[derive(Clone)]
pub struct Here(Option<Arc<Place>>);

/// Where the current task is.
#[must_use]
pub fn here() -> Here {
    Here(HERE.try_with(Arc::clone).ok())
}

impl Here {
    /// Does this work here: the spans that it begins are children of this one.
    pub fn within<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        match self.0 {
            None => Either::Left(work),
            Some(place) => Either::Right(HERE.scope(place, work)),
        }
    }

    /// Begins a span here, unless the trace is none that is kept.
    pub(super) fn begin(&self, builder: impl FnOnce() -> SpanBuilder) -> Span {
        match &self.0 {
            Some(place) if place.span.is_sampled() => {
                let parent = Context::new().with_remote_span_context(place.span.clone());
                Span::begin(&place.tracing, place.clock, &parent, builder())
            }
            _ => Span::none(),
        }
    }

    pub(super) fn place(&self) -> Option<&Place> {
        self.0.as_deref()
    }

    /// The `traceparent` (W3C Trace Context) of a request that is sent from here. `tracestate` is not passed on: it is
    /// whatever the proxies of the operator wrote for each other.
    #[must_use]
    pub fn traceparent(&self) -> Option<HeaderValue> {
        let span = &self.0.as_ref()?.span;
        let flags = span.trace_flags() & TraceFlags::SAMPLED;
        let text = format!("00-{}-{}-{flags:02x}", span.trace_id(), span.span_id());
        HeaderValue::from_str(&text).ok()
    }
}

/// Something that takes time in a trace; nothing where nothing is traced. It ends when it is dropped.
pub struct Span(Option<Box<Open>>);

struct Open {
    span: SdkSpan,
    place: Arc<Place>,
}

impl Span {
    /// No span.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// Begins the first span of a trace on this server.
    pub(super) fn first(tracing: &Arc<Tracing>, parent: &Context, builder: SpanBuilder) -> Self {
        Self::begin(tracing, Clock::start(tracing), parent, builder)
    }

    fn begin(tracing: &Arc<Tracing>, clock: Clock, parent: &Context, builder: SpanBuilder) -> Self {
        let builder = builder.with_start_time(clock.now(tracing));
        let span = tracing.tracer.build_with_context(builder, parent);
        let place = Arc::new(Place {
            tracing: Arc::clone(tracing),
            clock,
            span: span.span_context().clone(),
            route: OnceLock::new(),
        });
        Self(Some(Box::new(Open { span, place })))
    }

    /// Whether it is one.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// The place below it; that of the current task when it is none.
    #[must_use]
    pub fn here(&self) -> Here {
        match &self.0 {
            Some(open) => Here(Some(Arc::clone(&open.place))),
            None => here(),
        }
    }

    /// The trace that it belongs to.
    #[must_use]
    pub fn trace_id(&self) -> Option<TraceId> {
        self.0.as_ref().map(|open| open.place.span.trace_id())
    }

    pub(super) fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        if let Some(open) = &mut self.0 {
            open.span.set_attribute(KeyValue::new(key, value));
        }
    }

    pub(super) fn rename(&mut self, name: String) {
        if let Some(open) = &mut self.0 {
            open.span.update_name(name);
        }
    }

    /// Notes that it failed, and by which of a few names.
    pub fn fail(&mut self, kind: impl Into<Value>) {
        self.set("error.type", kind);
        if let Some(open) = &mut self.0 {
            open.span.set_status(Status::error(""));
        }
    }

    /// Does this work within it, which ends with the work. What the work fails with may have a name.
    ///
    /// Where nothing is traced it is the work itself: nothing is allocated, and whoever waits for it is no larger.
    pub fn around<'a, F, T, E, K>(
        mut self,
        work: F,
        kind: impl FnOnce(&E) -> Option<K> + Send + 'a,
    ) -> Either<F, BoxFuture<'a, Result<T, E>>>
    where
        F: Future<Output = Result<T, E>> + Send + 'a,
        K: Into<Value>,
    {
        if !self.is_on() {
            return Either::Left(work);
        }
        Either::Right(Box::pin(async move {
            let done = self.here().within(work).await;
            if let Some(kind) = done.as_ref().err().and_then(kind) {
                self.fail(kind);
            }
            done
        }))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let now = self.place.clock.now(&self.place.tracing);
        self.span.end_with_timestamp(now);
    }
}

/// What the headers of a request name as its parent (W3C Trace Context): nothing when they are malformed.
pub(super) fn remote(headers: &HeaderMap) -> Context {
    TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers))
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    /// One that comes twice is none: nobody knows whose it is. Nor is a `traceparent` whose parts are of another length than
    /// they must be, which the library would fill up.
    fn get(&self, key: &str) -> Option<&str> {
        let mut values = self.0.get_all(key).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return None;
        };
        let text = value.to_str().ok()?;
        let lengths = text.split('-').map(str::len).take(4);
        (key != "traceparent" || lengths.eq([2, 32, 16, 2])).then_some(text)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}
