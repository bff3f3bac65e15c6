//! What is sent, and which answers are taken.

use std::time::Duration;

use http::{HeaderValue, Method};
use url::Url;

use super::support::*;
use crate::{
    env::Env,
    outbound::{Bounds, FetchErrorKind},
    telemetry::Telemetry,
};

const MOST: usize = 64 * 1024;

#[tokio::test]
async fn a_request_says_what_it_must_and_nothing_of_anybody() {
    let server = Server::plain(ok("{}"), Then::Close).await;
    let outbound = outbound(on_loopback(), &[]).await;
    let url = format!("{}clients/a%20b.json?v=1&w", server.url());
    get(&outbound, &url).await.unwrap();
    let expected = format!(
        "GET /clients/a%20b.json?v=1&w HTTP/1.1\r\nhost: {}\r\nuser-agent: Countersign\r\n\
         accept: application/json, */*;q=0.1\r\naccept-encoding: identity\r\nconnection: close\r\n\r\n",
        server.address
    );
    assert_eq!(server.requests(), [expected]);
}

#[tokio::test]
async fn a_request_says_in_which_trace_it_stands_where_there_is_one() {
    let server = Server::plain(ok("{}"), Then::Close).await;
    let outbound = outbound(on_loopback(), &[]).await;
    let telemetry = Telemetry::unsent(Env::system());
    let span = telemetry.http_request(&Method::GET, "/", false, None);
    let trace = span.trace_id().unwrap().to_string();
    let got = span.here().within(get(&outbound, &server.url())).await;
    got.unwrap();
    let request = server.requests().remove(0);
    let (_, parent) = request.split_once("traceparent: ").unwrap();
    let parent: Vec<_> = parent.lines().next().unwrap().split('-').collect();
    assert_eq!(parent[..2], ["00", &*trace]);
    // The span of the request itself, and not the one above it.
    assert_eq!(parent[2].len(), 16);
    let above = span.here().traceparent().unwrap();
    assert!(!above.to_str().unwrap().contains(parent[2]));
    assert_eq!(parent[3], "01");
}

#[tokio::test]
async fn a_bearer_token_goes_with_a_request() {
    let server = Server::plain(ok("{}"), Then::Close).await;
    let outbound = outbound(on_loopback(), &[]).await;
    let token = HeaderValue::from_static("Bearer abc");
    let url = Url::parse(&server.url()).unwrap();
    let got = outbound.get(&url, Some(token), Bounds::default());
    got.await.unwrap();
    assert!(server.requests()[0].contains("\r\nauthorization: Bearer abc\r\n"));
}

#[tokio::test]
async fn a_form_is_posted_and_every_status_told() {
    let answer =
        "HTTP/1.1 400 Bad Request\r\ncontent-length: 25\r\n\r\n{\"error\":\"invalid_grant\"}";
    let server = Server::plain(answer, Then::Close).await;
    let outbound = outbound(on_loopback(), &[]).await;
    let url = Url::parse(&server.url()).unwrap();
    let form = [("grant_type", "authorization_code"), ("code", "a b&c=d+é")];
    let basic = HeaderValue::from_static("Basic YTpi");
    let posted = outbound.post_form(&url, &form, Some(basic), Bounds::default());
    let posted = posted.await.unwrap();
    assert_eq!(posted.status, 400);
    assert_eq!(posted.body, "{\"error\":\"invalid_grant\"}");
    let request = server.requests().remove(0);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST / HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("content-type: application/x-www-form-urlencoded\r\n"));
    assert!(head.contains("authorization: Basic YTpi"), "{head}");
    assert_eq!(
        body,
        "grant_type=authorization_code&code=a+b%26c%3Dd%2B%C3%A9"
    );
}

#[tokio::test]
async fn a_document_says_of_what_type_it_is_and_how_long_it_may_be_kept() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=utf-8\r\n\
                  cache-control: max-age=3600\r\ncontent-length: 2\r\n\r\n{}";
    let server = Server::plain(answer, Then::Close).await;
    let outbound = outbound(on_loopback(), &[]).await;
    let (env, hour) = (Env::system(), Duration::from_secs(60 * 60));
    let before = env.now();
    let document = get(&outbound, &server.url()).await.unwrap();
    let after = env.now();
    assert_eq!(
        document.content_type.as_deref(),
        Some("application/json; charset=utf-8")
    );
    assert!((before.after(hour)..=after.after(hour)).contains(&document.fresh_until));
}

#[tokio::test]
async fn a_body_may_be_framed_in_every_way_of_http() {
    let most = "x".repeat(MOST);
    for (answer, body) in [
        (ok("{}"), "{}"),
        (ok(""), ""),
        (ok(&most), &most[..]),
        ("HTTP/1.1 200 OK\r\n\r\n{}".to_owned(), "{}"),
        ("HTTP/1.0 200 OK\r\n\r\n{}".to_owned(), "{}"),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\na: b\r\n\r\n"
                .to_owned(),
            "{}",
        ),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_owned(),
            "{}",
        ),
        // What stands behind the end of a body is no part of it.
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}{}".to_owned(), "{}"),
    ] {
        let server = Server::plain(answer.clone(), Then::Close).await;
        let outbound = outbound(on_loopback(), &[]).await;
        let got = get(&outbound, &server.url()).await.unwrap();
        assert!(got.body == body, "{:.100}", answer);
    }
}

#[tokio::test]
async fn what_is_too_large_is_not_read() {
    let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let small_chunks = "1\r\nx\r\n".repeat(MOST + 1);
    let headers: String = (0..200).map(|n| format!("a{n}: b\r\n")).collect();
    for (what, answer) in [
        (
            "a body that says so",
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", MOST + 1),
        ),
        (
            "a body that says so absurdly",
            format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
                u64::MAX - 2
            ),
        ),
        ("chunks", format!("{chunked}{}", chunk.repeat(3))),
        ("small chunks", format!("{chunked}{small_chunks}")),
        (
            "a body without an end",
            format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(MOST + 1)),
        ),
        (
            "a header",
            format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "x".repeat(MOST)),
        ),
        (
            "many headers",
            format!("HTTP/1.1 200 OK\r\n{headers}content-length: 0\r\n\r\n"),
        ),
        (
            "a head without an end",
            format!("HTTP/1.1 200 OK\r\n{}", "a: b\r\n".repeat(MOST)),
        ),
        (
            "a status line",
            format!("HTTP/1.1 200 {}", "x".repeat(MOST)),
        ),
    ] {
        // The server would go on: only the bound can end it.
        let server = Server::plain(answer, Then::Hang).await;
        let outbound = outbound(on_loopback(), &[]).await;
        let failed = failure(&outbound, &server.url()).await;
        assert!(
            matches!(failed, FetchErrorKind::TooLarge),
            "{what}: {failed}"
        );
    }
}

#[tokio::test]
async fn what_is_cut_or_contradicts_itself_is_not_taken() {
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-le",
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: 2a\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}",
        "HTTP/2 200 OK\r\n\r\n{}",
        "{}",
        "SSH-2.0-OpenSSH_9.2\r\n",
    ] {
        let server = Server::plain(answer, Then::Close).await;
        let outbound = outbound(on_loopback(), &[]).await;
        let failed = failure(&outbound, &server.url()).await;
        assert!(
            matches!(failed, FetchErrorKind::Http(_)),
            "{answer}: {failed}"
        );
    }
}

#[tokio::test]
async fn another_status_than_200_is_told_without_its_body() {
    for status in [101, 201, 204, 206, 304, 400, 404, 500, 999] {
        let answer =
            format!("HTTP/1.1 {status} c4nary\r\nx: c4nary\r\ncontent-length: 6\r\n\r\nc4nary");
        let server = Server::plain(answer, Then::Close).await;
        let outbound = outbound(on_loopback(), &[]).await;
        let error = get(&outbound, &server.url()).await.unwrap_err();
        assert!(
            matches!(error.kind, FetchErrorKind::Status(told) if told == status),
            "{error}"
        );
        assert!(
            !format!("{error} {error:?}").contains("c4nary"),
            "{error:?}"
        );
    }
}
