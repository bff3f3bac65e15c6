//! Who has let a client in (OpenID Connect Core section 5.3).

use super::*;
use crate::store_contract::{Base, on_both_engines};

on_both_engines! {
    userinfo_says_what_the_scopes_reach,
}

const PATH: &str = "/oauth/userinfo";
const BEARER: &str = "Bearer realm=\"countersign\"";

/// An access token of this person's log-in with these scopes.
async fn access_token(app: &TestApp, session: &str, more: Value) -> String {
    let client = public_client(app).await;
    let code = code(app, session, client.request_with(more)).await;
    let answer = token(app, &client.exchange(&code)).await.json();
    answer["access_token"].as_str().unwrap().to_owned()
}

async fn named(app: &TestApp, session: &str, name: &str) {
    let path = "/v1/accounts/me?updateMask=displayName";
    let call = app.patch(path).bearer(session);
    let answer = call.json(json!({"displayName": name})).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

async fn userinfo_says_what_the_scopes_reach(base: Base) {
    let app = TestApp::with(|config| base.configure(config)).await;
    let ann = app.sign_up("ann").await;
    let here = ann.logs_in().await;
    let session = here.tokens.access_token.as_str();
    let sub = ann.account.strip_prefix("accounts/").unwrap();
    named(&app, session, "Ann Lee").await;
    let address = json!({"sub": sub, "email": "ann@example.com", "email_verified": false});
    let all = json!({
        "sub": sub, "email": "ann@example.com", "email_verified": false, "name": "Ann Lee",
    });
    let mut last = String::new();
    for (scope, said) in [
        ("openid", json!({"sub": sub})),
        ("openid offline_access", json!({"sub": sub})),
        ("openid profile", json!({"sub": sub, "name": "Ann Lee"})),
        ("openid email", address),
        // The full account reads as much anyway.
        ("mcp", all.clone()),
        ("openid email profile", all),
    ] {
        last = access_token(&app, session, json!({"scope": scope})).await;
        let by_get = app.get(PATH).bearer(&last).send().await;
        assert_eq!(
            (by_get.status, by_get.header("cache-control")),
            (200, "no-store"),
            "{}",
            by_get.text()
        );
        assert_eq!(by_get.json(), said, "{scope}");
        for call in [
            app.post(PATH).bearer(&last),
            app.post(PATH).bearer(&last).form(&[]),
            app.post(PATH).bearer(&last).form(&[("access_token", "")]),
            app.post(PATH).form(&[("access_token", &last)]),
        ] {
            let answer = call.send().await;
            assert_eq!((answer.status, answer.json()), (200, said.clone()));
        }
    }
    // Another name is told at once, and nobody's of a name that is taken away.
    named(&app, session, "Ann").await;
    let renamed = app.get(PATH).bearer(&last).send().await.json();
    assert_eq!(renamed["name"], json!("Ann"));
    named(&app, session, "").await;
    let renamed = app.get(PATH).bearer(&last).send().await.json();
    assert_eq!(renamed.get("name"), None);

    // Whoever has asked before is remembered: no database is needed.
    app.parts.store.close().await;
    let remembered = app.get(PATH).bearer(&last).send().await;
    assert_eq!((remembered.status, remembered.json()), (200, renamed));
}

#[tokio::test]
async fn a_call_without_a_good_token_is_told_what_is_wrong() {
    let app = app().await;
    let here = app.sign_up("ann").await.logs_in().await;
    let session = here.tokens.access_token.as_str();
    let good = access_token(&app, session, json!({"scope": "openid"})).await;
    let elsewhere = json!({"scope": "openid", "resources": [MCP]});
    let elsewhere = access_token(&app, session, elsewhere).await;
    // RFC 6750 section 3.1: nothing is said to a call without a token.
    let in_query = format!("{PATH}?access_token={good}");
    for call in [
        app.get(PATH),
        app.post(PATH),
        app.post(PATH).form(&[]),
        app.post(PATH).form(&[("access_token", "")]),
        app.get(&in_query),
        app.post(&in_query),
        app.post(&in_query).form(&[("a", "b")]),
    ] {
        let answer = call.send().await;
        let challenge = answer.header("www-authenticate");
        assert!(challenge.starts_with(BEARER) && !challenge.contains("error="));
        assert_eq!(answer.status, 401);
        assert_eq!(answer.json().get("error"), None);
    }
    for wrong in ["x", "a.b.c", &elsewhere, &here.tokens.refresh_token] {
        for call in [
            app.get(PATH).bearer(wrong),
            app.post(PATH).bearer(wrong).form(&[]),
            app.post(PATH).form(&[("access_token", wrong)]),
        ] {
            let answer = call.send().await;
            assert_error(&answer, 401, "invalid_token");
            let challenge = answer.header("www-authenticate");
            assert!(challenge.starts_with(BEARER) && challenge.contains("error=\"invalid_token\""));
        }
    }
    let spaced = app.post(PATH).form(&[("access_token", "a b\r\nc: d")]);
    assert_error(&spaced.send().await, 401, "invalid_token");
    app.clock.advance(std::time::Duration::from_secs(3600));
    let late = app.get(PATH).bearer(&good).send().await;
    assert_error(&late, 401, "invalid_token");
}

#[tokio::test]
async fn a_token_of_other_scopes_is_told_which_one_it_lacks() {
    let app = app().await;
    let ann = app.sign_up("ann").await;
    let here = ann.logs_in().await;
    let session = here.tokens.access_token.as_str();
    let scope = json!({"scope": "email profile"});
    let of_client = access_token(&app, session, scope).await;
    let mailbox = app.token(&ann.email, "mailtd").await;
    for token in [of_client, mailbox] {
        for call in [
            app.get(PATH).bearer(&token),
            app.post(PATH).form(&[("access_token", &token)]),
        ] {
            let answer = call.send().await;
            assert_error(&answer, 403, "insufficient_scope");
            let challenge = answer.header("www-authenticate");
            assert!(challenge.starts_with(BEARER));
            assert!(challenge.ends_with("error=\"insufficient_scope\", scope=\"openid\""));
        }
    }
}

/// RFC 6750 section 2: in one way at a time.
#[tokio::test]
async fn a_token_comes_in_one_way() {
    let app = app().await;
    let here = app.sign_up("ann").await.logs_in().await;
    let session = here.tokens.access_token.as_str();
    let token = access_token(&app, session, json!({"scope": "openid"})).await;
    let both = app.post(PATH).bearer(&token);
    let both = both.form(&[("access_token", &token)]).send().await;
    assert_error(&both, 400, "invalid_request");
    let twice = [("access_token", token.as_str()); 2];
    let twice = app.post(PATH).form(&twice).send().await;
    assert_error(&twice, 400, "invalid_request");
    let as_json = app.post(PATH).json(json!({"access_token": token})).send();
    assert_eq!(as_json.await.status, 415);
}
