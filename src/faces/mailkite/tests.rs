use std::time::Duration;

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};

use super::{
    super::testing::{ACCOUNT_ID, Caller, GOOD_CONTENT_TYPES, Message, bad_bodies},
    *,
};
use crate::error::Error;

fn credentials() -> Value {
    json!({"email": "you@example.com", "password": "secure_password_123"})
}

#[tokio::test]
async fn signup_is_one_rpc_and_answers_as_documented() {
    let caller = Caller::new();
    let answer = caller.json(SIGNUP, credentials()).await;
    assert_eq!(answer.status, 201);
    assert_eq!(
        answer.body,
        json!({
            "token": "the-access-token",
            "user": {
                "id": ACCOUNT_ID,
                "email": "you@example.com",
                "name": "",
                "created_at": "2024-01-15T10:30:00.000Z",
            },
            "api_key": "mk_live_secret",
        })
    );
    let seen = caller.services.seen();
    assert_eq!(seen.len(), 1);
    let message = Message::CreateAccount(v1::CreateAccountRequest {
        email: "you@example.com".into(),
        password: "secure_password_123".into(),
        display_name: String::new(),
        session_client_id: "mailkite".to_owned(),
        api_key_kind: v1::ApiKeyKind::Mailkite.into(),
        proof_of_work: None,
        request_id: String::new(),
    });
    assert_eq!(seen[0].message, message);
}

#[tokio::test]
async fn signup_takes_proof_of_work_and_names_its_members() {
    let caller = Caller::new();
    let mut body = credentials();
    body["pow"] = json!({"id": "abc", "nonce": "1"});
    assert_eq!(caller.json(SIGNUP, body.clone()).await.status, 201);
    let Message::CreateAccount(sent) = &caller.services.seen()[0].message else {
        panic!("not a sign-up")
    };
    let work = sent.proof_of_work.as_ref().unwrap();
    assert_eq!(
        (work.challenge_id.as_str(), work.nonce.as_str()),
        ("abc", "1")
    );
    body["pow"]["nonce"] = json!("1".repeat(129));
    let answer = caller.json(SIGNUP, body.clone()).await;
    let error = json!({
        "code": "invalid_field",
        "message": "pow.nonce must be at most 128 bytes long.",
        "field": "pow.nonce",
    });
    assert_eq!((answer.status, &answer.body["error"]), (400, &error));
    let answer = caller.json(LOGIN, body).await;
    assert_eq!(answer.status, 400, "a log-in takes none");
}

#[tokio::test]
async fn login_answers_as_documented() {
    let caller = Caller::new();
    let answer = caller.json(LOGIN, credentials()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.body,
        json!({
            "token": "the-access-token",
            "user": {
                "id": ACCOUNT_ID,
                "email": "user@example.com",
                "name": "John Doe",
                "created_at": "2024-01-15T10:30:00.000Z",
            },
        })
    );
    let message = Message::CreateSession(v1::CreateSessionRequest {
        email: "you@example.com".into(),
        password: "secure_password_123".into(),
        client_id: "mailkite".to_owned(),
        ..v1::CreateSessionRequest::default()
    });
    assert_eq!(caller.services.seen()[0].message, message);
}

#[tokio::test]
async fn an_email_that_exists_is_409() {
    let caller = Caller::new();
    caller
        .services
        .refuse(|| Error::new(Reason::EmailAlreadyExists));
    let answer = caller.json(SIGNUP, credentials()).await;
    assert_eq!(answer.status, 409);
    assert_eq!(answer.body["error"]["code"], "email_exists");
}

#[tokio::test]
async fn the_field_at_fault_is_named() {
    let caller = Caller::new();
    let body = json!({"email": "you@example.com", "password": "short"});
    let answer = caller.json(SIGNUP, body).await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.body,
        json!({"error": {
            "code": "invalid_field",
            "message": "password must be at least 8 characters long.",
            "field": "password",
        }})
    );
    caller
        .services
        .refuse(|| Error::new(Reason::PasswordTooCommon).on_field("password"));
    let answer = caller.json(SIGNUP, credentials()).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.body["error"]["code"], "password_too_common");
    assert_eq!(answer.body["error"]["field"], "password");
}

#[tokio::test]
async fn bad_bodies_are_refused_before_any_rpc_and_never_repeated() {
    for path in [SIGNUP, LOGIN] {
        for (kind, body, status) in bad_bodies("email", "password") {
            let caller = Caller::new();
            let text = String::from_utf8_lossy(&body).into_owned();
            let answer = caller.post(path, kind, body).await;
            assert_eq!(answer.status, status, "{kind} {text:.80}");
            assert!(answer.body["error"]["code"].is_string(), "{text:.80}");
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
            .post(SIGNUP, kind, credentials().to_string())
            .await;
        assert_eq!(answer.status, 201, "{kind}");
    }
}

#[tokio::test]
async fn other_methods_and_paths_are_refused_in_the_words_of_the_face() {
    let caller = Caller::new();
    for (method, path, status, code) in [
        (Method::GET, SIGNUP, 405, "method_not_allowed"),
        (Method::PATCH, LOGIN, 405, "method_not_allowed"),
        (Method::POST, "/api/auth/signin", 404, "not_found"),
        (Method::GET, "/api/auth/login/x", 404, "not_found"),
    ] {
        let request = Request::builder().method(method).uri(path);
        let answer = caller.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.body["error"]["code"], code);
        assert_eq!(answer.header("allow").is_empty(), status == 404);
    }
}

#[tokio::test]
async fn a_limit_says_when_to_come_back() {
    let caller = Caller::new();
    let wait = Duration::from_millis(100);
    caller
        .services
        .refuse(move || Error::new(Reason::Overloaded).retry_after(wait));
    let answer = caller.json(SIGNUP, credentials()).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), ["1"]);
}

#[tokio::test]
async fn a_member_that_comes_twice_is_named() {
    let body = r#"{"email":"you@example.com","password":"hunter2","password":"x"}"#;
    let answer = Caller::new().post(LOGIN, "application/json", body).await;
    let error = &answer.body["error"];
    assert_eq!((answer.status, &error["field"]), (400, &json!("password")));
    assert_eq!(error["message"], "password must be given once.");
}
