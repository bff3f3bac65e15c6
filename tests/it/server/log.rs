use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use countersign::{pb, server::options::ServerOptions};
use tokio::io::AsyncWriteExt as _;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tower::ServiceExt as _;
use tracing_subscriber::fmt::MakeWriter;

use super::support::*;
use crate::support::TestApp;

/// Collects what is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    fn start() -> (Self, tracing::subscriber::DefaultGuard) {
        hear_everything();
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(log.clone())
            .finish();
        let guard = tracing::subscriber::set_default(subscriber);
        (log, guard)
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines about requests.
    fn requests(&self) -> Vec<serde_json::Value> {
        self.text()
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .filter(|line| line["target"] == "countersign::request")
            .map(|line| line["fields"].clone())
            .collect()
    }
}

#[tokio::test]
async fn a_secret_in_the_path_is_not_in_the_line() {
    let (log, _guard) = Log::start();
    let service = plain();
    for path in ["/mk_live_s3cret", "/v1/apiKeys/mk_live_s3cret"] {
        call(&service, empty(rest_get(path))).await;
    }
    let lines = log.requests();
    let paths: Vec<_> = lines.iter().map(|line| &line["path"]).collect();
    assert_eq!(paths, ["/*", "/v1/apiKeys/*"]);
    assert!(!log.text().contains("s3cret"), "{}", log.text());
}

#[tokio::test]
async fn every_request_has_one_line_and_no_secret_in_it() {
    let (log, _guard) = Log::start();
    let service = plain();
    let request = rest_get("/nowhere?token=s3cret-query")
        .header("authorization", "Bearer s3cret-header")
        .header("cookie", "s3cret-cookie")
        .header("x-request-id", "abc");
    call(&service, empty(request)).await;
    let [line] = &log.requests()[..] else {
        panic!("{}", log.text())
    };
    for (field, value) in [
        ("request_id", "abc"),
        ("method", "GET"),
        ("path", "/nowhere"),
        ("dialect", "rest"),
        ("protocol", "HTTP/1.1"),
        ("client", "0.0.0.0"),
        ("message", "answered"),
    ] {
        assert_eq!(line[field], value, "{line}");
    }
    assert_eq!(line["status"], 404);
    assert!(line["duration_ms"].as_f64().unwrap() >= 0.0);
    assert!(line.get("grpc_status").is_none());
    assert!(!log.text().contains("s3cret"), "{}", log.text());
}

#[tokio::test]
async fn a_flood_that_a_limit_refuses_is_one_line_and_a_count_in_a_minute() {
    // Before the log begins: the database has threads of its own, whose spans this thread's log does not know.
    let app = TestApp::with(|config| config.limits.enabled = true).await;
    let (log, _guard) = Log::start();
    for _ in 0..100 {
        app.get("/v1/accounts/me").send().await;
    }
    let mut expected = vec![401; 8];
    expected.push(429);
    assert_eq!(statuses(&log.requests()), expected);
    // A server that stops tells what it has counted.
    drop(app);
    let lines = log.requests();
    let told = lines.last().unwrap();
    assert_eq!(
        (&told["refused"], &told["client"]),
        (&91.into(), &"127.0.0.1".into())
    );
}

#[tokio::test]
async fn a_grpc_call_that_a_limit_refuses_is_told_from_one_that_is_too_large() {
    let app = TestApp::with(|config| config.limits.enabled = true).await;
    let (log, _guard) = Log::start();
    let large = "a".repeat(70_000);
    for _ in 0..3 {
        let create = pb::v1::CreateAccountRequest {
            password: large.clone(),
            ..Default::default()
        };
        let refused = app.accounts().create_account(create).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
    }
    for _ in 0..20 {
        let get = pb::v1::GetAccountRequest {
            name: "accounts/me".to_owned(),
        };
        app.accounts().get_account(get).await.unwrap_err();
    }
    let lines = log.requests();
    let exhausted = |line: &&serde_json::Value| line["grpc_status"] == 8;
    // Those that are too large, and the first that a limit refused.
    assert_eq!(lines.iter().filter(exhausted).count(), 3 + 1);
    drop(app);
    assert!(log.requests().last().unwrap()["refused"].as_u64() > Some(1));
}

fn statuses(lines: &[serde_json::Value]) -> Vec<u64> {
    let status = |line: &serde_json::Value| line["status"].as_u64();
    lines.iter().filter_map(status).collect()
}

#[tokio::test]
async fn the_line_of_a_grpc_call_has_its_status_wherever_that_stood() {
    let (log, _guard) = Log::start();
    let service = plain();
    for (path, content_type, status) in [
        ("/test.Test/Succeed", "application/grpc", 0),
        ("/test.Test/Succeed", "application/grpc-web", 0),
        ("/no.Such/Rpc", "application/grpc", 12),
        ("/test.Test/Panic", "application/grpc-web", 13),
    ] {
        let request = grpc_request(path, content_type)
            .body(EMPTY_MESSAGE.into())
            .unwrap();
        call(&service, request).await;
        let lines = log.requests();
        let line = lines.last().unwrap();
        assert_eq!(
            (&line["path"], &line["grpc_status"]),
            (&path.into(), &status.into()),
            "{line}"
        );
    }
    assert_eq!(log.requests().len(), 4);
}

/// Probes come every few seconds, and would be most of the log.
#[tokio::test]
async fn a_probe_has_a_line_only_when_it_finds_something() {
    let app = TestApp::start().await;
    let (log, _guard) = Log::start();
    for path in ["/livez", "/readyz"] {
        assert_eq!(app.get(path).send().await.status(), 200);
    }
    let mut health = HealthClient::new(app.channel());
    health.check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(log.requests(), Vec::<serde_json::Value>::new());
    let service = "no.Such".to_owned();
    health
        .check(HealthCheckRequest { service })
        .await
        .unwrap_err();
    assert_eq!(app.get("/livez/x").send().await.status(), 404);
    assert_eq!(log.requests().len(), 2);
}

#[tokio::test]
async fn what_is_logged_during_a_call_names_it() {
    let (log, _guard) = Log::start();
    let request =
        grpc_request("/test.Test/Panic", "application/grpc").header("x-request-id", "abc");
    call(&plain(), empty(request)).await;
    let text = log.text();
    let refused = text
        .lines()
        .find(|line| line.contains("own panic"))
        .unwrap();
    let refused: serde_json::Value = serde_json::from_str(refused).unwrap();
    assert_eq!(refused["span"]["request_id"], "abc");
}

#[tokio::test]
async fn a_call_that_the_client_gives_up_has_a_line_too() {
    let (log, _guard) = Log::start();
    let answer = plain().oneshot(empty(rest_get("/hang").header("host", "localhost")));
    assert!(
        tokio::time::timeout(Duration::from_millis(1), answer)
            .await
            .is_err()
    );
    let [line] = &log.requests()[..] else {
        panic!("{}", log.text())
    };
    assert_eq!(line["message"], "abandoned by the client");
    assert!(line.get("status").is_none());
}

#[tokio::test]
async fn the_line_of_a_remote_call_names_the_peer() {
    let (log, _guard) = Log::start();
    let server = start(ServerOptions::default()).await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /hello HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    read_to_end(&mut stream).await;
    assert_eq!(log.requests()[0]["client"], "127.0.0.1");
}
