//! Tokens for codes and refresh tokens (OAuth 2.1 sections 4.1.3 and 4.3), and what they are good for.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use super::*;
use crate::support::{LoggedIn, disable};

const SECOND: Duration = Duration::from_secs(1);

fn claims(token: &Value) -> Value {
    let part = token
        .as_str()
        .unwrap()
        .split('.')
        .nth(1)
        .unwrap()
        .to_owned();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn a_code_gives_tokens_that_open_the_account() {
    let app = app().await;
    let client = public_client(&app).await;
    let ann = app.sign_up("ann").await;
    let here = ann.logs_in().await;
    let scope = json!({"scope": "mcp offline_access"});
    let code = code(&app, &here.tokens.access_token, client.request_with(scope)).await;
    let answer = token(&app, &client.exchange(&code)).await;
    assert_eq!(
        (answer.status, answer.header("cache-control")),
        (200, "no-store")
    );
    let body = answer.json();
    let mut names: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
    names.sort();
    assert_eq!(
        names,
        [
            "access_token",
            "expires_in",
            "refresh_token",
            "scope",
            "token_type"
        ]
    );
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], json!(3600));
    assert_eq!(body["scope"], "mcp offline_access");
    assert!(opens(&app, &body["access_token"]).await);
    let claims = claims(&body["access_token"]);
    assert_eq!(claims["client_id"], json!(client.id));
    assert_eq!(
        claims["sub"],
        json!(ann.account.strip_prefix("accounts/").unwrap())
    );
    assert_eq!(
        (&claims["iss"], &claims["aud"]),
        (
            &json!(crate::support::ISSUER),
            &json!(crate::support::ISSUER)
        )
    );
    assert_eq!(claims["scope"], "mcp offline_access");
}

#[tokio::test]
async fn a_client_that_may_not_refresh_gets_no_refresh_token() {
    let app = app().await;
    let metadata = json!({"redirect_uris": [CALLBACK], "grant_types": ["authorization_code"]});
    let client = register(&app, metadata).await;
    let ann = app.sign_up("ann").await;
    assert_eq!(tokens(&app, &client, &ann).await.get("refresh_token"), None);
    let refused = refresh(&app, &client, &json!("cs_rt_x")).await;
    assert_error(&refused, 400, "unauthorized_client");
}

/// RFC 7636: what was not made of the verifier, or without one, redeems nothing.
#[tokio::test]
async fn one_verifier_of_all_redeems() {
    let app = app().await;
    let client = public_client(&app).await;
    let here = app.sign_up("ann").await.logs_in().await;
    let short = "a".repeat(42);
    let long = "a".repeat(129);
    let charset = format!("{}+", "a".repeat(43));
    for made_of in [VERIFIER, &short, &long, &charset] {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(made_of));
        let request = client.request_with(json!({"code_challenge": challenge}));
        let code = code(&app, &here.tokens.access_token, request).await;
        for verifier in [
            "",
            "wrong",
            CHALLENGE,
            &VERIFIER.to_uppercase(),
            &short,
            &long,
            &charset,
        ] {
            let mut form = client.exchange(&code);
            form.retain(|(name, _)| *name != "code_verifier");
            if !verifier.is_empty() {
                form.push(("code_verifier", verifier));
            }
            assert_error(&token(&app, &form).await, 400, "invalid_grant");
        }
        let mut twice = client.exchange(&code);
        twice.push(("code_verifier", VERIFIER));
        assert_error(&token(&app, &twice).await, 400, "invalid_request");
        let right = token(&app, &client.exchange(&code)).await;
        assert_eq!(right.status, if made_of == VERIFIER { 200 } else { 400 });
    }
}

#[tokio::test]
async fn a_code_goes_with_its_client_and_redirect_uri_for_a_minute() {
    let app = app().await;
    let (client, other) = (public_client(&app).await, public_client(&app).await);
    let here = app.sign_up("ann").await.logs_in().await;
    let session = here.tokens.access_token.as_str();
    let first = code(&app, session, client.request()).await;
    assert_error(
        &token(&app, &other.exchange(&first)).await,
        400,
        "invalid_grant",
    );
    for (name, value) in [
        ("redirect_uri", "https://app.example.com/other"),
        ("redirect_uri", "https://app.example.com/callback/"),
        ("code", "x"),
        ("code", ""),
        ("code", &first.to_uppercase()),
    ] {
        let mut form = client.exchange(&first);
        form.retain(|(known, _)| *known != name);
        form.push((name, value));
        assert_error(&token(&app, &form).await, 400, "invalid_grant");
    }
    // OAuth 2.1 section 10.2: a client need not repeat it.
    let mut form = client.exchange(&first);
    form.retain(|(name, _)| *name != "redirect_uri");
    assert_eq!(token(&app, &form).await.status, 200);

    let late = code(&app, session, client.request()).await;
    app.clock.advance(60 * SECOND);
    assert_error(
        &token(&app, &client.exchange(&late)).await,
        400,
        "invalid_grant",
    );
    let in_time = code(&app, session, client.request()).await;
    app.clock.advance(59 * SECOND);
    assert_eq!(token(&app, &client.exchange(&in_time)).await.status, 200);
}

#[tokio::test]
async fn a_code_that_is_redeemed_again_takes_back_what_it_gave() {
    let app = app().await;
    let client = public_client(&app).await;
    let here = app.sign_up("ann").await.logs_in().await;
    let code = code(&app, &here.tokens.access_token, client.request()).await;
    let granted = token(&app, &client.exchange(&code)).await.json();
    // Whoever lacks the verifier has not redeemed it, and takes nothing back.
    let mut stolen = client.exchange(&code);
    stolen.retain(|(name, _)| *name != "code_verifier");
    assert_error(&token(&app, &stolen).await, 400, "invalid_grant");
    assert!(opens(&app, &granted["access_token"]).await);
    // However late.
    app.clock.advance(300 * SECOND);
    assert_error(
        &token(&app, &client.exchange(&code)).await,
        400,
        "invalid_grant",
    );
    assert!(!opens(&app, &granted["access_token"]).await);
    assert_error(
        &refresh(&app, &client, &granted["refresh_token"]).await,
        400,
        "invalid_grant",
    );
    assert!(here.is_in().await);
}

#[tokio::test]
async fn refresh_tokens_rotate_and_a_replay_ends_the_grant() {
    let app = app().await;
    let client = public_client(&app).await;
    let ann = app.sign_up("ann").await;
    let granted = tokens(&app, &client, &ann).await;
    let first = &granted["refresh_token"];
    let next = refresh(&app, &client, first).await;
    assert_eq!(next.status, 200, "{}", next.text());
    let next = next.json();
    assert_ne!(next["refresh_token"], *first);
    assert_eq!(next["scope"], granted["scope"]);
    // A client that lost the answer gets the same one.
    assert_eq!(
        refresh(&app, &client, first).await.json()["refresh_token"],
        next["refresh_token"]
    );
    app.clock.advance(11 * SECOND);
    assert_error(&refresh(&app, &client, first).await, 400, "invalid_grant");
    for token in [first, &next["refresh_token"]] {
        assert_error(&refresh(&app, &client, token).await, 400, "invalid_grant");
    }
    for token in [&granted["access_token"], &next["access_token"]] {
        assert!(!opens(&app, token).await);
    }
}

#[tokio::test]
async fn a_refresh_gives_what_was_granted_and_nothing_else() {
    let app = app().await;
    let client = public_client(&app).await;
    let ann = app.sign_up("ann").await;
    let granted = tokens(&app, &client, &ann).await;
    let mut refresh_token = granted["refresh_token"].as_str().unwrap().to_owned();
    for (more, status) in [
        (vec![], 200),
        (vec![("scope", "mcp")], 200),
        (vec![("scope", "mcp email")], 400),
        (vec![("scope", "account")], 400),
        (vec![("resource", crate::support::ISSUER)], 200),
        (vec![("resource", MCP)], 400),
        (vec![("resource", "https://evil.example")], 400),
    ] {
        let mut form = vec![
            ("grant_type", "refresh_token"),
            ("refresh_token", &refresh_token),
            ("client_id", &client.id),
        ];
        form.extend(more.iter().copied());
        let answer = token(&app, &form).await;
        assert_eq!(answer.status, status, "{more:?} {}", answer.text());
        if status == 200 {
            assert_eq!(answer.json()["scope"], "mcp");
            refresh_token = answer.json()["refresh_token"].as_str().unwrap().to_owned();
        } else {
            let error = if more[0].0 == "scope" {
                "invalid_scope"
            } else {
                "invalid_target"
            };
            assert_error(&answer, 400, error);
        }
    }
    // Through the contract's own sessions, which ask for no client, it is worth nothing.
    let through = app.try_refresh(&refresh_token).await;
    assert!(through.is_err());
}

/// RFC 8707: a token for somebody else is none for this server.
#[tokio::test]
async fn a_token_is_for_the_resource_that_was_asked_for() {
    let app = app().await;
    let client = confidential_client(&app).await;
    let here = app.sign_up("ann").await.logs_in().await;
    let session = here.tokens.access_token.as_str();
    let request = client.request_with(json!({"resources": [MCP]}));
    let one = code(&app, session, request.clone()).await;
    let mut form = client.exchange(&one);
    form.push(("client_secret", &client.secret));
    form.push(("resource", "https://other.example/"));
    assert_error(&token(&app, &form).await, 400, "invalid_target");
    form.pop();
    form.push(("resource", MCP));
    let granted = token(&app, &form).await.json();
    assert_eq!(claims(&granted["access_token"])["aud"], json!([MCP]));
    assert!(!opens(&app, &granted["access_token"]).await);
    let live = introspect(&app, &client, &granted["access_token"]).await;
    assert_eq!(
        (&live["active"], &live["aud"]),
        (&json!(true), &json!([MCP]))
    );
    // A refresh keeps it.
    let next = refresh(&app, &client, &granted["refresh_token"])
        .await
        .json();
    assert_eq!(claims(&next["access_token"])["aud"], json!([MCP]));
    // This server's own, spelt with an empty path or without (RFC 3986 section 6.2.3).
    let own = format!("{}/", crate::support::ISSUER);
    let request = client.request_with(json!({"resources": [own]}));
    let code = code(&app, session, request).await;
    let mut form = client.exchange(&code);
    form.push(("client_secret", &client.secret));
    let granted = token(&app, &form).await.json();
    assert_eq!(
        claims(&granted["access_token"])["aud"],
        json!([crate::support::ISSUER])
    );
    assert!(opens(&app, &granted["access_token"]).await);
}

async fn redeem(
    app: &TestApp,
    client: &Client,
    here: &LoggedIn<'_>,
    spoil: impl AsyncFnOnce(),
) -> u16 {
    let code = code(app, &here.tokens.access_token, client.request()).await;
    spoil().await;
    token(app, &client.exchange(&code)).await.status
}

#[tokio::test]
async fn a_code_is_worth_what_its_person_is() {
    let app = app().await;
    let client = public_client(&app).await;
    let ann = app.sign_up("ann").await;
    let boss = app.administrator("boss").await;
    let here = ann.logs_in().await;
    let logged_out = redeem(&app, &client, &here, async || {
        let path = format!("/v1/{}", here.session);
        let answer = app
            .delete(&path)
            .bearer(&here.tokens.access_token)
            .send()
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    });
    assert_eq!(logged_out.await, 400);
    let here = ann.logs_in().await;
    let disabled = redeem(&app, &client, &here, async || {
        let request = boss.asks(disable(&ann.account));
        app.admin().disable_account(request).await.unwrap();
    });
    assert_eq!(disabled.await, 400);
}

#[tokio::test]
async fn a_browser_that_signs_out_leaves_programs_alone_and_a_disabled_account_does_not() {
    let app = app().await;
    let client = public_client(&app).await;
    let ann = app.sign_up("ann").await;
    let boss = app.administrator("boss").await;
    let here = ann.logs_in().await;
    let code = code(&app, &here.tokens.access_token, client.request()).await;
    let granted = token(&app, &client.exchange(&code)).await.json();
    let path = format!("/v1/{}", here.session);
    app.delete(&path)
        .bearer(&here.tokens.access_token)
        .send()
        .await;
    assert!(!here.is_in().await);
    assert!(opens(&app, &granted["access_token"]).await);
    let next = refresh(&app, &client, &granted["refresh_token"])
        .await
        .json();
    app.admin()
        .disable_account(boss.asks(disable(&ann.account)))
        .await
        .unwrap();
    assert!(!opens(&app, &next["access_token"]).await);
    assert_error(
        &refresh(&app, &client, &next["refresh_token"]).await,
        400,
        "invalid_grant",
    );
}

#[tokio::test]
async fn introspection_tells_a_client_of_its_own_live_tokens() {
    let app = app().await;
    let client = confidential_client(&app).await;
    let ann = app.sign_up("ann").await;
    let granted = tokens(&app, &client, &ann).await;
    let access = introspect(&app, &client, &granted["access_token"]).await;
    let now = access["iat"].as_i64().unwrap();
    assert_eq!(
        access,
        json!({
            "active": true,
            "scope": "mcp",
            "client_id": client.id,
            "token_type": "Bearer",
            "exp": now + 3600,
            "iat": now,
            "sub": ann.account.strip_prefix("accounts/").unwrap(),
            "aud": [crate::support::ISSUER],
            "iss": crate::support::ISSUER,
        })
    );
    let refresh_token = introspect(&app, &client, &granted["refresh_token"]).await;
    assert_eq!(
        (&refresh_token["active"], refresh_token.get("token_type")),
        (&json!(true), None)
    );
    let own = ann.logs_in().await;
    for dead in [
        "x",
        "a.b.c",
        &own.tokens.access_token,
        &own.tokens.refresh_token,
        &client.secret,
    ] {
        assert_eq!(
            introspect(&app, &client, &json!(dead)).await,
            json!({"active": false}),
            "{dead}"
        );
    }
    app.clock.advance(3600 * SECOND);
    assert_eq!(
        introspect(&app, &client, &granted["access_token"]).await,
        json!({"active": false})
    );
    // RFC 7662 section 2.1: the caller shows who it is, which one without a secret cannot.
    let public = public_client(&app).await;
    let own = tokens(&app, &public, &ann).await;
    let form = [
        ("token", own["access_token"].as_str().unwrap()),
        ("client_id", &public.id),
    ];
    let refused = app.post("/oauth/introspect").form(&form).send().await;
    assert_error(&refused, 401, "invalid_client");
    let anonymous = app
        .post("/oauth/introspect")
        .form(&[("token", "x")])
        .send()
        .await;
    assert_error(&anonymous, 400, "invalid_request");
}

#[tokio::test]
async fn revoking_a_token_ends_all_of_its_grant() {
    let app = app().await;
    let client = confidential_client(&app).await;
    let ann = app.sign_up("ann").await;
    for kind in ["access_token", "refresh_token"] {
        let granted = tokens(&app, &client, &ann).await;
        let other = tokens(&app, &client, &ann).await;
        let form = [
            ("token", granted[kind].as_str().unwrap()),
            ("token_type_hint", "nonsense"),
        ];
        for _ in 0..2 {
            let call = app.post("/oauth/revoke").form(&form);
            let answer = call.basic(&client.id, &client.secret).send().await;
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
        assert!(!opens(&app, &granted["access_token"]).await);
        assert_error(
            &refresh(&app, &client, &granted["refresh_token"]).await,
            400,
            "invalid_grant",
        );
        assert!(opens(&app, &other["access_token"]).await);
    }
    let garbage = app
        .post("/oauth/revoke")
        .form(&[("token", "x"), ("client_id", &client.id)]);
    assert_error(&garbage.send().await, 401, "invalid_client");
}

/// RFC 7009: a client without a secret need not say who it is, and one with a secret must.
#[tokio::test]
async fn whoever_holds_a_public_clients_token_may_revoke_it() {
    let app = app().await;
    let (public, confidential) = (public_client(&app).await, confidential_client(&app).await);
    let ann = app.sign_up("ann").await;
    for kind in ["access_token", "refresh_token"] {
        let session = ann.logs_in().await;
        let first = code(&app, &session.tokens.access_token, public.request()).await;
        let granted = token(&app, &public.exchange(&first)).await.json();
        let form = [("token", granted[kind].as_str().unwrap())];
        assert_eq!(
            app.post("/oauth/revoke").form(&form).send().await.status,
            200
        );
        assert!(!opens(&app, &granted["access_token"]).await);
        // The browser of the person stays signed in.
        assert!(session.is_in().await);

        let granted = tokens(&app, &confidential, &ann).await;
        let form = [("token", granted[kind].as_str().unwrap())];
        assert_error(
            &app.post("/oauth/revoke").form(&form).send().await,
            401,
            "invalid_client",
        );
        assert!(opens(&app, &granted["access_token"]).await);
    }
}

#[tokio::test]
async fn a_revocation_names_one_token() {
    let app = app().await;
    for form in [
        &[("token", "x"), ("refresh_token", "y")][..],
        &[("token", "")],
        &[("token_type_hint", "refresh_token")],
        &[],
    ] {
        let answer = app.post("/oauth/revoke").form(form).send().await;
        assert_error(&answer, 400, "invalid_request");
    }
}

#[tokio::test]
async fn a_client_that_logs_out_is_out() {
    let app = app().await;
    let client = public_client(&app).await;
    let ann = app.sign_up("ann").await;
    let granted = tokens(&app, &client, &ann).await;
    let access = granted["access_token"].as_str().unwrap();
    let answer = app
        .delete("/v1/sessions/current")
        .bearer(access)
        .send()
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(!opens(&app, &granted["access_token"]).await);
    assert_error(
        &refresh(&app, &client, &granted["refresh_token"]).await,
        400,
        "invalid_grant",
    );
}

/// A code goes with the redirect URI that it was given for, to the port: what may differ from the registered one may not
/// differ here.
#[tokio::test]
async fn a_code_is_for_the_very_port_that_it_was_sent_to() {
    let app = app().await;
    let metadata = json!({"redirect_uris": ["http://localhost/callback"]});
    let client = register(&app, metadata).await;
    let session = app.sign_up("ann").await.logs_in().await.tokens.access_token;
    let asked = "http://localhost:61234/callback";
    let request = client.request_with(json!({"redirect_uri": asked}));
    let code = code(&app, &session, request).await;
    let form = |redirect_uri| {
        let mut form = client.exchange(&code);
        form.retain(|(name, _)| *name != "redirect_uri");
        form.push(("redirect_uri", redirect_uri));
        form
    };
    for other in [
        "http://localhost:61235/callback",
        "http://localhost/callback",
        "http://127.0.0.1:61234/callback",
    ] {
        assert_error(&token(&app, &form(other)).await, 400, "invalid_grant");
    }
    assert_eq!(token(&app, &form(asked)).await.status, 200);
}
