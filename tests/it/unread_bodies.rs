//! A refusal that needs no body does not wait for one, whatever the path and the language. `server/unread.rs` has
//! what becomes of the connection.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use countersign::{config::Issuer, pb};
use http::{Method, Request, Version, request::Builder};
use http_body::{Frame, SizeHint};
use serde_json::json;
use tokio::time::timeout;

use crate::{
    openapi::{Operation, operations},
    support::TestApp,
};

/// Where a refusal that waits for the body is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// A body that is announced and never comes.
struct Never;

impl http_body::Body for Never {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(9)
    }
}

/// What is answered before anything of the body has come: the HTTP status, and that of gRPC.
async fn refused(app: &TestApp, name: &str, request: Builder) -> (u16, String) {
    let request = request.body(Body::new(Never)).unwrap();
    let answer = timeout(PATIENCE, app.raw(request)).await;
    let answer = answer.unwrap_or_else(|_| panic!("{name} waits for the body"));
    let grpc = answer.headers().get("grpc-status");
    let grpc = grpc.map_or("", |status| status.to_str().unwrap());
    (answer.status().as_u16(), grpc.to_owned())
}

fn post(path: &str, content_type: &str) -> Builder {
    Request::post(path).header("content-type", content_type)
}

/// A call of each operation that has a body, as its document says.
fn call(operation: &Operation) -> Builder {
    let uri = match operation.uri().as_str() {
        "/oauth/token" => "/oauth/token?grant_type=password".to_owned(),
        uri => uri.to_owned(),
    };
    let kind = operation.content_types().first().copied();
    Request::builder()
        .method(&operation.method)
        .uri(uri)
        .header("content-type", kind.unwrap_or("application/json"))
}

/// Everything that is documented to take a body.
async fn with_bodies(app: &TestApp) -> Vec<Operation> {
    let mut found = operations(app).await;
    found.retain(|operation| !operation.content_types().is_empty());
    assert!(found.len() > 15);
    found
}

/// The paths of the rpcs that take and give one message.
fn rpcs() -> Vec<String> {
    let pool = pb::pool().unwrap();
    pool.services()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .map(|rpc| format!("/{}/{}", rpc.parent_service().full_name(), rpc.name()))
        .collect()
}

/// An rpc in every language that has one, with the status of a refusal in HTTP and in gRPC.
fn in_every_language(path: &str, http: u16, grpc: &str) -> Vec<(Builder, (u16, String))> {
    let native = post(path, "application/grpc").version(Version::HTTP_2);
    vec![
        (post(path, "application/json"), (http, String::new())),
        (post(path, "application/proto"), (http, String::new())),
        (post(path, "application/grpc-web"), (200, grpc.to_owned())),
        (native, (200, grpc.to_owned())),
    ]
}

#[tokio::test]
async fn the_limit_of_calls_is_looked_at_before_the_body() {
    let app = TestApp::with(|config| config.limits.enabled = true).await;
    let operations = with_bodies(&app).await;
    for _ in 0..8 {
        app.post_json("/v1/sessions:refresh", json!({"refreshToken": "x"}))
            .await;
    }
    for _ in 0..50 {
        app.post_json("/v1/clients:register", json!({})).await;
    }
    // Clients of OAuth have more, for all at an address together.
    for _ in 0..128 {
        app.post_json("/v1/tokens:revoke", json!({"token": "x"}))
            .await;
    }
    for operation in &operations {
        let (status, _) = refused(&app, &operation.path, call(operation)).await;
        assert_eq!(status, 429, "{}", operation.path);
    }
    for path in rpcs() {
        for (request, expected) in in_every_language(&path, 429, "8") {
            assert_eq!(refused(&app, &path, request).await, expected, "{path}");
        }
    }
}

/// A face looks at the limit twice, before the body and with the rpc: it is one call.
#[tokio::test]
async fn a_call_whose_body_comes_spends_one() {
    let app = TestApp::with(|config| config.limits.enabled = true).await;
    let calls = [
        ("/auth/refresh", json!({"refreshToken": "x"})),
        ("/oauth/revoke", json!({"refresh_token": "x"})),
        ("/v1/auth/refresh", json!({})),
        ("/api/auth/login", json!([])),
    ];
    for (path, body) in calls.iter().cycle().take(8) {
        let answer = app.post_json(path, body.clone()).await;
        assert!([400, 401].contains(&answer.status()), "{path}");
    }
    for (path, body) in calls {
        assert_eq!(app.post_json(path, body).await.status(), 429, "{path}");
    }
}

#[tokio::test]
async fn a_credential_that_is_missing_or_wrong_is_refused_before_the_body() {
    let app = TestApp::start().await;
    for operation in with_bodies(&app).await {
        let wrong = call(&operation).header("authorization", "Bearer wrong");
        let path = operation.path.as_str();
        if operation.is_authenticated() {
            assert_eq!(refused(&app, path, call(&operation)).await.0, 401, "{path}");
            assert_eq!(refused(&app, path, wrong).await.0, 401, "{path}");
        } else if operation.does_without_credential() {
            assert_eq!(refused(&app, path, wrong).await.0, 401, "{path}");
        }
    }
    let path = "/countersign.v1.AccountService/UpdateAccount";
    for (request, expected) in in_every_language(path, 401, "16") {
        assert_eq!(refused(&app, path, request).await, expected);
    }
}

#[tokio::test]
async fn what_the_head_alone_decides_is_answered_before_the_body() {
    let app = TestApp::start().await;
    for operation in with_bodies(&app).await {
        let path = operation.path.as_str();
        let uri = operation.uri();
        let text = Request::builder().method(&operation.method).uri(&uri);
        let text = text.header("content-type", "text/plain");
        assert_eq!(refused(&app, path, text).await.0, 415, "{path}");
        let large = call(&operation).header("content-length", "65537");
        assert_eq!(refused(&app, path, large).await.0, 413, "{path}");
        let trace = Request::builder().method(Method::TRACE).uri(&uri);
        assert_eq!(refused(&app, path, trace).await.0, 405, "{path}");
    }
    for path in [
        "/no/such",
        "/v1/auth/no",
        "/auth/no",
        "/oauth/no",
        "/api/auth/no",
        "/api/no",
        "/countersign.v1.AccountService/No",
    ] {
        let request = post(path, "application/json");
        assert_eq!(refused(&app, path, request).await.0, 404, "{path}");
    }
    // Forward-auth: not told which request; told of one that needs a credential; asked in another way.
    let original = |request: Builder| {
        request
            .header("x-original-method", "GET")
            .header("x-original-uri", "/api/accounts/x/messages")
    };
    let path = "/authz/forward";
    for (request, status) in [
        (Request::get(path), 403),
        (original(Request::get(path)), 401),
        (original(Request::post(path)), 405),
    ] {
        assert_eq!(refused(&app, path, request).await.0, status);
    }
}

#[tokio::test]
async fn plain_http_is_refused_before_the_body() {
    let app = TestApp::with(|config| {
        config.issuer = Some(Issuer::of_address("192.0.2.10:443".parse().unwrap(), true));
    })
    .await;
    for path in ["/v1/accounts", "/auth/login", "/oauth/token", "/api/token"] {
        let request = post(path, "application/json");
        assert_eq!(refused(&app, path, request).await.0, 403, "{path}");
    }
    let path = "/countersign.v1.AccountService/CreateAccount";
    for (request, expected) in in_every_language(path, 403, "7") {
        assert_eq!(refused(&app, path, request).await, expected);
    }
}
