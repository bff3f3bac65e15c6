//! OAuth 2.1, as a client and a log-in page of somebody's own meet it.

mod authorizations;
mod client_assertions;
mod client_keys;
mod clients;
mod configured_clients;
mod consent_page;
mod cookies;
mod discovery;
mod documents;
mod federated;
mod id_token_hints;
mod lifted_pkce;
mod logout;
mod openid;
mod pages;
mod races;
mod registrations;
mod restored;
mod tokens;
mod user_info;
mod writes;

use http::Method;
use serde_json::{Value, json};
use url::Url;

use crate::support::{Person, TestApp, TestResponse};

/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const CALLBACK: &str = "https://app.example.com/callback";
const MCP: &str = "https://mcp.example.com/mcp";

/// A client that has registered itself.
struct Client {
    id: String,
    /// Empty for a public client.
    secret: String,
    registration_token: String,
}

async fn app() -> TestApp {
    TestApp::with(|config| config.oauth.resources = vec![MCP.to_owned()]).await
}

async fn register(app: &TestApp, metadata: Value) -> Client {
    let answer = app.post_json("/oauth/register", metadata).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let body = answer.json();
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    Client {
        id: text("client_id"),
        secret: text("client_secret"),
        registration_token: text("registration_access_token"),
    }
}

/// A public client, as most register.
async fn public_client(app: &TestApp) -> Client {
    register(
        app,
        json!({"client_name": "Cursor", "redirect_uris": [CALLBACK]}),
    )
    .await
}

async fn confidential_client(app: &TestApp) -> Client {
    let method = "client_secret_basic";
    let metadata = json!({"redirect_uris": [CALLBACK], "token_endpoint_auth_method": method});
    register(app, metadata).await
}

impl Client {
    /// What an authorization request of the client says.
    fn request(&self) -> Value {
        json!({
            "response_type": "code",
            "client_id": self.id,
            "redirect_uri": CALLBACK,
            "state": "the-state",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        })
    }

    /// The same with other parameters beside it.
    fn request_with(&self, more: Value) -> Value {
        let mut request = self.request();
        let more = more.as_object().unwrap().clone();
        request.as_object_mut().unwrap().extend(more);
        request
    }

    /// The fields of a form that redeems a code.
    fn exchange<'f>(&'f self, code: &'f str) -> Vec<(&'f str, &'f str)> {
        vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("client_id", &self.id),
            ("code_verifier", VERIFIER),
        ]
    }
}

/// Starts an authorization, and gives its name.
async fn start(app: &TestApp, request: Value) -> String {
    let answer = app.post_json("/v1/authorizations:start", request).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let name = answer.json()["authorization"]["name"]
        .as_str()
        .map(str::to_owned);
    name.unwrap_or_else(|| panic!("{}", answer.text()))
}

async fn try_approve(app: &TestApp, token: &str, name: &str) -> TestResponse {
    app.post(&format!("/v1/{name}:approve"))
        .bearer(token)
        .json(json!({}))
        .send()
        .await
}

/// Approves an authorization, and gives where the person goes.
async fn approve(app: &TestApp, token: &str, name: &str) -> Url {
    let answer = try_approve(app, token, name).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["redirectUri"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap()
}

fn parameter(url: &Url, name: &str) -> String {
    let found = url.query_pairs().find(|(known, _)| known == name);
    found
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// A code for the client, approved in this session.
async fn code(app: &TestApp, token: &str, request: Value) -> String {
    let name = start(app, request).await;
    parameter(&approve(app, token, &name).await, "code")
}

async fn token(app: &TestApp, form: &[(&str, &str)]) -> TestResponse {
    app.post("/oauth/token").form(form).send().await
}

/// The tokens of a client that this person has approved just now.
async fn tokens(app: &TestApp, client: &Client, person: &Person<'_>) -> Value {
    let session = person.logs_in().await.tokens.access_token;
    let code = code(app, &session, client.request()).await;
    let mut form = client.exchange(&code);
    if !client.secret.is_empty() {
        form.push(("client_secret", &client.secret));
    }
    let answer = token(app, &form).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

async fn refresh(app: &TestApp, client: &Client, refresh_token: &Value) -> TestResponse {
    let mut form = vec![
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token.as_str().unwrap()),
        ("client_id", &client.id),
    ];
    if !client.secret.is_empty() {
        form.push(("client_secret", &client.secret));
    }
    token(app, &form).await
}

async fn introspect(app: &TestApp, client: &Client, token: &Value) -> Value {
    let mut form = vec![
        ("token", token.as_str().unwrap()),
        ("client_id", &client.id),
    ];
    if !client.secret.is_empty() {
        form.push(("client_secret", &client.secret));
    }
    let answer = app.post("/oauth/introspect").form(&form).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

async fn opens(app: &TestApp, access_token: &Value) -> bool {
    app.opens(access_token.as_str().unwrap()).await
}

/// Reads, replaces or deletes the registration of this client.
async fn manage(
    app: &TestApp,
    method: Method,
    client: &str,
    token: &str,
    metadata: Option<Value>,
) -> TestResponse {
    let call = app
        .call(method, &format!("/oauth/register/{client}"))
        .bearer(token);
    match metadata {
        Some(metadata) => call.json(metadata).send().await,
        None => call.send().await,
    }
}

#[track_caller]
fn assert_error(answer: &TestResponse, status: u16, error: &str) {
    let body = answer.json();
    assert_eq!(
        (answer.status(), body["error"].as_str()),
        (status, Some(error)),
        "{body}"
    );
    assert_eq!(answer.header("cache-control"), "no-store");
}
