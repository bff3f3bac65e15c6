//! `countersign serve`: the server itself.

use std::{io, pin::pin};

use rustix::process::Signal;
use sd_notify::NotifyState;
use tokio::signal::unix::{self, SignalKind, signal};

use super::{Env, Loaded, Sources, StartError, block_on, print, start_log};
use crate::{
    app::{self, App},
    log::Log,
};

/// What would end the process although nobody asked it to stop: timers, what operators send to other programs,
/// and the limit on the size of files, which the write that meets it reports too.
const IGNORED: [Signal; 8] = [
    Signal::USR1,
    Signal::USR2,
    Signal::ALARM,
    Signal::VTALARM,
    Signal::PROF,
    Signal::PIPE,
    Signal::IO,
    Signal::XFSZ,
];

/// Serves until the process is told to stop.
pub(super) fn run(sources: Sources) -> Result<(), StartError> {
    let loaded = Loaded::from_sources(&sources)?;
    let (log, _written_at_the_end) = start_log(&loaded.config)?;
    app::check_key_files(&loaded)?;
    let config = loaded.config;
    block_on(async {
        let Signals { stop, mut hang_up } = Signals::catch().map_err(|error| {
            StartError::new(
                format!("cannot wait for signals: {error}"),
                "raise the limit of open files of this user",
            )
        })?;
        let mut stop = pin!(stop.wait());
        let app = tokio::select! {
            biased;
            // A start can wait long, as for a database that does not answer.
            () = &mut stop => return Ok(()),
            app = App::start(config, Env::system()) => app?,
        };
        // A server whose output nobody reads serves all the same.
        let _ = print(welcome(&app));
        tell_systemd(NotifyState::Ready);
        let certificate = app.certificate();
        // Ends with the runtime.
        tokio::spawn(async move {
            while hang_up.recv().await.is_some() {
                reload_filter(&sources, &log);
                if let Some(certificate) = &certificate {
                    certificate.reload().await;
                }
            }
        });
        app.serve(stop).await
    })
}

/// Tells a service manager that wants to know (sd_notify(3)).
fn tell_systemd(state: NotifyState<'_>) {
    if let Err(cause) = sd_notify::notify(&[state]) {
        tracing::warn!(%cause, "the service manager cannot be told");
    }
}

/// Reads the settings again, of which the log filter can change while the server runs.
fn reload_filter(sources: &Sources, log: &Log) {
    match Loaded::from_sources(sources) {
        Ok(loaded) => log.replace(&loaded.config.log),
        Err(cause) => {
            tracing::error!(%cause, "the settings cannot be used as they are now; the log filter stays");
        }
    }
}

/// Where the server is, and the first thing to do with it.
fn welcome(app: &App) -> String {
    let (listening, url) = (app.local_addr(), app.url());
    // Behind a proxy the two differ.
    let place = if url.ends_with(&listening.to_string()) {
        url.to_owned()
    } else {
        format!("{listening}, and clients reach it at {url}")
    };
    let sign_up = if app.has_accounts() {
        String::new()
    } else {
        format!(
            "Sign up next:\n  \
             curl {url}/v1/accounts -H 'content-type: application/json' \
             -d '{{\"email\":\"ada@example.com\",\"password\":\"correct horse battery\"}}'\n"
        )
    };
    let administrator = if app.has_administrator() {
        ""
    } else {
        "Make an account that signed up an administrator:\n  countersign admin grant ada@example.com\n"
    };
    format!("Countersign listens on {place}\n{sign_up}{administrator}")
}

/// The signals that mean something to a server. They are caught from the moment this is made, so that one that
/// comes while the server starts is not lost.
struct Signals {
    stop: Stop,
    hang_up: unix::Signal,
}

struct Stop {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    quit: unix::Signal,
}

impl Signals {
    fn catch() -> io::Result<Self> {
        for ignored in IGNORED {
            // Once caught, a signal stays caught.
            drop(signal(SignalKind::from_raw(ignored.as_raw()))?);
        }
        Ok(Self {
            stop: Stop {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
                quit: signal(SignalKind::quit())?,
            },
            hang_up: signal(SignalKind::hangup())?,
        })
    }
}

impl Stop {
    async fn wait(mut self) {
        let name = tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.quit.recv() => "SIGQUIT",
        };
        tracing::info!(signal = name, "stopping");
        tell_systemd(NotifyState::Stopping);
    }
}
