//! What RFC 9112 and RFC 9113 leave to a server, byte by byte against a real socket. docs/HTTP.md is the same list.

use countersign::server::options::ServerOptions;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use super::support::*;

/// The name of a case in docs/HTTP.md, what is sent, and the status of the answer.
type Case = (&'static str, &'static str, u16);

const HTTP1: &[Case] = &[
    ("no `Host`", "GET /hello HTTP/1.1\r\n\r\n", 400),
    (
        "two `Host` lines",
        "GET /hello HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n",
        400,
    ),
    (
        "an invalid `Host`",
        "GET /hello HTTP/1.1\r\nhost: me@a\r\n\r\n",
        400,
    ),
    (
        "an empty `Host`",
        "GET /hello HTTP/1.1\r\nhost:\r\n\r\n",
        400,
    ),
    (
        "HTTP/1.0 without `Host`",
        "GET /hello HTTP/1.0\r\n\r\n",
        200,
    ),
    (
        "HTTP/1.0 with two `Host` lines",
        "GET /hello HTTP/1.0\r\nhost: a\r\nhost: a\r\n\r\n",
        400,
    ),
    (
        "absolute-form",
        "GET http://b/hello HTTP/1.1\r\nhost: a\r\n\r\n",
        200,
    ),
    (
        "absolute-form without `Host`",
        "GET http://a/hello HTTP/1.1\r\n\r\n",
        400,
    ),
    (
        "absolute-form with a user",
        "GET http://me@a/hello HTTP/1.1\r\nhost: a\r\n\r\n",
        400,
    ),
    (
        "authority-form",
        "GET a:80 HTTP/1.1\r\nhost: a\r\n\r\n",
        400,
    ),
    (
        "`CONNECT`",
        "CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n",
        501,
    ),
    ("`OPTIONS *`", "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n", 204),
    (
        "`*` with another method",
        "GET * HTTP/1.1\r\nhost: a\r\n\r\n",
        400,
    ),
    (
        "a fragment in the target",
        "GET /hello#x HTTP/1.1\r\nhost: a\r\n\r\n",
        200,
    ),
    (
        "obs-fold",
        "GET /hello HTTP/1.1\r\nhost: a\r\nx-a: b\r\n c\r\n\r\n",
        400,
    ),
    (
        "a bare CR",
        "GET /hello HTTP/1.1\r\nhost: a\r\nx-a: b\rc\r\n\r\n",
        400,
    ),
    (
        "a NUL",
        "GET /hello HTTP/1.1\r\nhost: a\r\nx-a: b\0c\r\n\r\n",
        400,
    ),
    (
        "lines that end with LF alone",
        "GET /hello HTTP/1.1\nhost: a\n\n",
        200,
    ),
    (
        "whitespace before the colon",
        "GET /hello HTTP/1.1\r\nhost : a\r\n\r\n",
        400,
    ),
    (
        "whitespace before the first field",
        "GET /hello HTTP/1.1\r\n x: a\r\nhost: a\r\n\r\n",
        400,
    ),
    (
        "another version",
        "GET /hello HTTP/3.0\r\nhost: a\r\n\r\n",
        400,
    ),
    (
        "`Transfer-Encoding` and `Content-Length`",
        "POST /body HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 9\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        200,
    ),
    (
        "`Content-Length` and `Transfer-Encoding`",
        "POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        200,
    ),
    (
        "`Transfer-Encoding: chunked, chunked`",
        "POST /body HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "`Transfer-Encoding: chunked` on two lines",
        "POST /body HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "`Transfer-Encoding: gzip, chunked`",
        "POST /body HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        501,
    ),
    (
        "`Transfer-Encoding` that does not end with `chunked`",
        "POST /body HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "`Transfer-Encoding` in HTTP/1.0",
        "POST /body HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (
        "two values of `Content-Length`",
        "POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxy",
        400,
    ),
    (
        "a list in `Content-Length`",
        "POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: 1, 1\r\n\r\nx",
        400,
    ),
    (
        "the same `Content-Length` twice",
        "POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\nx",
        200,
    ),
    (
        "a `Content-Length` that is no number",
        "POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: +1\r\n\r\nx",
        400,
    ),
    (
        "a chunk size that is no number",
        "POST /body HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nx\r\nx\r\n0\r\n\r\n",
        400,
    ),
    (
        "a chunk size that is too large",
        "POST /body HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n11111111111111111\r\nx\r\n0\r\n\r\n",
        400,
    ),
    (
        "a chunk longer than its size",
        "POST /body HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n",
        400,
    ),
    (
        "a chunk extension",
        "POST /body HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1;a=b\r\nx\r\n0\r\n\r\n",
        200,
    ),
];

/// Whoever understands the same bytes differently could make two requests of them.
const CLOSED: [&str; 2] = [
    "`Transfer-Encoding` and `Content-Length`",
    "`Content-Length` and `Transfer-Encoding`",
];

const WHOLE: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "http"),
    (":path", "/hello"),
    (":authority", "a"),
];

/// In place of a status: the stream was reset.
const RESET: u16 = 0;
/// In place of a status: the connection was ended.
const ENDED: u16 = 1;

/// A name, and the fields of a case instead of, or beside, those of a whole request.
type Http2Case = (&'static str, &'static [(&'static str, &'static str)], u16);

const WITHOUT: &str = "(left out)";

const HTTP2: &[Http2Case] = &[
    ("no `:method`", &[(":method", WITHOUT)], RESET),
    ("no `:scheme`", &[(":scheme", WITHOUT)], RESET),
    ("no `:path`", &[(":path", WITHOUT)], RESET),
    ("`:path` twice", &[("+:path", "/hello")], RESET),
    (
        "a pseudo-header after a field",
        &[("x-a", "b"), ("+:path", "/hello")],
        RESET,
    ),
    ("an unknown pseudo-header", &[(":x", "b")], ENDED),
    ("`:status` in a request", &[(":status", "200")], RESET),
    ("a `:path` that is no path", &[(":path", "hello")], RESET),
    (
        "neither `:authority` nor `Host`",
        &[(":authority", WITHOUT)],
        400,
    ),
    (
        "`Host` alone",
        &[(":authority", WITHOUT), ("host", "a")],
        200,
    ),
    ("`Host` like `:authority`", &[("host", "A:80")], 200),
    ("`Host` unlike `:authority`", &[("host", "b")], 400),
    ("a user in `:authority`", &[(":authority", "me@a")], 400),
    ("two `host` fields", &[("host", "a"), ("+host", "a")], 400),
    ("an upper-case field name", &[("X-A", "b")], ENDED),
    ("`connection`", &[("connection", "close")], RESET),
    ("`keep-alive`", &[("keep-alive", "timeout=5")], RESET),
    (
        "`proxy-connection`",
        &[("proxy-connection", "close")],
        RESET,
    ),
    (
        "`transfer-encoding`",
        &[("transfer-encoding", "chunked")],
        RESET,
    ),
    ("`upgrade`", &[("upgrade", "h2c")], RESET),
    ("`te: gzip`", &[("te", "gzip")], RESET),
    ("`te: trailers`", &[("te", "trailers")], 200),
    (
        "a `content-length` that the body has not",
        &[("content-length", "1")],
        RESET,
    ),
    (
        "`CONNECT` in HTTP/2",
        &[
            (":method", "CONNECT"),
            (":scheme", WITHOUT),
            (":path", WITHOUT),
        ],
        501,
    ),
];

#[tokio::test]
async fn every_http1_request_is_read_as_the_list_says() {
    let server = start(ServerOptions::default()).await;
    let mut seen = Vec::new();
    for (name, request, status) in HTTP1 {
        let mut stream = server.connect().await;
        let mut answer = http1(&mut stream, request).await;
        if *status >= 400 || CLOSED.contains(name) {
            let rest = read_to_end(&mut stream).await;
            // The end of the connection is the end of the body over HTTP/1.0.
            answer.push_str(&String::from_utf8(rest).unwrap());
        }
        let is_refused_by_the_layer = *status >= 400 && is_by_the_layer(name);
        assert_eq!(
            is_malformed(&answer),
            is_refused_by_the_layer,
            "{name}: {answer}"
        );
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        seen.push((*name, *request, status));
    }
    assert_eq!(seen, HTTP1);
}

#[tokio::test]
async fn every_http2_request_is_read_as_the_list_says() {
    let server = start(ServerOptions::default()).await;
    let mut seen = Vec::new();
    for (name, changes, _) in HTTP2 {
        let mut stream = h2(&server).await;
        let block = hpack(&changed(changes));
        let head = frame(HEADERS, END_STREAM | END_HEADERS, 1, &block);
        stream.write_all(&head).await.unwrap();
        let status = answered(&mut stream).await;
        if status >= 400 {
            let body = body(&mut stream).await;
            assert!(is_malformed(&body), "{name}: {body}");
        }
        seen.push((*name, *changes, status));
    }
    assert_eq!(seen, HTTP2);
}

/// Whether an answer has the one reason of every head that is refused. hyper's own refusals have no body.
fn is_malformed(answer: &str) -> bool {
    answer.contains(r#""reason":"MALFORMED_REQUEST""#)
}

/// Whether docs/HTTP.md says of a case that it is the layer's.
fn is_by_the_layer(name: &str) -> bool {
    let rows = document();
    let row = rows.iter().find(|row| row[0] == name);
    row.expect(name)[3] == "layer |"
}

/// The fields of a whole request with these changes: where a name begins with `+`, one more of it at the end.
fn changed(changes: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let mut fields = WHOLE.to_vec();
    for (name, value) in changes {
        fields.retain(|(known, _)| known != name);
        let end = if name.starts_with(':') {
            0
        } else {
            fields.len()
        };
        if *value != WITHOUT {
            fields.insert(end, (name.trim_start_matches('+'), value));
        }
    }
    fields
}

/// The status of the first answer, or what came in its place.
async fn answered(stream: &mut TcpStream) -> u16 {
    const PROTOCOL_ERROR: [u8; 4] = [0, 0, 0, 1];
    loop {
        match read_frame(stream).await {
            (HEADERS, block) => return status(&block),
            (RST_STREAM, code) if code == PROTOCOL_ERROR => return RESET,
            (GOAWAY, _) => return ENDED,
            _ => {}
        }
    }
}

/// The first part of the body of an answer.
async fn body(stream: &mut TcpStream) -> String {
    loop {
        if let (DATA, body) = read_frame(stream).await {
            return String::from_utf8(body).unwrap();
        }
    }
}

/// The first field of an answer, which is its status: an entry of the static table, or a literal.
fn status(block: &[u8]) -> u16 {
    match block {
        [0x88, ..] => 200,
        [0x89, ..] => 204,
        [0x8c, ..] => 400,
        // Entry 8 of the table is the name; `501` in Huffman's code.
        [0x08 | 0x48, 0x82, 0x6c, 0x01 | 0x03, ..] => 501,
        other => panic!("{other:x?}"),
    }
}

#[tokio::test]
async fn a_head_is_refused_whatever_is_asked_for() {
    let server = start(ServerOptions::default()).await;
    for request in [
        "GET /nothing HTTP/1.1\r\n\r\n",
        "GET /livez HTTP/1.1\r\n\r\n",
        "POST /test.Test/Unary HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 0\r\n\r\n",
        "POST /grpc.health.v1.Health/Check HTTP/1.1\r\ncontent-type: application/grpc\r\n\r\n",
        "POST /grpc.health.v1.Health/Check HTTP/1.1\r\ncontent-type: application/grpc-web+proto\r\n\r\n",
        "OPTIONS /hello HTTP/1.1\r\norigin: https://app.example.com\r\naccess-control-request-method: GET\r\n\r\n",
    ] {
        let answer = http1(&mut server.connect().await, request).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{request}: {answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
}

/// The cells of the rows of docs/HTTP.md that say what is answered.
fn document() -> Vec<Vec<String>> {
    let document = std::fs::read_to_string("docs/HTTP.md").unwrap();
    let rows = document.lines().filter_map(|line| line.strip_prefix("| "));
    rows.map(|row| row.split(" | ").map(str::to_owned).collect())
        .filter(|cells: &Vec<String>| {
            ["reset", "ended"].contains(&cells[1].as_str()) || cells[1].parse::<u16>().is_ok()
        })
        .collect()
}

#[test]
fn the_document_has_the_same_list() {
    let written = document()
        .into_iter()
        .map(|mut cells| (cells.remove(0), cells.remove(0)));
    let written: Vec<_> = written.collect();
    let tested: Vec<_> = HTTP1
        .iter()
        .map(|(name, _, status)| (*name, *status))
        .chain(HTTP2.iter().map(|(name, _, status)| (*name, *status)))
        .map(|(name, status)| {
            let answer = match status {
                RESET => "reset".to_owned(),
                ENDED => "ended".to_owned(),
                status => status.to_string(),
            };
            (name.to_owned(), answer)
        })
        .collect();
    assert_eq!(written, tested);
}
