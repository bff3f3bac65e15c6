//! One connection: what it speaks, and how long it lives.

use std::{
    convert::Infallible, fmt::Display, future::Future, io, net::SocketAddr, pin::pin,
    time::Duration,
};

use axum::{body::Body, extract::Request, response::Response};
use http_body_util::BodyExt as _;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::{HttpService as HyperService, service_fn},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::graceful::GracefulConnection,
};
use ipnet::IpNet;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::watch,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::{
    http,
    options::ServerOptions,
    proxy_protocol,
    sniff::{Protocol, Rewound, sniff},
    unread,
};
use crate::layers::{Connection, HttpService, client::is_trusted};

/// The first byte of a TLS handshake record (RFC 8446 section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

const PLAINTEXT_REFUSED: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    content-type: text/plain; charset=utf-8\r\n\
    content-length: 47\r\n\
    connection: close\r\n\
    \r\n\
    This port takes TLS only: use an https:// URL.\n";

/// How much of a refused request is read away, so that the refusal arrives before the connection is gone.
const REFUSED_BYTES: u64 = 64 * 1024;

/// How long the calls of a connection that is idle or too old may go on after it was told to close.
const CLOSING_GRACE: Duration = Duration::from_secs(60);

/// A connection that is known to come from somebody, and to speak a version of HTTP; `None` when there is
/// nothing more to do with it.
type Opened<I> = io::Result<Option<(Connection, Protocol, Rewound<I>)>>;

/// How the connections of one listener are served.
pub(super) struct Connections {
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    tls: Option<TlsAcceptor>,
    /// The proxies whose connections begin with a PROXY header.
    proxies: Vec<IpNet>,
    service: HttpService,
    handshake_timeout: Duration,
    idle_timeout: Duration,
    max_age: Duration,
    stop: CancellationToken,
}

impl Connections {
    pub(super) fn new(
        options: &ServerOptions,
        tls: Option<TlsAcceptor>,
        service: HttpService,
        stop: CancellationToken,
    ) -> Self {
        Self {
            http1: http::http1(options),
            http2: http::http2(options),
            tls,
            proxies: options.proxy_protocol.clone(),
            service,
            handshake_timeout: options.handshake_timeout,
            idle_timeout: options.idle_timeout,
            max_age: options.max_connection_age,
            stop,
        }
    }

    /// Serves a connection to its end.
    pub(super) async fn serve(&self, stream: TcpStream, peer: SocketAddr) {
        // Small answers would wait for the acknowledgement of earlier ones; a failure costs no more than that.
        let _ = stream.set_nodelay(true);
        match &self.tls {
            Some(acceptor) => self.open(self.secure(acceptor, stream, peer)).await,
            None => self.open(self.plain(stream, peer)).await,
        }
    }

    async fn plain(&self, mut stream: TcpStream, peer: SocketAddr) -> Opened<TcpStream> {
        let Some(connection) = self.origin(&mut stream, peer).await else {
            return Ok(None);
        };
        let opened = sniff(stream).await?;
        Ok(opened.map(|(protocol, io)| (connection, protocol, io)))
    }

    async fn secure(
        &self,
        acceptor: &TlsAcceptor,
        mut stream: TcpStream,
        peer: SocketAddr,
    ) -> Opened<TlsStream<TcpStream>> {
        let Some(connection) = self.origin(&mut stream, peer).await else {
            return Ok(None);
        };
        let mut first = [0];
        if stream.peek(&mut first).await? == 0 {
            return Ok(None);
        }
        if first != [TLS_HANDSHAKE] {
            refuse_plaintext(&mut stream).await?;
            return Ok(None);
        }
        let connection = Connection {
            tls: true,
            ..connection
        };
        let opened = sniff(acceptor.accept(stream).await?).await?;
        Ok(opened.map(|(protocol, io)| (connection, protocol, io)))
    }

    /// Where a connection comes from: from its peer, or from whom the PROXY header of a trusted proxy names.
    /// `None` when such a proxy sent none, or none that can be read.
    async fn origin(&self, stream: &mut TcpStream, peer: SocketAddr) -> Option<Connection> {
        if !is_trusted(peer.ip().to_canonical(), &self.proxies) {
            return Some(Connection {
                peer,
                tls: false,
                writes_headers: true,
            });
        }
        match proxy_protocol::read(stream).await {
            Ok(header) => header.map(|header| Connection {
                peer: header.client.unwrap_or(peer),
                tls: header.tls,
                writes_headers: header.client.is_some(),
            }),
            Err(cause) => {
                tracing::warn!(%peer, "closing the connection of a trusted proxy: {cause}");
                None
            }
        }
    }

    /// Waits until the client has said what it speaks, but not for long, and not while stopping.
    async fn open<I>(&self, opening: impl Future<Output = Opened<I>>)
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let opened = tokio::select! {
            biased;
            () = self.stop.cancelled() => return,
            opened = timeout(self.handshake_timeout, opening) => opened,
        };
        match opened {
            Ok(Ok(Some((connection, protocol, io)))) => self.speak(protocol, io, connection).await,
            Ok(Ok(None)) => {}
            Ok(Err(cause)) => tracing::debug!(%cause, "the handshake failed"),
            Err(_) => tracing::debug!("no handshake in time"),
        }
    }

    async fn speak<I>(&self, protocol: Protocol, io: Rewound<I>, connection: Connection)
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (in_flight, calls) = watch::channel(0);
        let service = with_context(self.service.clone(), protocol, connection, in_flight);
        let io = TokioIo::new(io);
        match protocol {
            Protocol::Http2 => {
                self.live(self.http2.serve_connection(io, service), calls)
                    .await
            }
            Protocol::Http1 => {
                self.live(self.http1.serve_connection(io, service), calls)
                    .await
            }
        }
    }

    /// Serves calls until the client closes or the connection is to be closed; then those in flight.
    async fn live<C>(&self, connection: C, calls: watch::Receiver<usize>)
    where
        C: GracefulConnection<Error: Display>,
    {
        let mut connection = pin!(connection);
        tokio::select! {
            biased;
            ended = connection.as_mut() => return note(ended),
            () = self.time_to_close(calls) => {}
        }
        connection.as_mut().graceful_shutdown();
        if let Ok(ended) = timeout(CLOSING_GRACE, connection).await {
            note(ended);
        }
    }

    async fn time_to_close(&self, calls: watch::Receiver<usize>) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = idle_for(self.idle_timeout, calls) => {}
            () = sleep(self.max_age) => {}
        }
    }
}

/// Returns once no call has been in flight for so long.
async fn idle_for(wait: Duration, mut calls: watch::Receiver<usize>) {
    while calls.wait_for(|in_flight| *in_flight == 0).await.is_ok() {
        tokio::select! {
            () = sleep(wait) => return,
            _ = calls.changed() => {}
        }
    }
}

fn note(ended: Result<(), impl Display>) {
    if let Err(cause) = ended {
        tracing::debug!(%cause, "the connection broke");
    }
}

async fn refuse_plaintext(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(PLAINTEXT_REFUSED).await?;
    stream.shutdown().await?;
    // Closing with unread bytes resets the connection, and the client would never see the answer.
    tokio::io::copy(&mut stream.take(REFUSED_BYTES), &mut tokio::io::sink()).await?;
    Ok(())
}

/// The service for one connection: tells each request where it came from, and counts those in flight.
fn with_context(
    service: HttpService,
    protocol: Protocol,
    connection: Connection,
    in_flight: watch::Sender<usize>,
) -> impl HyperService<Incoming, ResBody = Body, Error = Infallible, Future: Send + 'static> {
    service_fn(move |request: hyper::Request<Incoming>| {
        let counted = InFlight::begin(&in_flight);
        let service = service.clone();
        let prepare = move |request: &mut Request| {
            request.extensions_mut().insert(connection);
        };
        async move {
            let response: Response = match protocol {
                Protocol::Http1 => unread::answer(service, request, prepare).await?,
                Protocol::Http2 => {
                    let mut request = request.map(Body::new);
                    prepare(&mut request);
                    service.oneshot(request).await?
                }
            };
            Ok::<_, Infallible>(response.map(|body| {
                // The count is the body's now: a call is in flight until its last byte is sent.
                Body::new(body.map_frame(move |frame| counted.pass(frame)))
            }))
        }
    })
}

/// Counts a call for as long as it exists.
struct InFlight(watch::Sender<usize>);

impl InFlight {
    fn begin(calls: &watch::Sender<usize>) -> Self {
        calls.send_modify(|in_flight| *in_flight += 1);
        Self(calls.clone())
    }

    fn pass<T>(&self, value: T) -> T {
        value
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0
            .send_modify(|in_flight| *in_flight = in_flight.saturating_sub(1));
    }
}
