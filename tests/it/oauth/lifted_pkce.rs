//! Clients with a secret that do without PKCE, and what must not follow from it (RFC 9700 sections 2.1.1 and 4.8.2).

use super::*;

async fn lifted(app: &TestApp) -> Client {
    let metadata = json!({
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "client_secret_post",
        "require_pkce": false,
    });
    register(app, metadata).await
}

/// What an authorization request without a challenge says.
fn without_challenge(client: &Client) -> Value {
    let mut request = client.request();
    let members = request.as_object_mut().unwrap();
    members.retain(|name, _| !name.starts_with("code_challenge"));
    request
}

/// Redeems a code, with this verifier where there is one.
async fn redeem(app: &TestApp, client: &Client, code: &str, verifier: &str) -> TestResponse {
    let mut form = client.exchange(code);
    form.retain(|(name, _)| *name != "code_verifier");
    form.push(("client_secret", &client.secret));
    if !verifier.is_empty() {
        form.push(("code_verifier", verifier));
    }
    token(app, &form).await
}

#[tokio::test]
async fn a_code_without_a_challenge_is_redeemed_without_a_verifier() {
    let app = app().await;
    let client = lifted(&app).await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let session = ann.tokens.access_token.as_str();
    let code = code(&app, session, without_challenge(&client)).await;
    // Whoever sends a verifier had sent a challenge, which somebody has taken out.
    for verifier in [VERIFIER, "x"] {
        let refused = redeem(&app, &client, &code, verifier).await;
        assert_error(&refused, 400, "invalid_grant");
    }
    let redeemed = redeem(&app, &client, &code, "").await;
    assert_eq!(redeemed.status, 200, "{}", redeemed.text());
    assert!(opens(&app, &redeemed.json()["access_token"]).await);
}

#[tokio::test]
async fn a_challenge_that_is_sent_is_checked() {
    let app = app().await;
    let client = lifted(&app).await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let session = ann.tokens.access_token.as_str();
    let code = code(&app, session, client.request()).await;
    for verifier in ["", "x", &VERIFIER.to_uppercase()] {
        let refused = redeem(&app, &client, &code, verifier).await;
        assert_error(&refused, 400, "invalid_grant");
    }
    assert_eq!(redeem(&app, &client, &code, VERIFIER).await.status, 200);
    for (challenge, method) in [
        (CHALLENGE, "plain"),
        (CHALLENGE, ""),
        ("short", "S256"),
        ("", "S256"),
    ] {
        let more = json!({"code_challenge": challenge, "code_challenge_method": method});
        let answer = app
            .post_json("/v1/authorizations:start", client.request_with(more))
            .await;
        assert!(
            answer.text().contains("error=invalid_request"),
            "{challenge} {method} {}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn a_client_with_a_secret_lifts_it_in_its_registration() {
    let app = app().await;
    let basic = json!({
        "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "client_secret_basic",
    });
    let with = |require: Value| {
        let mut metadata = basic.clone();
        metadata["require_pkce"] = require;
        metadata
    };
    for (metadata, echoed) in [
        (basic.clone(), None),
        (with(Value::Null), None),
        (with(json!(true)), Some(json!(true))),
        (with(json!(false)), Some(json!(false))),
    ] {
        let made = app.post_json("/oauth/register", metadata.clone()).await;
        let made = made.json();
        assert_eq!(made.get("require_pkce").cloned(), echoed, "{metadata}");
        let client = register(&app, metadata).await;
        let read = manage(
            &app,
            Method::GET,
            &client.id,
            &client.registration_token,
            None,
        );
        assert_eq!(read.await.json().get("require_pkce").cloned(), echoed);
        let request = without_challenge(&client);
        let answer = app.post_json("/v1/authorizations:start", request).await;
        let needs = answer.text().contains("error=invalid_request");
        assert_eq!(needs, echoed != Some(json!(false)), "{}", answer.text());
    }
    // A public client has nothing else to prove that the code is its own.
    let public = json!({"redirect_uris": [CALLBACK], "require_pkce": false});
    let refused = app.post_json("/oauth/register", public.clone()).await;
    assert_error(&refused, 400, "invalid_client_metadata");
    let client = lifted(&app).await;
    let token = &client.registration_token;
    let changed = manage(&app, Method::PUT, &client.id, token, Some(public)).await;
    assert_error(&changed, 400, "invalid_client_metadata");
}
