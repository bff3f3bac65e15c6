//! The log: what is written to it, and how it looks.

use std::io::{self, IsTerminal};

use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, ParseError, Targets},
    fmt,
    layer::{Filter, SubscriberExt},
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::config::LogFormat;

/// Logs what these filter directives let through to standard error, from now on.
///
/// # Errors
/// The directives cannot be read.
pub(super) fn start(directives: &str, format: LogFormat) -> Result<(), ParseError> {
    let lines = match format {
        LogFormat::Text => text().boxed(),
        LogFormat::Json => fmt::layer().json().with_writer(io::stderr).boxed(),
    };
    // A second start in one process keeps the log of the first.
    let _ = tracing_subscriber::registry()
        .with(lines.with_filter(filter(directives)?))
        .try_init();
    Ok(())
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

/// What the directives let through, except what only this program may say: below `info`, HTTP, TLS, SMTP
/// and database libraries print what they send and receive, which is full of passwords and tokens.
fn filter<S>(directives: &str) -> Result<impl Filter<S> + use<S>, ParseError>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let ours_above_info = Targets::new()
        .with_default(LevelFilter::INFO)
        .with_target("countersign", LevelFilter::TRACE);
    Ok(EnvFilter::builder().parse(directives)?.and(ours_above_info))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::{debug, info, subscriber::with_default, trace};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(directives: &str, work: impl FnOnce()) -> String {
        let sink = Sink::default();
        let writer = sink.clone();
        let layer = fmt::layer()
            .with_ansi(false)
            .with_writer(move || writer.clone());
        let subscriber =
            tracing_subscriber::registry().with(layer.with_filter(filter(directives).unwrap()));
        with_default(subscriber, work);
        let bytes = sink.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn libraries_do_not_log_what_they_carry() {
        for directives in ["trace", "h2=trace,sqlx::query=trace,hyper=debug,info"] {
            let log = logged(directives, || {
                info!(target: "h2::codec", "greeting");
                debug!(target: "hyper::proto", "canary");
                trace!(target: "h2::codec", "canary");
                trace!(target: "sqlx::query", "canary");
                trace!(target: "lettre", "canary");
            });
            assert!(log.contains("greeting"), "{log}");
            assert!(!log.contains("canary"), "{log}");
        }
    }

    #[test]
    fn this_program_logs_what_it_is_told_to() {
        let say = || {
            trace!(target: "countersign::grpc", "fine");
            info!(target: "countersign::grpc", "coarse");
        };
        assert!(logged("countersign=trace", say).contains("fine"));
        let usual = logged("info", say);
        assert!(usual.contains("coarse") && !usual.contains("fine"));
    }
}
