//! What is told to Prometheus.

use std::net::SocketAddr;

use super::{
    rule::{Broken, require},
    setting::settings,
};

settings! {
    /// What the server counts of itself, at `/metrics` in the text of Prometheus. It holds no secret, but whoever
    /// reads it sees how busy the server is.
    pub struct Metrics {
        /// Whether it can be read at all.
        enabled: bool = true,
        /// The IP address and port of a listener for it alone, in plain HTTP.
        /// Empty: `127.0.0.1:9464`, and none when another program has that.
        listen: Option<SocketAddr> = None,
        /// Whether it is on the main port instead, where every client can read it.
        on_main_port: bool = false,
    }
}

/// Where it is read when nothing is said; the port that OpenTelemetry gave to Prometheus exporters.
const DEFAULT_LISTEN: ([u8; 4], u16) = ([127, 0, 0, 1], 9464);

impl Metrics {
    /// The address of its own listener; none when there is no such listener.
    #[must_use]
    pub fn listen_at(&self) -> Option<SocketAddr> {
        let own = self.enabled && !self.on_main_port;
        own.then(|| self.listen.unwrap_or_else(|| DEFAULT_LISTEN.into()))
    }

    /// Whether the main port has it.
    #[must_use]
    pub fn are_on_main_port(&self) -> bool {
        self.enabled && self.on_main_port
    }

    pub(super) fn check(&self) -> Result<(), Broken> {
        require(
            self.listen.is_none() || !self.on_main_port,
            "metrics.listen",
            "it must be empty with `metrics.on_main_port`",
        )
    }
}
