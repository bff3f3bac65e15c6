//! `MoMail`, as a person who uses its documented API meets it.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::support::{TestApp, TestResponse};

const PASSWORD: &str = "secure_password_123";
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn register(app: &TestApp, email: &str) -> TestResponse {
    let body = json!({"email": email, "password": PASSWORD, "name": "John Doe"});
    app.post("/v1/auth/register").json(body).send().await
}

async fn login(app: &TestApp, email: &str) -> TestResponse {
    let body = json!({"email": email, "password": PASSWORD});
    app.post("/v1/auth/login").json(body).send().await
}

async fn refresh(app: &TestApp, token: &Value) -> TestResponse {
    let body = json!({"refreshToken": token});
    app.post("/v1/auth/refresh").json(body).send().await
}

/// Whether an access token opens anything.
async fn is_live(app: &TestApp, token: &Value) -> bool {
    let token = token.as_str().unwrap_or_default();
    let answer = app.get("/oauth/me").bearer(token).send().await;
    assert!([200, 401].contains(&answer.status), "{}", answer.text());
    answer.status == 200
}

fn keys(value: &Value) -> Vec<&str> {
    let members = value.as_object().into_iter().flatten();
    let mut keys: Vec<_> = members.map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    keys
}

#[tokio::test]
async fn a_person_registers_logs_in_refreshes_and_logs_out() {
    let app = TestApp::start().await;

    let registered = register(&app, "user@example.com").await;
    assert_eq!(registered.status, 201);
    let registered = registered.json();
    assert_eq!(registered["success"], true);
    let user = &registered["data"];
    assert_eq!(keys(user), ["createdAt", "email", "name", "userId"]);
    let user_id = user["userId"].as_str().unwrap();
    assert!(
        user_id.starts_with("user_") && user_id.len() == 27,
        "{user_id}"
    );
    let created_at = user["createdAt"].as_str().unwrap();
    assert!(
        created_at.len() == 24 && created_at.ends_with('Z'),
        "{created_at}"
    );

    let logged_in = login(&app, "user@example.com").await;
    assert_eq!(logged_in.status, 200);
    assert_eq!(logged_in.headers["cache-control"], "no-store");
    let logged_in = logged_in.json();
    let data = &logged_in["data"];
    assert_eq!(
        keys(data),
        ["accessToken", "expiresIn", "refreshToken", "user"]
    );
    assert_eq!(data["expiresIn"], 3600);
    let user = json!({"userId": user_id, "email": "user@example.com", "name": "John Doe"});
    assert_eq!(data["user"], user);
    assert!(is_live(&app, &data["accessToken"]).await);

    let refreshed = refresh(&app, &data["refreshToken"]).await;
    assert_eq!(refreshed.status, 200);
    let refreshed = refreshed.json();
    assert_eq!(keys(&refreshed["data"]), ["accessToken", "expiresIn"]);
    assert_eq!(refreshed["data"]["expiresIn"], 3600);
    let token = &refreshed["data"]["accessToken"];
    assert!(is_live(&app, token).await);

    let logout = app.post("/v1/auth/logout").bearer(token.as_str().unwrap());
    let logged_out = logout.send().await;
    assert_eq!(logged_out.status, 200);
    let message = json!({"success": true, "data": {"message": "Logged out successfully"}});
    assert_eq!(logged_out.json(), message);
}

#[tokio::test]
async fn the_short_paths_are_the_same_as_the_long_ones() {
    let app = TestApp::start().await;
    let body = json!({"email": "user@example.com", "password": PASSWORD, "name": "John Doe"});
    let registered = app.post("/auth/register").json(body).send().await;
    assert_eq!(registered.status, 201);
    let body = json!({"email": "user@example.com", "password": PASSWORD});
    let logged_in = app.post("/auth/login").json(body).send().await.json();
    let data = &logged_in["data"];
    let body = json!({"refreshToken": data["refreshToken"]});
    assert_eq!(
        app.post("/auth/refresh").json(body).send().await.status,
        200
    );
    let token = data["accessToken"].as_str().unwrap();
    assert_eq!(
        app.post("/auth/logout").bearer(token).send().await.status,
        200
    );
}

#[tokio::test]
async fn a_logout_kills_access_and_refresh_at_once_and_no_other_session() {
    let app = TestApp::start().await;
    register(&app, "user@example.com").await;
    let here = login(&app, "user@example.com").await.json();
    let there = login(&app, "user@example.com").await.json();
    let refreshed = refresh(&app, &here["data"]["refreshToken"]).await.json();

    let token = here["data"]["accessToken"].as_str().unwrap();
    let logged_out = app.post("/v1/auth/logout").bearer(token).send().await;
    assert_eq!(logged_out.status, 200);

    assert!(!is_live(&app, &here["data"]["accessToken"]).await);
    assert!(!is_live(&app, &refreshed["data"]["accessToken"]).await);
    let refused = refresh(&app, &here["data"]["refreshToken"]).await;
    assert_eq!(refused.status, 401);
    let error = json!({"code": "UNAUTHORIZED", "message": "Invalid or expired refresh token"});
    assert_eq!(refused.json(), json!({"success": false, "error": error}));
    let again = app.post("/v1/auth/logout").bearer(token).send().await;
    assert_eq!(again.status, 401);
    assert_eq!(again.json()["error"]["code"], "UNAUTHORIZED");

    assert!(is_live(&app, &there["data"]["accessToken"]).await);
    assert_eq!(
        refresh(&app, &there["data"]["refreshToken"]).await.status,
        200
    );
}

#[tokio::test]
async fn an_access_token_lives_an_hour() {
    let app = TestApp::start().await;
    register(&app, "user@example.com").await;
    let data = login(&app, "user@example.com").await.json();
    let token = &data["data"]["accessToken"];
    app.clock.advance(59 * MINUTE);
    assert!(is_live(&app, token).await);
    app.clock.advance(2 * MINUTE);
    assert!(!is_live(&app, token).await);
    assert_eq!(
        refresh(&app, &data["data"]["refreshToken"]).await.status,
        200
    );
}

#[tokio::test]
async fn a_refresh_token_lives_thirty_days_however_often_it_is_used() {
    let app = TestApp::start().await;
    register(&app, "user@example.com").await;
    let data = login(&app, "user@example.com").await.json();
    let token = &data["data"]["refreshToken"];
    for _ in 0..29 {
        app.clock.advance(DAY);
        assert_eq!(refresh(&app, token).await.status, 200);
    }
    app.clock.advance(DAY - MINUTE);
    assert_eq!(refresh(&app, token).await.status, 200);
    app.clock.advance(2 * MINUTE);
    assert_eq!(refresh(&app, token).await.status, 401);
}

#[tokio::test]
async fn an_address_is_one_whatever_its_case_and_is_shown_as_typed() {
    let app = TestApp::start().await;
    let registered = register(&app, "Ann.Lee@Example.com").await.json();
    assert_eq!(registered["data"]["email"], "Ann.Lee@Example.com");
    let again = register(&app, " ann.lee@EXAMPLE.COM").await;
    assert_eq!(again.status, 409);
    let error = json!({"code": "CONFLICT", "message": "Email already registered"});
    assert_eq!(again.json()["error"]["code"], error["code"]);
    assert_eq!(again.json()["error"]["message"], error["message"]);
    let logged_in = login(&app, "ANN.LEE@example.com").await;
    assert_eq!(logged_in.status, 200);
    assert_eq!(
        logged_in.json()["data"]["user"]["email"],
        "Ann.Lee@Example.com"
    );
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_are_answered_alike() {
    let app = TestApp::start().await;
    register(&app, "user@example.com").await;
    for email in ["user@example.com", "nobody@example.com", "not an address"] {
        let body = json!({"email": email, "password": "not_the_password"});
        let refused = app.post("/v1/auth/login").json(body).send().await;
        assert_eq!(refused.status, 401, "{email}");
        let error = json!({"code": "UNAUTHORIZED", "message": "Invalid email or password"});
        assert_eq!(refused.json(), json!({"success": false, "error": error}));
    }
}

#[tokio::test]
async fn an_old_token_in_the_header_stops_nobody_from_logging_in() {
    let app = TestApp::start().await;
    register(&app, "user@example.com").await;
    let data = login(&app, "user@example.com").await.json();
    let old = data["data"]["accessToken"].as_str().unwrap();
    app.clock.advance(61 * MINUTE);
    let body = json!({"refreshToken": data["data"]["refreshToken"]});
    let refreshed = app.post("/v1/auth/refresh").bearer(old).json(body);
    assert_eq!(refreshed.send().await.status, 200);
    let body = json!({"email": "user@example.com", "password": PASSWORD});
    let logged_in = app.post("/v1/auth/login").bearer("nonsense").json(body);
    assert_eq!(logged_in.send().await.status, 200);
}

#[tokio::test]
async fn a_logout_needs_an_access_token() {
    let app = TestApp::start().await;
    register(&app, "user@example.com").await;
    let data = login(&app, "user@example.com").await.json();
    let refresh_token = data["data"]["refreshToken"].as_str().unwrap();
    let mut forged = data["data"]["accessToken"].as_str().unwrap().to_owned();
    forged.pop();
    let missing = app.post("/v1/auth/logout").send().await;
    assert_eq!(missing.status, 401);
    assert_eq!(missing.json()["error"]["code"], "UNAUTHORIZED");
    for token in ["", "x", refresh_token, &forged] {
        let refused = app.post("/v1/auth/logout").bearer(token).send().await;
        assert_eq!(refused.status, 401, "{token}");
        assert_eq!(refused.json()["error"]["code"], "UNAUTHORIZED");
    }
    assert!(is_live(&app, &data["data"]["accessToken"]).await);
}

#[tokio::test]
async fn bad_registrations_name_the_field_and_make_nothing() {
    let app = TestApp::start().await;
    let good = json!({"email": "user@example.com", "password": PASSWORD, "name": "John Doe"});
    let long = "x".repeat(2000);
    for (field, value) in [
        ("email", Value::Null),
        ("email", json!("")),
        ("email", json!("user")),
        ("email", json!("user@localhost")),
        ("email", json!("user@example.com\r\nbcc: x@example.com")),
        ("email", json!(["user@example.com"])),
        ("email", json!(long)),
        ("password", Value::Null),
        ("password", json!("short12")),
        ("password", json!("pass\u{0}word_123")),
        ("password", json!("password")),
        ("password", json!(12_345_678)),
        ("password", json!(long)),
        ("name", Value::Null),
        ("name", json!("   ")),
        ("name", json!("a\u{1b}[2Jb")),
        ("name", json!({"first": "John"})),
        ("name", json!(long)),
        ("plan", json!("pro")),
    ] {
        let mut body = good.clone();
        body[field] = value.clone();
        let refused = app.post("/v1/auth/register").json(body).send().await;
        assert_eq!(refused.status, 400, "{field} {value}");
        let error = &refused.json()["error"];
        assert_eq!(error["code"], "VALIDATION_ERROR", "{field} {value}");
        assert_eq!(error["details"][0]["field"], field, "{field} {value}");
        assert_eq!(error["details"].as_array().unwrap().len(), 1, "{error}");
    }
    assert_eq!(register(&app, "user@example.com").await.status, 201);
}

#[tokio::test]
async fn bad_requests_are_answered_in_the_words_of_the_face() {
    let app = TestApp::start().await;
    let path = "/v1/auth/login";
    for (content_type, body, status, code) in [
        ("application/json", "", 400, "VALIDATION_ERROR"),
        ("application/json", "{", 400, "VALIDATION_ERROR"),
        ("application/json", "[]", 400, "VALIDATION_ERROR"),
        (
            "application/json",
            r#"{"email":"a","email":"b"}"#,
            400,
            "VALIDATION_ERROR",
        ),
        ("text/plain", "{}", 415, "UNSUPPORTED_MEDIA_TYPE"),
        (
            "application/x-www-form-urlencoded",
            "email=a",
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        ),
    ] {
        let refused = app.post(path).body(content_type, body).send().await;
        assert_eq!(refused.status, status, "{body}");
        assert_eq!(refused.json()["success"], false);
        assert_eq!(refused.json()["error"]["code"], code, "{body}");
    }
    let large = " ".repeat((64 << 10) + 1);
    let refused = app.post(path).body("application/json", large).send().await;
    assert_eq!(refused.status, 413);
    assert_eq!(refused.json()["error"]["code"], "PAYLOAD_TOO_LARGE");
    let refused = app.get(path).send().await;
    assert_eq!(refused.status, 405);
    assert_eq!(refused.headers["allow"], Method::POST.as_str());
    assert_eq!(refused.json()["error"]["code"], "METHOD_NOT_ALLOWED");
    let refused = app.post("/v1/auth/logon").send().await;
    assert_eq!(refused.status, 404);
    assert_eq!(refused.json()["error"]["code"], "NOT_FOUND");
}

#[tokio::test]
async fn who_registers_here_logs_in_through_every_other_face() {
    let app = TestApp::start().await;
    register(&app, "user@example.com").await;
    let body = json!({"username": "user@example.com", "password": PASSWORD});
    let smtpd = app.post("/oauth/token?grant_type=password").json(body);
    let smtpd = smtpd.send().await;
    assert_eq!(smtpd.status, 200);
    assert!(is_live(&app, &smtpd.json()["access_token"]).await);
    let body = json!({"email": "user@example.com", "password": PASSWORD});
    let mailkite = app.post("/api/auth/login").json(body).send().await;
    assert_eq!(mailkite.status, 200);
    assert!(is_live(&app, &mailkite.json()["token"]).await);
}
