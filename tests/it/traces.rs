//! What a collector of traces gets to see of calls.

mod collector;

use std::{net::TcpListener, time::Duration};

use countersign::pb::v1::{ApiKey, CreateApiKeyRequest};
use serde_json::json;

use self::collector::{Collector, Traces};
use crate::support::{PASSWORD, TestApp};

const LOG_IN: &str = "countersign.v1.SessionService/CreateSession";
/// A trace that somebody else began, and the span in it that called.
const TRACE: [u8; 16] = [0xab; 16];
const CALLER: [u8; 8] = [0xcd; 8];

fn traceparent(flags: &str) -> String {
    format!("00-{}-{}-{flags}", "ab".repeat(16), "cd".repeat(8))
}

/// What every log-in takes, below the span of its rpc.
fn is_a_log_in(trace: &Traces, rpc: &str) {
    for name in [
        "SELECT accounts",
        "hash queue",
        "argon2id",
        "sign",
        "transaction",
    ] {
        assert_eq!(trace.above(name), rpc, "{name}");
    }
    assert_eq!(trace.above("INSERT sessions"), "transaction");
    let statement = |key| trace.attribute("INSERT sessions", key);
    assert_eq!(statement("db.system.name"), "sqlite");
    assert_eq!(statement("db.operation.name"), "INSERT");
    assert_eq!(statement("db.collection.name"), "sessions");
}

#[tokio::test]
async fn a_log_in_is_one_trace_with_its_statements_and_its_hash() {
    let collector = Collector::start().await;
    let app = collector.traced().await;
    app.sign_up("ann").await.logs_in().await;
    let traces = collector.traces(&app).await;
    let trace = traces.beginning_with(LOG_IN);
    is_a_log_in(&trace, LOG_IN);
    assert_eq!(trace.attribute(LOG_IN, "rpc.system.name"), "grpc");
    assert_eq!(trace.attribute(LOG_IN, "rpc.method"), LOG_IN);
    assert_eq!(trace.attribute(LOG_IN, "rpc.response.status_code"), "OK");
    assert_eq!(trace.attribute(LOG_IN, "countersign.request_id").len(), 36);
}

#[tokio::test]
async fn a_log_in_through_a_face_is_one_trace_with_its_rpc_in_it() {
    let collector = Collector::start().await;
    let app = collector.traced().await;
    app.sign_up("ann").await;
    let body = json!({"email": "ann@example.com", "password": PASSWORD});
    let answer = app.post_json("/api/auth/login", body).await;
    assert_eq!(answer.status, 200);
    let face = "POST /api/auth/login";
    let traces = collector.traces(&app).await;
    let trace = traces.beginning_with(face);
    assert_eq!(trace.above(LOG_IN), face);
    is_a_log_in(&trace, LOG_IN);
    assert_eq!(trace.attribute(face, "http.request.method"), "POST");
    assert_eq!(trace.attribute(face, "http.route"), "/api/auth/login");
    assert_eq!(trace.attribute(face, "http.response.status_code"), "200");
}

#[tokio::test]
async fn rest_and_connect_are_named_by_their_routes() {
    let collector = Collector::start().await;
    let app = collector.traced().await;
    let wrong = || json!({"email": "ann@example.com", "password": "wrong"});
    let id = "0190163d-8694-739b-aea5-966c26f8ad91";
    app.delete(&format!("/v1/sessions/{id}")).send().await;
    app.post_json(&format!("/{LOG_IN}"), wrong()).await;
    app.get("/nowhere").send().await;
    let traces = collector.traces(&app).await;
    let rest = "DELETE /v1/{name=sessions/*}";
    let trace = traces.beginning_with(rest);
    assert_eq!(
        trace.above("countersign.v1.SessionService/DeleteSession"),
        rest
    );
    let connect = format!("POST /{LOG_IN}");
    let trace = traces.beginning_with(&connect);
    assert_eq!(trace.above(LOG_IN), connect);
    let nowhere = traces.beginning_with("GET");
    assert_eq!(nowhere.attribute("GET", "http.response.status_code"), "404");
}

#[tokio::test]
async fn a_proxy_that_is_trusted_says_which_trace_a_call_stands_in() {
    let collector = Collector::start().await;
    let app = collector.traced().await;
    let call = || app.get("/livez").header("traceparent", &traceparent("01"));
    call().send().await;
    let traces = collector.traces(&app).await;
    let span = traces.span("GET /livez");
    assert_eq!(span.trace_id, TRACE);
    assert_eq!(span.parent_span_id, CALLER);
}

#[tokio::test]
async fn nobody_else_does() {
    let collector = Collector::start().await;
    let app = collector.traced().await;
    let call = || app.get("/livez").header("traceparent", &traceparent("01"));
    call().from("192.0.2.7").send().await;
    let unnamed = countersign::layers::Connection {
        writes_headers: false,
        ..TestApp::connection()
    };
    call().on(unnamed).send().await;
    // Two of them were not both written by the proxy.
    call()
        .header("traceparent", &traceparent("01"))
        .send()
        .await;
    let malformed = app.get("/livez").header("traceparent", "00-abc-def-01");
    malformed.send().await;
    let traces = collector.traces(&app).await;
    assert_eq!(traces.0.len(), 4, "{:?}", traces.names());
    for span in &traces.0 {
        assert_ne!(span.trace_id, TRACE);
        assert!(span.parent_span_id.is_empty());
    }
}

#[tokio::test]
async fn what_a_proxy_does_not_keep_is_not_kept() {
    let collector = Collector::start().await;
    let app = collector.traced().await;
    app.sign_up("ann").await;
    let body = json!({"email": "ann@example.com", "password": PASSWORD});
    let call = app.post("/v1/sessions").json(body);
    let answer = call.header("traceparent", &traceparent("00")).send().await;
    assert_eq!(answer.status, 200);
    let traces = collector.traces(&app).await;
    assert!(traces.0.iter().all(|span| span.trace_id != TRACE));
    assert!(!traces.0.is_empty());
}

#[tokio::test]
async fn no_secret_is_in_what_is_sent() {
    let collector = Collector::start().await;
    let app = collector.traced().await;
    let ann = app.sign_up("canary-address").await;
    let logged_in = ann.logs_in().await;
    let access = logged_in.tokens.access_token.clone();
    let refresh = logged_in.tokens.refresh_token.clone();
    let key = logged_in.asks(CreateApiKeyRequest {
        api_key: Some(ApiKey {
            display_name: "canary-name".to_owned(),
            ..ApiKey::default()
        }),
        ..CreateApiKeyRequest::default()
    });
    let key = app.api_keys().create_api_key(key).await.unwrap();
    let key = key.into_inner().secret;
    app.try_log_in("canary-nobody@example.com", "canary-guess")
        .await
        .unwrap_err();
    let next = app.try_refresh(&refresh).await.unwrap();
    let body = json!({"email": ann.email, "password": PASSWORD});
    let face = app.post("/api/auth/login").json(body);
    let face = face
        .header("user-agent", "canary-agent")
        .send()
        .await
        .json();
    let face = face["token"].as_str().unwrap().to_owned();
    for path in [
        format!("/v1/accounts/me?access_token={access}&q=canary-query"),
        format!("/v1/apiKeys/{key}"),
        format!("/{refresh}"),
        "/canary@path.example".to_owned(),
    ] {
        app.get(&path).bearer(&access).send().await;
    }
    let form = [("token", &*next.refresh_token)];
    app.post("/oauth/introspect").form(&form).send().await;

    assert!(collector.traces(&app).await.0.len() > 30);
    let bytes = collector.bytes();
    for secret in [
        PASSWORD,
        &access,
        &refresh,
        &next.refresh_token,
        &next.access_token,
        &face,
        &key,
        "canary",
        "example.com",
        "127.0.0.1",
        "Bearer",
    ] {
        let is_in = bytes
            .windows(secret.len())
            .any(|it| it == secret.as_bytes());
        assert!(!is_in, "{secret}");
    }
}

#[tokio::test]
async fn a_collector_that_hangs_holds_nobody_up() {
    const PATIENCE: Duration = Duration::from_secs(8);
    // The system takes the connection, and nobody reads it.
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let app = TestApp::with(|config| {
        config.otel.endpoint = format!("http://{}", hanging.local_addr().unwrap());
    })
    .await;
    let work = async {
        let ann = app.sign_up("ann").await;
        for _ in 0..20 {
            assert!(ann.logs_in().await.is_in().await);
        }
        app.parts.telemetry.stop().await;
    };
    tokio::time::timeout(PATIENCE, work).await.unwrap();
}

#[tokio::test]
async fn nothing_is_traced_unless_somebody_asks_for_it() {
    let app = TestApp::start().await;
    assert!(!app.parts.telemetry.is_on());
}
