use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use prost::Message as _;
use serde_json::{Value, json};
use tonic::{Code, Status};
use tower::ServiceExt as _;

use super::*;
use crate::{
    pb::{self, v1},
    rest::testing::{Answer, Fake, context, rendered, request},
};

const JSON: &str = "application/json";
const GET_ACCOUNT: &str = "/countersign.v1.AccountService/GetAccount";
const CREATE_SESSION: &str = "/countersign.v1.SessionService/CreateSession";

struct Caller {
    fake: Fake,
    service: BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>,
}

impl Caller {
    async fn new() -> Self {
        let fake = Fake::default();
        let service =
            connect_service(fake.channel().await, &pb::pool().unwrap(), 64 * 1024).unwrap();
        Self { fake, service }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let Ok(response) = self.service.clone().oneshot(request).await;
        Answer::read(rendered(response, render)).await
    }

    async fn post(&self, path: &str, media_type: &str, body: &str) -> Answer {
        self.send(request("POST", path, Some((media_type, body))))
            .await
    }

    async fn get(&self, query: &str) -> Answer {
        let uri = format!("{GET_ACCOUNT}?{query}");
        self.send(request("GET", &uri, None)).await
    }

    async fn with_header(&self, name: &'static str, value: &'static str) -> Answer {
        let mut call = request(
            "POST",
            GET_ACCOUNT,
            Some((JSON, r#"{"name":"accounts/me"}"#)),
        );
        call.headers_mut()
            .insert(name, HeaderValue::from_static(value));
        self.send(call).await
    }
}

fn code(answer: &Answer) -> (u16, String) {
    let body: Value = answer.json();
    (
        answer.status.as_u16(),
        body["code"].as_str().unwrap_or_default().to_owned(),
    )
}

fn expect(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn json_and_proto_reach_the_service() {
    let caller = Caller::new().await;
    caller.fake.replies(&v1::GetAccountResponse {
        account: Some(v1::Account {
            email: "a@b.example".into(),
            ..Default::default()
        }),
    });
    let answer = caller
        .post(
            GET_ACCOUNT,
            "application/json; charset=utf-8",
            r#"{"name":"accounts/me"}"#,
        )
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.header("content-type"), JSON);
    assert_eq!(answer.header("x-leading"), "1");
    assert_eq!(answer.json()["account"]["email"], "a@b.example");
    let seen = caller.fake.call();
    assert_eq!(seen.message::<v1::GetAccountRequest>().name, "accounts/me");
    assert_eq!(seen.context, Some(context()));

    let message = v1::GetAccountRequest {
        name: "accounts/me".into(),
    }
    .encode_to_vec();
    let message = String::from_utf8(message).unwrap();
    let answer = caller
        .post(GET_ACCOUNT, "application/proto", &message)
        .await;
    assert_eq!(answer.header("content-type"), "application/proto");
    let account = v1::GetAccountResponse::decode(answer.body)
        .unwrap()
        .account
        .unwrap();
    assert_eq!(account.email, "a@b.example");
    assert_eq!(
        caller.fake.call().message::<v1::GetAccountRequest>().name,
        "accounts/me"
    );
}

#[tokio::test]
async fn a_get_carries_its_message_in_the_query() {
    let caller = Caller::new().await;
    let proto = v1::GetAccountRequest {
        name: "accounts/me".into(),
    }
    .encode_to_vec();
    let json = br#"{"name":"accounts/me"}"#;
    for query in [
        "connect=v1&encoding=json&message=%7B%22name%22%3A%22accounts%2Fme%22%7D".to_owned(),
        format!(
            "encoding=json&base64=1&message={}",
            URL_SAFE_NO_PAD.encode(json)
        ),
        format!(
            "encoding=json&base64=1&compression=identity&message={}",
            URL_SAFE.encode(json)
        ),
        format!(
            "encoding=proto&base64=1&message={}",
            URL_SAFE_NO_PAD.encode(proto)
        ),
    ] {
        let answer = caller.get(&query).await;
        assert_eq!(answer.status, StatusCode::OK, "{query}: {answer:?}");
        let seen = caller.fake.call();
        assert_eq!(seen.message::<v1::GetAccountRequest>().name, "accounts/me");
    }
}

#[tokio::test]
async fn a_get_that_breaks_the_protocol_is_refused() {
    let caller = Caller::new().await;
    for (query, expected) in [
        (
            "connect=v2&encoding=json&message=%7B%7D",
            expect(400, "invalid_argument"),
        ),
        ("message=%7B%7D", expect(400, "invalid_argument")),
        ("encoding=json", expect(400, "invalid_argument")),
        (
            "encoding=json&message=%7B%7D&message=%7B%7D",
            expect(400, "invalid_argument"),
        ),
        (
            "encoding=json&base64=1&message=%2B%2B",
            expect(400, "invalid_argument"),
        ),
        ("encoding=json&message=%zz", expect(400, "invalid_argument")),
        (
            "encoding=json&message=%7B%7D&compression=gzip",
            expect(501, "unimplemented"),
        ),
    ] {
        let answer = caller.get(query).await;
        assert_eq!(code(&answer), expected, "{query}");
    }
    let answer = caller.get("encoding=xml&message=a").await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (415, 0));
    let answer = caller.send(request("GET", CREATE_SESSION, None)).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (405, 0));
    assert_eq!(answer.header("allow"), "POST");
    let answer = caller.send(request("PUT", GET_ACCOUNT, None)).await;
    assert_eq!(answer.header("allow"), "GET, POST");
    assert!(caller.fake.calls().is_empty());
}

#[tokio::test]
async fn what_unary_connect_does_not_know_is_refused() {
    let caller = Caller::new().await;
    for media_type in [
        "application/connect+json",
        "application/connect+proto",
        "text/plain",
    ] {
        let answer = caller.post(GET_ACCOUNT, media_type, "{}").await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (415, 0));
        assert_eq!(
            answer.header("accept-post"),
            "application/json, application/proto"
        );
    }
    for path in [
        "/countersign.v1.AccountService/Nothing",
        "/countersign.v1.Nothing/GetAccount",
        "/",
    ] {
        let answer = caller.post(path, JSON, "{}").await;
        assert_eq!(code(&answer), expect(404, "unimplemented"), "{path}");
    }
    let answer = caller.with_header("connect-protocol-version", "2").await;
    assert_eq!(code(&answer), expect(400, "invalid_argument"));
    let answer = caller.with_header("content-encoding", "gzip").await;
    assert_eq!(code(&answer), expect(501, "unimplemented"));
    assert!(answer.json()["message"].to_string().contains("gzip"));
    assert_eq!(answer.header("accept-encoding"), "identity");
    let large = format!(r#"{{"name":"{}"}}"#, "a".repeat(64 * 1024));
    let answer = caller.post(GET_ACCOUNT, JSON, &large).await;
    assert_eq!(code(&answer), expect(429, "resource_exhausted"));
    for body in ["", "{", r#"{"nam":1}"#, r#"{"name":1}"#, "null"] {
        let answer = caller.post(GET_ACCOUNT, JSON, body).await;
        assert_eq!(code(&answer), expect(400, "invalid_argument"), "{body}");
    }
    assert!(caller.fake.calls().is_empty());
}

#[tokio::test]
async fn broken_protobuf_is_the_callers_mistake() {
    let caller = Caller::new().await;
    let answer = caller
        .post(GET_ACCOUNT, "application/proto", "\u{a}\u{7f}a")
        .await;
    assert_eq!(code(&answer), expect(400, "invalid_argument"));
}

#[tokio::test]
async fn a_refusal_keeps_its_details() {
    let caller = Caller::new().await;
    caller
        .fake
        .refuses(Error::new(Reason::EmailAlreadyExists).on_field("email"));
    let answer = caller
        .post(GET_ACCOUNT, JSON, r#"{"name":"accounts/me"}"#)
        .await;
    assert_eq!(code(&answer), expect(409, "already_exists"));
    let body = answer.json();
    assert_eq!(
        body["message"],
        Reason::EmailAlreadyExists.meaning().message
    );
    let detail = &body["details"][0];
    assert_eq!(detail["type"], "google.rpc.ErrorInfo");
    assert_eq!(
        detail["debug"],
        json!({"reason": "EMAIL_ALREADY_EXISTS", "domain": "countersign"})
    );
    let value = STANDARD_NO_PAD
        .decode(detail["value"].as_str().unwrap())
        .unwrap();
    let info = tonic_types::pb::ErrorInfo::decode(value.as_slice()).unwrap();
    assert_eq!(info.reason, "EMAIL_ALREADY_EXISTS");
    assert_eq!(body["details"][1]["type"], "google.rpc.BadRequest");
    assert_eq!(answer.header("grpc-status"), "");
}

#[tokio::test]
async fn each_code_has_its_http_status() {
    let caller = Caller::new().await;
    for (grpc, expected) in [
        (Code::Cancelled, expect(499, "canceled")),
        (Code::Unknown, expect(500, "unknown")),
        (Code::InvalidArgument, expect(400, "invalid_argument")),
        (Code::DeadlineExceeded, expect(504, "deadline_exceeded")),
        (Code::NotFound, expect(404, "not_found")),
        (Code::AlreadyExists, expect(409, "already_exists")),
        (Code::PermissionDenied, expect(403, "permission_denied")),
        (Code::ResourceExhausted, expect(429, "resource_exhausted")),
        (Code::FailedPrecondition, expect(400, "failed_precondition")),
        (Code::Aborted, expect(409, "aborted")),
        (Code::OutOfRange, expect(400, "out_of_range")),
        (Code::Unimplemented, expect(501, "unimplemented")),
        (Code::Internal, expect(500, "internal")),
        (Code::Unavailable, expect(503, "unavailable")),
        (Code::DataLoss, expect(500, "data_loss")),
        (Code::Unauthenticated, expect(401, "unauthenticated")),
    ] {
        caller.fake.refuses(Status::new(grpc, "why"));
        let answer = caller
            .post(GET_ACCOUNT, JSON, r#"{"name":"accounts/me"}"#)
            .await;
        assert_eq!(code(&answer), expected);
    }
}

#[tokio::test]
async fn a_timeout_becomes_a_grpc_deadline() {
    let caller = Caller::new().await;
    for (millis, grpc) in [
        ("5000", "5000m"),
        ("99999999", "99999999m"),
        ("9999999999", "9999999S"),
    ] {
        let answer = caller.with_header("connect-timeout-ms", millis).await;
        assert_eq!(answer.status, StatusCode::OK);
        let seen = caller.fake.call();
        assert_eq!(seen.metadata.get("grpc-timeout").unwrap(), grpc);
    }
    for millis in ["", "-1", "1.5", "10000000000", "+5"] {
        let answer = caller.with_header("connect-timeout-ms", millis).await;
        assert_eq!(code(&answer), expect(400, "invalid_argument"), "{millis}");
    }
}

#[tokio::test]
async fn metadata_travels_into_the_service_and_what_is_of_http_does_not() {
    let caller = Caller::new().await;
    let body = r#"{"name":"accounts/me"}"#;
    let mut call = request("POST", GET_ACCOUNT, Some((JSON, body)));
    for (name, value) in [
        ("x-trial", "one"),
        ("x-trial", "two"),
        ("grpc-encoding", "gzip"),
        ("host", "id.example"),
        ("cookie", "theme=dark"),
    ] {
        call.headers_mut()
            .append(name, HeaderValue::from_static(value));
    }
    assert_eq!(caller.send(call).await.status, StatusCode::OK);
    let metadata = caller.fake.call().metadata;
    let trials: Vec<_> = metadata.get_all("x-trial").iter().collect();
    assert_eq!(trials, ["one", "two"]);
    for name in ["grpc-encoding", "host", "cookie"] {
        assert!(!metadata.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn the_health_check_answers() {
    let caller = Caller::new().await;
    let answer = caller
        .post("/grpc.health.v1.Health/Check", JSON, "{}")
        .await;
    assert_eq!(answer.json(), json!({"status": "SERVING"}));
    let answer = caller
        .post("/grpc.health.v1.Health/Watch", JSON, "{}")
        .await;
    assert_eq!(code(&answer), expect(404, "unimplemented"));
}

#[test]
fn trailing_metadata_gets_a_prefix() {
    let trailers = [("x-cost", "1"), ("grpc-status", "0")].map(|(name, value)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    });
    let all = metadata(HeaderMap::new(), trailers.into_iter().collect());
    assert_eq!(all.len(), 1);
    assert_eq!(all["trailer-x-cost"], "1");
}

#[tokio::test]
async fn a_refused_credential_is_asked_for_as_everywhere() {
    let caller = Caller::new().await;
    let bearer = "Bearer realm=\"countersign\"".to_owned();
    let invalid = format!("{bearer}, error=\"invalid_token\"");
    for (reason, challenge) in [
        (Reason::CredentialMissing, bearer.as_str()),
        (Reason::CredentialInvalid, invalid.as_str()),
        (Reason::PermissionDenied, ""),
    ] {
        caller.fake.refuses(Error::new(reason));
        let answer = caller.with_header("x-none", "").await;
        assert_eq!(answer.header("www-authenticate"), challenge, "{reason:?}");
    }
}

#[tokio::test]
async fn a_member_that_comes_twice_is_named() {
    let caller = Caller::new().await;
    let body = r#"{"email":"a@b.example","password":"hunter2","password":"x"}"#;
    let answer = caller.post(CREATE_SESSION, JSON, body).await;
    assert_eq!(code(&answer), expect(400, "invalid_argument"));
    let message = &answer.json()["message"];
    assert_eq!(*message, "password must be given once.");
    let details = answer.json()["details"].to_string();
    assert!(details.contains("google.rpc.BadRequest"), "{details}");
    assert!(caller.fake.calls().is_empty());
}
