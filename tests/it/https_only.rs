//! With a public issuer, calls over plain HTTP are refused.

use countersign::{config::Issuer, layers::Connection};
use serde_json::json;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::support::{Call, PASSWORD, TestApp, TestResponse, refused};

async fn public() -> TestApp {
    TestApp::with(|config| {
        config.issuer = Some(Issuer::of_address("192.0.2.10:443".parse().unwrap(), true));
        config.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    })
    .await
}

/// A sign-up that would succeed.
fn sign_up(app: &TestApp) -> Call<'_> {
    app.post("/v1/accounts")
        .json(json!({"email": "ann@example.com", "password": PASSWORD}))
}

#[tokio::test]
async fn plain_http_is_refused_in_the_words_of_whoever_owns_the_path() {
    let app = public().await;
    let body = json!({"email": "ann@example.com", "password": PASSWORD, "name": "Ann"});
    for (path, word) in [
        ("/v1/accounts", "HTTPS_REQUIRED"),
        ("/v1/auth/register", "FORBIDDEN"),
        ("/auth/login", "FORBIDDEN"),
        ("/api/auth/signup", "forbidden"),
        ("/oauth/token?grant_type=password", "40302"),
        ("/oauth/me", "40302"),
        (
            "/countersign.v1.AccountService/CreateAccount",
            "permission_denied",
        ),
        ("/no/such/path", "HTTPS_REQUIRED"),
    ] {
        let refused = app
            .post(path)
            .json(body.clone())
            .header("x-forwarded-proto", "https")
            .send()
            .await;
        assert_eq!(
            (refused.status(), refused.header("location")),
            (403, ""),
            "{path}"
        );
        assert!(refused.text().contains(word), "{path}: {}", refused.text());
    }
    let answer = app.try_sign_up("ann@example.com", PASSWORD).await;
    refused(answer, Code::PermissionDenied, "HTTPS_REQUIRED");
    // Nothing of it was done.
    let made = sign_up(&app)
        .header("x-forwarded-proto", "https")
        .from("10.1.2.3")
        .send()
        .await;
    assert_eq!(made.status(), 200, "{}", made.text());
}

#[tokio::test]
async fn grpc_web_is_refused_where_its_clients_look() {
    let app = public().await;
    for content_type in [
        "application/grpc-web",
        "application/grpc-web+proto",
        "application/grpc-web-text",
    ] {
        let answer = app
            .post("/countersign.v1.AccountService/CreateAccount")
            .body(content_type, vec![0; 5])
            .send()
            .await;
        assert!(
            answer
                .header("content-type")
                .starts_with("application/grpc-web")
        );
        let status = tonic::Status::from_header_map(&answer.headers).unwrap();
        assert_eq!(
            (answer.status(), status.code()),
            (200, Code::PermissionDenied)
        );
        let info = status.get_details_error_info().unwrap();
        assert_eq!(info.reason, "HTTPS_REQUIRED");
    }
}

/// Whoever reads keys over plain HTTP may be given those of somebody else.
#[tokio::test]
async fn only_probes_are_answered_over_plain_http() {
    let app = public().await;
    for path in ["/livez", "/readyz"] {
        assert_eq!(app.get(path).send().await.status(), 200, "{path}");
    }
    for path in [
        "/.well-known/jwks.json",
        "/openapi.json",
        "/v1/accounts/me",
        "/livez/",
        "/livez/x",
        "//livez",
        "/v1/accounts?/livez",
    ] {
        assert_eq!(app.get(path).send().await.status(), 403, "{path}");
    }
}

#[tokio::test]
async fn a_trusted_proxy_is_believed_about_https() {
    let app = public().await;
    let call = |proto: &'static str, from: &'static str| {
        sign_up(&app)
            .header("x-forwarded-proto", proto)
            .from(from)
            .send()
    };
    assert_eq!(call("http", "10.1.2.3").await.status(), 403);
    assert_eq!(call("https", "192.0.2.1").await.status(), 403);
    assert_eq!(call("https", "10.1.2.3").await.status(), 200);
}

#[tokio::test]
async fn tls_to_this_server_is_https_unless_a_trusted_proxy_says_that_its_client_had_none() {
    let app = public().await;
    let over_tls = async |peer: &str, said: Option<&str>| -> TestResponse {
        let call = app.get("/.well-known/jwks.json");
        let call = match said {
            Some(said) => call.header("x-forwarded-proto", said),
            None => call,
        };
        let connection = Connection {
            peer: format!("{peer}:40000").parse().unwrap(),
            tls: true,
            writes_headers: true,
        };
        call.on(connection).send().await
    };
    for (peer, said, status) in [
        ("192.0.2.1", None, 200),
        ("192.0.2.1", Some("http"), 200),
        ("10.1.2.3", None, 200),
        ("10.1.2.3", Some("https"), 200),
        ("10.1.2.3", Some("http"), 403),
    ] {
        let answer = over_tls(peer, said).await;
        assert_eq!(answer.status(), status, "{peer} {said:?}");
    }
}

#[tokio::test]
async fn on_this_machine_plain_http_works() {
    let app = TestApp::start().await;
    assert_eq!(sign_up(&app).send().await.status(), 200);
}
