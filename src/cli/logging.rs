//! The log: what is written to it, and how it looks.

use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing_subscriber::{
    Layer, Registry, filter::Targets, fmt, layer::SubscriberExt, registry::LookupSpan, reload,
    util::SubscriberInitExt,
};

use crate::config::{LogFilter, LogFormat};

/// The log that was started, whose filter can be replaced.
pub(super) struct Log(reload::Handle<Targets, Registry>);

/// Logs what this filter lets through to standard error, from now on.
pub(super) fn start(filter: &LogFilter, format: LogFormat) -> Log {
    let lines = match format {
        LogFormat::Text => text().boxed(),
        LogFormat::Json => fmt::layer().json().with_writer(io::stderr).boxed(),
    };
    // In front of all layers: as the filter of one layer it would lose the line that comes after a library has
    // asked whether its own would be logged.
    let (filter, handle) = reload::Layer::new(filter.targets().clone());
    // A second start in one process keeps the log of the first.
    let _ = tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init();
    Log(handle)
}

impl Log {
    /// Logs what this filter lets through instead, from now on.
    pub(super) fn replace(&self, filter: &LogFilter) {
        match self.0.reload(filter.targets().clone()) {
            Ok(()) => tracing::info!("the log filter was read again"),
            Err(cause) => tracing::error!(%cause, "the log filter cannot be replaced"),
        }
    }
}

/// Coloured for people only: the codes are noise in a file.
fn text<S>() -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fmt::layer()
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
}
