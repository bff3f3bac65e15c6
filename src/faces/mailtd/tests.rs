use axum::body::Body;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};

use super::{
    super::testing::{ACCOUNT_ID, Answer, CREATED, Caller, KEY_ID, Message, NOW, Seen},
    *,
};
use crate::error::Error;

mod refusals;

fn credentials() -> Value {
    json!({"address": "demo@mail.td", "password": "supersecret"})
}

fn with_pow() -> Value {
    let mut body = credentials();
    body["pow"] = json!({"id": "the-challenge", "nonce": "42"});
    body
}

async fn send(caller: &Caller, method: &str, path: &str, body: Option<Value>) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", "Bearer abc");
    if body.is_some() {
        request = request.header("content-type", "application/json");
    }
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    caller.send(request.body(body).unwrap()).await
}

/// A body whose length is not said before it.
fn chunked(body: &'static str) -> Body {
    let whole: Full<bytes::Bytes> = body.into();
    Body::new(whole.map_frame(std::convert::identity))
}

#[tokio::test]
async fn the_challenge_answers_as_documented() {
    let caller = Caller::new();
    let request = Request::get(CHALLENGE).body(Body::empty()).unwrap();
    let answer = caller.send(request).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.body,
        json!({
            "id": "the-challenge",
            "salt": "00ff",
            "difficulty": 20,
            "expires_at": NOW,
            "algorithm": "sha256",
        })
    );
    let purpose = v1::ChallengePurpose::SignUp.into();
    let message = Message::CreateChallenge(v1::CreateChallengeRequest { purpose });
    assert_eq!(caller.services.seen()[0].message, message);
}

#[tokio::test]
async fn an_account_is_made_with_the_work() {
    let caller = Caller::new();
    let answer = caller.json(ACCOUNTS, with_pow()).await;
    assert_eq!(answer.status, 201);
    assert_eq!(
        answer.body,
        json!({"id": ACCOUNT_ID, "address": "demo@mail.td", "token": "the-access-token"})
    );
    let message = Message::CreateAccount(v1::CreateAccountRequest {
        email: "demo@mail.td".into(),
        password: "supersecret".into(),
        session_client_id: "mailtd".to_owned(),
        proof_of_work: Some(v1::ProofOfWork {
            challenge_id: "the-challenge".into(),
            nonce: "42".into(),
        }),
        ..v1::CreateAccountRequest::default()
    });
    let seen = caller.services.seen();
    assert_eq!((seen.len(), &seen[0].message), (1, &message));
}

#[tokio::test]
async fn without_work_and_without_a_bearer_it_is_the_contract_that_asks_for_work() {
    let caller = Caller::new();
    for pow in [None, Some(Value::Null)] {
        let mut body = credentials();
        if let Some(pow) = pow {
            body["pow"] = pow;
        }
        caller.json(ACCOUNTS, body).await;
    }
    for call in caller.services.seen() {
        let Message::CreateAccount(sent) = call.message else {
            panic!("not a sign-up")
        };
        assert_eq!(sent.proof_of_work, None);
        assert_eq!(sent.session_client_id, "mailtd");
    }
}

#[tokio::test]
async fn a_bearer_makes_an_account_in_its_organization_with_and_without_work() {
    let caller = Caller::new();
    for body in [credentials(), with_pow()] {
        let answer = send(&caller, "POST", ACCOUNTS, Some(body)).await;
        assert_eq!(answer.status, 201);
        assert_eq!(
            answer.body,
            json!({"id": ACCOUNT_ID, "address": "demo@mail.td", "token": "the-access-token"})
        );
    }
    let message = Message::ProvisionAccount(v1::ProvisionAccountRequest {
        parent: "organizations/me".into(),
        email: "demo@mail.td".into(),
        password: "supersecret".into(),
        display_name: String::new(),
        session_client_id: "mailtd".to_owned(),
        request_id: String::new(),
    });
    let seen = caller.services.seen();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|call| call.message == message));
    assert_eq!(seen[0].headers["authorization"], "Bearer abc");
}

#[tokio::test]
async fn a_bearer_that_reaches_no_organization_needs_the_work() {
    let caller = Caller::new();
    caller
        .services
        .refuse(|| Error::new(Reason::PermissionDenied));
    let free = send(&caller, "POST", ACCOUNTS, Some(credentials())).await;
    assert_eq!(free.status, 400);
    assert_eq!(free.body, json!({"error": "challenge_required"}));
    send(&caller, "POST", ACCOUNTS, Some(with_pow())).await;
    let seen = caller.services.seen();
    assert_eq!(seen.len(), 3);
    assert!(matches!(seen[2].message, Message::CreateAccount(_)));
    caller
        .services
        .refuse(|| Error::new(Reason::CredentialInvalid));
    for body in [credentials(), with_pow()] {
        let wrong = send(&caller, "POST", ACCOUNTS, Some(body)).await;
        assert_eq!(wrong.status, 401);
        assert_eq!(wrong.body, json!({"error": "invalid_or_expired_token"}));
    }
    let seen = caller.services.seen();
    let sign_ups = |call: &&Seen| matches!(call.message, Message::CreateAccount(_));
    assert_eq!(seen.iter().filter(sign_ups).count(), 1);
}

#[tokio::test]
async fn signing_in_answers_as_documented() {
    let caller = Caller::new();
    let answer = caller.json(TOKEN, credentials()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.body,
        json!({"id": ACCOUNT_ID, "address": "user@example.com", "token": "the-access-token"})
    );
    let message = Message::CreateSession(v1::CreateSessionRequest {
        email: "demo@mail.td".into(),
        password: "supersecret".into(),
        client_id: "mailtd".to_owned(),
        ..v1::CreateSessionRequest::default()
    });
    assert_eq!(caller.services.seen()[0].message, message);
}

#[tokio::test]
async fn logging_in_answers_as_documented_with_the_token() {
    let caller = Caller::new();
    let body = json!({"email": "user@example.com", "password": "propassword"});
    let answer = caller.json(LOGIN, body).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.body,
        json!({
            "user_id": ACCOUNT_ID,
            "email": "user@example.com",
            "plan": "pro",
            "status": "active",
            "token": "the-access-token",
            "expires_at": NOW + 3_600_000,
        })
    );
    let message = Message::CreateSession(v1::CreateSessionRequest {
        email: "user@example.com".into(),
        password: "propassword".into(),
        client_id: "mailtd-pro".to_owned(),
        ..v1::CreateSessionRequest::default()
    });
    assert_eq!(caller.services.seen()[0].message, message);
}

#[tokio::test]
async fn an_account_is_read_and_deleted_by_its_id() {
    let caller = Caller::new();
    let path = format!("{ACCOUNTS}/{ACCOUNT_ID}");
    let read = send(&caller, "GET", &path, None).await;
    assert_eq!(read.status, 200);
    assert_eq!(
        read.body,
        json!({"id": ACCOUNT_ID, "address": "jack.truong@jameshardie.com", "created_at": CREATED})
    );
    let deleted = send(&caller, "DELETE", &path, None).await;
    assert_eq!((deleted.status, deleted.body), (204, Value::Null));
    let name = format!("accounts/{ACCOUNT_ID}");
    let seen = caller.services.seen();
    let read = v1::GetAccountRequest { name: name.clone() };
    assert_eq!(seen[0].message, Message::GetAccount(read));
    let etag = String::new();
    let deleted = v1::DeleteAccountRequest { name, etag };
    assert_eq!(seen[1].message, Message::DeleteAccount(deleted));
}

#[tokio::test]
async fn an_id_that_is_none_is_asked_for_like_one_that_is_nobodys() {
    let caller = Caller::new();
    let long = "x".repeat(500);
    let ids = [
        "me",
        "%2e%2e",
        "x%00",
        "%ff",
        "%0a",
        "-",
        "accounts%2fme",
        &long,
    ];
    caller.services.refuse(|| Reason::ApiKeyNotFound.into());
    for id in ids {
        send(&caller, "GET", &format!("{ACCOUNTS}/{id}"), None).await;
        send(&caller, "DELETE", &format!("{TOKENS}/{id}"), None).await;
    }
    let seen = caller.services.seen();
    assert_eq!(seen.len(), 2 * ids.len());
    for call in seen {
        match call.message {
            Message::GetAccount(sent) => assert_eq!(sent.name, "accounts/-"),
            Message::GetApiKey(sent) => assert_eq!(sent.name, "apiKeys/-"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_pro_token_needs_no_body_and_no_content_type() {
    for (kind, body) in [
        (None, Body::empty()),
        (None, chunked("")),
        (Some("application/json"), Body::empty()),
        (Some("application/json"), Body::from("{}")),
        // What `curl -d ''` sends.
        (Some("application/x-www-form-urlencoded"), Body::empty()),
    ] {
        let caller = Caller::new();
        let mut request = Request::post(TOKENS).header("authorization", "Bearer abc");
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let answer = caller.send(request.body(body).unwrap()).await;
        assert_eq!(
            (answer.status, &answer.body["name"]),
            (201, &json!("")),
            "{kind:?}"
        );
        assert_eq!(answer.body["token"], "tm_pro_AbCdSecret");
    }
}

#[tokio::test]
async fn pro_tokens_are_made_listed_and_revoked() {
    let caller = Caller::new();
    let made = send(&caller, "POST", TOKENS, Some(json!({"name": "ci"}))).await;
    assert_eq!(made.status, 201);
    assert_eq!(
        made.body,
        json!({"id": KEY_ID, "name": "ci", "token": "tm_pro_AbCdSecret", "created_at": CREATED})
    );
    let unnamed = send(&caller, "POST", TOKENS, Some(json!({}))).await;
    assert_eq!((unnamed.status, &unnamed.body["name"]), (201, &json!("")));
    let listed = send(&caller, "GET", TOKENS, None).await;
    let token = |name: &str, last_used: Value| {
        json!({
            "id": KEY_ID,
            "name": name,
            "prefix": "tm_pro_AbCd",
            "created_at": CREATED,
            "last_used_at": last_used,
        })
    };
    assert_eq!(listed.status, 200);
    assert_eq!(
        listed.body,
        json!({"tokens": [token("first", Value::Null), token("second", json!(NOW))]})
    );
    let revoked = send(&caller, "DELETE", &format!("{TOKENS}/{KEY_ID}"), None).await;
    assert_eq!((revoked.status, revoked.body), (204, Value::Null));
    let seen = caller.services.seen();
    let Message::CreateApiKey(sent) = &seen[0].message else {
        panic!("not a key")
    };
    let key = sent.api_key.as_ref().unwrap();
    assert_eq!(
        (key.kind(), key.display_name.as_str()),
        (v1::ApiKeyKind::Mailtd, "ci")
    );
    let Message::ListApiKeys(sent) = &seen[2].message else {
        panic!("not a list")
    };
    assert_eq!(sent.filter, "kind = API_KEY_KIND_MAILTD");
    let name = format!("apiKeys/{KEY_ID}");
    let read = v1::GetApiKeyRequest { name: name.clone() };
    assert_eq!(seen[4].message, Message::GetApiKey(read));
    let message = Message::DeleteApiKey(v1::DeleteApiKeyRequest { name });
    assert_eq!(seen[5].message, message);
}
