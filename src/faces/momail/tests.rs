use std::time::Duration;

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};

use super::{
    super::testing::{ACCOUNT_ID, Caller, GOOD_CONTENT_TYPES, Message, bad_bodies},
    *,
};
use crate::model::request::RequestContext;

fn user_id() -> String {
    user_id::encode(ACCOUNT_ID.parse().unwrap())
}

fn registration() -> Value {
    json!({"email": "user@example.com", "password": "secure_password_123", "name": "John Doe"})
}

#[tokio::test]
async fn register_answers_as_documented() {
    for path in ["/v1/auth/register", "/auth/register"] {
        let caller = Caller::new();
        let answer = caller.json(path, registration()).await;
        assert_eq!(answer.status, 201);
        assert_eq!(
            answer.body,
            json!({"success": true, "data": {
                "userId": user_id(),
                "email": "user@example.com",
                "name": "John Doe",
                "createdAt": "2024-01-15T10:30:00.000Z",
            }})
        );
        let message = Message::CreateAccount(v1::CreateAccountRequest {
            email: "user@example.com".into(),
            password: "secure_password_123".into(),
            display_name: "John Doe".into(),
            ..v1::CreateAccountRequest::default()
        });
        assert_eq!(caller.services.seen()[0].message, message);
    }
}

#[tokio::test]
async fn register_takes_proof_of_work_and_names_its_members() {
    let caller = Caller::new();
    let mut body = registration();
    body["pow"] = json!({"id": "abc", "nonce": "1"});
    assert_eq!(
        caller.json("/auth/register", body.clone()).await.status,
        201
    );
    let Message::CreateAccount(sent) = &caller.services.seen()[0].message else {
        panic!("not a sign-up")
    };
    let work = sent.proof_of_work.as_ref().unwrap();
    assert_eq!(
        (work.challenge_id.as_str(), work.nonce.as_str()),
        ("abc", "1")
    );
    body["pow"] = json!({"id": "a b", "nonce": "1"});
    let answer = caller.json("/auth/register", body).await;
    assert_eq!(answer.status, 400);
    let details = json!([{"field": "pow.id", "message": "must be visible ASCII"}]);
    assert_eq!(answer.body["error"]["details"], details);
}

#[tokio::test]
async fn login_answers_as_documented() {
    for path in ["/v1/auth/login", "/auth/login"] {
        let caller = Caller::new();
        let body = json!({"email": "user@example.com", "password": "secure_password_123"});
        let answer = caller.json(path, body).await;
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.body,
            json!({"success": true, "data": {
                "accessToken": "the-access-token",
                "refreshToken": "the-refresh-token",
                "expiresIn": 3600,
                "user": {"userId": user_id(), "email": "user@example.com", "name": "John Doe"},
            }})
        );
        let message = Message::CreateSession(v1::CreateSessionRequest {
            email: "user@example.com".into(),
            password: "secure_password_123".into(),
            client_id: "momail".to_owned(),
            ..v1::CreateSessionRequest::default()
        });
        assert_eq!(caller.services.seen()[0].message, message);
    }
}

#[tokio::test]
async fn logout_answers_as_documented_whatever_the_body() {
    for body in ["", "{}", "{"] {
        let caller = Caller::new();
        let request = Request::post("/v1/auth/logout")
            .header("authorization", "Bearer abc")
            .body(Body::from(body))
            .unwrap();
        let answer = caller.send(request).await;
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.body,
            json!({"success": true, "data": {"message": "Logged out successfully"}})
        );
        let name = "sessions/current".to_owned();
        let message = Message::DeleteSession(v1::DeleteSessionRequest { name });
        let seen = &caller.services.seen()[0];
        assert_eq!(seen.message, message);
        assert_eq!(seen.headers["authorization"], "Bearer abc");
    }
}

#[tokio::test]
async fn refresh_answers_as_documented() {
    let caller = Caller::new();
    let body = json!({"refreshToken": "the-refresh-token"});
    let answer = caller.json("/auth/refresh", body).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.body,
        json!({"success": true, "data": {"accessToken": "the-access-token", "expiresIn": 3600}})
    );
}

#[tokio::test]
async fn the_caller_travels_along() {
    let caller = Caller::new();
    let context = RequestContext::new("r-1".into(), [192, 0, 2, 1].into());
    let mut request = Request::post("/auth/login")
        .header("content-type", "application/json")
        .header("authorization", "Basic a2V5Og==")
        .header("user-agent", "Device/1.0 (é)")
        .header("cookie", "a=b")
        .body(Body::from(r#"{"email":"a@example.com","password":"p"}"#))
        .unwrap();
    request.extensions_mut().insert(context.clone());
    caller.send(request).await;
    let seen = &caller.services.seen()[0];
    assert_eq!(seen.context.as_ref(), Some(&context));
    assert_eq!(seen.headers["authorization"], "Basic a2V5Og==");
    assert_eq!(seen.headers["user-agent"], "Device/1.0 (é)");
    assert!(!seen.headers.contains_key("cookie"));
}

#[tokio::test]
async fn the_documented_refusals() {
    for (reason, path, status, code, message) in [
        (
            Reason::EmailAlreadyExists,
            "register",
            409,
            "CONFLICT",
            "Email already registered",
        ),
        (
            Reason::InvalidCredentials,
            "login",
            401,
            "UNAUTHORIZED",
            "Invalid email or password",
        ),
        (
            Reason::RefreshTokenInvalid,
            "refresh",
            401,
            "UNAUTHORIZED",
            "Invalid or expired refresh token",
        ),
    ] {
        let caller = Caller::new();
        caller.services.refuse(move || Error::new(reason));
        let body = match path {
            "register" => registration(),
            "login" => json!({"email": "user@example.com", "password": "wrong"}),
            _ => json!({"refreshToken": "wrong"}),
        };
        let answer = caller.json(&format!("/v1/auth/{path}"), body).await;
        assert_eq!(answer.status, status);
        let error = json!({"code": code, "message": message});
        assert_eq!(answer.body, json!({"success": false, "error": error}));
    }
}

#[tokio::test]
async fn fields_at_fault_have_the_names_of_the_face() {
    let caller = Caller::new();
    let body = json!({"email": "", "password": "short", "name": "a\u{7}b"});
    let answer = caller.json("/auth/register", body).await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.body,
        json!({"success": false, "error": {
            "code": "VALIDATION_ERROR",
            "message": "email is required.",
            "details": [
                {"field": "email", "message": "is required"},
                {"field": "password", "message": "must be at least 8 characters long"},
                {"field": "name", "message": "must not contain control characters"},
            ],
        }})
    );
    for body in [
        json!({}),
        json!({"refreshToken": ""}),
        json!({"refreshToken": null}),
    ] {
        let answer = caller.json("/auth/refresh", body).await;
        let details = json!([{"field": "refreshToken", "message": "is required"}]);
        assert_eq!(answer.body["error"]["details"], details);
    }
}

#[tokio::test]
async fn a_name_of_nothing_but_space_is_missing() {
    let caller = Caller::new();
    for name in ["", " \t\u{a0}"] {
        let mut body = registration();
        body["name"] = json!(name);
        let answer = caller.json("/auth/register", body).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.body["error"]["details"][0]["field"], "name");
    }
    assert!(caller.services.seen().is_empty());
}

#[tokio::test]
async fn a_refresh_token_of_any_length_is_wrong_and_not_malformed() {
    let caller = Caller::new();
    let body = json!({"refreshToken": "x".repeat(600)});
    let answer = caller.json("/auth/refresh", body).await;
    assert_eq!(answer.status, 401);
    assert_eq!(
        answer.body["error"]["message"],
        "Invalid or expired refresh token"
    );
}

#[tokio::test]
async fn bad_bodies_are_refused_before_any_rpc_and_never_repeated() {
    for (kind, body, status) in bad_bodies("email", "password") {
        let caller = Caller::new();
        let text = String::from_utf8_lossy(&body).into_owned();
        let answer = caller.post("/v1/auth/login", kind, body).await;
        assert_eq!(answer.status, status, "{kind} {:.80}", text);
        assert_eq!(answer.body["success"], false);
        assert!(answer.body["error"]["code"].is_string(), "{:.80}", text);
        assert!(
            !answer.body.to_string().contains("hunter2"),
            "{}",
            answer.body
        );
        assert!(caller.services.seen().is_empty(), "{:.80}", text);
    }
}

#[tokio::test]
async fn good_content_types_and_the_largest_body_are_accepted() {
    for kind in GOOD_CONTENT_TYPES {
        let mut body = registration().to_string();
        body.push_str(&" ".repeat((64 << 10) - body.len()));
        let answer = Caller::new().post("/auth/register", kind, body).await;
        assert_eq!(answer.status, 201, "{kind}");
    }
}

#[tokio::test]
async fn other_methods_and_paths_are_refused_in_the_words_of_the_face() {
    let caller = Caller::new();
    let send = |method: Method, path: &str| {
        let request = Request::builder().method(method).uri(path);
        caller.send(request.body(Body::empty()).unwrap())
    };
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let answer = send(method, "/v1/auth/login").await;
        assert_eq!(answer.status, 405);
        assert_eq!(answer.body["error"]["code"], "METHOD_NOT_ALLOWED");
        assert_eq!(answer.header("allow"), ["POST"]);
    }
    for path in ["/v1/auth/logon", "/auth/login/", "/auth/x/y"] {
        let answer = send(Method::POST, path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.body["error"]["code"], "NOT_FOUND");
    }
}

#[tokio::test]
async fn a_limit_says_when_to_come_back() {
    let caller = Caller::new();
    let wait = Duration::from_millis(7_001);
    let refusal = move || Error::new(Reason::RateLimited).retry_after(wait);
    caller.services.refuse(refusal);
    let answer = caller.json("/auth/register", registration()).await;
    assert_eq!(answer.status, 429);
    assert_eq!(answer.body["error"]["code"], "RATE_LIMITED");
    assert_eq!(answer.header("retry-after"), ["8"]);
}

#[tokio::test]
async fn an_answer_that_lacks_something_is_an_opaque_error() {
    let caller = Caller::new();
    caller.services.answer_nothing();
    let answer = caller.json("/auth/register", registration()).await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.body["error"]["code"], "INTERNAL_ERROR");
}

#[tokio::test]
async fn a_member_that_comes_twice_is_in_the_details() {
    let body = r#"{"refreshToken":"hunter2","refreshToken":"x"}"#;
    let caller = Caller::new();
    let answer = caller.post("/auth/refresh", "application/json", body).await;
    let details = json!([{"field": "refreshToken", "message": "must be given once"}]);
    assert_eq!(
        (answer.status, &answer.body["error"]["details"]),
        (400, &details)
    );
}
