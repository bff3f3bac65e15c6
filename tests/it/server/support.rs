//! A server with tiny services inside, and clients for it.

use std::{
    convert::Infallible,
    future::pending,
    net::SocketAddr,
    sync::{Arc, Once},
    time::Duration,
};

use axum::{
    Extension, Json, Router,
    body::Body,
    extract::Request,
    response::{IntoResponse as _, Response},
    routing::{get, options, post},
};
use bytes::Bytes;
use countersign::{
    app::errors::rendered,
    env::Env,
    layers::{self, HttpService, LayerOptions},
    metrics::Metrics,
    model::request::RequestContext,
    server::{
        Server,
        dispatch::{GrpcService, dispatch},
        options::ServerOptions,
    },
};
use http::HeaderMap;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::{Semaphore, mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};
use tonic::service::Routes;
use tower::{ServiceExt as _, service_fn};

/// Where a test that hangs is given up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Lets `/gate` through, and tells who stands before it.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) open: Arc<Semaphore>,
    arrived: mpsc::UnboundedSender<String>,
}

pub(crate) fn gate() -> (Gate, mpsc::UnboundedReceiver<String>) {
    let (arrived, arrivals) = mpsc::unbounded_channel();
    let open = Arc::new(Semaphore::new(0));
    (Gate { open, arrived }, arrivals)
}

async fn pass(Extension(gate): Extension<Gate>, headers: HeaderMap) -> &'static str {
    let who = headers.get("x-who").map_or("", |who| who.to_str().unwrap());
    gate.arrived.send(who.to_owned()).unwrap();
    gate.open.acquire().await.unwrap().forget();
    "passed"
}

fn rest(gate: Gate) -> Router {
    Router::new()
        .route("/hello", get(async || "hello"))
        .route("/gate", get(pass))
        .route("/hang", get(pending::<()>))
        .route("/panic", get(panics))
        .route(
            "/kept",
            get(async || ([("cache-control", "max-age=60")], "")),
        )
        .route("/options", options(async || "no preflight"))
        .route("/body", post(async |body: Bytes| body.len().to_string()))
        .route(
            "/context",
            get(async |Extension(context): Extension<RequestContext>| {
                Json(json!({
                    "request_id": &*context.request_id,
                    "client_address": context.client_address,
                }))
            }),
        )
        .route("/livez", get(async || "ok"))
        .layer(Extension(gate))
}

async fn panics() {
    panic!("a test's own panic");
}

async fn grpc(
    routes: Routes,
    request: http::Request<tonic::body::Body>,
) -> Result<http::Response<tonic::body::Body>, Infallible> {
    match request.uri().path() {
        "/test.Test/Panic" => panic!("a test's own panic"),
        "/test.Test/Hang" => pending().await,
        "/test.Test/Succeed" => Ok(tonic::Status::ok("").into_http()),
        _ => routes.oneshot(request).await,
    }
}

/// gRPC health, a Connect stub, and REST.
pub(crate) fn services(gate: Gate) -> HttpService {
    let (_, health) = tonic_health::server::health_reporter();
    let routes = Routes::new(health).prepare();
    let grpc = GrpcService::new(service_fn(move |request| grpc(routes.clone(), request)));
    let connect = HttpService::new(service_fn(async |request: Request| {
        if request.uri().path().ends_with("/Hang") {
            pending::<()>().await;
        }
        Ok(format!("connect {}", request.method()).into_response())
    }));
    dispatch(grpc, connect, rest(gate))
}

/// The services within the layers.
pub(crate) fn layered(options: &LayerOptions, gate: Gate) -> HttpService {
    hear_everything();
    let env = Env::system();
    let (metrics, _) = Metrics::new(&env);
    let service = layers::inner(options, services(gate));
    layers::outer(&env, &metrics, options, rendered(service))
}

/// A server on a port of its own.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) gate: Gate,
    pub(crate) arrivals: mpsc::UnboundedReceiver<String>,
    pub(crate) certificate: Option<Arc<countersign::server::tls::Certificate>>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

pub(crate) async fn start(options: ServerOptions) -> Running {
    start_with(options, LayerOptions::default()).await
}

pub(crate) async fn start_with(options: ServerOptions, layers: LayerOptions) -> Running {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = Server::bind(ServerOptions { listen, ..options })
        .await
        .unwrap();
    let (gate, arrivals) = gate();
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async {
        let _ = stopped.await;
    };
    Running {
        address: server.local_addr(),
        gate: gate.clone(),
        arrivals,
        certificate: server.certificate(),
        stop,
        task: tokio::spawn(server.serve(layered(&layers, gate), shutdown)),
    }
}

impl Running {
    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// The next call that stands before the gate.
    pub(crate) async fn arrival(&mut self) -> String {
        timeout(PATIENCE, self.arrivals.recv())
            .await
            .unwrap()
            .unwrap()
    }

    /// Tells the server to stop; what comes back ends when it has.
    pub(crate) fn stop(self) -> JoinHandle<()> {
        self.stop.send(()).unwrap();
        self.task
    }
}

/// Sends a request as it stands and reads one answer with a `content-length`.
pub(crate) async fn http1(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    request: &str,
) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    read_answer(stream).await
}

/// Reads one HTTP/1.1 answer with a `content-length`.
pub(crate) async fn read_answer(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut answer = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .split_once("content-length: ")
                .map_or(0, |(_, rest)| rest.lines().next().unwrap().parse().unwrap());
            if body.len() >= length {
                return String::from_utf8(answer).unwrap();
            }
        }
        let read = timeout(PATIENCE, stream.read_buf(&mut answer)).await;
        assert_ne!(read.unwrap().unwrap(), 0, "closed after {text:?}");
    }
}

/// Everything until the server closes.
pub(crate) async fn read_to_end(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut all = Vec::new();
    // A reset is an end too.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut all))
        .await
        .unwrap();
    all
}

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Header fields in HPACK, as literals (RFC 7541 section 6.2.2).
pub(crate) fn hpack(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
    }
    block
}

/// The next frame: its kind and payload.
pub(crate) async fn read_frame(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 9];
    timeout(PATIENCE, stream.read_exact(&mut head))
        .await
        .unwrap()
        .unwrap();
    let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
    stream.read_exact(&mut payload).await.unwrap();
    (head[3], payload)
}

/// A connection on which HTTP/2 has begun.
pub(crate) async fn h2(server: &Running) -> TcpStream {
    let mut stream = server.connect().await;
    stream.write_all(PREFACE).await.unwrap();
    stream.write_all(&frame(SETTINGS, 0, 0, b"")).await.unwrap();
    stream
}

pub(crate) type Http2 = http2::SendRequest<Full<Bytes>>;

/// An HTTP/2 client on a connection.
pub(crate) async fn http2(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> (Http2, JoinHandle<()>) {
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (sender, connection) = handshake.await.unwrap();
    let task = tokio::spawn(async move {
        let _ = connection.await;
    });
    (sender, task)
}

pub(crate) fn get_request(path: &str) -> http::Request<Full<Bytes>> {
    http::Request::get(format!("http://localhost{path}"))
        .body(Full::default())
        .unwrap()
}

/// An answer as a whole.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: HeaderMap,
}

impl Whole {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

pub(crate) async fn whole<B>(response: http::Response<B>) -> Whole
where
    B: http_body::Body<Data = Bytes, Error: std::fmt::Debug>,
{
    let (head, body) = response.into_parts();
    let collected = body.collect().await.unwrap();
    Whole {
        status: head.status.as_u16(),
        headers: head.headers,
        trailers: collected.trailers().cloned().unwrap_or_default(),
        body: collected.to_bytes().to_vec(),
    }
}

/// Calls a service in process.
pub(crate) async fn call(service: &HttpService, mut request: http::Request<Body>) -> Whole {
    if request.uri().authority().is_none() {
        let host = http::HeaderValue::from_static("localhost");
        request.headers_mut().entry("host").or_insert(host);
    }
    let answer = service.clone().oneshot(request);
    let response: Response = timeout(PATIENCE, answer).await.unwrap().unwrap();
    whole(response).await
}

/// A gRPC request with an empty message.
pub(crate) fn grpc_request(path: &str, content_type: &str) -> http::request::Builder {
    http::Request::post(format!("http://localhost{path}"))
        .version(http::Version::HTTP_2)
        .header("content-type", content_type)
        .header("te", "trailers")
}

pub(crate) const EMPTY_MESSAGE: &[u8] = &[0; 5];

pub(crate) const CHECK: &str = "/grpc.health.v1.Health/Check";

pub(crate) fn service(options: &LayerOptions) -> HttpService {
    let (gate, _arrivals) = gate();
    layered(options, gate)
}

pub(crate) fn plain() -> HttpService {
    service(&LayerOptions::default())
}

pub(crate) fn rest_get(path: &str) -> http::request::Builder {
    http::Request::get(path)
}

pub(crate) fn empty(request: http::request::Builder) -> http::Request<Body> {
    request.body(Body::empty()).unwrap()
}

/// Without a subscriber, the place of an event remembers that nobody listens; when a test starts to listen on
/// another thread in that very moment, it can stay deaf for good. So somebody listens from the beginning.
pub(crate) fn hear_everything() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Another test's subscriber does as well.
        let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
    });
}
