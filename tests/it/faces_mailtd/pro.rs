//! Pro users: the accounts of their organization, and their tokens.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::{ADDRESS, DAY, PASSWORD, account, assert_keys, create, log_in, pow, pro, sign_in};
use crate::support::TestApp;

#[tokio::test]
async fn a_pro_user_makes_reads_and_deletes_accounts_of_the_organization() {
    let app = TestApp::start().await;
    let user = pro(&app, "user@example.com").await;
    assert_keys(
        &user,
        ["user_id", "email", "plan", "status", "token", "expires_at"],
    );
    assert_eq!(
        (&user["email"], &user["status"]),
        (&json!("user@example.com"), &json!("active"))
    );
    assert_eq!(user["expires_at"], (1_768_473_000_i64 + 7 * 86_400) * 1000);
    let token = user["token"].as_str().unwrap();
    let api_token = app
        .post("/api/user/tokens")
        .bearer(token)
        .json(json!({"name": "ci"}))
        .send()
        .await;
    assert_eq!(api_token.status(), 201, "{}", api_token.text());
    let api_token = api_token.json()["token"].clone();
    assert!(api_token.as_str().unwrap().starts_with("tm_pro_"));

    for (number, credential) in [&user["token"], &api_token].into_iter().enumerate() {
        let body = json!({"address": format!("box{number}@mail.td"), "password": PASSWORD});
        let made = app
            .post("/api/accounts")
            .bearer(credential.as_str().unwrap())
            .json(body)
            .send()
            .await;
        assert_eq!(made.status(), 201, "{}", made.text());
        let made = made.json();
        assert_keys(&made, ["id", "address", "token"]);
        for pro in [&user["token"], &api_token, &made["token"]] {
            assert_eq!(
                account(&app, Method::GET, &made["id"], pro).await.status(),
                200
            );
        }
        // The e-mail token of the new account opens that alone.
        let foreign = account(&app, Method::GET, &user["user_id"], &made["token"]).await;
        assert_eq!(foreign.status(), 404);
        assert_eq!(foreign.json(), json!({"error": "account_not_found"}));
        let deleted = account(&app, Method::DELETE, &made["id"], credential).await;
        assert_eq!(deleted.status(), 204);
        let gone = account(&app, Method::GET, &made["id"], credential).await;
        assert_eq!(
            (gone.status(), gone.json()),
            (404, json!({"error": "account_not_found"}))
        );
        assert_eq!(
            account(&app, Method::GET, &made["id"], &made["token"])
                .await
                .status(),
            401
        );
    }
}

#[tokio::test]
async fn an_owner_is_not_deleted_from_under_the_others() {
    let app = TestApp::start().await;
    let user = pro(&app, "user@example.com").await;
    let body = json!({"address": "box@mail.td", "password": PASSWORD});
    let token = user["token"].as_str().unwrap();
    let made = app
        .post("/api/accounts")
        .bearer(token)
        .json(body)
        .send()
        .await
        .json();
    let refused = account(&app, Method::DELETE, &user["user_id"], &user["token"]).await;
    assert_eq!(
        (refused.status(), refused.json()),
        (409, json!({"error": "organization_not_empty"}))
    );
    account(&app, Method::DELETE, &made["id"], &user["token"]).await;
    assert_eq!(
        account(&app, Method::DELETE, &user["user_id"], &user["token"])
            .await
            .status(),
        204
    );
}

#[tokio::test]
async fn whose_account_it_is_not_cannot_tell_it_from_none() {
    let app = TestApp::start().await;
    let user = pro(&app, "user@example.com").await;
    let body = json!({"address": "box@mail.td", "password": PASSWORD});
    let token = user["token"].as_str().unwrap();
    let made = app
        .post("/api/accounts")
        .bearer(token)
        .json(body)
        .send()
        .await
        .json();
    let rival = pro(&app, "rival@example.com").await;
    let free = create(&app, "free@mail.td").await.json();
    let mailbox = sign_in(&app, "user@example.com").await.json();
    for token in [&rival["token"], &free["token"], &mailbox["token"]] {
        for method in [Method::GET, Method::DELETE] {
            for id in [
                made["id"].as_str().unwrap(),
                "01890a5d-ac96-774b-bcce-b302099a8057",
                "me",
                "x",
                "%2e%2e",
                "%00",
            ] {
                let answer = account(&app, method.clone(), &json!(id), token).await;
                assert_eq!(
                    (answer.status(), answer.text().as_str()),
                    (404, r#"{"error":"account_not_found"}"#),
                    "{id}"
                );
            }
        }
    }
    assert_eq!(
        account(&app, Method::GET, &made["id"], &user["token"])
            .await
            .status(),
        200
    );
}

#[tokio::test]
async fn tokens_last_as_long_as_documented() {
    let app = TestApp::start().await;
    let user = pro(&app, "user@example.com").await;
    let token = user["token"].as_str().unwrap();
    let api_token = app
        .post("/api/user/tokens")
        .bearer(token)
        .json(json!({}))
        .send()
        .await
        .json();
    let api_token = &api_token["token"];
    let mailbox = sign_in(&app, "user@example.com").await.json();
    let is_live = async |token: &Value| {
        let answer = account(&app, Method::GET, &user["user_id"], token).await;
        if answer.status() == 401 {
            assert_eq!(answer.json(), json!({"error": "invalid_or_expired_token"}));
        }
        answer.status() == 200
    };
    app.clock.advance(7 * DAY - Duration::from_secs(1));
    assert!(is_live(&user["token"]).await && is_live(&mailbox["token"]).await);
    app.clock.advance(Duration::from_secs(1));
    assert!(!is_live(&user["token"]).await && !is_live(&mailbox["token"]).await);
    app.clock.advance(3650 * DAY);
    assert!(is_live(api_token).await);
}

#[tokio::test]
async fn pro_api_tokens_are_shown_once_listed_and_revoked() {
    let app = TestApp::start().await;
    let user = pro(&app, "user@example.com").await;
    let token = user["token"].as_str().unwrap();
    let mut made = Vec::new();
    for name in ["deploys", "backup"] {
        let body = json!({ "name": name });
        let answer = app
            .post("/api/user/tokens")
            .bearer(token)
            .json(body)
            .send()
            .await
            .json();
        assert_keys(&answer, ["id", "name", "token", "created_at"]);
        made.push(answer);
    }
    // A key of another kind is not among them.
    app.post("/v1/apiKeys")
        .bearer(token)
        .json(json!({}))
        .send()
        .await;
    let listed = app.get("/api/user/tokens").bearer(token).send().await;
    assert_eq!(listed.status(), 200);
    assert!(
        made.iter()
            .all(|token| !listed.text().contains(token["token"].as_str().unwrap()))
    );
    let listed = listed.json();
    let listed = listed["tokens"].as_array().unwrap();
    assert_eq!(listed.len(), 2);
    for token in listed {
        assert_keys(
            token,
            ["id", "name", "prefix", "created_at", "last_used_at"],
        );
        assert_eq!(token["last_used_at"], Value::Null);
        let secret = made.iter().find(|made| made["id"] == token["id"]).unwrap();
        assert!(
            secret["token"]
                .as_str()
                .unwrap()
                .starts_with(token["prefix"].as_str().unwrap())
        );
    }
    let first = made[0]["token"].as_str().unwrap();
    let path = format!("/api/user/tokens/{}", made[0]["id"].as_str().unwrap());
    assert_eq!(
        app.get("/api/user/tokens")
            .bearer(first)
            .send()
            .await
            .status(),
        200
    );
    let revoked = app.delete(&path).bearer(token).send().await;
    assert_eq!((revoked.status(), revoked.text().as_str()), (204, ""));
    let refused = app.get("/api/user/tokens").bearer(first).send().await;
    assert_eq!(
        (refused.status(), refused.json()),
        (401, json!({"error": "invalid_or_expired_token"}))
    );
    for path in [path.as_str(), "/api/user/tokens/x", "/api/user/tokens/%00"] {
        let again = app.delete(path).bearer(token).send().await;
        assert_eq!(
            (again.status(), again.json()),
            (404, json!({"error": "token_not_found"}))
        );
    }
}

#[tokio::test]
async fn only_pro_tokens_are_revoked_here() {
    let app = TestApp::start().await;
    let user = pro(&app, "user@example.com").await;
    let token = user["token"].as_str().unwrap();
    for kind in ["API_KEY_KIND_STANDARD", "API_KEY_KIND_MAILKITE"] {
        let other = app
            .post("/v1/apiKeys")
            .bearer(token)
            .json(json!({ "kind": kind }))
            .send()
            .await
            .json();
        let id = other["apiKey"]["name"].as_str().unwrap();
        let id = id.strip_prefix("apiKeys/").unwrap();
        let path = format!("/api/user/tokens/{id}");
        let none = app.delete("/api/user/tokens/x").bearer(token).send().await;
        let refused = app.delete(&path).bearer(token).send().await;
        assert_eq!(
            (refused.status(), refused.text()),
            (none.status(), none.text())
        );
        assert_eq!(refused.json(), json!({"error": "token_not_found"}));
        assert!(app.opens(other["secret"].as_str().unwrap()).await, "{kind}");
    }
}

#[tokio::test]
async fn who_is_pro_no_longer_still_revokes_tokens() {
    let app = TestApp::start().await;
    let user = pro(&app, "user@example.com").await;
    let token = user["token"].as_str().unwrap();
    let made = app
        .post("/api/user/tokens")
        .bearer(token)
        .json(json!({}))
        .send()
        .await
        .json();
    let organization = app.organization(token).await;
    app.downgrade(&organization).await;
    let path = format!("/api/user/tokens/{}", made["id"].as_str().unwrap());
    // Not with an e-mail token, which is for one mailbox.
    let mailbox = sign_in(&app, "user@example.com").await.json();
    let mailbox = mailbox["token"].as_str().unwrap();
    let refused = app.delete(&path).bearer(mailbox).send().await;
    assert_eq!(
        (refused.status(), refused.json()),
        (403, json!({"error": "permission_denied"}))
    );
    let revoked = app.delete(&path).bearer(token).send().await;
    assert_eq!(revoked.status(), 204, "{}", revoked.text());
    assert!(!app.opens(made["token"].as_str().unwrap()).await);
}

#[tokio::test]
async fn the_work_of_a_pro_user_does_not_take_the_account_out_of_the_organization() {
    let app = TestApp::start().await;
    let user = pro(&app, "user@example.com").await;
    let work = pow(&app).await;
    let body = json!({"address": "box@mail.td", "password": PASSWORD, "pow": work});
    let made = app
        .post("/api/accounts")
        .bearer(user["token"].as_str().unwrap())
        .json(body)
        .send()
        .await;
    assert_eq!(made.status(), 201, "{}", made.text());
    let made = made.json();
    let read = account(&app, Method::GET, &made["id"], &user["token"]).await;
    assert_eq!(read.status(), 200);
    // The e-mail token of the Pro user reaches no organization: its account is a free one.
    let mailbox = sign_in(&app, "user@example.com").await.json();
    let body = json!({"address": "own@mail.td", "password": PASSWORD, "pow": work});
    let made = app
        .post("/api/accounts")
        .bearer(mailbox["token"].as_str().unwrap())
        .json(body)
        .send()
        .await;
    assert_eq!(
        made.status(),
        201,
        "the work was not spent: {}",
        made.text()
    );
    let read = account(&app, Method::GET, &made.json()["id"], &user["token"]).await;
    assert_eq!(read.status(), 404);
}

#[tokio::test]
async fn tokens_are_for_pro_users_and_not_for_mailboxes() {
    let app = TestApp::start().await;
    pro(&app, "user@example.com").await;
    create(&app, ADDRESS).await;
    let free = log_in(&app, ADDRESS).await.json();
    let mailbox = sign_in(&app, "user@example.com").await.json();
    for (answer, is_pro) in [(&free, false), (&mailbox, true)] {
        let token = answer["token"].as_str().unwrap();
        for call in [
            app.post("/api/user/tokens").json(json!({})),
            app.get("/api/user/tokens"),
        ] {
            let refused = call.bearer(token).send().await;
            assert_eq!(refused.status(), 403, "{is_pro}");
            assert_eq!(refused.json(), json!({"error": "permission_denied"}));
        }
    }
    for call in [
        app.post("/api/user/tokens").json(json!({})),
        app.get("/api/user/tokens"),
        app.delete("/api/user/tokens/x"),
        app.get("/api/accounts/x"),
    ] {
        let refused = call.send().await;
        assert_eq!(
            (refused.status(), refused.json()),
            (401, json!({"error": "invalid_or_expired_token"}))
        );
        assert!(refused.header("www-authenticate").starts_with("Bearer"));
    }
}
