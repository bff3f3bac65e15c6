//! Answers that need no body do not wait for one, and nothing of the body is taken for a request.

use std::time::Duration;

use countersign::server::options::ServerOptions;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use super::support::*;

/// Sooner than anything that would wait for a body.
const AT_ONCE: Duration = Duration::from_secs(1);

const HELLO: &str = "GET /hello HTTP/1.1\r\nhost: a\r\n\r\n";

#[tokio::test]
async fn an_answer_does_not_wait_for_a_body_that_never_comes() {
    let server = start(ServerOptions::default()).await;
    for (request, status) in [
        (
            "GET /hello HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n",
            200,
        ),
        (
            "GET /hello HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
            200,
        ),
        (
            "POST /nothing HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhal",
            404,
        ),
        (
            "PUT /hello HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n",
            405,
        ),
        (
            "POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: 99999\r\n\r\n",
            413,
        ),
        (
            "POST /hello HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n",
            405,
        ),
    ] {
        let mut stream = server.connect().await;
        let answer = timeout(AT_ONCE, http1(&mut stream, request)).await;
        let answer = answer.expect(request).to_ascii_lowercase();
        assert!(
            answer.starts_with(&format!("http/1.1 {status} ")),
            "{request}: {answer}"
        );
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
        assert!(!answer.contains("100 continue"), "{answer}");
        // What the body would have been, and then a request in its place.
        stream.write_all(HELLO.as_bytes()).await.unwrap();
        assert_eq!(read_to_end(&mut stream).await, b"", "{request}");
    }
}

#[tokio::test]
async fn a_body_that_has_come_costs_no_connection() {
    let server = start(ServerOptions::default()).await;
    let mut stream = server.connect().await;
    for _ in 0..3 {
        let request = format!(
            "POST /nothing HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{HELLO}",
            HELLO.len()
        );
        let answer = http1(&mut stream, &request).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    }
    assert!(http1(&mut stream, HELLO).await.ends_with("hello"));
}

/// As a client does that looks at the answer only when it has sent all it wanted to.
#[tokio::test]
async fn a_client_that_goes_on_sending_still_gets_the_answer() {
    const SENT: usize = 4 * 1024 * 1024;
    let server = start(ServerOptions::default()).await;
    for (head, status) in [
        (
            format!("POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: {SENT}\r\n\r\n"),
            413,
        ),
        (
            "POST /body HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n".to_owned(),
            400,
        ),
        ("this is no HTTP\r\n\r\n".to_owned(), 400),
    ] {
        let mut stream = server.connect().await;
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b'x'; SENT]).await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer))
            .await
            .unwrap()
            .expect("no reset");
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{head}: {answer}"
        );
    }
}

#[tokio::test]
async fn over_http2_the_connection_goes_on() {
    let server = start(ServerOptions::default()).await;
    let mut stream = h2(&server).await;
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/nothing"),
        (":authority", "a"),
        ("content-length", "9"),
    ];
    for id in [1, 3] {
        let head = frame(HEADERS, END_HEADERS, id, &hpack(&fields));
        stream.write_all(&head).await.unwrap();
        loop {
            match timeout(AT_ONCE, read_frame(&mut stream)).await.unwrap() {
                (HEADERS, block) => {
                    // 404 in the static table.
                    assert_eq!(block[0], 0x8d);
                    break;
                }
                (GOAWAY, _) => panic!("the connection was ended"),
                _ => {}
            }
        }
    }
}
