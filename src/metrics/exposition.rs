//! The counters as text, for whoever scrapes them.

use std::{fmt, sync::Arc};

use axum::{
    Router,
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{
    HeaderMap, StatusCode,
    header::{ACCEPT, CONTENT_TYPE},
};
use mediatype::{MediaType, MediaTypeList, Name, ReadParams as _, names};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, prometheus_text, text},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

use crate::log;

const PATH: &str = "/metrics";
const OPENMETRICS: MediaType<'_> =
    MediaType::new(names::APPLICATION, Name::new_unchecked("openmetrics-text"));

/// A form of the text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// Prometheus' own, version 0.0.4.
    Prometheus,
    /// OpenMetrics, version 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The form that a scraper asks for: OpenMetrics only where it is named.
    fn wanted(headers: &HeaderMap) -> Self {
        let names_openmetrics = headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(MediaTypeList::new)
            .flatten()
            .any(|accepted| {
                let refused = || {
                    let weight = accepted.params().find(|(name, _)| *name == "q");
                    weight.is_some_and(|(_, weight)| weight.as_str().parse() == Ok(0.0))
                };
                accepted.essence() == OPENMETRICS && !refused()
            });
        if names_openmetrics {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// How busy hashing is.
#[derive(Clone, Copy, Debug, Default)]
pub struct HashingLoad {
    /// Hashes that wait for a thread.
    pub queued: usize,
    /// Threads that are computing one.
    pub running: usize,
    /// Threads that there are.
    pub threads: usize,
    /// Memory held for hashing, in bytes.
    pub memory: usize,
    /// Hashes that were refused because they would have waited too long, since the start.
    pub shed: u64,
}

/// Every counter, to be read as text.
#[derive(Debug)]
pub struct Exposition {
    registry: Registry,
}

impl Exposition {
    pub(super) fn new(mut registry: Registry) -> Self {
        registry.register_collector(Box::new(DroppedLines));
        Self { registry }
    }

    /// Tells, at each reading, how busy hashing is then.
    pub fn watch_hashing(&mut self, load: impl Fn() -> HashingLoad + Send + Sync + 'static) {
        self.registry
            .register_collector(Box::new(Hashing(Box::new(load))));
    }

    /// The counters as they are.
    #[must_use]
    pub fn read(&self, format: Format) -> String {
        let mut text = String::new();
        let written = match format {
            Format::Prometheus => prometheus_text::encode(&mut text, &self.registry),
            Format::OpenMetrics => text::encode(&mut text, &self.registry),
        };
        // A string takes everything.
        written.map(|()| text).unwrap_or_default()
    }

    /// Answers `GET /metrics`.
    pub fn router(self: Arc<Self>) -> Router {
        Router::new().route(
            PATH,
            get(async move |headers: HeaderMap| self.answer(Format::wanted(&headers))),
        )
    }

    fn answer(&self, format: Format) -> Response {
        let text = self.read(format);
        if text.is_empty() {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        ([(CONTENT_TYPE, format.content_type())], text).into_response()
    }
}

/// Asks for the load when it is read, so that nothing has to tell it meanwhile.
struct Hashing(Box<dyn Fn() -> HashingLoad + Send + Sync>);

impl fmt::Debug for Hashing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hashing")
    }
}

impl Collector for Hashing {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let HashingLoad {
            queued,
            running,
            threads,
            memory,
            shed,
        } = (self.0)();
        for (name, help, value) in [
            (
                "countersign_hashing_queued",
                "Password hashes that wait for a thread.",
                queued,
            ),
            (
                "countersign_hashing_running",
                "Threads that compute a password hash.",
                running,
            ),
            (
                "countersign_hashing_threads",
                "Threads that can compute a password hash.",
                threads,
            ),
            (
                "countersign_hashing_memory_bytes",
                "Memory that is held for password hashes.",
                memory,
            ),
        ] {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        let counter = ConstCounter::new(shed);
        counter.encode(encoder.encode_descriptor(
            "countersign_hashing_shed",
            "Password hashes that were refused because they would have waited too long.",
            None,
            counter.metric_type(),
        )?)
    }
}

/// The log is the process's, and not that of one server.
#[derive(Debug)]
struct DroppedLines;

impl Collector for DroppedLines {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let dropped = u64::try_from(log::dropped_lines()).unwrap_or(u64::MAX);
        let counter = ConstCounter::new(dropped);
        counter.encode(encoder.encode_descriptor(
            "countersign_log_lines_dropped",
            "Lines of the log that were dropped because standard error took none.",
            None,
            counter.metric_type(),
        )?)
    }
}
