//! A client asks, and a person decides (OAuth 2.1 section 4.1), through a page of somebody's own.

use std::time::Duration;

use super::*;
use crate::support::LoggedIn;

async fn read(app: &TestApp, person: Option<&LoggedIn<'_>>, name: &str) -> TestResponse {
    let call = app.get(&format!("/v1/{name}"));
    match person {
        Some(person) => call.bearer(&person.tokens.access_token).send().await,
        None => call.send().await,
    }
}

async fn step(app: &TestApp, person: Option<&LoggedIn<'_>>, name: &str) -> String {
    let answer = read(app, person, name).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["authorization"]["nextStep"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_person_logs_in_and_says_yes_and_is_not_asked_twice() {
    let app = app().await;
    let client = public_client(&app).await;
    let ann = app.sign_up("ann").await;
    let request =
        client.request_with(json!({"scope": "mcp offline_access", "loginHint": "ann@example.com"}));
    let name = start(&app, request.clone()).await;
    let asked = read(&app, None, &name).await.json();
    let asked = &asked["authorization"];
    assert_eq!(asked["clientName"], "Cursor");
    assert_eq!(asked["redirectUri"], CALLBACK);
    assert_eq!(asked["scopes"], json!(["mcp", "offline_access"]));
    assert_eq!(asked["loginHint"], "ann@example.com");
    assert_eq!(asked["nextStep"], "AUTHORIZATION_STEP_LOG_IN");

    let here = ann.logs_in().await;
    assert_eq!(
        step(&app, Some(&here), &name).await,
        "AUTHORIZATION_STEP_CONSENT"
    );
    let answer = approve(&app, &here.tokens.access_token, &name).await;
    assert!(answer.as_str().starts_with(CALLBACK));
    assert_eq!(parameter(&answer, "state"), "the-state");
    assert_eq!(parameter(&answer, "iss"), crate::support::ISSUER);
    assert!(parameter(&answer, "code").starts_with("cs_ac_"));

    // It was decided.
    assert_eq!(read(&app, Some(&here), &name).await.status, 404);
    let again = try_approve(&app, &here.tokens.access_token, &name).await;
    assert_eq!(again.status, 404);
    let name = start(&app, request).await;
    assert_eq!(
        step(&app, Some(&here), &name).await,
        "AUTHORIZATION_STEP_NONE"
    );
    // For one more scope the person is asked, for that one alone.
    let more = client.request_with(json!({"scope": "mcp email"}));
    let name = start(&app, more).await;
    let asked = read(&app, Some(&here), &name).await.json();
    assert_eq!(asked["authorization"]["newScopes"], json!(["email"]));
    assert_eq!(
        step(&app, Some(&here), &name).await,
        "AUTHORIZATION_STEP_CONSENT"
    );
    // Somebody else has said nothing.
    let bob = app.sign_up("bob").await.logs_in().await;
    assert_eq!(
        step(&app, Some(&bob), &name).await,
        "AUTHORIZATION_STEP_CONSENT"
    );

    // Whoever takes everything back is asked again.
    let revoke = format!("/v1/clients/{}:revokeGrants", client.id);
    let revoked = app
        .post(&revoke)
        .bearer(&here.tokens.access_token)
        .json(json!({}))
        .send()
        .await;
    assert_eq!(revoked.status, 200, "{}", revoked.text());
    let name = start(&app, client.request()).await;
    assert_eq!(
        step(&app, Some(&here), &name).await,
        "AUTHORIZATION_STEP_CONSENT"
    );
}

/// OAuth 2.1 section 4.1.2.1: nobody is sent to where a stranger wants them.
#[tokio::test]
async fn a_wrong_client_or_redirect_uri_sends_nobody_anywhere() {
    let app = app().await;
    let client = public_client(&app).await;
    for (more, field) in [
        (
            json!({"clientId": "mkc_00000000000000000000000000000000"}),
            "client_id",
        ),
        (json!({"clientId": "momail"}), "client_id"),
        (
            json!({"redirectUri": "https://evil.example/callback"}),
            "redirect_uri",
        ),
        (
            json!({"redirectUri": "https://app.example.com/callback/"}),
            "redirect_uri",
        ),
        (
            json!({"redirectUri": "https://app.example.com/callback?x"}),
            "redirect_uri",
        ),
        (
            json!({"redirectUri": "https://app.example.com/Callback"}),
            "redirect_uri",
        ),
    ] {
        let mut request = client.request();
        let members = request.as_object_mut().unwrap();
        for (name, value) in more.as_object().unwrap() {
            members.remove(if name == "clientId" {
                "client_id"
            } else {
                "redirect_uri"
            });
            members.insert(name.clone(), value.clone());
        }
        // Wrong in another way, too, which the client must not learn by a redirect.
        members.insert("scope".to_owned(), json!("nonsense"));
        let answer = app.post_json("/v1/authorizations:start", request).await;
        assert!([400, 404].contains(&answer.status), "{}", answer.text());
        assert!(answer.text().contains(field), "{}", answer.text());
        assert_eq!(answer.json().get("redirectUri"), None);
    }
    // A client with one redirect URI may leave it out (OAuth 2.1 section 4.1.1).
    let mut request = client.request();
    request.as_object_mut().unwrap().remove("redirect_uri");
    start(&app, request.clone()).await;
    let uris = json!({"redirect_uris": [CALLBACK, "https://b.example/cb"]});
    let two = register(&app, uris).await;
    request["client_id"] = json!(two.id);
    assert_eq!(
        app.post_json("/v1/authorizations:start", request)
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn what_else_is_wrong_is_for_the_client_to_know() {
    let app = app().await;
    let client = public_client(&app).await;
    for (more, error) in [
        (
            json!({"response_type": "token"}),
            "unsupported_response_type",
        ),
        (json!({"code_challenge": ""}), "invalid_request"),
        (json!({"code_challenge_method": "plain"}), "invalid_request"),
        (json!({"scope": "nonsense"}), "invalid_scope"),
        (
            json!({"resources": ["https://evil.example/"]}),
            "invalid_target",
        ),
        (json!({"prompt": "none consent"}), "invalid_request"),
    ] {
        let answer = app
            .post_json("/v1/authorizations:start", client.request_with(more))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let body = answer.json();
        assert_eq!(body.get("authorization"), None);
        let url: Url = body["redirectUri"].as_str().unwrap().parse().unwrap();
        assert_eq!(parameter(&url, "error"), error);
        assert_eq!(parameter(&url, "state"), "the-state");
        assert_eq!(parameter(&url, "iss"), crate::support::ISSUER);
    }
}

#[tokio::test]
async fn a_person_says_no() {
    let app = app().await;
    let client = public_client(&app).await;
    for (reason, error) in [
        (json!({}), "access_denied"),
        (
            json!({"reason": "DENIAL_REASON_LOGIN_REQUIRED"}),
            "login_required",
        ),
        (
            json!({"reason": "DENIAL_REASON_CONSENT_REQUIRED"}),
            "consent_required",
        ),
    ] {
        let name = start(&app, client.request()).await;
        let deny = format!("/v1/{name}:deny");
        let answer = app.post_json(&deny, reason.clone()).await.json();
        let url: Url = answer["redirectUri"].as_str().unwrap().parse().unwrap();
        assert_eq!(parameter(&url, "error"), error);
        assert_eq!(parameter(&url, "state"), "the-state");
        assert_eq!(parameter(&url, "iss"), crate::support::ISSUER);
        assert_eq!(parameter(&url, "code"), "");
        assert_eq!(app.post_json(&deny, reason).await.status, 404);
    }
}

#[tokio::test]
async fn it_is_too_late_after_ten_minutes() {
    let app = app().await;
    let client = public_client(&app).await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let name = start(&app, client.request()).await;
    app.clock.advance(Duration::from_secs(600));
    assert_eq!(read(&app, Some(&ann), &name).await.status, 404);
    assert_eq!(
        try_approve(&app, &ann.tokens.access_token, &name)
            .await
            .status,
        404
    );
    assert_eq!(
        app.post_json(&format!("/v1/{name}:deny"), json!({}))
            .await
            .status,
        404
    );
}

/// Who may speak for a person: nobody whom the person has let in for something else.
#[tokio::test]
async fn only_somebody_who_has_logged_in_approves() {
    let app = app().await;
    let (client, other) = (public_client(&app).await, public_client(&app).await);
    let ann = app.sign_up("ann").await;
    let here = ann.logs_in().await;
    let key = here.makes_key(&[]).await;
    let of_client = tokens(&app, &other, &ann).await;
    let mailbox = app.token(&ann.email, "mailtd").await;
    let name = start(&app, client.request()).await;
    for token in [
        key.as_str(),
        of_client["access_token"].as_str().unwrap(),
        &mailbox,
    ] {
        let answer = try_approve(&app, token, &name).await;
        assert_eq!(answer.status, 403, "{}", answer.text());
    }
    assert_eq!(
        app.post_json(&format!("/v1/{name}:approve"), json!({}))
            .await
            .status,
        401
    );
    approve(&app, &here.tokens.access_token, &name).await;
}

#[tokio::test]
async fn a_client_can_ask_for_a_new_log_in() {
    let app = app().await;
    let client = public_client(&app).await;
    let ann = app.sign_up("ann").await;
    let before = ann.logs_in().await;
    app.clock.advance(Duration::from_secs(60));
    for more in [
        json!({"prompt": "login"}),
        json!({"prompt": "select_account"}),
        json!({"max_age": "30"}),
        json!({"max_age": "0"}),
    ] {
        let name = start(&app, client.request_with(more)).await;
        assert_eq!(
            step(&app, Some(&before), &name).await,
            "AUTHORIZATION_STEP_LOG_IN"
        );
        let refused = try_approve(&app, &before.tokens.access_token, &name).await;
        assert_eq!(refused.status, 401);
        assert!(
            refused.text().contains("LOG_IN_REQUIRED"),
            "{}",
            refused.text()
        );
        let after = ann.logs_in().await;
        approve(&app, &after.tokens.access_token, &name).await;
        app.clock.advance(Duration::from_secs(60));
    }
}

/// Consent to tokens for one resource says nothing of another, this server's own least of all.
#[tokio::test]
async fn a_person_is_asked_again_for_another_resource() {
    let app = app().await;
    let client = public_client(&app).await;
    let here = app.sign_up("ann").await.logs_in().await;
    let for_mcp = || client.request_with(json!({"resources": [MCP]}));
    approve(
        &app,
        &here.tokens.access_token,
        &start(&app, for_mcp()).await,
    )
    .await;
    let again = start(&app, for_mcp()).await;
    assert_eq!(
        step(&app, Some(&here), &again).await,
        "AUTHORIZATION_STEP_NONE"
    );
    let here_too = start(&app, client.request()).await;
    assert_eq!(
        step(&app, Some(&here), &here_too).await,
        "AUTHORIZATION_STEP_CONSENT"
    );
}

#[tokio::test]
async fn a_grant_that_is_taken_back_is_asked_for_again_and_so_is_an_unused_code() {
    let app = app().await;
    let client = public_client(&app).await;
    let here = app.sign_up("ann").await.logs_in().await;
    let session = here.tokens.access_token.as_str();
    let first = code(&app, session, client.request()).await;
    let unused = code(&app, session, client.request()).await;
    let granted = token(&app, &client.exchange(&first)).await.json();
    let listed = app.get("/v1/grants").bearer(session).send().await.json();
    let grants = listed["grants"].as_array().unwrap();
    let grant = grants
        .iter()
        .find(|grant| grant["clientId"] == json!(client.id))
        .unwrap();
    let path = format!("/v1/{}", grant["name"].as_str().unwrap());
    assert_eq!(app.delete(&path).bearer(session).send().await.status, 200);
    assert!(!opens(&app, &granted["access_token"]).await);
    let name = start(&app, client.request()).await;
    assert_eq!(
        step(&app, Some(&here), &name).await,
        "AUTHORIZATION_STEP_CONSENT"
    );
    let revoke = format!("/v1/clients/{}:revokeGrants", client.id);
    let revoked = app
        .post(&revoke)
        .bearer(session)
        .json(json!({}))
        .send()
        .await;
    assert_eq!(revoked.status, 200, "{}", revoked.text());
    assert_error(
        &token(&app, &client.exchange(&unused)).await,
        400,
        "invalid_grant",
    );
}
