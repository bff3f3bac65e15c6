//! One connection: what it speaks, and how long it lives.

use std::{
    convert::Infallible, fmt::Display, future::Future, io, net::SocketAddr, pin::pin,
    time::Duration,
};

use axum::{body::Body, extract::Request, response::Response};
use http::{HeaderValue, header::CONNECTION};
use http_body_util::BodyExt as _;
use hyper::{
    body::Incoming,
    server::conn,
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
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::{
    activity::{Activity, InFlight},
    http::{http1, http2},
    options::ServerOptions,
    proxy_protocol,
    sniff::{Protocol, Rewound, sniff},
    unread::{self, Lingering},
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

/// How long a connection without a call is listened to when the server stops. What has arrived on it was sent
/// before its client could know, and so was what is still under way.
const FAREWELL: Duration = Duration::from_millis(250);

/// How long the rest of a request head may take then.
const REST_OF_HEAD: Duration = Duration::from_secs(1);

/// A connection that is known to come from somebody, and to speak a version of HTTP; `None` when there is
/// nothing more to do with it.
type Opened<I> = io::Result<Option<(Connection, Protocol, Rewound<I>)>>;

/// How the connections of one listener are served.
pub(super) struct Connections {
    http1: conn::http1::Builder,
    http2: conn::http2::Builder<TokioExecutor>,
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
            http1: http1(options),
            http2: http2(options),
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
    pub(super) async fn serve(&self, stream: TcpStream, peer: SocketAddr, activity: Activity) {
        // Small answers would wait for the acknowledgement of earlier ones; a failure costs no more than that.
        let _ = stream.set_nodelay(true);
        match &self.tls {
            Some(acceptor) => {
                self.open(self.secure(acceptor, stream, peer), activity)
                    .await;
            }
            None => self.open(self.plain(stream, peer), activity).await,
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

    /// Waits until the client has said what it speaks, but not for long, and hardly while stopping.
    async fn open<I>(&self, opening: impl Future<Output = Opened<I>>, activity: Activity)
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let opened = tokio::select! {
            biased;
            () = self.stopped_for(FAREWELL) => return,
            opened = timeout(self.handshake_timeout, opening) => opened,
        };
        match opened {
            Ok(Ok(Some((connection, protocol, io)))) => {
                self.speak(protocol, io, connection, activity).await;
            }
            Ok(Ok(None)) => {}
            Ok(Err(cause)) => tracing::debug!(%cause, "the handshake failed"),
            Err(_) => tracing::debug!("no handshake in time"),
        }
    }

    async fn speak<I>(
        &self,
        protocol: Protocol,
        io: Rewound<I>,
        connection: Connection,
        activity: Activity,
    ) where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        match protocol {
            Protocol::Http2 => {
                let service = self.http2_service(connection, activity.clone());
                let http2 = self.http2.serve_connection(TokioIo::new(io), service);
                self.live(http2, &activity, self.stop.cancelled()).await;
            }
            Protocol::Http1 => {
                let service = self.http1_service(connection, activity.clone());
                let io = TokioIo::new(Lingering::new(io, activity.clone()));
                let http1 = self.http1.serve_connection(io, service);
                self.live(http1, &activity, self.stopped_and_quiet(&activity))
                    .await;
            }
        }
    }

    /// Serves calls until the client closes or the connection is to be closed; then those in flight.
    async fn live<C>(&self, connection: C, activity: &Activity, stopped: impl Future<Output = ()>)
    where
        C: GracefulConnection<Error: Display>,
    {
        let mut connection = pin!(connection);
        tokio::select! {
            biased;
            ended = connection.as_mut() => return note(ended),
            () = stopped => {}
            () = idle_for(self.idle_timeout, activity) => {}
            () = sleep(self.max_age) => {}
        }
        activity.close();
        connection.as_mut().graceful_shutdown();
        if let Ok(ended) = timeout(CLOSING_GRACE, connection).await {
            note(ended);
        }
    }

    async fn stopped_for(&self, long: Duration) {
        self.stop.cancelled().await;
        sleep(long).await;
    }

    /// Returns when the server stops and nothing has come on this connection that would get no answer. HTTP/2
    /// needs no such wait: its farewell says which calls are still answered.
    async fn stopped_and_quiet(&self, activity: &Activity) {
        let mut calls = activity.calls();
        self.stop.cancelled().await;
        let nothing = timeout(FAREWELL, calls.wait_for(|in_flight| *in_flight > 0))
            .await
            .is_err();
        if nothing && activity.is_arriving() {
            let _ = timeout(REST_OF_HEAD, calls.wait_for(|in_flight| *in_flight > 0)).await;
        }
    }

    /// The service for one connection: tells each call where it came from, and counts those in flight.
    fn http1_service(
        &self,
        connection: Connection,
        activity: Activity,
    ) -> impl HyperService<Incoming, ResBody = Body, Error = Infallible, Future: Send + 'static> + use<>
    {
        let (service, stop) = (self.service.clone(), self.stop.clone());
        service_fn(move |request: hyper::Request<Incoming>| {
            let in_flight = activity.begin();
            let (service, activity, stop) = (service.clone(), activity.clone(), stop.clone());
            async move {
                let prepare = |request: &mut Request| {
                    request.extensions_mut().insert(connection);
                };
                let mut response = unread::answer(service, request, &activity, prepare).await?;
                if stop.is_cancelled() {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(CONNECTION, close);
                }
                Ok::<_, Infallible>(counted(response, in_flight))
            }
        })
    }

    fn http2_service(
        &self,
        connection: Connection,
        activity: Activity,
    ) -> impl HyperService<Incoming, ResBody = Body, Error = Infallible, Future: Send + 'static> + use<>
    {
        let service = self.service.clone();
        service_fn(move |request: hyper::Request<Incoming>| {
            let in_flight = activity.begin();
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(connection);
            let answer = service.clone().oneshot(request);
            async move { Ok::<_, Infallible>(counted(answer.await?, in_flight)) }
        })
    }
}

/// The count is the body's now: a call is in flight until its last byte is sent.
fn counted(response: Response, in_flight: InFlight) -> Response {
    response.map(|body| Body::new(body.map_frame(move |frame| in_flight.pass(frame))))
}

/// Returns once no call has been in flight for so long.
async fn idle_for(wait: Duration, activity: &Activity) {
    let mut calls = activity.calls();
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
