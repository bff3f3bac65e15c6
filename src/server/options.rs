//! What the listener is told by the configuration.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use ipnet::IpNet;

/// Where the certificate and its key are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsFiles {
    /// A PEM file with the certificate and the chain to its root, leaf first.
    pub cert: PathBuf,
    /// A PEM file with the private key of the leaf: PKCS#8, PKCS#1 or SEC 1.
    pub key: PathBuf,
}

/// The listener's address and limits.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerOptions {
    /// The address and port to listen on.
    pub listen: SocketAddr,
    /// The certificate; without one the port is plain HTTP.
    pub tls: Option<TlsFiles>,
    /// The proxies whose connections begin with a PROXY header; none means that nobody's do.
    pub proxy_protocol: Vec<IpNet>,
    /// The proxies that bring the connections of many clients, and are held to no client's share.
    pub trusted_proxies: Vec<IpNet>,
    /// How many connections are open at once. One more takes the place of the one that has been without a call
    /// for longest; while all have one, more wait in the system's queue.
    pub max_connections: usize,
    /// How many calls one HTTP/2 connection has in flight.
    pub max_streams: u32,
    /// The largest request head, in bytes.
    pub max_header_list: u32,
    /// How long an HTTP/1.1 client may take to send a request head, or to begin the next one.
    pub header_timeout: Duration,
    /// How long a client may take for its PROXY header, for TLS and for the first bytes of HTTP.
    pub handshake_timeout: Duration,
    /// After how long without a call in flight a connection is closed.
    pub idle_timeout: Duration,
    /// After how long a connection is closed in any case, when its calls have finished.
    pub max_connection_age: Duration,
    /// How long a shutdown waits for calls in flight; never more than 10 s.
    pub drain_timeout: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            tls: None,
            proxy_protocol: Vec::new(),
            trusted_proxies: Vec::new(),
            // Leaves room for the database below the usual 1,024 file descriptors.
            max_connections: 900,
            max_streams: 200,
            max_header_list: 16 * 1024,
            header_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(5 * 60),
            max_connection_age: Duration::from_secs(60 * 60),
            // Leaves time to close the database within the 10 s of a whole stop.
            drain_timeout: Duration::from_secs(8),
        }
    }
}
