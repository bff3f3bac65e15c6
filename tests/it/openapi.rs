//! `/openapi.json` against the program that serves it: whatever is answered is documented.

use countersign::pb::v1::{ApiKey, CreateApiKeyRequest};
use http::Method;
use serde_json::{Value, json};

use crate::support::{TestApp, TestResponse, solved};

/// One method of one documented path.
pub(crate) struct Operation {
    pub(crate) method: Method,
    pub(crate) path: String,
    described: Value,
}

impl Operation {
    fn is_documented(&self, status: u16) -> bool {
        self.described["responses"][status.to_string()].is_object()
    }

    pub(crate) fn is_authenticated(&self) -> bool {
        self.described["security"] != json!([]) && !self.does_without_credential()
    }

    /// Whether it takes a credential and does without one.
    pub(crate) fn does_without_credential(&self) -> bool {
        let security = self.described["security"].as_array();
        security.is_some_and(|ways| ways.contains(&json!({})))
    }

    pub(crate) fn content_types(&self) -> Vec<&str> {
        let content = self.described["requestBody"]["content"].as_object();
        content.map_or_else(Vec::new, |types| types.keys().map(String::as_str).collect())
    }

    /// The path with something in the place of each parameter.
    pub(crate) fn uri(&self) -> String {
        let path = self
            .path
            .replace("{account}", "me")
            .replace("{organization}", "me")
            .replace("{session}", "current")
            .replace("{grant}", "current")
            .replace("{consent}", "x")
            .replace("{identityProvider}", "x")
            .replace("{linkedIdentity}", "x")
            .replace("{client}", "countersign")
            .replace("{client_id}", "x")
            .replace("{authorization}", "x")
            .replace("{id}", "x")
            .replace("{signingKey}", "x")
            .replace("{apiKey}", "x");
        assert!(!path.contains('{'), "{path}");
        path
    }

    #[track_caller]
    fn holds(&self, answer: &TestResponse) {
        let status = answer.status();
        let name = format!("{} {}: {status}", self.method, self.path);
        assert!(self.is_documented(status), "{name} {}", answer.text());
        let response = &self.described["responses"][status.to_string()];
        let kind = answer.header("content-type");
        let kind = kind.split(';').next().unwrap_or_default();
        if response["$ref"].is_null() {
            assert!(response["content"][kind].is_object(), "{name} {kind}");
        } else {
            assert_eq!(kind, "application/json", "{name}");
        }
        // A 403 asks for nothing but a scope that is missing (RFC 6750 section 3.1).
        let challenge = answer.header("www-authenticate");
        let challenged = !challenge.is_empty() && !challenge.contains("insufficient_scope");
        assert_eq!(challenged, status == 401, "{name}");
    }
}

pub(crate) async fn operations(app: &TestApp) -> Vec<Operation> {
    let document = app.get("/openapi.json").send().await.json();
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, described) in methods.as_object().unwrap() {
            found.push(Operation {
                method: method.to_ascii_uppercase().parse().unwrap(),
                path: path.clone(),
                described: described.clone(),
            });
        }
    }
    assert!(found.len() > 20);
    found
}

#[tokio::test]
async fn whatever_is_refused_is_documented() {
    let app = TestApp::start().await;
    for operation in operations(&app).await {
        let uri = operation.uri();
        let call = || app.call(operation.method.clone(), &uri);
        let bare = call().send().await;
        operation.holds(&bare);
        if operation.content_types().is_empty() {
            let expected = match operation.is_authenticated() {
                _ if uri.starts_with("/v1/authorizations/") => 404,
                // Its credential is the client's own.
                _ if uri.starts_with("/oauth/register/") => 401,
                true => 401,
                // Forward-auth, which is not told about which request.
                false if operation.does_without_credential() => 403,
                false => 200,
            };
            assert_eq!(bare.status(), expected, "{uri}");
        }
        let invalid = call().bearer("not-a-token").send().await;
        operation.holds(&invalid);
        let large = call().header("content-length", "65537").send().await;
        assert_eq!(large.status(), 413, "{uri}");
        operation.holds(&large);
        for kind in operation.content_types() {
            operation.holds(&call().body(kind, "{").send().await);
            operation.holds(&call().body("text/plain", "{}").send().await);
        }
    }
}

#[tokio::test]
async fn a_key_of_too_few_scopes_is_refused_as_documented() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let request = CreateApiKeyRequest {
        api_key: Some(ApiKey {
            scopes: vec!["offline_access".to_owned()],
            ..ApiKey::default()
        }),
        request_id: String::new(),
    };
    let made = app.api_keys().create_api_key(ann.asks(request)).await;
    let secret = made.unwrap().into_inner().secret;
    for operation in operations(&app).await {
        let uri = operation.uri();
        let call = app.call(operation.method.clone(), &uri).bearer(&secret);
        if operation.is_authenticated() {
            let answer = match operation.content_types().first() {
                Some(kind) => call.body(kind, valid_body(&uri)).send().await,
                None => call.send().await,
            };
            assert_eq!(answer.status(), 403, "{uri} {}", answer.text());
            operation.holds(&answer);
        } else {
            let of_clients = ["/oauth/token", "/oauth/register", "/v1/clients:register"];
            let is_known = of_clients.contains(&&*uri)
                || uri.starts_with("/v1/tokens:")
                || operation.does_without_credential();
            assert!(!operation.is_documented(403) || is_known);
        }
    }
}

/// A body that nothing but the credential is wrong with.
fn valid_body(uri: &str) -> &'static str {
    if uri.ends_with(":changePassword") {
        r#"{"currentPassword":"correct horse battery","newPassword":"another horse battery"}"#
    } else if uri == "/v1/organizations/me/accounts:provision" {
        r#"{"email":"bob@example.com","password":"correct horse battery"}"#
    } else {
        "{}"
    }
}

#[tokio::test]
async fn an_account_of_mailtd_is_made_with_a_credential_or_without() {
    let app = TestApp::start().await;
    let operations = operations(&app).await;
    let made = |one: &&Operation| one.method == Method::POST && one.path == "/api/accounts";
    let create = operations.iter().find(made).unwrap();
    assert_eq!(
        create.described["security"],
        json!([{"bearer": []}, {"basic": []}, {}])
    );
    let revoked = |one: &&Operation| one.path == "/api/user/tokens/{id}";
    let revoke = operations.iter().find(revoked).unwrap();
    let denied = &revoke.described["responses"]["403"]["description"];
    assert!(!denied.as_str().unwrap().contains("Pro"), "{denied}");
}

#[tokio::test]
async fn wrong_secrets_and_a_taken_address_are_refused_as_documented() {
    let app = TestApp::start().await;
    app.sign_up("ann").await;
    let (email, password, token) = ("ann@example.com", "wrong horse battery", "wrong");
    let work = solved(&app.challenge().await);
    let pow = json!({"id": work.challenge_id, "nonce": work.nonce});
    let body = |path: &str| match path {
        "/api/accounts" => json!({"address": email, "password": password, "pow": pow}),
        "/api/token" => json!({"address": email, "password": password}),
        "/v1/accounts" | "/api/auth/signup" => json!({"email": email, "password": password}),
        "/v1/auth/register" | "/auth/register" => {
            json!({"email": email, "password": password, "name": "Ann"})
        }
        "/oauth/token" => json!({"username": email, "password": password}),
        "/v1/auth/refresh" | "/auth/refresh" => json!({"refreshToken": token}),
        "/oauth/revoke" => json!({"refresh_token": token}),
        path if path.starts_with("/v1/tokens:") => json!({"clientId": token, "token": token}),
        path if path.starts_with("/v1/clients:") => {
            json!({"clientId": token, "registrationAccessToken": token})
        }
        path if path.starts_with("/v1/sessions:") => json!({"refreshToken": token}),
        _ => json!({"email": email, "password": password}),
    };
    for operation in operations(&app).await {
        let path = operation.path.as_str();
        let takes_none = operation.described["security"] == json!([]);
        // A free account needs none, one of an organization does.
        let does_without = path == "/api/accounts" && operation.does_without_credential();
        if operation.method != Method::POST || !(takes_none || does_without) {
            continue;
        }
        // Takes neither a secret nor an address, or only as a form, or with more beside it.
        let others = [
            "/v1/challenges",
            "/v1/clients:register",
            "/v1/clients:updateRegistration",
            "/v1/tokens:issue",
            "/v1/logOuts:resolve",
        ];
        let is_other = [
            "/v1/authorizations",
            "/v1/identityProviders",
            "/oauth/register",
            "/api/auth/google",
        ]
        .iter()
        .any(|start| path.starts_with(start));
        if is_other || path == "/oauth/introspect" || others.contains(&path) {
            continue;
        }
        let uri = match path {
            "/oauth/token" => "/oauth/token?grant_type=password",
            path => path,
        };
        let answer = app.post_json(uri, body(path)).await;
        let is_sign_up = ["accounts", "register", "signup"]
            .iter()
            .any(|end| path.ends_with(end));
        let expected = match path {
            "/oauth/token" => 403,
            _ if is_sign_up => 409,
            _ => 401,
        };
        assert_eq!(answer.status(), expected, "{path} {}", answer.text());
        operation.holds(&answer);
    }
}
