//! The contract's own REST paths, as somebody with `curl` uses them.

use serde_json::{Value, json};

use crate::support::{PASSWORD, TestApp, TestResponse};

fn ann() -> Value {
    json!({"email": "ann@example.com", "password": PASSWORD})
}

/// Signs up and logs in, and gives an access token.
async fn signed_in(app: &TestApp) -> String {
    assert_eq!(app.post_json("/v1/accounts", ann()).await.status(), 200);
    let answer = app.post_json("/v1/sessions", ann()).await.json();
    answer["tokens"]["accessToken"].as_str().unwrap().to_owned()
}

/// The reason in a `google.rpc.Status`, and the fields at fault.
#[track_caller]
fn refusal(answer: &TestResponse) -> (u16, String, Vec<String>) {
    let body = answer.json();
    let details = body["details"].as_array().unwrap();
    let of = |kind: &str| {
        details
            .iter()
            .find(|detail| detail["@type"].as_str().unwrap().ends_with(kind))
    };
    let reason = of("ErrorInfo").unwrap()["reason"]
        .as_str()
        .unwrap()
        .to_owned();
    let violations = of("BadRequest")
        .and_then(|detail| detail["fieldViolations"].as_array())
        .cloned();
    let fields = violations
        .unwrap_or_default()
        .iter()
        .map(|one| one["field"].as_str().unwrap().to_owned())
        .collect();
    (answer.status(), reason, fields)
}

#[tokio::test]
async fn a_person_signs_up_logs_in_and_out() {
    let app = TestApp::start().await;
    let token = signed_in(&app).await;
    let me = app.get("/v1/accounts/me").bearer(&token).send().await;
    assert_eq!(
        (me.status(), &me.json()["account"]["email"]),
        (200, &json!("ann@example.com"))
    );
    let out = app
        .delete("/v1/sessions/current")
        .bearer(&token)
        .send()
        .await;
    assert_eq!((out.status(), out.json()), (200, json!({})));
    let again = app.get("/v1/accounts/me").bearer(&token).send().await;
    assert_eq!(
        refusal(&again),
        (401, "CREDENTIAL_INVALID".to_owned(), vec![])
    );
    let challenge = again.header("www-authenticate");
    assert!(challenge.starts_with("Bearer realm=\"countersign\", "));
    assert!(challenge.ends_with(", error=\"invalid_token\""));
}

#[tokio::test]
async fn an_account_that_was_read_can_be_sent_back_changed() {
    let app = TestApp::start().await;
    let token = signed_in(&app).await;
    let mut account = app
        .get("/v1/accounts/me")
        .bearer(&token)
        .send()
        .await
        .json()["account"]
        .clone();
    account["displayName"] = json!("Ann Lee");
    let path = "/v1/accounts/me?updateMask=displayName";
    let changed = app
        .patch(path)
        .bearer(&token)
        .json(account.clone())
        .send()
        .await;
    assert_eq!(
        (changed.status(), &changed.json()["account"]["displayName"]),
        (200, &json!("Ann Lee"))
    );
    let stale = app.patch(path).bearer(&token).json(account).send().await;
    assert_eq!(refusal(&stale), (409, "ETAG_MISMATCH".to_owned(), vec![]));
}

#[tokio::test]
async fn a_refresh_gives_the_next_tokens() {
    let app = TestApp::start().await;
    app.post_json("/v1/accounts", ann()).await;
    let first = app.post_json("/v1/sessions", ann()).await.json();
    let body = json!({"refreshToken": first["tokens"]["refreshToken"]});
    let next = app.post_json("/v1/sessions:refresh", body).await;
    assert_eq!(next.status(), 200);
    assert_ne!(
        next.json()["tokens"]["refreshToken"],
        first["tokens"]["refreshToken"]
    );
}

#[tokio::test]
async fn keys_are_made_and_listed_in_pages() {
    let app = TestApp::start().await;
    let token = signed_in(&app).await;
    for name in ["one", "two", "three"] {
        let made = app
            .post("/v1/apiKeys")
            .bearer(&token)
            .json(json!({"displayName": name}))
            .send()
            .await;
        assert!(app.opens(made.json()["secret"].as_str().unwrap()).await);
    }
    let first = app
        .get("/v1/apiKeys?pageSize=2")
        .bearer(&token)
        .send()
        .await
        .json();
    assert_eq!(first["apiKeys"].as_array().unwrap().len(), 2);
    let rest = format!(
        "/v1/apiKeys?pageSize=2&pageToken={}",
        first["nextPageToken"].as_str().unwrap()
    );
    let rest = app.get(&rest).bearer(&token).send().await.json();
    assert_eq!(
        (
            rest["apiKeys"].as_array().unwrap().len(),
            &rest["nextPageToken"]
        ),
        (1, &json!(""))
    );
}

#[tokio::test]
async fn a_message_that_is_wrong_is_refused_in_google_rpc_status() {
    let app = TestApp::start().await;
    signed_in(&app).await;
    let bad_address = json!({"email": "x", "password": PASSWORD});
    for (body, status, reason, field) in [
        (bad_address, 400, "INVALID_FIELD", "email"),
        (json!({"email": 7}), 400, "INVALID_FIELD", "email"),
        (json!({"nothing": 1}), 400, "MALFORMED_REQUEST", "nothing"),
        (ann(), 409, "EMAIL_ALREADY_EXISTS", "email"),
    ] {
        let answer = app.post_json("/v1/accounts", body).await;
        let expected = (status, reason.to_owned(), vec![field.to_owned()]);
        assert_eq!(refusal(&answer), expected, "{}", answer.text());
    }
}

#[tokio::test]
async fn a_call_that_is_wrong_is_refused_in_google_rpc_status() {
    let app = TestApp::start().await;
    let token = signed_in(&app).await;
    let page_size = app
        .get("/v1/sessions?pageSize=x")
        .bearer(&token)
        .send()
        .await;
    let expected = (
        400,
        "INVALID_FIELD".to_owned(),
        vec!["page_size".to_owned()],
    );
    assert_eq!(refusal(&page_size), expected);
    let plain = app
        .post("/v1/accounts")
        .body("text/plain", "{}")
        .send()
        .await;
    let expected = (
        415,
        "UNSUPPORTED_MEDIA_TYPE".to_owned(),
        vec!["content-type".to_owned()],
    );
    assert_eq!(refusal(&plain), expected);
    assert_eq!(plain.header("accept"), "application/json");
    let broken = app.post("/v1/accounts").body("application/json", "{");
    let expected = (400, "MALFORMED_REQUEST".to_owned(), vec!["body".to_owned()]);
    assert_eq!(refusal(&broken.send().await), expected);
    for (call, status, reason) in [
        (app.get("/v1/accounts"), 405, "HTTP_METHOD_NOT_ALLOWED"),
        (app.get("/v1/nothing"), 404, "METHOD_NOT_FOUND"),
        (app.get("/v1/accounts/me"), 401, "CREDENTIAL_MISSING"),
        (
            app.get("/v1/sessions/none").bearer(&token),
            404,
            "SESSION_NOT_FOUND",
        ),
    ] {
        let answer = call.send().await;
        assert_eq!(
            refusal(&answer),
            (status, reason.to_owned(), vec![]),
            "{}",
            answer.text()
        );
    }
}
