//! The listener: one port for every transport, with a limit on everything that a client can make it hold.
//!
//! A connection is accepted while fewer than the cap are open, is told apart (TLS or not, HTTP/2 or HTTP/1.1)
//! within the handshake timeout, and is served until it is idle, too old, or the server stops.

mod activity;
mod connection;
pub mod control;
pub mod dispatch;
mod http;
pub mod options;
mod pool;
mod proxy_protocol;
mod sniff;
pub mod tls;
mod unread;

use std::{future::Future, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    task::{JoinError, JoinSet},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use self::{
    connection::Connections,
    options::ServerOptions,
    pool::Pool,
    tls::{Certificate, TlsError},
};
use crate::{layers::HttpService, metrics::Metrics};

/// How long to wait after the system could not give another connection, as when file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How many clients wait in the system's queue to be accepted; the system may allow fewer.
const BACKLOG: u32 = 4_096;

/// How many such waits there are in a minute.
const FAILURES_A_MINUTE: u32 = 600;

/// How often the certificate and key files are looked at.
const CERTIFICATE_INTERVAL: Duration = Duration::from_secs(5);

/// A stop never takes longer, whatever is configured: supervisors kill what does not end.
const LONGEST_DRAIN: Duration = Duration::from_secs(10);

/// Why the server cannot listen, in one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another program has the port.
    #[error(
        "cannot listen on {0}: another program uses this port; stop it, or choose another address with --listen"
    )]
    PortInUse(SocketAddr),
    /// The system reserves the port.
    #[error(
        "cannot listen on {0}: no permission; choose a port from 1024 up with --listen, or grant this program low ports"
    )]
    Permission(SocketAddr),
    /// No interface has the address.
    #[error(
        "cannot listen on {0}: this machine does not have the address; choose one that it has with --listen, or 0.0.0.0"
    )]
    NoSuchAddress(SocketAddr),
    /// The system refused for another reason.
    #[error(
        "cannot listen on {0}: {1}; choose another address with --listen, unless the system says what else it lacks"
    )]
    Refused(SocketAddr, io::Error),
    /// The certificate or the key is not usable.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl BindError {
    fn new(address: SocketAddr, cause: io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::AddrInUse => Self::PortInUse(address),
            io::ErrorKind::PermissionDenied => Self::Permission(address),
            io::ErrorKind::AddrNotAvailable => Self::NoSuchAddress(address),
            _ => Self::Refused(address, cause),
        }
    }
}

/// A bound listener.
pub struct Server {
    listener: TcpListener,
    local_addr: SocketAddr,
    tls: Option<(Arc<Certificate>, TlsAcceptor)>,
    options: ServerOptions,
    metrics: Option<Metrics>,
}

impl Server {
    /// Reads the certificate, if there is one, and takes the port. From here on clients can connect; they
    /// wait until [`serve`](Self::serve).
    ///
    /// # Errors
    /// The port or the certificate cannot be used.
    pub async fn bind(options: ServerOptions) -> Result<Self, BindError> {
        let tls = match &options.tls {
            Some(files) => {
                let certificate = Certificate::load(files.clone()).await?;
                let acceptor = certificate.acceptor()?;
                Some((certificate, acceptor))
            }
            None => None,
        };
        let address = options.listen;
        let bind = async {
            let listener = listen(address)?;
            let local_addr = listener.local_addr()?;
            Ok((listener, local_addr))
        };
        let (listener, local_addr) = bind.await.map_err(|cause| BindError::new(address, cause))?;
        Ok(Self {
            listener,
            local_addr,
            tls,
            options,
            metrics: None,
        })
    }

    /// The address that is listened on, with the port that the system chose for port 0.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The same, with its connections counted.
    #[must_use]
    pub fn counted_by(self, metrics: Metrics) -> Self {
        Self {
            metrics: Some(metrics),
            ..self
        }
    }

    /// The certificate that is shown to clients, unless the port is plain.
    #[must_use]
    pub fn certificate(&self) -> Option<Arc<Certificate>> {
        self.tls
            .as_ref()
            .map(|(certificate, _)| Arc::clone(certificate))
    }

    /// Serves until `shutdown`, then takes no more connections, lets calls in flight finish, and returns when
    /// they have or when the drain timeout has passed, whichever is first.
    pub async fn serve(self, service: HttpService, shutdown: impl Future<Output = ()>) {
        let stop = CancellationToken::new();
        let drain_timeout = self.options.drain_timeout.min(LONGEST_DRAIN);
        // Aborts its task when this function ends.
        let mut background = JoinSet::new();
        let acceptor = self.tls.map(|(certificate, acceptor)| {
            background.spawn(watch_certificate(certificate));
            acceptor
        });
        let connections = Connections::new(&self.options, acceptor, service, stop.clone());
        let mut pool = Pool::new(&self.options, connections, self.metrics);
        let mut accepting = Accepting::new(self.listener);
        let mut shutdown = pin!(shutdown);
        let mut waiting = None;
        loop {
            if pool.has_place()
                && let Some((stream, peer)) = waiting.take()
            {
                pool.take(stream, peer);
            }
            let accepts = waiting.is_none() && pool.has_place();
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                () = pool.ended() => {}
                accepted = accepting.next(), if accepts => match accepted {
                    Some(_) => waiting = accepted,
                    // Descriptors ran out, most likely.
                    None => pool.shed_any(),
                },
                // Those above wait until a call has ended, all but one in the system's queue.
                () = sleep(ACCEPT_PAUSE), if !accepts => {}
            }
        }
        stop.cancel();
        // Those that the system holds for us are connected already, and may have asked something.
        while pool.has_place()
            && let Some((stream, peer)) = match waiting.take() {
                None => timeout(Duration::ZERO, accepting.next())
                    .await
                    .ok()
                    .flatten(),
                held => held,
            }
        {
            pool.take(stream, peer);
        }
        drop(accepting);
        drain(pool.into_tasks(), drain_timeout).await;
    }
}

/// With a longer queue than usual: when it is full, the system drops whoever comes, and one client can fill 128 places
/// faster than they are emptied. Everybody else would wait a second for the next try.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // As every server does: connections of the last run do not keep the port from the next.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn watch_certificate(certificate: Arc<Certificate>) {
    loop {
        sleep(CERTIFICATE_INTERVAL).await;
        certificate.reload_if_changed().await;
    }
}

/// Waits for the connections to end, then ends those that have not: a client that never closes must not
/// keep the server from stopping.
async fn drain(mut tasks: JoinSet<()>, longest: Duration) {
    let all = async {
        while let Some(ended) = tasks.join_next().await {
            report(ended);
        }
    };
    if timeout(longest, all).await.is_err() {
        tracing::warn!(
            left = tasks.len(),
            "closing connections that did not end in time"
        );
        tasks.abort_all();
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(cause) = ended
        && cause.is_panic()
    {
        tracing::error!(%cause, "a connection panicked");
    }
}

/// Takes connections from the system.
struct Accepting {
    listener: TcpListener,
    failures: u32,
}

impl Accepting {
    fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            failures: 0,
        }
    }

    /// The next connection; none after a pause when the system cannot give one. Nothing is lost when this is
    /// dropped half-way, so that a server still hears of its shutdown.
    async fn next(&mut self) -> Option<(TcpStream, SocketAddr)> {
        loop {
            match self.listener.accept().await {
                Ok(accepted) => return Some(accepted),
                Err(cause) if is_the_clients_doing(&cause) => {}
                Err(cause) => {
                    complain(&mut self.failures, &cause);
                    sleep(ACCEPT_PAUSE).await;
                    return None;
                }
            }
        }
    }
}

/// Says that the system gives no connection, once a minute at most: after each failure there is a pause.
fn complain(failures: &mut u32, cause: &io::Error) {
    if failures.is_multiple_of(FAILURES_A_MINUTE) {
        tracing::error!(%cause, "cannot accept connections; trying on");
    }
    *failures = failures.wrapping_add(1);
}

/// The client was gone before it was accepted; the next one can be served at once.
fn is_the_clients_doing(cause: &io::Error) -> bool {
    matches!(
        cause.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}
