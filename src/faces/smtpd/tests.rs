mod refusals;

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use super::{
    super::{
        oauth::{REVOKE, TOKEN},
        testing::{ACCOUNT_ID, CREATED, Caller, Message, NOW, ORGANIZATION_ID},
    },
    *,
};
use crate::{error::Reason, pb::v1};

const PASSWORD: &str = "/oauth/token?grant_type=password";
const REFRESH: &str = "/oauth/token?grant_type=refresh_token";

fn login() -> Value {
    json!({"username": "user@example.com", "password": "secure_password_123"})
}

fn documented_tokens() -> Value {
    json!({
        "token_type": "bearer",
        "access_token": "the-access-token",
        "expires_at": NOW + 3_600_000,
        "Scope": ["admin"],
        "refresh_token": "the-refresh-token",
    })
}

fn login_message() -> Message {
    Message::CreateSession(v1::CreateSessionRequest {
        email: "user@example.com".into(),
        password: "secure_password_123".into(),
        client_id: "smtpd".to_owned(),
        ..v1::CreateSessionRequest::default()
    })
}

#[tokio::test]
async fn the_password_grant_answers_as_documented() {
    for name in ["username", "email", "email_address"] {
        let caller = Caller::new();
        let body = json!({name: "user@example.com", "password": "secure_password_123"});
        let answer = caller.json(PASSWORD, body).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, documented_tokens());
        assert_eq!(caller.services.seen()[0].message, login_message());
    }
}

#[tokio::test]
async fn members_that_are_not_known_are_ignored_in_json_as_in_forms() {
    for more in [
        json!({"client_id": "x"}),
        json!({"scope": ["a"], "deep": {"er": null}}),
    ] {
        for (path, mut body) in [
            (PASSWORD, login()),
            (REFRESH, json!({"refresh_token": "the-refresh-token"})),
            (REVOKE, json!({"refresh_token": "the-refresh-token"})),
        ] {
            body.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            let answer = Caller::new().json(path, body).await;
            assert_eq!(answer.status, 200, "{path} {more}");
        }
    }
    for (path, form) in [
        (REFRESH, "refresh_token=the-refresh-token&client_id=x"),
        (REVOKE, "refresh_token=the-refresh-token&client_id=x"),
    ] {
        assert_eq!(Caller::new().form(path, form).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_form_may_carry_the_password_grant_and_more() {
    for form in [
        "username=user%40example.com&password=secure_password_123",
        "email=user@example.com&password=secure_password_123&client_id=x&scope=",
        "grant_type=password&email_address=user%40example.com&password=secure_password_123",
        "username=user%40example.com&email=user%40example.com&password=secure_password_123",
    ] {
        let caller = Caller::new();
        let answer = caller.form(PASSWORD, form).await;
        assert_eq!((answer.status, answer.body), (200, documented_tokens()));
        assert_eq!(caller.services.seen()[0].message, login_message());
    }
}

#[tokio::test]
async fn the_refresh_grant_answers_as_documented() {
    let caller = Caller::new();
    let body = json!({"refresh_token": "the-refresh-token"});
    let answers = [
        caller.json(REFRESH, body).await,
        caller
            .form(REFRESH, "refresh_token=the-refresh-token")
            .await,
    ];
    for answer in answers {
        assert_eq!((answer.status, answer.body), (200, documented_tokens()));
    }
}

#[tokio::test]
async fn the_documented_refusals() {
    let wrong_login = json!({"code": 40102, "message": "Username and password are incorrect"});
    let wrong_token = json!({"code": 40106, "message": "Refresh token is invalid"});
    let token = json!({"refresh_token": "wrong"});
    for (reason, path, body, status, expected) in [
        (
            Reason::InvalidCredentials,
            PASSWORD,
            login(),
            403,
            wrong_login,
        ),
        (
            Reason::RefreshTokenInvalid,
            REFRESH,
            token.clone(),
            403,
            wrong_token.clone(),
        ),
        (Reason::RefreshTokenInvalid, REVOKE, token, 401, wrong_token),
    ] {
        let caller = Caller::new();
        caller.services.refuse(move || Error::new(reason));
        let answer = caller.json(path, body).await;
        assert_eq!((answer.status, answer.body), (status, expected), "{path}");
    }
}

#[tokio::test]
async fn the_grant_type_decides_who_answers() {
    let message = "grant_type must stand in the query and be password or refresh_token.";
    let unknown = json!({"code": 40001, "message": message});
    let caller = Caller::new();
    for path in [
        "/oauth/token",
        "/oauth/token?grant_type",
        "/oauth/token?grant_type=",
        "/oauth/token?grant_type=Password",
        "/oauth/token?grant_type=authorization_code",
        "/oauth/token?Grant_Type=password",
    ] {
        let answer = caller.json(path, login()).await;
        assert_eq!(
            (answer.status, answer.body),
            (400, unknown.clone()),
            "{path}"
        );
    }
    let both = caller
        .form(
            PASSWORD,
            "grant_type=refresh_token&username=user@example.com&password=secure_password_123",
        )
        .await;
    assert_eq!((both.status, &both.body["code"]), (400, &json!(40001)));
    let twice = format!("{PASSWORD}&grant_type=password");
    let twice = caller.json(&twice, login()).await;
    assert_eq!((twice.status, &twice.body["code"]), (400, &json!(40002)));
    for (path, form, error) in [
        (
            TOKEN,
            "grant_type=authorization_code&code=x",
            "invalid_request",
        ),
        // Without a value is as good as absent (RFC 6749 section 3.2).
        (TOKEN, "grant_type=", "invalid_request"),
        (TOKEN, "username=a&password=b", "invalid_request"),
        (
            "/oauth/token?grant_type=",
            "username=a&password=b",
            "invalid_request",
        ),
    ] {
        let answer = caller.form(path, form).await;
        assert_eq!(answer.status, 400, "{path} {form}");
        assert_eq!(answer.body["error"], error, "{path} {form}");
    }
    assert!(caller.services.seen().is_empty());
}

#[tokio::test]
async fn two_names_of_the_user_must_agree_and_one_must_be_there() {
    let caller = Caller::new();
    for (body, field) in [
        (json!({"password": "p"}), "username"),
        (json!({"username": null, "password": "p"}), "username"),
        (
            json!({"username": "a@x.org", "email": "b@x.org", "password": "p"}),
            "email",
        ),
        (
            json!({"email": "a@x.org", "email_address": "b@x.org", "password": "p"}),
            "email_address",
        ),
        (
            json!({"email_address": "", "password": "p"}),
            "email_address",
        ),
        (json!({"email": "a@x.org"}), "password"),
    ] {
        let answer = caller.json(PASSWORD, body).await;
        assert_eq!((answer.status, &answer.body["code"]), (400, &json!(40001)));
        let message = answer.body["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("{field} ")), "{message}");
    }
    assert!(caller.services.seen().is_empty());
}

#[tokio::test]
async fn revocation_takes_a_refresh_token_in_either_body() {
    let caller = Caller::new();
    let refresh_token = "the-refresh-token".to_owned();
    let answers = [
        caller
            .json(REVOKE, json!({"refresh_token": refresh_token}))
            .await,
        caller.form(REVOKE, "refresh_token=the-refresh-token").await,
    ];
    for answer in answers {
        assert_eq!((answer.status, answer.body), (200, json!({})));
    }
    let message = Message::RevokeRefreshToken(v1::RevokeRefreshTokenRequest { refresh_token });
    let seen = caller.services.seen();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|seen| seen.message == message));
}

#[tokio::test]
async fn a_token_in_json_is_not_smtpds() {
    let json = Caller::new().json(REVOKE, json!({"token": "x"})).await;
    assert_eq!((json.status, &json.body["code"]), (400, &json!(40001)));
}

#[tokio::test]
async fn me_answers_as_documented() {
    let caller = Caller::new();
    let request = Request::get(ME).header("authorization", "Basic a2V5Og==");
    let answer = caller.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.body,
        json!({
            "id": ACCOUNT_ID,
            "account_id": ORGANIZATION_ID,
            "email_address": "jack.truong@jameshardie.com",
            "first_name": "Jack",
            "surname": "Truong",
            "gravatar_url": "",
            "is_owner": true,
            "is_verified": false,
            "created_at_utc": CREATED,
            "modified_at_utc": CREATED + 1,
        })
    );
    let seen = &caller.services.seen()[0];
    assert_eq!(seen.headers["authorization"], "Basic a2V5Og==");
}

#[tokio::test]
async fn a_missing_credential_is_asked_for() {
    for (reason, code, bearer) in [
        (
            Reason::CredentialMissing,
            40101,
            "Bearer realm=\"countersign\"",
        ),
        (
            Reason::CredentialInvalid,
            40103,
            "Bearer realm=\"countersign\", error=\"invalid_token\"",
        ),
        (
            Reason::CredentialSchemeInvalid,
            40104,
            "Bearer realm=\"countersign\", error=\"invalid_token\", error_description=\"The scheme before the credential is missing or not accepted\"",
        ),
    ] {
        let caller = Caller::new();
        caller.services.refuse(move || Error::new(reason));
        let request = Request::get(ME).body(Body::empty()).unwrap();
        let answer = caller.send(request).await;
        assert_eq!((answer.status, &answer.body["code"]), (401, &json!(code)));
        assert_eq!(
            answer.header("www-authenticate"),
            [bearer, "Basic realm=\"countersign\", charset=\"UTF-8\""]
        );
    }
}
