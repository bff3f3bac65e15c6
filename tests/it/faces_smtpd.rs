//! SMTPD, as a person who uses its documented API meets it.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::{TestApp, TestResponse};

const EMAIL: &str = "jack.truong@example.com";
const PASSWORD: &str = "secure_password_123";
const GRANT: &str = "/oauth/token?grant_type=password";
const REFRESH: &str = "/oauth/token?grant_type=refresh_token";
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// An app with one account in it, made through `MoMail`.
async fn app_with_jack() -> TestApp {
    let app = TestApp::start().await;
    let body = json!({"email": EMAIL, "password": PASSWORD, "name": "Jack Truong"});
    let registered = app.post("/v1/auth/register").json(body).send().await;
    assert_eq!(registered.status, 201);
    app
}

async fn log_in(app: &TestApp) -> Value {
    let body = json!({"username": EMAIL, "password": PASSWORD});
    let answer = app.post(GRANT).json(body).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

async fn refresh(app: &TestApp, token: &Value) -> TestResponse {
    let body = json!({"refresh_token": token});
    app.post(REFRESH).json(body).send().await
}

fn assert_refresh_token_is_invalid(answer: &TestResponse, status: u16) {
    assert_eq!(answer.status, status);
    let body = json!({"code": 40106, "message": "Refresh token is invalid"});
    assert_eq!(answer.json(), body);
}

#[tokio::test]
async fn the_password_grant_answers_the_documented_tokens() {
    let app = app_with_jack().await;
    let tokens = log_in(&app).await;
    let mut keys: Vec<_> = tokens.as_object().unwrap().keys().collect();
    keys.sort();
    let expected = [
        "Scope",
        "access_token",
        "expires_at",
        "refresh_token",
        "token_type",
    ];
    assert_eq!(keys, expected);
    assert_eq!(tokens["token_type"], "bearer");
    assert_eq!(tokens["Scope"], json!(["admin"]));
    assert!(tokens["expires_at"].as_i64().unwrap() > 1_000_000_000_000);
}

#[tokio::test]
async fn the_access_token_carries_the_documented_claims() {
    let app = app_with_jack().await;
    let tokens = log_in(&app).await;
    let access_token = tokens["access_token"].as_str().unwrap();
    let payload = access_token.split('.').nth(1).unwrap();
    let payload = URL_SAFE_NO_PAD.decode(payload).unwrap();
    let claims: Value = serde_json::from_slice(&payload).unwrap();
    let me = app
        .get("/oauth/me")
        .bearer(access_token)
        .send()
        .await
        .json();
    assert_eq!(claims["id"], me["id"]);
    assert_eq!(claims["account_id"], me["account_id"]);
    assert_eq!(claims["is_account_verified"], false);
    assert_eq!(claims["name"], "Jack Truong");
    assert_eq!(claims["scope"], json!([1]));
    assert_eq!(claims["sub"], EMAIL);
    assert_eq!(claims["subject"], EMAIL);
    let end = tokens["expires_at"].as_i64().unwrap();
    assert_eq!(claims["exp"], end.div_euclid(1000));
    for claim in ["iss", "iat", "jti", "sid", "aud"] {
        assert!(!claims[claim].is_null(), "{claim}");
    }
}

#[tokio::test]
async fn the_user_name_goes_by_three_names_in_json_and_in_forms() {
    let app = app_with_jack().await;
    for name in ["username", "email", "email_address"] {
        let body = json!({name: EMAIL.to_uppercase(), "password": PASSWORD});
        assert_eq!(app.post(GRANT).json(body).send().await.status, 200);
        let form = [(name, EMAIL), ("password", PASSWORD)];
        assert_eq!(app.post(GRANT).form(&form).send().await.status, 200);
    }
}

#[tokio::test]
async fn a_wrong_login_is_40102_whoever_it_is() {
    let app = app_with_jack().await;
    for (username, password) in [
        (EMAIL, "not_the_password"),
        ("nobody@example.com", PASSWORD),
        ("not an address", PASSWORD),
        (EMAIL, "x"),
    ] {
        let body = json!({"username": username, "password": password});
        let refused = app.post(GRANT).json(body).send().await;
        assert_eq!(refused.status, 403);
        let body = json!({"code": 40102, "message": "Username and password are incorrect"});
        assert_eq!(refused.json(), body);
    }
}

#[tokio::test]
async fn a_refresh_answers_the_same_refresh_token_for_thirty_days() {
    let app = app_with_jack().await;
    let tokens = log_in(&app).await;
    for _ in 0..29 {
        app.clock.advance(DAY);
        let refreshed = refresh(&app, &tokens["refresh_token"]).await;
        assert_eq!(refreshed.status, 200);
        let refreshed = refreshed.json();
        assert_eq!(refreshed["refresh_token"], tokens["refresh_token"]);
        assert_ne!(refreshed["access_token"], tokens["access_token"]);
        assert_eq!(refreshed["Scope"], json!(["admin"]));
    }
    app.clock.advance(DAY - MINUTE);
    assert_eq!(refresh(&app, &tokens["refresh_token"]).await.status, 200);
    app.clock.advance(2 * MINUTE);
    let refused = refresh(&app, &tokens["refresh_token"]).await;
    assert_refresh_token_is_invalid(&refused, 403);
}

#[tokio::test]
async fn a_new_grant_expires_the_earlier_refresh_tokens_and_not_those_of_momail() {
    let app = app_with_jack().await;
    let body = json!({"email": EMAIL, "password": PASSWORD});
    let momail = app.post("/v1/auth/login").json(body).send().await.json();
    let first = log_in(&app).await;
    let second = log_in(&app).await;
    let refused = refresh(&app, &first["refresh_token"]).await;
    assert_refresh_token_is_invalid(&refused, 403);
    assert_eq!(refresh(&app, &second["refresh_token"]).await.status, 200);
    let body = json!({"refreshToken": momail["data"]["refreshToken"]});
    let refreshed = app.post("/v1/auth/refresh").json(body).send().await;
    assert_eq!(refreshed.status, 200);
}

#[tokio::test]
async fn a_wrong_login_expires_nothing() {
    let app = app_with_jack().await;
    let tokens = log_in(&app).await;
    let body = json!({"username": EMAIL, "password": "not_the_password"});
    assert_eq!(app.post(GRANT).json(body).send().await.status, 403);
    assert_eq!(refresh(&app, &tokens["refresh_token"]).await.status, 200);
}

#[tokio::test]
async fn a_revoked_refresh_token_is_over_with_its_access_token() {
    let app = app_with_jack().await;
    let tokens = log_in(&app).await;
    let body = json!({"refresh_token": tokens["refresh_token"]});
    let revoked = app.post("/oauth/revoke").json(body.clone()).send().await;
    assert_eq!((revoked.status, revoked.json()), (200, json!({})));
    let refused = refresh(&app, &tokens["refresh_token"]).await;
    assert_refresh_token_is_invalid(&refused, 403);
    let access_token = tokens["access_token"].as_str().unwrap();
    let me = app.get("/oauth/me").bearer(access_token).send().await;
    assert_eq!((me.status, &me.json()["code"]), (401, &json!(40103)));
    let again = app.post("/oauth/revoke").json(body).send().await;
    assert_refresh_token_is_invalid(&again, 401);
}

#[tokio::test]
async fn a_revocation_by_rfc_7009_answers_the_same_for_every_token() {
    let app = app_with_jack().await;
    let tokens = log_in(&app).await;
    let token = tokens["refresh_token"].as_str().unwrap();
    for token in [token, token, "unknown"] {
        let form = [("token", token)];
        let revoked = app.post("/oauth/revoke").form(&form).send().await;
        assert_eq!(revoked.status, 200);
    }
    let refused = refresh(&app, &tokens["refresh_token"]).await;
    assert_refresh_token_is_invalid(&refused, 403);
}

/// As whoever finds one in a log does, with nothing else at hand.
#[tokio::test]
async fn an_access_token_that_is_revoked_by_rfc_7009_ends_its_session_alone() {
    let app = app_with_jack().await;
    let other = app.try_log_in(EMAIL, PASSWORD).await.unwrap();
    let tokens = log_in(&app).await;
    let access_token = tokens["access_token"].as_str().unwrap();
    let (forged, _) = access_token.rsplit_once('.').unwrap();
    let revoke = async |token: &str| {
        let form = [("token", token), ("token_type_hint", "access_token")];
        // A credential of the call is no matter, be it good or bad.
        let call = app.post("/oauth/revoke").basic("unknown", "");
        assert_eq!(call.form(&form).send().await.status, 200);
    };
    revoke(&format!("{forged}.AAAA")).await;
    assert!(app.opens(access_token).await);
    revoke(access_token).await;
    assert!(!app.opens(access_token).await);
    let refused = refresh(&app, &tokens["refresh_token"]).await;
    assert_refresh_token_is_invalid(&refused, 403);
    revoke(access_token).await;
    assert!(app.opens(&other.tokens.unwrap().access_token).await);
}

#[tokio::test]
async fn me_is_answered_to_every_credential_in_either_scheme() {
    let app = TestApp::start().await;
    let body = json!({"email": EMAIL, "password": PASSWORD});
    let signed_up = app.post("/api/auth/signup").json(body.clone()).send().await;
    assert_eq!(signed_up.status, 201);
    let signed_up = signed_up.json();
    let momail = app.post("/v1/auth/login").json(body).send().await.json();
    let smtpd = log_in(&app).await;
    for credential in [
        &signed_up["api_key"],
        &signed_up["token"],
        &momail["data"]["accessToken"],
        &smtpd["access_token"],
    ] {
        let credential = credential.as_str().unwrap();
        for request in [
            app.get("/oauth/me").bearer(credential),
            app.get("/oauth/me").basic(credential, ""),
        ] {
            let me = request.send().await;
            assert_eq!(me.status, 200, "{}", me.text());
            assert_eq!(me.json()["email_address"], EMAIL);
        }
    }
}

#[tokio::test]
async fn me_has_the_documented_form() {
    let app = app_with_jack().await;
    let tokens = log_in(&app).await;
    let access_token = tokens["access_token"].as_str().unwrap();
    let me = app
        .get("/oauth/me")
        .bearer(access_token)
        .send()
        .await
        .json();
    let mut rest = me.as_object().unwrap().clone();
    for (key, value) in [
        ("email_address", json!(EMAIL)),
        ("first_name", json!("Jack")),
        ("surname", json!("Truong")),
        ("gravatar_url", json!("")),
        ("is_owner", json!(true)),
        ("is_verified", json!(false)),
    ] {
        assert_eq!(rest.remove(key), Some(value), "{key}");
    }
    for key in ["id", "account_id"] {
        let id = rest.remove(key).unwrap();
        assert_eq!(id.as_str().unwrap().len(), 36, "{key}");
    }
    for key in ["created_at_utc", "modified_at_utc"] {
        let moment = rest.remove(key).unwrap();
        assert!(moment.as_i64().unwrap() > 1_000_000_000_000, "{key}");
    }
    assert!(rest.is_empty(), "{rest:?}");
}

#[tokio::test]
async fn me_asks_for_a_credential() {
    let app = app_with_jack().await;
    let tokens = log_in(&app).await;
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    let missing = app.get("/oauth/me").send().await;
    assert_eq!(
        (missing.status, &missing.json()["code"]),
        (401, &json!(40101))
    );
    let challenges: Vec<_> = missing.headers.get_all("www-authenticate").iter().collect();
    assert!(
        challenges
            .iter()
            .any(|value| value.to_str().unwrap().starts_with("Basic "))
    );
    assert!(
        challenges
            .iter()
            .any(|value| value.to_str().unwrap().starts_with("Bearer"))
    );
    for request in [
        app.get("/oauth/me").bearer("unknown"),
        app.get("/oauth/me").basic("mk_live_unknown", ""),
        app.get("/oauth/me").basic(EMAIL, PASSWORD),
        app.get("/oauth/me").bearer(refresh_token),
    ] {
        let refused = request.send().await;
        assert_eq!(
            (refused.status, &refused.json()["code"]),
            (401, &json!(40103))
        );
    }
    app.clock.advance(61 * MINUTE);
    let old = app
        .get("/oauth/me")
        .bearer(tokens["access_token"].as_str().unwrap());
    assert_eq!(old.send().await.status, 401);
}

#[tokio::test]
async fn a_grant_in_a_form_is_answered_in_the_words_of_rfc_6749() {
    let app = app_with_jack().await;
    let form = [
        ("grant_type", "password"),
        ("username", EMAIL),
        ("password", PASSWORD),
    ];
    let refused = app.post("/oauth/token").form(&form).send().await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.json()["error"], "unsupported_grant_type");
}

#[tokio::test]
async fn bad_requests_are_answered_in_the_words_of_the_face() {
    let app = app_with_jack().await;
    let json_body = "application/json";
    let form_body = "application/x-www-form-urlencoded";
    for (path, content_type, body, status, code) in [
        (GRANT, json_body, "", 400, 40002),
        (GRANT, json_body, "{", 400, 40002),
        (GRANT, json_body, r#"{"email":"a","email":"b"}"#, 400, 40002),
        (GRANT, json_body, "{}", 400, 40001),
        (
            GRANT,
            json_body,
            r#"{"username":1,"password":"p"}"#,
            400,
            40001,
        ),
        (
            GRANT,
            json_body,
            r#"{"username":"jack.truong@example.com","password":"wrong","x":1}"#,
            403,
            40102,
        ),
        (
            GRANT,
            json_body,
            r#"{"username":"a","email":"b","password":"p"}"#,
            400,
            40001,
        ),
        (
            GRANT,
            form_body,
            "username=a&password=p&password=q",
            400,
            40002,
        ),
        (
            GRANT,
            form_body,
            "grant_type=refresh_token&username=a&password=p",
            400,
            40001,
        ),
        (GRANT, "text/plain", "{}", 415, 41501),
        (REFRESH, json_body, "{}", 400, 40001),
        (REFRESH, json_body, r#"{"refresh_token":"x"}"#, 403, 40106),
        ("/oauth/token", json_body, "{}", 400, 40001),
        ("/oauth/token?grant_type=magic", json_body, "{}", 400, 40001),
        ("/oauth/revoke", json_body, "{}", 400, 40001),
        ("/oauth/revoke", form_body, "refresh_token=", 400, 40001),
        (
            "/oauth/revoke",
            json_body,
            r#"{"refresh_token":"x"}"#,
            401,
            40106,
        ),
    ] {
        let refused = app.post(path).body(content_type, body).send().await;
        assert_eq!(refused.status, status, "{path} {body}");
        let answer = refused.json();
        assert_eq!(answer["code"], code, "{path} {body}");
        assert!(answer["message"].is_string(), "{path} {body}");
        assert_eq!(answer.as_object().unwrap().len(), 2, "{path} {body}");
    }
    let large = " ".repeat((64 << 10) + 1);
    let refused = app.post(GRANT).body(json_body, large).send().await;
    assert_eq!(
        (refused.status, &refused.json()["code"]),
        (413, &json!(41301))
    );
    let refused = app.delete("/oauth/me").send().await;
    assert_eq!(
        (refused.status, &refused.json()["code"]),
        (405, &json!(40501))
    );
}

#[tokio::test]
async fn a_call_that_speaks_oauth_is_refused_in_the_words_of_oauth() {
    let app = TestApp::with(|config| config.limits.enabled = true).await;
    let large = " ".repeat((64 << 10) + 1);
    let form = || app.post("/oauth/token").form(&[("grant_type", "implicit")]);
    let answers = [
        (app.get("/oauth/token").send().await, 405, "invalid_request"),
        (
            app.get("/oauth/nothing").send().await,
            404,
            "invalid_request",
        ),
        (
            app.post("/oauth/token")
                .body("application/x-www-form-urlencoded", large)
                .send()
                .await,
            413,
            "invalid_request",
        ),
        (
            app.post("/oauth/revoke")
                .body("text/plain", "token=x")
                .send()
                .await,
            415,
            "invalid_request",
        ),
        (form().send().await, 400, "unsupported_grant_type"),
    ];
    for (answer, status, error) in &answers {
        assert_eq!(answer.status(), *status);
        assert_eq!(answer.json()["error"], *error, "{status}");
        assert!(answer.json()["error_description"].is_string(), "{status}");
        assert_eq!(answer.header("cache-control"), "no-store", "{status}");
    }
    // What is refused before any rpc counts as a call for tokens, of which an address has 128 in a second.
    let mut last = form().send().await;
    for _ in 0..128 {
        last = form().send().await;
    }
    assert_eq!(
        (last.status(), last.json()["error"].take()),
        (429, "invalid_request".into())
    );
    assert_eq!(last.header("retry-after"), "1");
}
