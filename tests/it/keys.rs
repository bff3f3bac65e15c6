//! Signing keys: published before they sign, and good for as long as what they signed.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign::pb::admin::v1 as admin_v1;
use serde_json::{Value, json};
use tonic::Code;

use crate::{
    store_contract::on_postgres,
    support::{PASSWORD, TestApp, refused},
};

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn published(app: &TestApp) -> Vec<Value> {
    let answer = app.get("/.well-known/jwks.json").send().await;
    assert_eq!(
        (answer.status(), answer.header("content-type")),
        (200, "application/jwk-set+json")
    );
    answer.json()["keys"].as_array().unwrap().clone()
}

fn kids(keys: &[Value], algorithm: &str) -> Vec<String> {
    let of = keys.iter().filter(|key| key["alg"] == algorithm);
    of.map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

fn header(token: &str) -> Value {
    let encoded = token.split('.').next().unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).unwrap()).unwrap()
}

fn claims(token: &str) -> Value {
    let encoded = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).unwrap()).unwrap()
}

#[tokio::test]
async fn the_first_start_publishes_both_algorithms_and_nothing_private() {
    let app = TestApp::start().await;
    let keys = published(&app).await;
    assert_eq!(
        (kids(&keys, "ES256").len(), kids(&keys, "RS256").len()),
        (1, 1)
    );
    for key in &keys {
        assert_eq!(key["use"], "sig");
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(key.get(private).is_none(), "{private} is published");
        }
    }
}

#[tokio::test]
async fn access_tokens_say_what_rfc_9068_asks() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let token = &ann.tokens.access_token;
    assert_eq!(
        (&header(token)["typ"], &header(token)["alg"]),
        (&"at+jwt".into(), &"ES256".into())
    );
    let claims = claims(token);
    assert_eq!(
        (&claims["iss"], &claims["aud"]),
        (
            &crate::support::ISSUER.into(),
            &crate::support::ISSUER.into()
        )
    );
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        3600
    );
    for name in ["sub", "client_id", "jti", "sid", "scope"] {
        assert!(
            claims[name].as_str().is_some_and(|text| !text.is_empty()),
            "{name}"
        );
    }
}

#[tokio::test]
async fn smtpds_token_is_no_access_token_of_rfc_9068_and_does_not_say_so() {
    let app = TestApp::start().await;
    app.sign_up("ann").await;
    let body = json!({"username": "ann@example.com", "password": PASSWORD});
    let path = "/oauth/token?grant_type=password";
    let tokens = app.post_json(path, body).await.json();
    let token = tokens["access_token"].as_str().unwrap();
    assert_eq!(header(token)["typ"], "JWT");
    assert_eq!(claims(token)["client_id"], Value::Null);
    assert!(app.opens(token).await);
}

#[tokio::test]
async fn an_email_token_does_not_claim_the_full_account() {
    let app = TestApp::start().await;
    app.sign_up("ann").await;
    for (path, name, scope) in [
        ("/api/token", "address", "mailbox"),
        ("/api/user/login", "email", "account"),
    ] {
        let body = json!({name: "ann@example.com", "password": PASSWORD});
        let answer = app.post_json(path, body).await.json();
        let token = answer["token"].as_str().unwrap();
        assert_eq!(header(token)["typ"], "at+jwt");
        assert_eq!(claims(token)["scope"], scope, "{path}");
        assert!(app.opens(token).await, "{path}");
    }
    let key = json!({"scopes": ["mailbox"]});
    let body = json!({"email": "ann@example.com", "password": PASSWORD});
    let ann = app.post_json("/api/auth/login", body).await.json();
    let ann = ann["token"].as_str().unwrap();
    let asked = app.post("/v1/apiKeys").bearer(ann).json(key).send().await;
    assert_eq!(asked.status(), 400);
}

#[tokio::test]
async fn tokens_are_for_the_server_and_for_the_audiences_that_are_set() {
    let app = TestApp::with(|config| {
        config.tokens.audiences = ["https://api.example.com", "mail"]
            .map(str::to_owned)
            .to_vec();
    })
    .await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let token = ann.tokens.access_token.clone();
    assert_eq!(
        claims(&token)["aud"],
        json!([crate::support::ISSUER, "https://api.example.com", "mail"])
    );
    assert!(app.opens(&token).await);
    // A change of the setting ends no session.
    let app = app
        .restart_with(|config| config.tokens.audiences.clear())
        .await;
    assert!(app.opens(&token).await);
}

#[tokio::test]
async fn a_key_is_published_a_day_before_it_signs() {
    let app = TestApp::start().await;
    let person = app.sign_up("ann").await;
    let first = kids(&published(&app).await, "ES256");
    app.clock.advance(89 * DAY);
    app.parts.jobs.run_pending().await.unwrap();
    let both = kids(&published(&app).await, "ES256");
    assert_eq!(both.len(), 2);
    let before = person.logs_in().await;
    assert_eq!(header(&before.tokens.access_token)["kid"], first[0]);
    app.clock.advance(DAY);
    app.parts.jobs.run_pending().await.unwrap();
    let after = person.logs_in().await;
    let kid = header(&after.tokens.access_token)["kid"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(kid != first[0] && both.contains(&kid));
}

#[tokio::test]
async fn a_retired_key_verifies_until_its_tokens_have_ended() {
    let app = TestApp::start().await;
    let first = kids(&published(&app).await, "ES256");
    app.clock.advance(89 * DAY);
    app.parts.jobs.run_pending().await.unwrap();
    app.clock.advance(DAY - Duration::from_secs(1));
    let body =
        serde_json::json!({"email": "ann@example.com", "password": crate::support::PASSWORD});
    let token = app.post_json("/api/auth/signup", body).await.json()["token"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(header(&token)["kid"], first[0]);
    for _ in 0..29 {
        app.clock.advance(DAY);
        app.parts.jobs.run_pending().await.unwrap();
        assert!(app.opens(&token).await);
    }
    assert!(kids(&published(&app).await, "ES256").contains(&first[0]));
    app.clock.advance(2 * DAY);
    app.parts.jobs.run_pending().await.unwrap();
    assert!(!app.opens(&token).await);
    assert!(!kids(&published(&app).await, "ES256").contains(&first[0]));
}

#[tokio::test]
async fn keys_survive_a_restart() {
    let app = TestApp::start().await;
    let token = app
        .sign_up("ann")
        .await
        .logs_in()
        .await
        .tokens
        .access_token
        .clone();
    let before = published(&app).await;
    let app = app.restart().await;
    assert_eq!(published(&app).await, before);
    assert!(app.opens(&token).await);
}

#[tokio::test]
async fn a_wrong_master_key_is_told_at_the_start() {
    let app = TestApp::start().await;
    let key_file = app.config.key_file();
    let other = "A".repeat(43) + "=";
    std::fs::write(&key_file, other).unwrap();
    let refused = app
        .try_restart()
        .await
        .err()
        .expect("a wrong key file is refused");
    assert!(refused.contains("key"), "{refused}");
}

/// A leaked key must open nothing, not even with a token that was seen to be good before.
#[tokio::test]
async fn a_revoked_key_ends_at_once_and_the_next_log_in_has_another() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let before = ann.logs_in().await;
    let key = header(&before.tokens.access_token)["kid"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(before.is_in().await);
    let name = format!("signingKeys/{key}");
    let revoke = || admin_v1::RevokeSigningKeyRequest { name: name.clone() };
    let left = app
        .operator_of_keys()
        .revoke_signing_key(revoke())
        .await
        .unwrap()
        .into_inner();
    assert!(left.signing_keys.iter().all(|key| key.name != name));

    assert!(!before.is_in().await);
    assert!(!kids(&published(&app).await, "ES256").contains(&key));
    let after = ann.logs_in().await;
    assert!(after.is_in().await);
    assert_ne!(header(&after.tokens.access_token)["kid"], key);
    let again = app.operator_of_keys().revoke_signing_key(revoke()).await;
    refused(again, Code::InvalidArgument, "INVALID_FIELD");

    let [before, after] = [&before, &after].map(|session| session.tokens.access_token.clone());
    let app = app.restart().await;
    assert!(!app.opens(&before).await);
    assert!(app.opens(&after).await);
}

/// The other node has seen the token to be good, and has the key in memory.
#[tokio::test(flavor = "multi_thread")]
async fn another_node_follows_a_revocation() {
    on_postgres(|base| async move {
        let app = TestApp::with(|config| base.configure(config)).await;
        let other = app.second_node().await;
        let ann = app.sign_up("ann").await;
        let before = ann.logs_in().await.tokens.access_token.clone();
        assert!(other.opens(&before).await);
        let key = header(&before)["kid"].as_str().unwrap().to_owned();
        let name = format!("signingKeys/{key}");
        let revoke = admin_v1::RevokeSigningKeyRequest { name };
        app.operator_of_keys()
            .revoke_signing_key(revoke)
            .await
            .unwrap();

        other.parts.jobs.run_pending().await.unwrap();
        assert!(!other.opens(&before).await);
        assert!(!kids(&published(&other).await, "ES256").contains(&key));
        let after = ann.logs_in().await.tokens.access_token.clone();
        assert!(other.opens(&after).await);
    })
    .await;
}

#[tokio::test]
async fn revoking_a_key_that_does_not_sign_yet_leaves_one_that_signs() {
    let app = TestApp::start().await;
    let before = app.sign_up("ann").await.logs_in().await;
    let rotate = async || {
        let request = admin_v1::RotateSigningKeysRequest {};
        let rotated = app.operator_of_keys().rotate_signing_keys(request).await;
        rotated.unwrap().into_inner()
    };
    let rotated = rotate().await;
    assert!(rotated.published);
    assert!(!rotate().await.published);
    let is_next = |key: &&admin_v1::SigningKey| {
        key.algorithm == "ES256" && key.phase() == admin_v1::SigningKeyPhase::Next
    };
    let next = rotated
        .signing_keys
        .iter()
        .find(is_next)
        .unwrap()
        .name
        .clone();
    let request = admin_v1::RevokeSigningKeyRequest { name: next };
    app.operator_of_keys()
        .revoke_signing_key(request)
        .await
        .unwrap();
    // The key that signed verifies what it signed.
    assert!(before.is_in().await);
    for _ in 0..3 {
        app.clock.advance(DAY);
        app.parts.jobs.run_pending().await.unwrap();
        assert!(app.sign_up("bob").await.logs_in().await.is_in().await);
        app.operator()
            .delete_account(admin_v1::DeleteAccountRequest {
                name: "accounts/bob@example.com".to_owned(),
            })
            .await
            .unwrap();
    }
}
