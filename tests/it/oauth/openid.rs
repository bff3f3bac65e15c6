//! ID tokens (OpenID Connect Core section 2), as a client gets, checks and sends them back.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use josekit::{
    jwk::Jwk,
    jws::{ES256, JwsVerifier, RS256},
};
use sha2::{Digest as _, Sha256};

use super::{id_token_hints::revoke_key_of, *};
use crate::{
    store_contract::{Base, on_both_engines},
    support::{ISSUER, PASSWORD, Person},
};

on_both_engines! {
    an_id_token_says_who_logged_in_and_when,
}

const MINUTE: Duration = Duration::from_secs(60);

pub(super) fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// The claims of an ID token in these tokens, whose signature is checked with the published key.
async fn id_claims(app: &TestApp, tokens: &Value, algorithm: &str) -> Value {
    let token = tokens["id_token"].as_str().unwrap();
    let header = part(token, 0);
    assert_eq!(
        (&header["typ"], &header["alg"]),
        (&json!("JWT"), &json!(algorithm))
    );
    let published = app.get("/.well-known/jwks.json").send().await.json();
    let keys = published["keys"].as_array().unwrap();
    let key = keys.iter().find(|key| key["kid"] == header["kid"]).unwrap();
    let key = Jwk::from_map(key.as_object().unwrap().clone()).unwrap();
    let verifier: Box<dyn JwsVerifier> = match algorithm {
        "RS256" => Box::new(RS256.verifier_from_jwk(&key).unwrap()),
        _ => Box::new(ES256.verifier_from_jwk(&key).unwrap()),
    };
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    verifier.verify(signed.as_bytes(), &signature).unwrap();
    part(token, 1)
}

/// OpenID Connect Core section 3.1.3.6.
fn half_hash(token: &Value) -> String {
    let hash = Sha256::digest(token.as_str().unwrap());
    URL_SAFE_NO_PAD.encode(&hash[..16])
}

fn id(person: &Person<'_>) -> String {
    person.account.strip_prefix("accounts/").unwrap().to_owned()
}

/// Redeems a code for what this request asks.
async fn granted(app: &TestApp, client: &Client, session: &str, more: Value) -> Value {
    let code = code(app, session, client.request_with(more)).await;
    let mut form = client.exchange(&code);
    if !client.secret.is_empty() {
        form.push(("client_secret", &client.secret));
    }
    let answer = token(app, &form).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// An ID token of this person.
pub(super) async fn id_token(app: &TestApp, client: &Client, session: &str) -> String {
    let tokens = granted(app, client, session, json!({"scope": "openid"})).await;
    tokens["id_token"].as_str().unwrap().to_owned()
}

async fn is_named(app: &TestApp, session: &str, name: &str) {
    let path = "/v1/accounts/me?updateMask=displayName";
    let call = app.patch(path).bearer(session);
    let answer = call.json(json!({"displayName": name})).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

async fn an_id_token_says_who_logged_in_and_when(base: Base) {
    let app = TestApp::with(|config| base.configure(config)).await;
    let client = public_client(&app).await;
    let ann = app.sign_up("ann").await;
    let here = ann.logs_in().await;
    let session = here.tokens.access_token.as_str();
    is_named(&app, session, "Ann Lee").await;
    app.clock.advance(MINUTE);
    let everything = json!({"scope": "openid email profile", "nonce": "n-0S6_WzA2Mj \"é"});
    let tokens = granted(&app, &client, session, everything).await;
    let claims = id_claims(&app, &tokens, "RS256").await;
    let now = part(tokens["access_token"].as_str().unwrap(), 1)["iat"]
        .as_i64()
        .unwrap();
    assert_eq!(
        claims,
        json!({
            "iss": ISSUER,
            "sub": id(&ann),
            "aud": client.id,
            "exp": now + 3600,
            "iat": now,
            "auth_time": now - 60,
            "nonce": "n-0S6_WzA2Mj \"é",
            "acr": "0",
            "at_hash": half_hash(&tokens["access_token"]),
            "email": "ann@example.com",
            "email_verified": false,
            "name": "Ann Lee",
        })
    );

    // A refresh gives another one of the same log-in, also when that is over (section 12.2).
    app.clock.advance(MINUTE);
    let path = format!("/v1/{}", here.session);
    assert_eq!(app.delete(&path).bearer(session).send().await.status, 200);
    app.parts.jobs.run_pending().await.unwrap();
    let next = refresh(&app, &client, &tokens["refresh_token"])
        .await
        .json();
    let refreshed = id_claims(&app, &next, "RS256").await;
    for name in ["iss", "sub", "aud", "auth_time"] {
        assert_eq!(refreshed[name], claims[name], "{name}");
    }
    assert_eq!(
        (&refreshed["iat"], refreshed.get("nonce")),
        (&json!(now + 60), None)
    );
    assert_eq!(
        refreshed["at_hash"],
        json!(half_hash(&next["access_token"]))
    );
}

#[tokio::test]
async fn an_id_token_comes_with_its_scope_and_says_what_was_asked_for() {
    let app = app().await;
    let client = public_client(&app).await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let session = ann.tokens.access_token.as_str();
    for scope in ["mcp", "email profile offline_access"] {
        let tokens = granted(
            &app,
            &client,
            session,
            json!({"scope": scope, "nonce": "x"}),
        )
        .await;
        assert_eq!(tokens.get("id_token"), None, "{scope}");
        let next = refresh(&app, &client, &tokens["refresh_token"]).await;
        assert_eq!(next.json().get("id_token"), None, "{scope}");
    }
    // Nobody has said what to call her.
    for scope in ["openid", "openid mcp", "openid profile"] {
        let tokens = granted(&app, &client, session, json!({"scope": scope})).await;
        let claims = id_claims(&app, &tokens, "RS256").await;
        for absent in ["email", "email_verified", "name", "nonce"] {
            assert_eq!(claims.get(absent), None, "{scope}");
        }
    }
    let only = granted(&app, &client, session, json!({"scope": "openid"})).await;
    let answer = app.get("/v1/accounts/me");
    let answer = answer.bearer(only["access_token"].as_str().unwrap()).send();
    assert_eq!(answer.await.status, 403);
}

/// What clients compare with what they have sent: each gets its own back.
#[tokio::test]
async fn each_id_token_has_the_nonce_of_its_request() {
    let app = app().await;
    let client = public_client(&app).await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let session = ann.tokens.access_token.as_str();
    let asked = |nonce: &str| client.request_with(json!({"scope": "openid", "nonce": nonce}));
    let codes = [
        code(&app, session, asked("one")).await,
        code(&app, session, asked("two")).await,
    ];
    for (code, nonce) in codes.iter().zip(["one", "two"]) {
        let tokens = token(&app, &client.exchange(code)).await.json();
        let claims = id_claims(&app, &tokens, "RS256").await;
        assert_eq!(claims["nonce"], json!(nonce));
    }
    // 255 characters of two bytes.
    let long = asked(&"é".repeat(255));
    let answer = app.post_json("/v1/authorizations:start", long).await.json();
    let url: Url = answer["redirectUri"].as_str().unwrap().parse().unwrap();
    assert_eq!(parameter(&url, "error"), "invalid_request");
}

/// The longest of everything: what a client may send must not be what the server cannot sign.
#[tokio::test]
async fn the_longest_claims_fit() {
    let app = app().await;
    let client = public_client(&app).await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let session = ann.tokens.access_token.as_str();
    is_named(&app, session, &"𝔸".repeat(200)).await;
    let nonce = "\"".repeat(255);
    let more = json!({"scope": "openid email profile", "nonce": nonce});
    let tokens = granted(&app, &client, session, more).await;
    let claims = id_claims(&app, &tokens, "RS256").await;
    assert_eq!(claims["nonce"], json!(nonce));
    // It comes back whole.
    let hint = json!({"id_token_hint": tokens["id_token"]});
    start(&app, client.request_with(hint)).await;
}

#[tokio::test]
async fn a_client_chooses_how_its_id_tokens_are_signed() {
    let app = app().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    for algorithm in ["RS256", "ES256"] {
        let metadata =
            json!({"redirect_uris": [CALLBACK], "id_token_signed_response_alg": algorithm});
        let made = app.post_json("/oauth/register", metadata.clone()).await;
        assert_eq!(
            made.json()["id_token_signed_response_alg"],
            json!(algorithm)
        );
        let client = register(&app, metadata).await;
        let session = &ann.tokens.access_token;
        let tokens = granted(&app, &client, session, json!({"scope": "openid"})).await;
        id_claims(&app, &tokens, algorithm).await;
        let next = refresh(&app, &client, &tokens["refresh_token"]).await;
        id_claims(&app, &next.json(), algorithm).await;
    }
    for algorithm in ["none", "HS256", "PS256", "rs256", "EdDSA"] {
        let metadata =
            json!({"redirect_uris": [CALLBACK], "id_token_signed_response_alg": algorithm});
        let refused = app.post_json("/oauth/register", metadata).await;
        assert_error(&refused, 400, "invalid_client_metadata");
    }
}

#[tokio::test]
async fn an_id_token_is_no_credential() {
    let app = app().await;
    let client = confidential_client(&app).await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let token = id_token(&app, &client, &ann.tokens.access_token).await;
    for path in ["/v1/accounts/me", "/v1/userInfo", "/oauth/userinfo"] {
        let answer = app.get(path).bearer(&token).send().await;
        assert_eq!(answer.status, 401, "{path}");
    }
    let introspected = introspect(&app, &client, &json!(token)).await;
    assert_eq!(introspected, json!({"active": false}));
}

async fn step(app: &TestApp, session: &str, name: &str) -> String {
    let answer = app.get(&format!("/v1/{name}")).bearer(session).send().await;
    let step = &answer.json()["authorization"]["nextStep"];
    step.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_hint_names_who_is_expected() {
    let app = app().await;
    let (client, other) = (public_client(&app).await, public_client(&app).await);
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let here = ann.logs_in().await;
    let hint = id_token(&app, &other, &here.tokens.access_token).await;
    // Long after it has expired.
    app.clock.advance(24 * 60 * MINUTE);
    let (here, there) = (ann.logs_in().await, bob.logs_in().await);
    for prompt in ["", "none"] {
        let request = client.request_with(json!({"id_token_hint": hint, "prompt": prompt}));
        let name = start(&app, request).await;
        let (ann, bob) = (&here.tokens.access_token, &there.tokens.access_token);
        assert_eq!(step(&app, bob, &name).await, "AUTHORIZATION_STEP_LOG_IN");
        let refused = try_approve(&app, bob, &name).await;
        assert_eq!(refused.status, 401, "{}", refused.text());
        assert!(refused.text().contains("LOG_IN_REQUIRED"));
        assert_eq!(
            step(&app, ann, &name).await,
            if prompt.is_empty() {
                "AUTHORIZATION_STEP_CONSENT"
            } else {
                "AUTHORIZATION_STEP_NONE"
            }
        );
        approve(&app, ann, &name).await;
    }
}

#[tokio::test]
async fn a_hint_of_another_kind_is_refused() {
    let app = app().await;
    let client = public_client(&app).await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let session = ann.tokens.access_token.as_str();
    let tokens = granted(&app, &client, session, json!({"scope": "openid"})).await;
    let id_token = tokens["id_token"].as_str().unwrap();
    let log_in = json!({"username": "ann@example.com", "password": PASSWORD});
    let path = "/oauth/token?grant_type=password";
    let smtpd = app.post_json(path, log_in).await.json();
    let (input, signature) = id_token.rsplit_once('.').unwrap();
    let (header, claims) = input.split_once('.').unwrap();
    let mut forged = part(id_token, 1);
    forged["sub"] = json!("0190a0a0-0000-7000-8000-000000000000");
    let forged = URL_SAFE_NO_PAD.encode(forged.to_string());
    let unsigned = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    for hint in [
        session,
        tokens["access_token"].as_str().unwrap(),
        // A JWT by its type, and an access token all the same.
        smtpd["access_token"].as_str().unwrap(),
        &format!("{header}.{forged}.{signature}"),
        &format!("{unsigned}.{claims}."),
        "ann@example.com",
    ] {
        let request = client.request_with(json!({"id_token_hint": hint}));
        let answer = app.post_json("/v1/authorizations:start", request).await;
        let answer = answer.json();
        let url: Url = answer["redirectUri"].as_str().unwrap().parse().unwrap();
        assert_eq!(parameter(&url, "error"), "invalid_request", "{hint}");
        assert_eq!(parameter(&url, "state"), "the-state");
    }
}

/// What is accepted and changes nothing.
#[tokio::test]
async fn claims_display_and_acr_values_change_nothing() {
    let app = app().await;
    let client = public_client(&app).await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let more = json!({
        "scope": "openid",
        "claims": r#"{"id_token":{"email":{"essential":true},"acr":{"values":["2"]}}}"#,
        "display": "popup",
        "acr_values": "2 1",
    });
    let tokens = granted(&app, &client, &ann.tokens.access_token, more).await;
    let claims = id_claims(&app, &tokens, "RS256").await;
    assert_eq!(
        (&claims["acr"], claims.get("email")),
        (&json!("0"), None),
        "{claims}"
    );
}

/// The next ID token has a key that is published.
#[tokio::test]
async fn a_revoked_key_signs_no_id_token() {
    let app = app().await;
    let client = public_client(&app).await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let session = ann.tokens.access_token.as_str();
    let old = id_token(&app, &client, session).await;
    revoke_key_of(&app, &old).await;
    let tokens = granted(&app, &client, session, json!({"scope": "openid"})).await;
    id_claims(&app, &tokens, "RS256").await;
    let new = part(tokens["id_token"].as_str().unwrap(), 0);
    assert_ne!(new["kid"], part(&old, 0)["kid"]);
}
