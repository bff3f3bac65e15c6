//! The log of the process: what is written to it, and how it looks. Lines go to standard error by a thread of their own, so
//! that no call waits for whoever reads them; when nobody does, lines are dropped and counted.

use std::{
    io::{self, IsTerminal},
    sync::OnceLock,
};

use tracing::Subscriber;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    Layer, Registry, filter::Targets, fmt, layer::SubscriberExt, registry::LookupSpan, reload,
    util::SubscriberInitExt,
};

use crate::config::{LogFilter, LogFormat};

/// How many lines wait for standard error at most: about a megabyte.
const BUFFERED_LINES: usize = 4_096;

/// Of the one log of the process.
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// How many lines were dropped since the start, because standard error took none.
#[must_use]
pub fn dropped_lines() -> usize {
    DROPPED.get().map_or(0, ErrorCounter::dropped_lines)
}

/// The log that was started, whose filter can be replaced.
pub struct Log(reload::Handle<Targets, Registry>);

/// Logs what this filter lets through to standard error, from now on. What waits is written when the guard is dropped.
pub fn start(filter: &LogFilter, format: LogFormat) -> (Log, WorkerGuard) {
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(BUFFERED_LINES)
        .thread_name("log")
        .finish(io::stderr());
    DROPPED.get_or_init(|| writer.error_counter());
    let lines = match format {
        LogFormat::Text => text(writer).boxed(),
        LogFormat::Json => fmt::layer().json().with_writer(writer).boxed(),
    };
    // In front of all layers: as the filter of one layer it would lose the line that comes after a library has
    // asked whether its own would be logged.
    let (filter, handle) = reload::Layer::new(filter.targets().clone());
    // A second start in one process keeps the log of the first.
    let _ = tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init();
    (Log(handle), guard)
}

impl Log {
    /// Logs what this filter lets through instead, from now on.
    pub fn replace(&self, filter: &LogFilter) {
        match self.0.reload(filter.targets().clone()) {
            Ok(()) => tracing::info!("the log filter was read again"),
            Err(cause) => tracing::error!(%cause, "the log filter cannot be replaced"),
        }
    }
}

/// Coloured for people only: the codes are noise in a file.
fn text<S>(writer: NonBlocking) -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fmt::layer()
        .with_ansi(io::stderr().is_terminal())
        .with_writer(writer)
}
