//! What answers look like, whole: a change of any of them is a change that callers see.

use insta::assert_json_snapshot;
use serde_json::{Value, json};

use crate::support::{PASSWORD, TestApp, solved};

/// Replaces what differs from run to run: ids, tokens and secrets. Times stand still in tests.
fn redacted(mut value: Value) -> Value {
    match &mut value {
        Value::Object(members) => {
            for (name, member) in members {
                let text = member.as_str().unwrap_or_default();
                let secret = ["token", "Token", "secret", "Secret", "api_key"]
                    .iter()
                    .any(|end| name.ends_with(end));
                if secret && !text.is_empty() {
                    *member = json!("[secret]");
                } else {
                    *member = redacted(member.take());
                }
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| *item = redacted(item.take())),
        Value::String(text) => *text = without_ids(text),
        _ => {}
    }
    value
}

fn without_ids(text: &str) -> String {
    let uuid = regex::Regex::new("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").unwrap();
    let user_id = regex::Regex::new("^user_[0-9A-Za-z]+$").unwrap();
    let hint = regex::Regex::new("^(cs_live|mk_live|tm_pro)_[0-9A-Za-z]{4}$").unwrap();
    let text = uuid.replace_all(text, "[uuid]");
    let text = user_id.replace(&text, "user_[id]");
    hint.replace(&text, "${1}_[hint]").into_owned()
}

#[tokio::test]
async fn the_contract_in_json() {
    let app = TestApp::start().await;
    let body = json!({
        "email": "Ann@Example.com", "password": PASSWORD, "displayName": "Ann Lee",
        "sessionClientId": "countersign", "apiKeyKind": "API_KEY_KIND_STANDARD",
    });
    assert_json_snapshot!(
        "create_account",
        redacted(app.post_json("/v1/accounts", body).await.json())
    );
    let refused = app
        .post_json("/v1/accounts", json!({"email": "bob", "password": "short"}))
        .await;
    let mut refused = refused.json();
    let details = refused["details"].as_array_mut().unwrap();
    details.retain(|detail| !detail["@type"].as_str().unwrap().ends_with("RequestInfo"));
    assert_json_snapshot!("create_account_refused", refused);
}

#[tokio::test]
async fn momail() {
    let app = TestApp::start().await;
    let body = json!({"email": "Ann@Example.com", "password": PASSWORD, "name": "Ann Lee"});
    assert_json_snapshot!(
        "momail_register",
        redacted(app.post_json("/v1/auth/register", body).await.json())
    );
    let body = json!({"email": "ann@example.com", "password": PASSWORD});
    assert_json_snapshot!(
        "momail_login",
        redacted(app.post_json("/auth/login", body).await.json())
    );
    let body = json!({"email": "ann@example.com", "password": "short"});
    assert_json_snapshot!(
        "momail_register_refused",
        app.post_json("/v1/auth/register", body).await.json()
    );
}

#[tokio::test]
async fn smtpd() {
    let app = TestApp::start().await;
    let body = json!({"email": "ann@example.com", "password": PASSWORD, "name": "Ann Mary Lee"});
    app.post_json("/v1/auth/register", body).await;
    let grant = app
        .post_json(
            "/oauth/token?grant_type=password",
            json!({"username": "ann@example.com", "password": PASSWORD}),
        )
        .await
        .json();
    let token = grant["access_token"].as_str().unwrap().to_owned();
    assert_json_snapshot!("smtpd_grant", redacted(grant));
    assert_json_snapshot!(
        "smtpd_me",
        redacted(app.get("/oauth/me").bearer(&token).send().await.json())
    );
}

#[tokio::test]
async fn mailkite() {
    let app = TestApp::start().await;
    let body = json!({"email": "ann@example.com", "password": PASSWORD});
    assert_json_snapshot!(
        "mailkite_signup",
        redacted(app.post_json("/api/auth/signup", body.clone()).await.json())
    );
    assert_json_snapshot!(
        "mailkite_login",
        redacted(app.post_json("/api/auth/login", body.clone()).await.json())
    );
    assert_json_snapshot!(
        "mailkite_taken",
        app.post_json("/api/auth/signup", body).await.json()
    );
}

#[tokio::test]
async fn mailtd() {
    let app = TestApp::start().await;
    let challenge = app.get("/api/challenge").send().await.json();
    let mut shown = challenge.clone();
    for random in ["id", "salt"] {
        shown[random] = json!("[random]");
    }
    assert_json_snapshot!("mailtd_challenge", shown);
    let work = solved(&app.challenge().await);
    let pow = json!({"id": work.challenge_id, "nonce": work.nonce});
    let body = json!({"address": "Demo@mail.td", "password": PASSWORD, "pow": pow});
    let made = app.post_json("/api/accounts", body.clone()).await.json();
    assert_json_snapshot!("mailtd_account", redacted(made.clone()));
    assert_json_snapshot!(
        "mailtd_replayed",
        app.post_json("/api/accounts", body).await.json()
    );
    let path = format!("/api/accounts/{}", made["id"].as_str().unwrap());
    let token = made["token"].as_str().unwrap().to_owned();
    let read = app.get(&path).bearer(&token).send().await.json();
    assert_json_snapshot!("mailtd_account_read", redacted(read));
    app.upgrade(&app.organization(&token).await).await;
    let body = json!({"email": "demo@mail.td", "password": PASSWORD});
    let user = app.post_json("/api/user/login", body).await.json();
    assert_json_snapshot!("mailtd_login", redacted(user.clone()));
    let token = user["token"].as_str().unwrap();
    let tokens = || app.post("/api/user/tokens").bearer(token);
    let made = tokens().json(json!({"name": "ci"})).send().await.json();
    assert_json_snapshot!("mailtd_token", redacted(made));
    let listed = app.get("/api/user/tokens").bearer(token).send().await;
    assert_json_snapshot!("mailtd_tokens", redacted(listed.json()));
    let refused = tokens().json(json!({"name": "a\u{7}"})).send().await;
    assert_json_snapshot!("mailtd_refused", refused.json());
}
