//! What the listener allows.

use std::time::Duration;

use super::{
    rule::{Broken, within},
    setting::settings,
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

settings! {
    /// What the listener allows. A message is at most 64 KiB, which is part of the contract.
    pub struct Server {
        /// The most connections at one time, as far as the limit of open files allows. One more takes the place of
        /// the one that has been idle for longest. A client has at most a quarter of them. 1 to 1000000.
        max_connections: u32 = 10_000,
        /// The most concurrent HTTP/2 streams of one connection, 1 to 10000.
        max_streams: u32 = 200,
        /// The time that a call may take, 1s to 10m.
        request_timeout: Duration = Duration::from_secs(30),
        /// The time that a client may take to send its headers, 1s to 1m.
        header_timeout: Duration = Duration::from_secs(10),
        /// The time that a client may take for its PROXY header and its TLS handshake, 1s to 1m.
        handshake_timeout: Duration = Duration::from_secs(5),
        /// Whether connections from `trusted_proxies` begin with a PROXY protocol header of version 2, which
        /// names the client. One that does not is closed. Nobody else's header is ever read.
        proxy_protocol: bool = false,
        /// The time that calls in flight are given when the server is told to stop, 0s to 8s: a stop
        /// takes at most 10 seconds, and the database must be closed in them.
        drain_timeout: Duration = Duration::from_secs(8),
    }
}

impl Server {
    pub(super) fn check(&self) -> Result<(), Broken> {
        within(
            "server.max_connections",
            &self.max_connections,
            1..=1_000_000,
        )?;
        within("server.max_streams", &self.max_streams, 1..=10_000)?;
        within(
            "server.request_timeout",
            &self.request_timeout,
            SECOND..=10 * MINUTE,
        )?;
        within(
            "server.header_timeout",
            &self.header_timeout,
            SECOND..=MINUTE,
        )?;
        within(
            "server.handshake_timeout",
            &self.handshake_timeout,
            SECOND..=MINUTE,
        )?;
        within(
            "server.drain_timeout",
            &self.drain_timeout,
            Duration::ZERO..=8 * SECOND,
        )
    }
}
