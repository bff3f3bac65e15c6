//! What the server counts of itself, read as a scraper reads it.

mod document;
mod listener;
mod text;

use countersign::metrics::Format;
use serde_json::json;

use self::text::Samples;
use crate::support::{PASSWORD, TestApp};

/// The samples of a server, in the text that is checked as it is read.
fn samples(app: &TestApp) -> Samples {
    Samples::read(&app.parts.exposition.read(Format::Prometheus))
}

async fn limited() -> TestApp {
    TestApp::with(|config| config.limits.enabled = true).await
}

fn calls(class: &str, outcome: &str) -> String {
    format!("countersign_calls_total{{class=\"{class}\",outcome=\"{outcome}\"}}")
}

fn requests(dialect: &str, status: &str) -> String {
    format!("countersign_requests_total{{dialect=\"{dialect}\",status=\"{status}\"}}")
}

fn log_ins(outcome: &str) -> String {
    format!("countersign_log_ins_total{{outcome=\"{outcome}\"}}")
}

#[tokio::test]
async fn everything_is_there_at_zero_from_the_start() {
    let app = limited().await;
    let samples = samples(&app);
    for class in [
        "public",
        "free",
        "pro",
        "account-creation",
        "pro-account-creation",
        "log-in",
    ] {
        for outcome in ["allowed", "limited"] {
            assert_eq!(samples.of(&calls(class, outcome)), 0.0);
        }
    }
    assert_eq!(samples.of("process_start_time_seconds"), 1_768_473_000.0);
    let version = env!("CARGO_PKG_VERSION");
    let build = format!("countersign_build_info{{version=\"{version}\"}}");
    assert_eq!(samples.of(&build), 1.0);
    assert!(samples.of("countersign_hashing_threads") >= 1.0);
}

#[tokio::test]
async fn each_limit_counts_what_it_lets_pass_and_what_it_does_not() {
    let app = limited().await;
    let token = app.sign_up("ann").await.logs_in().await.tokens.access_token;
    for _ in 0..9 {
        app.get("/v1/accounts/me").bearer(&token).send().await;
    }
    for name in ["bob", "cid", "dan", "eve"] {
        app.sign_up(name).await;
    }
    app.clock.advance(std::time::Duration::from_secs(1));
    for email in ["flo@example.com", "gus@example.com"] {
        let refused = app.try_sign_up(email, PASSWORD).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
    }
    for _ in 0..6 {
        app.post("/v1/sessions:refresh")
            .json(json!({"refreshToken": "x"}))
            .send()
            .await;
    }
    let samples = samples(&app);
    for (class, allowed, limited) in [
        // The sign-ups and the log-in are public calls, and so are those refused by another limit.
        ("public", 14.0, 0.0),
        ("account-creation", 5.0, 2.0),
        // An address is looked up as if its account were tried.
        ("log-in", 6.0, 0.0),
        ("free", 8.0, 1.0),
        ("pro", 0.0, 0.0),
    ] {
        let counted = (
            samples.of(&calls(class, "allowed")),
            samples.of(&calls(class, "limited")),
        );
        assert_eq!(counted, (allowed, limited), "{class}");
    }
}

#[tokio::test]
async fn requests_are_counted_by_language_and_outcome() {
    let app = TestApp::start().await;
    app.sign_up("ann").await;
    let wrong = app.try_log_in("ann@example.com", "not the password").await;
    assert!(wrong.is_err());
    app.get("/livez").send().await;
    app.get("/v1/accounts/me").send().await;
    app.post("/countersign.v1.SessionService/NoSuchRpc")
        .json(json!({}))
        .send()
        .await;
    let web = app.post("/countersign.v1.SessionService/GetSession");
    web.body("application/grpc-web+proto", vec![0; 5])
        .send()
        .await;
    let samples = samples(&app);
    for (dialect, status, count) in [
        ("grpc", "2xx", 1.0),
        ("grpc", "4xx", 1.0),
        ("rest", "2xx", 1.0),
        ("rest", "4xx", 1.0),
        ("connect", "4xx", 1.0),
        ("grpc-web", "4xx", 1.0),
        ("grpc-web", "2xx", 0.0),
        ("rest", "5xx", 0.0),
        ("rest", "abandoned", 0.0),
    ] {
        assert_eq!(
            samples.of(&requests(dialect, status)),
            count,
            "{dialect} {status}"
        );
    }
    for (dialect, count) in [
        ("grpc", 2.0),
        ("rest", 2.0),
        ("connect", 1.0),
        ("grpc-web", 1.0),
    ] {
        let counted =
            format!("countersign_request_duration_seconds_count{{dialect=\"{dialect}\"}}");
        assert_eq!(samples.of(&counted), count, "{dialect}");
    }
}

#[tokio::test]
async fn log_ins_are_counted_through_every_face() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    ann.logs_in().await;
    let right = json!({"email": ann.email, "password": PASSWORD});
    let wrong = json!({"email": ann.email, "password": "not the password"});
    let unknown = json!({"email": "nobody@example.com", "password": PASSWORD});
    for path in ["/v1/sessions", "/v1/auth/login", "/api/auth/login"] {
        assert_eq!(app.post_json(path, right.clone()).await.status(), 200);
        assert_eq!(app.post_json(path, wrong.clone()).await.status(), 401);
        assert_eq!(app.post_json(path, unknown.clone()).await.status(), 401);
    }
    let samples = samples(&app);
    for (outcome, count) in [
        ("succeeded", 4.0),
        ("refused", 6.0),
        ("limited", 0.0),
        ("overloaded", 0.0),
        ("failed", 0.0),
    ] {
        assert_eq!(samples.of(&log_ins(outcome)), count, "{outcome}");
    }
}

#[tokio::test]
async fn challenges_are_counted_by_their_difficulty() {
    let app = TestApp::start().await;
    for bits in [20, 20, 22] {
        app.parts.metrics.challenge_issued(bits);
    }
    let samples = samples(&app);
    for (bound, count) in [("18", 0.0), ("20", 2.0), ("22", 3.0), ("+Inf", 3.0)] {
        let bucket = format!("countersign_challenge_difficulty_bits_bucket{{le=\"{bound}\"}}");
        assert_eq!(samples.of(&bucket), count, "{bound}");
    }
    assert_eq!(
        samples.of("countersign_challenge_difficulty_bits_sum"),
        62.0
    );
}

#[tokio::test]
async fn what_clients_send_never_becomes_a_label() {
    let app = limited().await;
    let before = samples(&app).names();
    app.sign_up("ann").await.logs_in().await;
    for path in [
        "/v1/accounts/0190163d-8694-739b-aea5-966c26f8ad91",
        "/a.b/c",
        "/x",
    ] {
        let call = app.get(path).bearer("mk_live_canary").from("203.0.113.9");
        call.header("user-agent", "canary").send().await;
    }
    assert_eq!(samples(&app).names(), before);
}

#[tokio::test]
async fn the_main_port_has_them_only_when_told_so() {
    let app = TestApp::start().await;
    assert_eq!(app.get("/metrics").send().await.status(), 404);
    let app = TestApp::with(|config| config.metrics.on_main_port = true).await;
    let answer = app.get("/metrics").send().await;
    assert_eq!(answer.status(), 200);
    Samples::read(&answer.text());
    assert_eq!(app.post("/metrics").send().await.status(), 405);
    let app = TestApp::with(|config| {
        config.metrics.on_main_port = true;
        config.metrics.enabled = false;
    })
    .await;
    assert_eq!(app.get("/metrics").send().await.status(), 404);
}
