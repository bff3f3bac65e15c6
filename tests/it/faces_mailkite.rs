//! MailKite, as a program that uses its documented API meets it.

use std::time::Duration;

use countersign::config::ProviderKind;
use serde_json::{Value, json};

use crate::support::{Provider, TestApp, TestResponse};

const EMAIL: &str = "you@example.com";
const PASSWORD: &str = "secure_password_123";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn sign_up(app: &TestApp, email: &str) -> TestResponse {
    let body = json!({"email": email, "password": PASSWORD});
    app.post("/api/auth/signup").json(body).send().await
}

async fn log_in(app: &TestApp, email: &str) -> TestResponse {
    let body = json!({"email": email, "password": PASSWORD});
    app.post("/api/auth/login").json(body).send().await
}

/// Whether a credential opens anything.
async fn is_live(app: &TestApp, credential: &Value) -> bool {
    let credential = credential.as_str().unwrap_or_default();
    let answer = app.get("/oauth/me").bearer(credential).send().await;
    assert!([200, 401].contains(&answer.status), "{}", answer.text());
    answer.status == 200
}

#[tokio::test]
async fn a_program_signs_up_or_else_logs_in_and_uses_the_token_like_a_key() {
    let app = TestApp::start().await;

    let signed_up = sign_up(&app, EMAIL).await;
    assert_eq!(signed_up.status, 201);
    assert_eq!(signed_up.headers["cache-control"], "no-store");
    let signed_up = signed_up.json();
    assert_eq!(signed_up["user"]["email"], EMAIL);
    assert_eq!(signed_up["user"]["id"].as_str().unwrap().len(), 36);
    let api_key = signed_up["api_key"].as_str().unwrap();
    assert!(api_key.starts_with("mk_live_"));
    assert_eq!(signed_up.as_object().unwrap().len(), 3);

    let exists = sign_up(&app, "YOU@example.com").await;
    assert_eq!(exists.status, 409);
    assert_eq!(exists.json()["error"]["code"], "email_exists");
    assert!(exists.json()["error"]["message"].is_string());

    let logged_in = log_in(&app, EMAIL).await;
    assert_eq!(logged_in.status, 200);
    let logged_in = logged_in.json();
    assert_eq!(logged_in["user"], signed_up["user"]);
    assert_eq!(logged_in.as_object().unwrap().len(), 2);

    for credential in [
        &signed_up["api_key"],
        &signed_up["token"],
        &logged_in["token"],
    ] {
        assert!(is_live(&app, credential).await);
        let credential = credential.as_str().unwrap();
        let me = app.get("/oauth/me").basic(credential, "").send().await;
        assert_eq!(me.json()["id"], signed_up["user"]["id"]);
    }
}

#[tokio::test]
async fn a_session_token_lives_thirty_days_and_a_key_for_ever() {
    let app = TestApp::start().await;
    let signed_up = sign_up(&app, EMAIL).await.json();
    app.clock.advance(29 * DAY);
    assert!(is_live(&app, &signed_up["token"]).await);
    app.clock.advance(2 * DAY);
    assert!(!is_live(&app, &signed_up["token"]).await);
    app.clock.advance(1000 * DAY);
    assert!(is_live(&app, &signed_up["api_key"]).await);
}

#[tokio::test]
async fn a_session_token_can_be_logged_out_and_its_key_stays() {
    let app = TestApp::start().await;
    let signed_up = sign_up(&app, EMAIL).await.json();
    let token = signed_up["token"].as_str().unwrap();
    let logged_out = app.post("/v1/auth/logout").bearer(token).send().await;
    assert_eq!(logged_out.status, 200);
    assert!(!is_live(&app, &signed_up["token"]).await);
    assert!(is_live(&app, &signed_up["api_key"]).await);
}

#[tokio::test]
async fn who_signs_up_here_logs_in_through_every_other_face() {
    let app = TestApp::start().await;
    sign_up(&app, EMAIL).await;
    let body = json!({"email": EMAIL, "password": PASSWORD});
    let momail = app.post("/v1/auth/login").json(body).send().await;
    assert_eq!(momail.status, 200);
    assert_eq!(momail.json()["data"]["user"]["name"], "");
    assert!(is_live(&app, &momail.json()["data"]["accessToken"]).await);
    let form = [("email_address", EMAIL), ("password", PASSWORD)];
    let smtpd = app.post("/oauth/token?grant_type=password").form(&form);
    let smtpd = smtpd.send().await;
    assert_eq!(smtpd.status, 200);
    assert!(is_live(&app, &smtpd.json()["access_token"]).await);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_are_answered_alike() {
    let app = TestApp::start().await;
    sign_up(&app, EMAIL).await;
    let mut answers = Vec::new();
    for email in [EMAIL, "nobody@example.com", "not an address"] {
        let body = json!({"email": email, "password": "not_the_password"});
        let refused = app.post("/api/auth/login").json(body).send().await;
        assert_eq!(refused.status, 401, "{email}");
        assert_eq!(refused.json()["error"]["code"], "invalid_credentials");
        answers.push(refused.text());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
}

#[tokio::test]
async fn bad_sign_ups_name_the_field_and_make_nothing() {
    let app = TestApp::start().await;
    for (body, code, field) in [
        (json!({"password": PASSWORD}), "invalid_field", "email"),
        (json!({"email": EMAIL}), "invalid_field", "password"),
        (
            json!({"email": EMAIL, "password": null}),
            "invalid_field",
            "password",
        ),
        (
            json!({"email": EMAIL, "password": "short12"}),
            "invalid_field",
            "password",
        ),
        (
            json!({"email": EMAIL, "password": "password"}),
            "password_too_common",
            "password",
        ),
        (
            json!({"email": "you", "password": PASSWORD}),
            "invalid_field",
            "email",
        ),
        (
            json!({"email": 1, "password": PASSWORD}),
            "invalid_field",
            "email",
        ),
        (
            json!({"email": EMAIL, "password": PASSWORD, "plan": "pro"}),
            "invalid_field",
            "plan",
        ),
    ] {
        let refused = app.post("/api/auth/signup").json(body.clone()).send().await;
        assert_eq!(refused.status, 400, "{body}");
        assert_eq!(refused.json()["error"]["code"], code, "{body}");
        assert_eq!(refused.json()["error"]["field"], field, "{body}");
    }
    assert_eq!(sign_up(&app, EMAIL).await.status, 201);
}

#[tokio::test]
async fn bad_requests_are_answered_in_the_words_of_the_face() {
    let app = TestApp::start().await;
    for path in ["/api/auth/signup", "/api/auth/login"] {
        for (content_type, body, status, code) in [
            ("application/json", "", 400, "malformed_request"),
            ("application/json", "[", 400, "malformed_request"),
            (
                "application/json",
                r#"{"email":"a","email":"a"}"#,
                400,
                "malformed_request",
            ),
            ("application/json", "{}", 400, "invalid_field"),
            ("application/xml", "<a/>", 415, "unsupported_media_type"),
        ] {
            let refused = app.post(path).body(content_type, body).send().await;
            assert_eq!(refused.status, status, "{path} {body}");
            assert_eq!(refused.json()["error"]["code"], code, "{path} {body}");
        }
        let large = " ".repeat((64 << 10) + 1);
        let refused = app.post(path).body("application/json", large).send().await;
        assert_eq!(refused.status, 413);
        assert_eq!(refused.json()["error"]["code"], "body_too_large");
        let refused = app.get(path).send().await;
        assert_eq!(refused.status, 405);
        assert_eq!(refused.headers["allow"], "POST");
    }
    let refused = app.post("/api/auth/signin").send().await;
    assert_eq!(refused.status, 404);
    assert_eq!(refused.json()["error"]["code"], "not_found");
}

#[tokio::test]
async fn whoever_google_knows_signs_up_or_logs_in_with_its_id_token() {
    let google = Provider::start().await;
    let app = TestApp::with(|config| google.set_up(config, ProviderKind::Google, "")).await;
    let mut claims = google.claims(&app, "1", EMAIL);
    claims["hd"] = json!("example.com");
    let id_token = google.sign(&claims);
    let send = async |body: Value| app.post_json("/api/auth/google", body).await;

    let made = send(json!({"credential": id_token})).await;
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(made.headers["cache-control"], "no-store");
    let made = made.json();
    assert_eq!(made["user"]["email"], EMAIL);
    assert_eq!(made["user"]["name"], "Ann Lee");
    assert_eq!(made.as_object().unwrap().len(), 2);
    assert!(is_live(&app, &made["token"]).await);

    let known = send(json!({"id_token": id_token})).await;
    assert_eq!(known.status, 200);
    assert_eq!(known.json()["user"], made["user"]);

    assert_eq!(log_in(&app, EMAIL).await.status, 401);
    for (body, status, code, field) in [
        (
            json!({"credential": "x"}),
            401,
            "identity_invalid",
            Value::Null,
        ),
        (json!({}), 400, "invalid_field", json!("id_token")),
        (
            json!({"credential": id_token, "id_token": id_token}),
            400,
            "invalid_field",
            json!("id_token"),
        ),
        (
            json!({"id_token": id_token, "code": "c"}),
            400,
            "invalid_field",
            json!("id_token"),
        ),
        (
            json!({"code": "bad", "redirect_uri": "https://a.example/"}),
            401,
            "identity_invalid",
            Value::Null,
        ),
        (
            json!({"id_token": "é"}),
            400,
            "invalid_field",
            json!("id_token"),
        ),
    ] {
        let answer = send(body.clone()).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        let error = &answer.json()["error"];
        assert_eq!(
            (&error["code"], &error["field"]),
            (&json!(code), &field),
            "{body}"
        );
    }
    sign_up(&app, "ann@example.com").await;
    let taken =
        send(json!({"credential": google.sign(&google.claims(&app, "2", "ann@example.com"))}));
    assert_eq!(taken.await.json()["error"]["code"], "email_exists");
    let without = TestApp::start().await;
    let answer = without.post_json("/api/auth/google", json!({"credential": id_token}));
    assert_eq!(answer.await.status, 404);
}
