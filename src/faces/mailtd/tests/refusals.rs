use std::time::Duration;

use axum::body::Body;
use http::{Method, Request};
use serde_json::json;

use super::{
    super::{
        super::testing::{ACCOUNT_ID, Caller, GOOD_CONTENT_TYPES, bad_bodies},
        ACCOUNTS, CHALLENGE, LOGIN, TOKEN, TOKENS,
    },
    chunked, credentials, send, with_pow,
};
use crate::error::{Error, Reason};

#[tokio::test]
async fn the_field_at_fault_has_the_name_of_the_face() {
    let caller = Caller::new();
    let mut body = with_pow();
    body["pow"]["nonce"] = json!("");
    let answer = caller.json(ACCOUNTS, body).await;
    assert_eq!(
        (answer.status, answer.body),
        (
            400,
            json!({
                "error": "invalid_field",
                "field": "pow.nonce",
                "message": "pow.nonce is required.",
            })
        )
    );
    for (path, body, field) in [
        (
            ACCOUNTS,
            json!({"address": "demo", "password": "supersecret"}),
            "address",
        ),
        (
            TOKEN,
            json!({"address": "", "password": "supersecret"}),
            "address",
        ),
        (
            LOGIN,
            json!({"email": "", "password": "supersecret"}),
            "email",
        ),
        (
            LOGIN,
            json!({"address": "a@mail.td", "email": "a@mail.td", "password": "x"}),
            "address",
        ),
        (
            ACCOUNTS,
            json!({"address": "demo@mail.td", "password": "short"}),
            "password",
        ),
        (TOKENS, json!({"name": "x".repeat(101)}), "name"),
    ] {
        for answer in [
            caller.json(path, body.clone()).await,
            send(&caller, "POST", path, Some(body.clone())).await,
        ] {
            assert_eq!(answer.status, 400, "{path} {body}");
            assert_eq!(answer.body["error"], "invalid_field", "{path} {body}");
            assert_eq!(answer.body["field"], field, "{path} {body}");
        }
    }
    assert!(caller.services.seen().is_empty());
}

#[tokio::test]
async fn what_is_denied_names_no_field_of_the_contract() {
    let caller = Caller::new();
    for (method, body, field) in [
        ("POST", Some(json!({"name": "ci"})), "api_key.kind"),
        ("GET", None, "kind"),
    ] {
        let denied = move || Error::new(Reason::PermissionDenied).on_field(field);
        caller.services.refuse(denied);
        let answer = send(&caller, method, TOKENS, body).await;
        assert_eq!(
            (answer.status, answer.body),
            (403, json!({"error": "permission_denied"}))
        );
    }
}

#[tokio::test]
async fn bad_bodies_are_refused_before_any_rpc_and_never_repeated() {
    for (path, first) in [(ACCOUNTS, "address"), (TOKEN, "address"), (LOGIN, "email")] {
        for (kind, body, status) in bad_bodies(first, "password") {
            let caller = Caller::new();
            let text = String::from_utf8_lossy(&body).into_owned();
            let answer = caller.post(path, kind, body).await;
            assert_eq!(answer.status, status, "{path} {kind} {text:.80}");
            assert!(answer.body["error"].is_string(), "{text:.80}");
            assert!(
                !answer.body.to_string().contains("hunter2"),
                "{}",
                answer.body
            );
            assert!(caller.services.seen().is_empty(), "{text:.80}");
        }
    }
    for kind in GOOD_CONTENT_TYPES {
        let answer = Caller::new()
            .post(ACCOUNTS, kind, with_pow().to_string())
            .await;
        assert_eq!(answer.status, 201, "{kind}");
    }
}

#[tokio::test]
async fn a_body_that_may_be_left_out_is_still_json() {
    for (kind, body, status) in [
        ("text/plain", "hello", 415),
        ("application/x-www-form-urlencoded", "name=ci", 415),
        ("", "{}", 415),
        ("application/json", "[]", 400),
        ("application/json", "ci", 400),
        ("application/json", r#"{"nmae":"ci"}"#, 400),
    ] {
        let caller = Caller::new();
        for body in [Body::from(body), chunked(body)] {
            let answer = caller.post(TOKENS, kind, body).await;
            assert_eq!(answer.status, status, "{kind} {answer:?}");
        }
        assert!(caller.services.seen().is_empty(), "{kind}");
    }
}

#[tokio::test]
async fn odd_solutions_are_refused_before_any_rpc() {
    let caller = Caller::new();
    let long = "9".repeat(60_000);
    for pow in [
        json!({}),
        json!([]),
        json!("42"),
        json!({"id": "the-challenge"}),
        json!({"id": "the-challenge", "nonce": 42}),
        json!({"id": "the-challenge", "nonce": null}),
        json!({"id": "the-challenge", "nonce": long}),
        json!({"id": long, "nonce": "42"}),
        json!({"id": "é", "nonce": "42"}),
        json!({"id": "the-challenge", "nonce": "42", "difficulty": 1}),
    ] {
        let mut body = credentials();
        body["pow"] = pow.clone();
        let answer = caller.json(ACCOUNTS, body).await;
        assert_eq!(
            (answer.status, &answer.body["error"]),
            (400, &json!("invalid_field")),
            "{:.80}",
            pow.to_string()
        );
        assert!(
            answer.body["field"].as_str().unwrap().starts_with("pow"),
            "{}",
            answer.body
        );
    }
    assert!(caller.services.seen().is_empty());
}

#[tokio::test]
async fn other_methods_and_paths_are_refused_in_the_words_of_the_face() {
    let caller = Caller::new();
    let one = format!("{ACCOUNTS}/{ACCOUNT_ID}");
    let messages = format!("{one}/messages");
    for (method, path, status, error) in [
        (Method::POST, CHALLENGE, 405, "method_not_allowed"),
        (Method::GET, ACCOUNTS, 405, "method_not_allowed"),
        (Method::PATCH, one.as_str(), 405, "method_not_allowed"),
        (Method::GET, LOGIN, 405, "method_not_allowed"),
        (Method::GET, messages.as_str(), 404, "not_found"),
        (Method::GET, "/api/accounts/", 404, "not_found"),
        (Method::DELETE, "/api/user/tokens/", 404, "not_found"),
        (Method::GET, "/api/user", 404, "not_found"),
        (Method::GET, "/api/domains", 404, "not_found"),
        (Method::POST, "/api/tokens", 404, "not_found"),
    ] {
        let request = Request::builder().method(method).uri(path);
        let answer = caller.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.body, json!({ "error": error }), "{path}");
        assert_eq!(answer.header("allow").is_empty(), status == 404, "{path}");
    }
    let mailkites = Request::post("/api/auth/signin").body(Body::empty());
    let answer = caller.send(mailkites.unwrap()).await;
    assert_eq!(answer.body["error"]["code"], "not_found");
}

#[tokio::test]
async fn a_limit_says_when_to_come_back() {
    let caller = Caller::new();
    let wait = Duration::from_millis(7_001);
    let refusal = move || Error::new(Reason::RateLimited).retry_after(wait);
    caller.services.refuse(refusal);
    let answer = caller.json(ACCOUNTS, with_pow()).await;
    assert_eq!(
        (answer.status, &answer.body),
        (429, &json!({"error": "rate_limited"}))
    );
    assert_eq!(answer.header("retry-after"), ["8"]);
}

#[tokio::test]
async fn an_answer_that_lacks_something_is_an_opaque_error() {
    let caller = Caller::new();
    caller.services.answer_nothing();
    for answer in [
        caller.json(ACCOUNTS, with_pow()).await,
        caller.json(TOKEN, credentials()).await,
        send(&caller, "POST", TOKENS, Some(json!({}))).await,
        send(&caller, "GET", CHALLENGE, None).await,
    ] {
        assert_eq!(
            (answer.status, answer.body),
            (500, json!({"error": "internal"}))
        );
    }
}
