//! `countersign serve`: the server itself.

use std::{error::Error, io, net::SocketAddr, pin::pin};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Env, StartError, block_on, print};
use crate::{app::App, config::Config};

/// Serves until the process is told to stop.
pub(super) fn run(config: Config) -> Result<(), Box<dyn Error>> {
    block_on(async {
        let stop = Stop::listen().map_err(|error| {
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
        print(welcome(
            app.local_addr(),
            app.url(),
            app.has_administrator(),
        ))?;
        app.serve(stop).await?;
        Ok(())
    })
}

/// Where the server is, and the first thing to do with it.
fn welcome(listening: SocketAddr, url: &str, has_administrator: bool) -> String {
    // Behind a proxy the two differ.
    let place = if url.ends_with(&listening.to_string()) {
        url.to_owned()
    } else {
        format!("{listening}, and clients reach it at {url}")
    };
    let administrator = if has_administrator {
        ""
    } else {
        "Then make an administrator of that account:\n  countersign admin grant ada@example.com\n"
    };
    format!(
        "Countersign listens on {place}\n\
         Sign up next:\n  \
         curl {url}/v1/accounts -H 'content-type: application/json' \
         -d '{{\"email\":\"ada@example.com\",\"password\":\"correct horse battery\"}}'\n\
         {administrator}"
    )
}

/// The signals that ask a process to stop. They are caught from the moment this is made, so that one
/// that comes while the server starts is not lost.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn wait(mut self) {
        let name = tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "stopping");
    }
}
