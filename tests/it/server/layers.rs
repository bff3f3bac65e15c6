use std::time::Duration;

use axum::body::Body;
use countersign::{
    layers::{Connection, HttpService, LayerOptions},
    server::options::ServerOptions,
};
use http::Request;
use tonic_types::StatusExt as _;

use super::support::*;

/// The reason in a gRPC answer's details.
fn grpc_reason(answer: &Whole) -> (tonic::Code, String) {
    let status = tonic::Status::from_header_map(&answer.headers)
        .or_else(|| tonic::Status::from_header_map(&answer.trailers))
        .unwrap();
    let reason = status.get_details_error_info().map(|info| info.reason);
    (status.code(), reason.unwrap_or_default())
}

#[tokio::test]
async fn a_good_request_id_is_kept_and_a_bad_one_replaced_in_every_answer() {
    let service = plain();
    let rest = |id: &str| empty(rest_get("/context").header("x-request-id", id));
    let answer = call(&service, rest("abc-1.2_3")).await;
    assert_eq!(answer.header("x-request-id"), "abc-1.2_3");
    assert_eq!(answer.json()["request_id"], "abc-1.2_3");

    for bad in ["", "a b", "<script>", &"a".repeat(129)] {
        let answer = call(&service, rest(bad)).await;
        let id: uuid::Uuid = answer.header("x-request-id").parse().unwrap();
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(answer.json()["request_id"], id.to_string());
    }

    for path in [CHECK, "/no.Such/Rpc"] {
        let request = grpc_request(path, "application/grpc").header("x-request-id", "abc");
        let answer = call(&service, request.body(EMPTY_MESSAGE.into()).unwrap()).await;
        assert_eq!(answer.header("x-request-id"), "abc", "{path}");
    }
    let answer = call(&service, empty(rest_get("/nowhere"))).await;
    assert_eq!(answer.status, 404);
    assert!(!answer.header("x-request-id").is_empty());
}

#[tokio::test]
async fn a_panic_is_answered_with_the_request_id() {
    let service = plain();
    let answer = call(
        &service,
        empty(rest_get("/panic").header("x-request-id", "abc")),
    )
    .await;
    assert_eq!((answer.status, answer.header("x-request-id")), (500, "abc"));
    assert_eq!(answer.json()["details"][1]["requestId"], "abc");
    assert!(!answer.text().contains("own panic"));

    let request =
        grpc_request("/test.Test/Panic", "application/grpc").header("x-request-id", "abc");
    let answer = call(&service, empty(request)).await;
    assert_eq!((answer.status, answer.header("x-request-id")), (200, "abc"));
    assert_eq!(
        grpc_reason(&answer),
        (tonic::Code::Internal, "INTERNAL".into())
    );
}

#[tokio::test]
async fn a_panic_does_not_end_the_connection() {
    let server = start(ServerOptions::default()).await;
    let mut stream = server.connect().await;
    let answer = http1(
        &mut stream,
        "GET /panic HTTP/1.1\r\nhost: localhost\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    let answer = http1(
        &mut stream,
        "GET /hello HTTP/1.1\r\nhost: localhost\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn answers_tell_browsers_to_be_careful() {
    let service = plain();
    for path in ["/hello", "/nowhere", "/panic"] {
        let answer = call(&service, empty(rest_get(path))).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("strict-transport-security"), "");
    }
    let answer = call(&service, empty(rest_get("/kept"))).await;
    assert_eq!(answer.header("cache-control"), "max-age=60");
    let mut request = empty(rest_get("/hello"));
    let peer = ([127, 0, 0, 1], 1).into();
    request.extensions_mut().insert(Connection {
        peer,
        tls: true,
        writes_headers: true,
    });
    let answer = call(&service, request).await;
    assert_eq!(
        answer.header("strict-transport-security"),
        "max-age=63072000"
    );
}

#[tokio::test]
async fn a_deadline_ends_a_call_in_its_own_dialect() {
    let short = service(&LayerOptions {
        request_timeout: Duration::from_millis(1),
        ..LayerOptions::default()
    });
    let answer = call(&short, empty(rest_get("/hang"))).await;
    assert_eq!(
        (answer.status, &answer.json()["details"][0]["reason"]),
        (504, &"DEADLINE_EXCEEDED".into())
    );
    let late = (
        tonic::Code::DeadlineExceeded,
        "DEADLINE_EXCEEDED".to_owned(),
    );
    let hang = |content_type| grpc_request("/test.Test/Hang", content_type);
    let answer = call(&short, empty(hang("application/grpc"))).await;
    assert_eq!((answer.status, grpc_reason(&answer)), (200, late.clone()));

    // The caller's own deadline, where the server would wait for half a minute.
    let usual = plain();
    for content_type in [
        "application/grpc",
        "application/grpc-web",
        "application/grpc-web-text",
    ] {
        let request = hang(content_type).header("grpc-timeout", "1m");
        let answer = call(&usual, empty(request)).await;
        assert_eq!((answer.status, grpc_reason(&answer)), (200, late.clone()));
        assert!(answer.header("content-type").starts_with(content_type));
    }
    let connect = Request::post("/test.Test/Hang").header("content-type", "application/json");
    let answer = call(&usual, empty(connect.header("connect-timeout-ms", "1"))).await;
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (504, &"deadline_exceeded".into())
    );
}

#[tokio::test]
async fn a_malformed_deadline_is_refused() {
    for text in ["soon", "1", "123456789S", "-1S"] {
        let request = grpc_request(CHECK, "application/grpc").header("grpc-timeout", text);
        let answer = call(&plain(), empty(request)).await;
        let malformed = (tonic::Code::InvalidArgument, "MALFORMED_REQUEST".into());
        assert_eq!(grpc_reason(&answer), malformed, "{text}");
        let status = tonic::Status::from_header_map(&answer.headers).unwrap();
        let form = "grpc-timeout must be at most eight digits and a unit: H, M, S, m, u or n.";
        assert_eq!(status.message(), form);
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let service = plain();
    let too_large = (
        tonic::Code::ResourceExhausted,
        "MESSAGE_TOO_LARGE".to_owned(),
    );
    for (content_type, length) in [
        ("application/grpc", 65_542),
        ("application/grpc-web", 65_542),
        ("application/grpc-web-text", 87_389),
    ] {
        let request = grpc_request(CHECK, content_type).header("content-length", length);
        let answer = call(&service, empty(request)).await;
        assert_eq!(grpc_reason(&answer), too_large, "{content_type}");
    }
    let post = |length: usize| Request::post("/body").header("content-length", length);
    let answer = call(&service, post(65_537).body(Body::empty()).unwrap()).await;
    assert_eq!(
        (answer.status, &answer.json()["details"][0]["reason"]),
        (413, &"MESSAGE_TOO_LARGE".into())
    );
    let answer = call(&service, post(65_536).body(vec![0; 65_536].into()).unwrap()).await;
    assert_eq!((answer.status, answer.text()), (200, "65536"));
    // Nothing announced, as with chunks.
    let chunked = |size| Request::post("/body").body(vec![0; size].into()).unwrap();
    assert_eq!(call(&service, chunked(65_536)).await.status, 200);
    assert_eq!(call(&service, chunked(65_537)).await.status, 413);
}

#[tokio::test]
async fn only_a_trusted_proxy_is_believed_about_the_client() {
    let spoofs = [
        "x-forwarded-for: 6.6.6.6",
        "forwarded: for=6.6.6.6",
        "x-real-ip: 6.6.6.6",
    ];
    let trusting = LayerOptions {
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..LayerOptions::default()
    };
    let untrusting = start(ServerOptions::default()).await;
    let trusting = start_with(ServerOptions::default(), trusting).await;
    for (server, spoof, expected) in [
        (&untrusting, spoofs[0], "127.0.0.1"),
        (&untrusting, spoofs[1], "127.0.0.1"),
        (&untrusting, spoofs[2], "127.0.0.1"),
        (
            &trusting,
            "x-forwarded-for: 6.6.6.6, 203.0.113.9",
            "203.0.113.9",
        ),
        (
            &trusting,
            "forwarded: for=6.6.6.6, for=203.0.113.9",
            "203.0.113.9",
        ),
        (&trusting, spoofs[2], "127.0.0.1"),
        (&trusting, "x-forwarded-for: unknown", "127.0.0.1"),
    ] {
        let request = format!("GET /context HTTP/1.1\r\nhost: localhost\r\n{spoof}\r\n\r\n");
        let answer = http1(&mut server.connect().await, &request).await;
        let expected = format!("\"client_address\":\"{expected}\"");
        assert!(answer.contains(&expected), "{spoof}: {answer}");
    }
}

const APP: &str = "https://app.example.com";

fn with_cors() -> HttpService {
    service(&LayerOptions {
        cors_origins: vec![APP.parse().unwrap()],
        request_timeout: Duration::from_millis(50),
        ..LayerOptions::default()
    })
}

fn preflight(path: &str, origin: &str) -> Request<Body> {
    let request = Request::options(path)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type,x-grpc-web");
    empty(request)
}

#[tokio::test]
async fn preflights_of_configured_origins_are_answered() {
    let service = with_cors();
    for path in [CHECK, "/v1/accounts", "/hello"] {
        let answer = call(&service, preflight(path, APP)).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), APP);
        assert_eq!(answer.header("access-control-max-age"), "7200");
        assert_eq!(answer.header("access-control-allow-credentials"), "true");
        assert!(
            answer
                .header("access-control-allow-methods")
                .contains("POST")
        );
        let allowed = answer.header("access-control-allow-headers");
        for name in [
            "authorization",
            "content-type",
            "x-grpc-web",
            "x-user-agent",
            "grpc-timeout",
            "connect-protocol-version",
            "connect-timeout-ms",
            "x-request-id",
        ] {
            assert!(
                allowed.split(',').any(|one| one == name),
                "{name}: {allowed}"
            );
        }
        assert!(!answer.header("x-request-id").is_empty());
    }
}

#[tokio::test]
async fn other_origins_get_nothing() {
    let service = with_cors();
    for origin in [
        "https://evil.example",
        "null",
        "https://app.example.com.evil.example",
        "http://app.example.com",
    ] {
        let answer = call(&service, preflight("/hello", origin)).await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
    }
    let answer = call(&plain(), preflight("/hello", APP)).await;
    assert_eq!(
        (answer.status, answer.header("access-control-allow-origin")),
        (405, "")
    );
}

#[tokio::test]
async fn pages_can_read_what_became_of_a_call() {
    let service = with_cors();
    let web = grpc_request(CHECK, "application/grpc-web+proto").header("origin", APP);
    let web = web.body(EMPTY_MESSAGE.into()).unwrap();
    for request in [
        web,
        empty(rest_get("/hello").header("origin", APP)),
        empty(rest_get("/panic").header("origin", APP)),
        empty(rest_get("/hang").header("origin", APP)),
    ] {
        let path = request.uri().path().to_owned();
        let answer = call(&service, request).await;
        assert_eq!(answer.header("access-control-allow-origin"), APP, "{path}");
        let exposed = answer.header("access-control-expose-headers");
        for name in [
            "grpc-status",
            "grpc-message",
            "grpc-status-details-bin",
            "x-request-id",
            "retry-after",
            "www-authenticate",
        ] {
            assert!(
                exposed.split(',').any(|one| one == name),
                "{path}: {name}: {exposed}"
            );
        }
    }
}

#[tokio::test]
async fn native_grpc_and_plain_options_are_left_alone() {
    let service = with_cors();
    let native = grpc_request(CHECK, "application/grpc").header("origin", APP);
    let answer = call(&service, native.body(EMPTY_MESSAGE.into()).unwrap()).await;
    assert_eq!(grpc_reason(&answer).0, tonic::Code::Ok);
    assert!(
        answer
            .headers
            .keys()
            .all(|name| !name.as_str().starts_with("access-control"))
    );
    let answer = call(&service, empty(Request::options("/options"))).await;
    assert_eq!(answer.text(), "no preflight");
}

/// The headers that the contract and its documents name, with those of the rpc protocols' own browser clients.
#[tokio::test]
async fn a_page_may_send_and_read_every_header_that_the_contract_names() {
    let service = service(&LayerOptions {
        cors_origins: vec![APP.parse().unwrap()],
        cors_headers: vec![http::HeaderName::from_static("x-tenant")],
        ..LayerOptions::default()
    });
    let list = |answer: &Whole, name: &str| -> Vec<String> {
        let names = answer.header(name).split(',');
        names.map(|name| name.trim().to_owned()).collect()
    };
    let allowed = list(
        &call(&service, preflight("/hello", APP)).await,
        "access-control-allow-headers",
    );
    let read = call(&service, empty(rest_get("/hello").header("origin", APP))).await;
    let exposed = list(&read, "access-control-expose-headers");
    assert!(allowed.contains(&"x-tenant".to_owned()), "{allowed:?}");

    let mut named = 0;
    for file in std::fs::read_dir("proto/countersign/v1").unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for name in text.split('`').filter(|word| word.starts_with("x-")) {
            assert!(allowed.contains(&name.to_owned()), "{name}");
            named += 1;
        }
    }
    assert!(named > 0, "the contract names no header");
    // What the sources set on answers by name, but for what no page may read or needs to.
    let headers = std::fs::read_to_string("src/rest/error_headers.rs").unwrap();
    let status = std::fs::read_to_string("src/grpc/status.rs").unwrap();
    for text in [headers, status] {
        for name in text.split("from_static(\"").skip(1) {
            let name = name.split('"').next().unwrap();
            if name.contains('-') || name.starts_with("ratelimit") {
                assert!(exposed.contains(&name.to_owned()), "{name}");
            }
        }
    }
}
