//! What comes back.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::{
    error::{FieldReason, FieldViolation},
    pb::v1,
    rest::testing::{context, request},
};

#[tokio::test]
async fn every_rpc_answers_at_its_path() {
    let rest = Rest::new().await;
    let password = json!({"currentPassword": "a", "newPassword": "correct horse"});
    let signup = json!({"email": "a@b.example", "password": "correct horse"});
    let login = json!({"email": "a@b.example", "password": "x"});
    let refresh = json!({"refreshToken": "r"});
    for (method, uri, body, rpc) in [
        ("POST", "/v1/accounts", Some(&signup), "CreateAccount"),
        ("GET", "/v1/accounts/me", None, "GetAccount"),
        (
            "PATCH",
            "/v1/accounts/me",
            Some(&json!({})),
            "UpdateAccount",
        ),
        ("DELETE", "/v1/accounts/me", None, "DeleteAccount"),
        (
            "POST",
            "/v1/accounts/me:changePassword",
            Some(&password),
            "ChangePassword",
        ),
        ("POST", "/v1/sessions", Some(&login), "CreateSession"),
        (
            "POST",
            "/v1/sessions:refresh",
            Some(&refresh),
            "RefreshSession",
        ),
        ("GET", "/v1/sessions/current", None, "GetSession"),
        ("GET", "/v1/sessions", None, "ListSessions"),
        ("DELETE", "/v1/sessions/current", None, "DeleteSession"),
        (
            "POST",
            "/v1/sessions:revokeRefreshToken",
            Some(&refresh),
            "RevokeRefreshToken",
        ),
        ("POST", "/v1/apiKeys", Some(&json!({})), "CreateApiKey"),
        ("GET", "/v1/apiKeys/1", None, "GetApiKey"),
        ("GET", "/v1/apiKeys", None, "ListApiKeys"),
        ("DELETE", "/v1/apiKeys/1", None, "DeleteApiKey"),
    ] {
        let body = body.map(Value::to_string);
        let body = body.as_deref().map(|body| (JSON, body));
        let answer = rest.send(request(method, uri, body)).await;
        assert_eq!(answer.status, StatusCode::OK, "{method} {uri}: {answer:?}");
        assert_eq!(answer.header("content-type"), JSON);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("x-leading"), "1");
        assert_eq!(rest.fake.call().rpc, format!("{rpc}Request"));
    }
}

#[tokio::test]
async fn every_rpc_of_the_contract_has_a_route() {
    let pool = pool().unwrap();
    for rpc in crate::rest::contract::unary_rpcs(&pool) {
        assert!(
            !crate::rest::contract::http_rules(&rpc).unwrap().is_empty(),
            "{}",
            rpc.full_name()
        );
    }
}

#[tokio::test]
async fn what_is_not_there_says_so() {
    let rest = Rest::new().await;
    for uri in [
        "/",
        "/v1",
        "/v1/",
        "/v1/accounts/",
        "/v1/accounts/a/b",
        "/v2/accounts",
        "//v1/accounts",
        "/V1/accounts",
        "/v1/sessions/current:refresh/x",
    ] {
        let refused = rest.refused(request("GET", uri, None)).await;
        assert_eq!(refused, refusal(404, "METHOD_NOT_FOUND", ""), "{uri}");
    }
    for (method, uri, allow) in [
        ("PUT", "/v1/accounts", "POST"),
        ("GET", "/v1/accounts/me:changePassword", "POST"),
        ("GET", "/v1/sessions:refresh", "POST"),
        ("POST", "/v1/accounts/me", "GET, PATCH, DELETE, HEAD"),
        ("DELETE", "/v1/sessions", "POST, GET, HEAD"),
    ] {
        let answer = rest.send(request(method, uri, None)).await;
        assert_eq!(
            answer.status,
            StatusCode::METHOD_NOT_ALLOWED,
            "{method} {uri}"
        );
        assert_eq!(answer.header("allow"), allow);
        assert_eq!(
            answer.json()["details"][0]["reason"],
            "HTTP_METHOD_NOT_ALLOWED"
        );
    }
}

#[tokio::test]
async fn an_answer_has_every_scalar_and_leaves_out_absent_messages() {
    let rest = Rest::new().await;
    rest.fake.replies(&v1::GetAccountResponse {
        account: Some(v1::Account {
            name: "accounts/1".into(),
            create_time: Some(prost_types::Timestamp {
                seconds: 1,
                nanos: 500_000_000,
            }),
            ..Default::default()
        }),
    });
    let answer = rest.get("/v1/accounts/me").await;
    assert_eq!(
        answer.json(),
        json!({"account": {
            "name": "accounts/1", "email": "", "emailVerified": false, "displayName": "",
            "createTime": "1970-01-01T00:00:01.500Z", "etag": "", "administrator": false,
        }})
    );
    let head = rest.send(request("HEAD", "/v1/accounts/me", None)).await;
    assert!(head.body.is_empty());
    assert_eq!(head.header("content-length"), answer.body.len().to_string());
}

#[tokio::test]
async fn a_refusal_of_a_service_is_a_status_in_json() {
    let rest = Rest::new().await;
    let violation = FieldViolation::new("email", FieldReason::InvalidFormat, "must be an address");
    rest.fake.refuses(Error::invalid(vec![violation]));
    let answer = rest.get("/v1/accounts/me").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        answer.json(),
        json!({"code": 3, "message": "email must be an address.", "details": [
            {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "INVALID_FIELD", "domain": "countersign"},
            {"@type": "type.googleapis.com/google.rpc.BadRequest",
             "fieldViolations": [{"field": "email", "description": "must be an address", "reason": "INVALID_FORMAT"}]},
            {"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": "request-7"},
        ]})
    );
    rest.fake
        .refuses(Error::new(Reason::RateLimited).retry_after(Duration::from_millis(1_500)));
    let answer = rest.get("/v1/accounts/me").await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.header("retry-after"), "2");
    assert_eq!(answer.json()["details"][1]["retryDelay"], "1.500s");

    rest.fake.refuses(Error::new(Reason::CredentialMissing));
    let answer = rest.get("/v1/accounts/me").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let bearer = "Bearer realm=\"countersign\"";
    assert_eq!(answer.header("www-authenticate"), bearer);
    rest.fake.refuses(Error::new(Reason::CredentialInvalid));
    let answer = rest.get("/v1/accounts/me").await;
    let invalid = format!("{bearer}, error=\"invalid_token\"");
    assert_eq!(answer.header("www-authenticate"), invalid);
    for name in ["grpc-status", "grpc-message", "grpc-status-details-bin"] {
        assert_eq!(answer.header(name), "");
    }
    rest.fake
        .refuses(tonic::Status::unknown("row 7 of table accounts"));
    let answer = rest.get("/v1/accounts/me").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.json()["message"], Reason::Internal.meaning().message);
}

#[tokio::test]
async fn field_rules_of_the_contract_hold_for_rest() {
    let rest = Rest::new().await;
    let refused = rest
        .refused_body(
            "/v1/accounts",
            r#"{"email":"a@b.example","password":"short"}"#,
        )
        .await;
    let expected = "password must be at least 8 characters long";
    assert_eq!(refused, refusal(400, "INVALID_FIELD", expected));
}

#[tokio::test]
async fn the_caller_goes_along_with_the_call() {
    let rest = Rest::new().await;
    let mut call = request("GET", "/v1/accounts/me", None);
    for (name, value) in [
        ("authorization", "Bearer token"),
        ("user-agent", "curl/8"),
        ("grpc-timeout", "5S"),
        ("cookie", "a=b"),
    ] {
        call.headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    assert_eq!(rest.send(call).await.status, StatusCode::OK);
    let seen = rest.fake.call();
    assert_eq!(seen.context, Some(context()));
    let metadata = |name: &str| seen.metadata.get(name).map(|value| value.to_str().unwrap());
    assert_eq!(metadata("authorization"), Some("Bearer token"));
    assert_eq!(metadata("user-agent"), Some("curl/8"));
    assert_eq!(metadata("grpc-timeout"), Some("5S"));
    assert_eq!(metadata("cookie"), None);
}
