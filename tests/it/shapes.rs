//! What answers look like, whole: a change of any of them is a change that callers see.

use insta::assert_json_snapshot;
use serde_json::{Value, json};

use crate::support::{PASSWORD, TestApp};

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
    let hint = regex::Regex::new("^(cs_live|mk_live)_[0-9A-Za-z]{4}$").unwrap();
    let text = uuid.replace_all(text, "[uuid]");
    let text = user_id.replace(&text, "user_[id]");
    hint.replace(&text, "${1}_[hint]").into_owned()
}

#[tokio::test]
async fn the_contract_in_json() {
    let app = TestApp::start().await;
    let body = json!({
        "email": "Ann@Example.com", "password": PASSWORD, "displayName": "Ann Lee",
        "sessionProfile": "SESSION_PROFILE_NATIVE", "apiKeyKind": "API_KEY_KIND_STANDARD",
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
