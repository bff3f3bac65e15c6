use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign::server::options::ServerOptions;
use tokio::io::AsyncWriteExt as _;
use tonic::transport::Endpoint;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::support::*;

/// `HealthCheckResponse { status: SERVING }` in a gRPC frame.
const SERVING: [u8; 7] = [0, 0, 0, 0, 2, 8, 1];

const GET_HELLO: &str = "GET /hello HTTP/1.1\r\nhost: localhost\r\n\r\n";

fn h1_post(path: &str, content_type: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

async fn h1(server: &Running, request: &str) -> Vec<u8> {
    let mut stream = server.connect().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    read_to_end(&mut stream).await
}

#[tokio::test]
async fn one_port_speaks_http1_h2c_and_native_grpc() {
    let server = start(ServerOptions::default()).await;

    let answer = http1(&mut server.connect().await, GET_HELLO).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");

    let (mut client, _connection) = http2(server.connect().await).await;
    let answer = whole(client.send_request(get_request("/hello")).await.unwrap()).await;
    assert_eq!((answer.status, answer.text()), (200, "hello"));

    let endpoint = Endpoint::from_shared(format!("http://{}", server.address)).unwrap();
    let mut health = HealthClient::new(endpoint.connect().await.unwrap());
    let answer = health.check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(answer.into_inner().status, 1);
}

#[tokio::test]
async fn grpc_web_works_over_http1_in_binary_and_in_text() {
    let server = start(ServerOptions::default()).await;
    let empty = "\0\0\0\0\0";

    for name in [
        "application/grpc-web",
        "application/grpc-web+proto",
        "Application/gRPC-Web; x=y",
    ] {
        let answer = h1(&server, &h1_post(CHECK, name, empty)).await;
        let text = String::from_utf8_lossy(&answer);
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{name}: {text}");
        assert!(
            answer.windows(SERVING.len()).any(|part| part == SERVING),
            "{name}: {text}"
        );
        assert!(text.contains("grpc-status:0"), "{name}: {text}");
    }

    // As browsers send it, and without `accept`.
    let message = STANDARD.encode(empty);
    let text = "application/grpc-web-text";
    for name in [
        "application/grpc-web-text\r\naccept: application/grpc-web-text",
        text,
    ] {
        let answer = h1(&server, &h1_post(CHECK, name, &message)).await;
        let answer = String::from_utf8(answer).unwrap();
        assert!(
            answer.contains("content-type: application/grpc-web-text"),
            "{answer}"
        );
        let serving = STANDARD.encode(SERVING);
        assert!(answer.contains(&serving[..8]), "{answer}");
    }
}

#[tokio::test]
async fn connect_and_rest_are_told_apart_by_path() {
    let (gate, _arrivals) = gate();
    let service = services(gate);
    for (method, path, content_type, expected) in [
        ("POST", "/a.B/C", "application/json", "connect POST"),
        ("POST", "/a.B/C", "application/proto", "connect POST"),
        ("POST", "/a.B/C", "text/html", "connect POST"),
        ("GET", "/a.B/C", "", "connect GET"),
        ("GET", "/hello", "", "hello"),
        ("GET", "/hello", "application/json", "hello"),
    ] {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", content_type)
            .body(axum::body::Body::empty())
            .unwrap();
        let answer = call(&service, request).await;
        assert_eq!(
            (answer.status, answer.text()),
            (200, expected),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn grpc_that_cannot_work_is_refused_in_plain_http() {
    let (gate, _arrivals) = gate();
    let service = services(gate);
    for (method, version, content_type, status) in [
        ("POST", http::Version::HTTP_11, "application/grpc", 505),
        ("GET", http::Version::HTTP_2, "application/grpc", 405),
        ("GET", http::Version::HTTP_11, "application/grpc-web", 405),
        (
            "POST",
            http::Version::HTTP_11,
            "application/grpc-web+json",
            415,
        ),
        ("POST", http::Version::HTTP_2, "application/grpc-webby", 415),
    ] {
        let request = http::Request::builder()
            .method(method)
            .version(version)
            .uri(CHECK)
            .header("content-type", content_type)
            .body(axum::body::Body::empty())
            .unwrap();
        let answer = call(&service, request).await;
        assert_eq!(answer.status, status, "{method} {version:?} {content_type}");
    }
}
