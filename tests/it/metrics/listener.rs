//! The listener of `/metrics`, over real sockets.

use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use countersign::{app::App, config::Config, env::Env};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

use super::text::Samples;

const PATIENCE: Duration = Duration::from_secs(10);
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

struct Running {
    main: SocketAddr,
    metrics: Option<SocketAddr>,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
    _folder: TempDir,
}

async fn start(change: impl FnOnce(&mut Config)) -> Result<Running, String> {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config {
        data_dir: folder.path().to_owned(),
        listen: "127.0.0.1:0".parse().unwrap(),
        ..Config::default()
    };
    change(&mut config);
    let app = App::start(config, Env::system())
        .await
        .map_err(|refused| refused.to_string())?;
    let (main, metrics) = (app.local_addr(), app.metrics_addr());
    let (stop, stopped) = oneshot::channel();
    let ended = tokio::spawn(async move {
        let shutdown = async {
            let _ = stopped.await;
        };
        app.serve(shutdown).await.unwrap();
    });
    Ok(Running {
        main,
        metrics,
        stop,
        ended,
        _folder: folder,
    })
}

/// A server whose metrics have a free port of their own.
async fn with_metrics() -> Running {
    start(|config| config.metrics.listen = Some("127.0.0.1:0".parse().unwrap()))
        .await
        .unwrap()
}

/// The head and the body of an answer.
async fn get(address: SocketAddr, path: &str, accept: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: {accept}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), body.to_owned())
}

async fn open_connections(server: &Running) -> f64 {
    let (_, text) = get(server.metrics.unwrap(), "/metrics", "*/*").await;
    Samples::read(&text).of("countersign_connections_open")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scraper_gets_the_text_that_it_asks_for() {
    let server = with_metrics().await;
    let metrics = server.metrics.unwrap();
    for accept in [
        "*/*",
        "text/plain",
        "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    ] {
        let (head, body) = get(metrics, "/metrics", accept).await;
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        let expected = "content-type: text/plain; version=0.0.4; charset=utf-8";
        assert!(head.contains(expected), "{head}");
        Samples::read(&body);
    }
    let asked = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5";
    let (head, body) = get(metrics, "/metrics", asked).await;
    assert!(head.contains(OPENMETRICS), "{head}");
    assert!(body.ends_with("# EOF\n"), "{body}");
    assert!(
        body.contains("# TYPE countersign_calls counter\n"),
        "{body}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_two_listeners_have_nothing_in_common() {
    let server = with_metrics().await;
    for path in ["/", "/livez", "/v1/accounts", "/openapi.json"] {
        let (head, _) = get(server.metrics.unwrap(), path, "*/*").await;
        assert!(head.starts_with("http/1.1 404 "), "{path}: {head}");
    }
    let (head, _) = get(server.main, "/metrics", "*/*").await;
    assert!(head.starts_with("http/1.1 404 "), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn open_connections_are_counted_until_they_are_closed() {
    let server = with_metrics().await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(server.main).await.unwrap();
        let request = b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n";
        stream.write_all(request).await.unwrap();
        stream.read_u8().await.unwrap();
        streams.push(stream);
    }
    assert_eq!(open_connections(&server).await, 3.0);
    drop(streams);
    let all_closed = async { while open_connections(&server).await > 0.0 {} };
    timeout(PATIENCE, all_closed).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_both_listeners() {
    let server = with_metrics().await;
    // An idle scraper does not hold it up.
    let _idle = TcpStream::connect(server.metrics.unwrap()).await.unwrap();
    server.stop.send(()).unwrap();
    timeout(PATIENCE, server.ended).await.unwrap().unwrap();
    for address in [server.main, server.metrics.unwrap()] {
        assert!(TcpStream::connect(address).await.is_err(), "{address}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_port_that_is_taken_does_not_keep_the_server_from_starting() {
    // When this fails, somebody else has it, who may let go of it before the server asks for it.
    let taken = TcpListener::bind("127.0.0.1:9464");
    let server = start(|_| {}).await.unwrap();
    if taken.is_ok() {
        assert_eq!(server.metrics, None);
    }
    let (head, _) = get(server.main, "/livez", "*/*").await;
    assert!(head.starts_with("http/1.1 200 "), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chosen_port_that_is_taken_is_refused() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let refused = start(|config| config.metrics.listen = Some(address)).await;
    let line = refused.err().unwrap();
    let expected = format!(
        "cannot listen on {address}: another program uses this port, for metrics \
         — choose another metrics.listen, or set metrics.enabled to false"
    );
    assert_eq!(line, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_metrics_there_is_no_listener() {
    for main_port in [false, true] {
        let server = start(|config| {
            config.metrics.enabled = main_port;
            config.metrics.on_main_port = main_port;
        })
        .await
        .unwrap();
        assert_eq!(server.metrics, None);
        let (head, _) = get(server.main, "/metrics", "*/*").await;
        assert_eq!(head.starts_with("http/1.1 200 "), main_port, "{head}");
    }
}

#[tokio::test]
async fn a_request_for_nobody_is_refused() {
    let server = with_metrics().await;
    let mut stream = TcpStream::connect(server.metrics.unwrap()).await.unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}
