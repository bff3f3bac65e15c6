//! With a public issuer, calls over plain HTTP are refused.

use countersign::config::Issuer;
use serde_json::json;

use crate::support::{PASSWORD, TestApp};

async fn public() -> TestApp {
    TestApp::with(|config| {
        config.issuer = Some(Issuer::of_address("192.0.2.10:443".parse().unwrap(), true));
        config.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    })
    .await
}

#[tokio::test]
async fn plain_http_is_refused_in_the_words_of_whoever_owns_the_path() {
    let app = public().await;
    let body = json!({"email": "ann@example.com", "password": PASSWORD, "name": "Ann"});
    for (path, word) in [
        ("/v1/accounts", "HTTPS_REQUIRED"),
        ("/v1/auth/register", "FORBIDDEN"),
        ("/api/auth/signup", "forbidden"),
        ("/oauth/token?grant_type=password", "40302"),
        (
            "/countersign.v1.AccountService/CreateAccount",
            "permission_denied",
        ),
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
    crate::support::refused(answer, tonic::Code::PermissionDenied, "HTTPS_REQUIRED");
    assert_eq!(app.get("/livez").send().await.status(), 200);
}

#[tokio::test]
async fn a_trusted_proxy_is_believed_about_https() {
    let app = public().await;
    let body = json!({"email": "ann@example.com", "password": PASSWORD});
    let call = |proto: &'static str, from: &'static str| {
        app.post("/v1/accounts")
            .json(body.clone())
            .header("x-forwarded-proto", proto)
            .from(from)
            .send()
    };
    assert_eq!(call("http", "10.1.2.3").await.status(), 403);
    assert_eq!(call("https", "192.0.2.1").await.status(), 403);
    assert_eq!(call("https", "10.1.2.3").await.status(), 200);
}
