//! What comes over the wire and is not a call: refused in the words of the contract, never a 500.

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Version};
use http_body_util::BodyExt as _;
use prost::Message as _;
use tonic::{Code, Status};

use countersign::pb::v1::{CreateAccountRequest, GetAccountRequest};

use crate::support::{PASSWORD, TestApp, reason};

fn frame(message: &[u8]) -> Vec<u8> {
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    frame.extend(message);
    frame
}

/// Sends bytes to an rpc as gRPC, and gives the status.
async fn grpc(
    app: &TestApp,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Status {
    let mut request = Request::post(path)
        .version(Version::HTTP_2)
        .header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::from(body.into())).unwrap();
    request
        .headers_mut()
        .entry("content-type")
        .or_insert(HeaderValue::from_static("application/grpc"));
    let response = app.raw(request).await;
    assert_eq!(response.status(), 200, "gRPC refuses in its own status");
    let (parts, body) = response.into_parts();
    let trailers = body
        .collect()
        .await
        .unwrap()
        .trailers()
        .cloned()
        .unwrap_or_default();
    status(&parts.headers)
        .or_else(|| status(&trailers))
        .expect("a status")
}

fn status(headers: &HeaderMap) -> Option<Status> {
    Status::from_header_map(headers)
}

const GET_ACCOUNT: &str = "/countersign.v1.AccountService/GetAccount";
const CREATE_ACCOUNT: &str = "/countersign.v1.AccountService/CreateAccount";

#[tokio::test]
async fn what_is_not_a_message_is_refused() {
    let app = TestApp::start().await;
    let valid = CreateAccountRequest {
        email: "ann@example.com".to_owned(),
        password: PASSWORD.to_owned(),
        ..Default::default()
    }
    .encode_to_vec();
    let whole = frame(&valid);
    let mut promised = whole.clone();
    promised[4] = promised[4].wrapping_add(9);
    for (what, body) in [
        ("half a header", whole[..3].to_vec()),
        ("a truncated frame", whole[..whole.len() - 1].to_vec()),
        ("more promised than sent", promised),
        ("not protobuf", frame(&[0xff; 20])),
        ("invalid UTF-8", frame(&[0x0a, 0x02, 0xc3, 0x28])),
    ] {
        let status = grpc(&app, CREATE_ACCOUNT, &[], body).await;
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::InvalidArgument, "MALFORMED_REQUEST"),
            "{what}"
        );
    }
    app.sign_up("ann").await;
}

/// doc/statuscodes.md of gRPC: "Request cardinality violation (method requires exactly one request but client
/// sent some other number of requests)" is `UNIMPLEMENTED`.
#[tokio::test]
async fn an_rpc_that_takes_one_message_takes_neither_none_nor_two() {
    let app = TestApp::start().await;
    let valid = CreateAccountRequest {
        email: "ann@example.com".to_owned(),
        password: PASSWORD.to_owned(),
        ..Default::default()
    };
    let one = frame(&valid.encode_to_vec());
    let two = [one.as_slice(), &one].concat();
    let begun = [one.as_slice(), &[0, 0, 0, 0, 0]].concat();
    for path in [
        CREATE_ACCOUNT,
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
    ] {
        for body in [Vec::new(), two.clone(), begun.clone()] {
            let status = grpc(&app, path, &[], body).await;
            assert_eq!(
                (status.code(), reason(&status).as_str()),
                (Code::Unimplemented, "MALFORMED_REQUEST"),
                "{path}"
            );
        }
    }
    // Nothing was made by the calls that sent it twice.
    app.sign_up("ann").await;
}

/// doc/compression.md of gRPC: a flagged message without a coding "MUST fail with INTERNAL status".
#[tokio::test]
async fn a_message_that_is_flagged_as_compressed_without_a_coding_is_internal() {
    let app = TestApp::start().await;
    for (flag, headers) in [
        (1, &[][..]),
        (1, &[("grpc-encoding", "identity")]),
        (7, &[]),
    ] {
        let mut body = frame(&[]);
        body[0] = flag;
        let status = grpc(&app, CREATE_ACCOUNT, headers, body).await;
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::Internal, "MALFORMED_REQUEST"),
        );
    }
}

#[tokio::test]
async fn a_coding_of_messages_that_is_not_protobuf_is_an_unsupported_media_type() {
    let app = TestApp::start().await;
    for (content_type, accepted) in [
        ("application/grpc+foo", "application/grpc+proto"),
        ("application/grpc+json", "application/grpc+proto"),
        ("application/grpcfoo", "application/grpc+proto"),
        ("application/grpc-web+foo", "application/grpc-web+proto"),
    ] {
        let request = Request::post(CREATE_ACCOUNT)
            .version(Version::HTTP_2)
            .header("content-type", content_type)
            .body(Body::from(frame(&[])))
            .unwrap();
        let answer = app.raw(request).await;
        assert_eq!(answer.status(), 415, "{content_type}");
        let accepts = answer.headers()["accept-post"].to_str().unwrap().to_owned();
        assert!(accepts.contains(accepted), "{accepts}");
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(body.is_empty(), "{content_type}");
    }
    for content_type in ["application/grpc", "Application/GRPC+proto"] {
        let headers = [("content-type", content_type)];
        let status = grpc(&app, CREATE_ACCOUNT, &headers, frame(&[])).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{content_type}");
    }
}

#[tokio::test]
async fn a_message_above_64_kib_is_refused_unread() {
    let app = TestApp::start().await;
    for size in [64 * 1024 + 1, 1 << 20, 8 << 20] {
        let message = CreateAccountRequest {
            display_name: "x".repeat(size),
            ..Default::default()
        }
        .encode_to_vec();
        let status = grpc(&app, CREATE_ACCOUNT, &[], frame(&message)).await;
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::ResourceExhausted, "MESSAGE_TOO_LARGE"),
            "{size}"
        );
    }
}

#[tokio::test]
async fn an_unknown_rpc_is_refused() {
    let app = TestApp::start().await;
    for path in [
        "/countersign.v1.AccountService/Nothing",
        "/countersign.v1.Nothing/GetAccount",
        "/x.Y/Z",
    ] {
        let status = grpc(&app, path, &[], frame(&[])).await;
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::Unimplemented, "METHOD_NOT_FOUND"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_compressed_message_is_refused() {
    let app = TestApp::start().await;
    let mut body = frame(
        &GetAccountRequest {
            name: "accounts/me".to_owned(),
        }
        .encode_to_vec(),
    );
    body[0] = 1;
    let ann = app.sign_up("ann").await.logs_in().await;
    let bearer = format!("Bearer {}", ann.tokens.access_token);
    let headers = [
        ("authorization", bearer.as_str()),
        ("grpc-encoding", "gzip"),
    ];
    let status = grpc(&app, GET_ACCOUNT, &headers, body).await;
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::Unimplemented, "UNSUPPORTED_MEDIA_TYPE")
    );
    assert!(status.message().contains("gzip"), "{status:?}");
    let accepted = status.metadata().get("grpc-accept-encoding");
    assert_eq!(accepted.unwrap(), "identity");
}

#[tokio::test]
async fn an_answer_has_a_request_id_and_no_value_that_was_sent() {
    let app = TestApp::start().await;
    let secret = "a password\u{7} of somebody";
    let body = serde_json::json!({"email": "ann@example.com", "password": secret});
    for path in [
        "/v1/accounts",
        "/api/auth/signup",
        "/v1/auth/register",
        "/countersign.v1.AccountService/CreateAccount",
    ] {
        let answer = app.post_json(path, body.clone()).await;
        assert_eq!(answer.status(), 400, "{path}: {}", answer.text());
        assert!(!answer.header("x-request-id").is_empty(), "{path}");
        assert!(
            !answer.text().contains("of somebody"),
            "{path}: {}",
            answer.text()
        );
    }
}

/// A body that is announced and never comes.
struct Never(u64);

impl http_body::Body for Never {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Pending
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.0)
    }
}

#[tokio::test]
async fn an_answer_that_needs_no_body_does_not_wait_for_one() {
    const JSON: &str = "application/json";
    let app = TestApp::start().await;
    for (call, content_type, length, status) in [
        ("GET /authz/forward", JSON, 9, 403),
        ("GET /livez", "", 9, 200),
        ("POST /v1/apiKeys", JSON, 9, 401),
        ("DELETE /v1/sessions/current", "", 9, 400),
        ("PATCH /v1/accounts/me", JSON, 9, 401),
        ("POST /v1/nothing", JSON, 9, 404),
        ("PUT /v1/accounts", JSON, 9, 405),
        ("POST /v1/accounts", JSON, 70_000, 413),
        ("POST /v1/accounts", "text/plain", 9, 415),
        (
            "POST /countersign.v1.ApiKeyService/CreateApiKey",
            JSON,
            9,
            401,
        ),
        (
            "POST /countersign.v1.ApiKeyService/CreateApiKey",
            "application/proto",
            9,
            401,
        ),
        ("POST /countersign.v1.ApiKeyService/Nothing", JSON, 9, 404),
        (
            "PUT /countersign.v1.ApiKeyService/CreateApiKey",
            JSON,
            9,
            405,
        ),
        (
            "POST /countersign.v1.ApiKeyService/CreateApiKey",
            "text/plain",
            9,
            415,
        ),
        (
            "POST /countersign.v1.ApiKeyService/CreateApiKey",
            "application/grpc-web+proto",
            9,
            200,
        ),
        ("POST /api/auth/login", "text/plain", 9, 415),
        ("PUT /api/auth/login", JSON, 9, 405),
        ("GET /api/user/tokens", JSON, 9, 401),
        (
            "DELETE /api/accounts/01a21952-6689-7ee0-9766-eec822d8fd03",
            JSON,
            9,
            401,
        ),
        ("POST /v1/auth/logout", JSON, 9, 401),
        ("POST /v1/auth/login", "text/plain", 9, 415),
        ("GET /oauth/me", JSON, 9, 401),
        (
            "POST /oauth/token?grant_type=password",
            "text/plain",
            9,
            415,
        ),
    ] {
        let (method, path) = call.split_once(' ').unwrap();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-length", length)
            .header("content-type", content_type)
            .body(Body::new(Never(length)))
            .unwrap();
        let answer = tokio::time::timeout(std::time::Duration::from_secs(1), app.raw(request));
        let answer = answer.await.unwrap_or_else(|_| panic!("{call} waits"));
        assert_eq!(answer.status(), status, "{call}");
    }
}
