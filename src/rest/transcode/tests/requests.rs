//! What is taken, and what is refused before it reaches a service.

use serde_json::json;

use super::*;
use crate::{pb::v1, rest::testing::request};

#[tokio::test]
async fn the_path_names_the_resource() {
    let rest = Rest::new().await;
    for (uri, name) in [
        ("/v1/accounts/me", "accounts/me"),
        ("/v1/accounts/a%20b", "accounts/a b"),
        ("/v1/accounts/a%2Fb", "accounts/a%2Fb"),
        ("/v1/accounts/%2541", "accounts/%41"),
        ("/v1/accounts/a+b", "accounts/a+b"),
    ] {
        assert_eq!(rest.get(uri).await.status, StatusCode::OK, "{uri}");
        let seen: v1::GetAccountRequest = rest.fake.call().message();
        assert_eq!(seen.name, name);
    }
    let refused = rest.refused(request("GET", "/v1/accounts/%zz", None)).await;
    let expected = "name must be percent-encoded UTF-8 (RFC 3986)";
    assert_eq!(refused, refusal(400, "INVALID_FIELD", expected));
}

#[tokio::test]
async fn a_patch_takes_the_resource_as_body_and_the_mask_from_the_query() {
    let rest = Rest::new().await;
    let account = json!({"name": "accounts/other", "displayName": "Ada", "etag": "7"});
    for mask in ["updateMask=displayName", "update_mask=display_name"] {
        let uri = format!("/v1/accounts/me?{mask}");
        let answer = rest.json("PATCH", &uri, &account).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let seen: v1::UpdateAccountRequest = rest.fake.call().message();
        assert_eq!(seen.update_mask.unwrap().paths, ["display_name"]);
        let account = seen.account.unwrap();
        assert_eq!(account.name, "accounts/me");
        assert_eq!(account.display_name, "Ada");
        assert_eq!(account.etag, "7");
    }
    let empty = rest.json("PATCH", "/v1/accounts/me", &json!({})).await;
    assert_eq!(empty.status, StatusCode::OK);
    let seen: v1::UpdateAccountRequest = rest.fake.call().message();
    assert_eq!(seen.account.unwrap().name, "accounts/me");
    for body in [None, Some((JSON, "null"))] {
        let refused = rest
            .refused(request("PATCH", "/v1/accounts/me", body))
            .await;
        assert_eq!(
            refused,
            refusal(400, "INVALID_FIELD", "account is required")
        );
    }
}

#[tokio::test]
async fn a_query_sets_fields_by_either_name() {
    let rest = Rest::new().await;
    for uri in [
        "/v1/sessions?pageSize=7&pageToken=a%2Bb+c",
        "/v1/sessions?page_size=7&page_token=a%2Bb%20c&",
    ] {
        assert_eq!(rest.get(uri).await.status, StatusCode::OK);
        let seen: v1::ListSessionsRequest = rest.fake.call().message();
        assert_eq!((seen.page_size, seen.page_token.as_str()), (7, "a+b c"));
    }
}

#[tokio::test]
async fn a_wrong_query_is_refused_by_name() {
    let rest = Rest::new().await;
    for (method, uri, expected) in [
        (
            "GET",
            "/v1/sessions?size=7",
            "size is not a parameter of this path",
        ),
        (
            "GET",
            "/v1/sessions?pageSize=x",
            "page_size must be a whole number of 32 bits",
        ),
        (
            "GET",
            "/v1/sessions?pageSize=1&page_size=1",
            "page_size must be given once",
        ),
        (
            "GET",
            "/v1/sessions?pageSize=1&pageSize=2",
            "page_size must be given once",
        ),
        (
            "GET",
            "/v1/sessions?pageToken=%ff",
            "pageToken must be percent-encoded UTF-8 (RFC 3986)",
        ),
        (
            "GET",
            "/v1/accounts/me?name=accounts/you",
            "name is set by the path",
        ),
        (
            "GET",
            "/v1/accounts/me?a%0Ab=1",
            "(unreadable name) is not a parameter of this path",
        ),
        (
            "PATCH",
            "/v1/accounts/me?account.displayName=x",
            "account.display_name is set by the body",
        ),
        (
            "PATCH",
            "/v1/accounts/me?account.name=x",
            "account.name is set by the path",
        ),
        (
            "PATCH",
            "/v1/accounts/me?account=x",
            "account is set by the body",
        ),
        (
            "PATCH",
            "/v1/accounts/me?updateMask=display__name",
            "update_mask must be names of fields in lowerCamelCase, with commas",
        ),
        (
            "POST",
            "/v1/sessions?email=a@b.example",
            "email is not a parameter of this path",
        ),
    ] {
        let body = (method == "PATCH").then_some((JSON, "{}"));
        let refused = rest.refused(request(method, uri, body)).await;
        assert_eq!(refused, refusal(400, "INVALID_FIELD", expected), "{uri}");
    }
}

#[tokio::test]
async fn json_is_read_strictly() {
    let rest = Rest::new().await;
    let malformed = |violation| refusal(400, "MALFORMED_REQUEST", violation);
    let invalid = |violation| refusal(400, "INVALID_FIELD", violation);
    let no_object = "body must be a JSON object";
    for (uri, body, expected) in [
        (
            "/v1/accounts",
            "{",
            malformed("body must be JSON: EOF while parsing an object at line 1 column 1"),
        ),
        ("/v1/accounts", "[]", malformed(no_object)),
        ("/v1/accounts", "null", malformed(no_object)),
        (
            "/v1/accounts",
            r#"{"email":"a","email":"b"}"#,
            malformed("email must be given once"),
        ),
        (
            "/v1/accounts",
            r#"{"mail":"a"}"#,
            malformed("mail is not known"),
        ),
        (
            "/v1/accounts",
            r#"{"displayName":"a","display_name":"a"}"#,
            malformed("display_name must be given once"),
        ),
        (
            "/v1/accounts",
            r#"{"email":1}"#,
            invalid("email must be a string"),
        ),
        (
            "/v1/accounts",
            r#"{"apiKeyKind":"FAST"}"#,
            invalid(
                "api_key_kind must be among: API_KEY_KIND_STANDARD, API_KEY_KIND_MAILKITE, API_KEY_KIND_MAILTD",
            ),
        ),
        (
            "/v1/accounts/me:changePassword",
            r#"{"keepApiKeys":"yes"}"#,
            invalid("keep_api_keys must be true or false"),
        ),
        (
            "/v1/accounts/me:changePassword",
            r#"{"name":"accounts/you"}"#,
            invalid("name is set by the path"),
        ),
        (
            "/v1/apiKeys",
            r#"{"scopes":"a"}"#,
            invalid("api_key.scopes must be a list"),
        ),
        (
            "/v1/apiKeys",
            r#"{"scopes":[1]}"#,
            invalid("api_key.scopes must be a string"),
        ),
        (
            "/v1/apiKeys",
            r#"{"colour":1}"#,
            malformed("api_key.colour is not known"),
        ),
        (
            "/v1/apiKeys",
            r#"{"expireTime":"tomorrow"}"#,
            invalid("api_key.expire_time must be a time as in RFC 3339"),
        ),
        ("/v1/apiKeys", "7", invalid("api_key must be an object")),
        ("/v1/apiKeys", "[{}]", invalid("api_key must be an object")),
    ] {
        assert_eq!(rest.refused_body(uri, body).await, expected, "{uri} {body}");
    }
}

#[tokio::test]
async fn a_refusal_never_repeats_a_value() {
    let rest = Rest::new().await;
    for body in [
        r#"{"apiKeyKind":"hunter2"}"#,
        r#"{"password":["hunter2"]}"#,
        r#"{"hunter2 is my secret":1}"#,
        "hunter2",
    ] {
        let answer = rest
            .send(request("POST", "/v1/accounts", Some((JSON, body))))
            .await;
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn both_names_and_null_are_proto3_json() {
    let rest = Rest::new().await;
    let body = json!({"display_name": "Key", "kind": 2, "scopes": null, "expireTime": "2030-01-01T00:00:00Z"});
    assert_eq!(
        rest.json("POST", "/v1/apiKeys", &body).await.status,
        StatusCode::OK
    );
    let key = rest
        .fake
        .call()
        .message::<v1::CreateApiKeyRequest>()
        .api_key
        .unwrap();
    assert_eq!(key.display_name, "Key");
    assert_eq!(key.kind(), v1::ApiKeyKind::Mailkite);
    assert_eq!(key.expire_time.unwrap().seconds, 1_893_456_000);
}

#[tokio::test]
async fn a_body_is_json_in_utf_8_of_at_most_64_kib() {
    let rest = Rest::new().await;
    for media_type in [
        JSON,
        "application/json; charset=utf-8",
        "Application/JSON;charset=UTF-8",
        "application/json ; charset=latin1",
        "application/json;odata.metadata=minimal; a=\"b;c\\\"d\"",
    ] {
        let body = Some((media_type, r#"{"refreshToken":"r"}"#));
        let answer = rest
            .send(request("POST", "/v1/sessions:refresh", body))
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{media_type}");
        rest.fake.call();
    }
    for media_type in ["text/plain", "application/jsonp", "json", ""] {
        let body = Some((media_type, "{}"));
        let refused = rest.send(request("POST", "/v1/sessions", body)).await;
        assert_eq!(refused.status, 415, "{media_type}");
        assert_eq!(refused.header("accept"), JSON);
        let message = "content-type must be application/json.";
        assert_eq!(refused.json()["message"], message);
    }
    let mut packed = request("POST", "/v1/sessions", Some((JSON, "{}")));
    packed
        .headers_mut()
        .insert("content-encoding", HeaderValue::from_static("gzip"));
    let refused = rest.send(packed).await;
    assert_eq!(refused.status, 415);
    assert_eq!(refused.header("accept-encoding"), "identity");
    assert_eq!(
        refused.json()["message"],
        "content-encoding must be identity, not compressed."
    );

    let large = format!(r#"{{"email":"{}"}}"#, "a".repeat(64 * 1024));
    let refused = rest.refused_body("/v1/sessions", &large).await;
    assert_eq!(refused, refusal(413, "MESSAGE_TOO_LARGE", ""));
    let unexpected = request("DELETE", "/v1/sessions/current", Some((JSON, "{}")));
    assert_eq!(
        rest.refused(unexpected).await,
        refusal(400, "MALFORMED_REQUEST", "body must be empty here")
    );
}

#[tokio::test]
async fn a_member_that_comes_twice_is_named_as_the_contract_names_it() {
    let rest = Rest::new().await;
    for (method, uri, body, field) in [
        (
            "POST",
            "/v1/accounts",
            r#"{"email":"a@b.example","email":"c@d.example"}"#,
            "email",
        ),
        (
            "POST",
            "/v1/accounts",
            r#"{"displayName":"hunter2","displayName":"b"}"#,
            "display_name",
        ),
        (
            "PATCH",
            "/v1/accounts/me",
            r#"{"displayName":"hunter2","displayName":"b"}"#,
            "account.display_name",
        ),
        (
            "POST",
            "/v1/apiKeys",
            r#"{"displayName":"a","expireTime":{"s":1,"s":2}}"#,
            "api_key.expire_time.s",
        ),
    ] {
        let refused = rest.refused(request(method, uri, Some((JSON, body)))).await;
        let expected = format!("{field} must be given once");
        assert_eq!(refused, refusal(400, "MALFORMED_REQUEST", &expected));
    }
    let strange = r#"{"hunter 2":1,"hunter 2":1}"#;
    let answer = rest
        .send(request("POST", "/v1/accounts", Some((JSON, strange))))
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(!answer.json().to_string().contains("hunter"));
}
