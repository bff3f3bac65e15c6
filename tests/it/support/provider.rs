//! A stand-in for other identity providers, on this machine: one that speaks OpenID Connect, and one that speaks as GitHub does.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{Form, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use countersign::{
    config::{Config, IdentityProvider, ProviderKind},
    env::Clock as _,
    model::oauth::pkce,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use josekit::{
    jwk::{KeyPair as _, alg::ec::EcKeyPair},
    jws::{ES256, JwsHeader, serialize_compact},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use url::Url;

use super::TestApp;

/// What a provider knows this server by.
pub(crate) const CLIENT: &str = "client-at-the-provider";
/// Of a form that an encoding changes.
const SECRET: &str = "secret of/the+client";

/// A provider at this URL.
#[derive(Clone)]
pub(crate) struct Provider {
    pub url: String,
    state: Arc<Mutex<Known>>,
    folder: Arc<TempDir>,
}

struct Known {
    key: EcKeyPair,
    kid: u32,
    /// What the provider was asked for last.
    asked: BTreeMap<String, String>,
    /// What it answers for the code `good`: claims, or what GitHub's API says.
    somebody: Value,
    /// What it answers for every code, if it is out of order.
    broken: Option<(StatusCode, Value)>,
    calls: BTreeMap<&'static str, u32>,
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let provider = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            state: Arc::new(Mutex::new(Known {
                key: ES256.generate_key_pair().unwrap(),
                kid: 1,
                asked: BTreeMap::new(),
                somebody: Value::Null,
                broken: None,
                calls: BTreeMap::new(),
            })),
            folder: Arc::new(tempfile::tempdir().unwrap()),
        };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .route("/user", get(user))
            .route("/user/emails", get(emails))
            .route("/userinfo", get(user_info))
            .with_state(provider.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = TowerToHyperService::new(router.clone());
                tokio::spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new());
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        provider
    }

    /// Has the server know this provider, as one of this kind and with this id.
    pub(crate) fn set_up(&self, config: &mut Config, kind: ProviderKind, id: &str) {
        let secret = self.folder.path().join("secret");
        std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
        let url = |path: &str| format!("{}{path}", self.url);
        let is_github = kind == ProviderKind::GitHub;
        let of_github = |path: &str| if is_github { url(path) } else { String::new() };
        let provider = IdentityProvider {
            kind,
            id: id.to_owned(),
            display_name: format!("The {id}"),
            client_id: CLIENT.to_owned(),
            client_secret_file: secret,
            email_domains: vec!["*".to_owned()],
            scope: String::new(),
            issuer: if is_github {
                String::new()
            } else {
                self.url.clone()
            },
            authorization_endpoint: of_github("/authorize"),
            token_endpoint: of_github("/token"),
            jwks_uri: String::new(),
            userinfo_endpoint: String::new(),
            user_endpoint: of_github("/user"),
            emails_endpoint: of_github("/user/emails"),
        };
        config.federation.providers.0.push(provider.completed());
    }

    /// What the provider says of somebody with this subject and address.
    pub(crate) fn claims(&self, app: &TestApp, subject: &str, email: &str) -> Value {
        let now = app.clock.now().seconds();
        json!({
            "iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 3600, "sub": subject,
            "email": email, "email_verified": true, "name": "Ann Lee",
        })
    }

    /// Signs claims as they are.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        let state = self.state.lock().unwrap();
        let mut header = JwsHeader::new();
        header.set_algorithm("ES256");
        header.set_token_type("JWT");
        header.set_key_id(state.kid.to_string());
        let signer = ES256.signer_from_jwk(&state.key.to_jwk_key_pair()).unwrap();
        serialize_compact(claims.to_string().as_bytes(), &header, &signer).unwrap()
    }

    /// Signs in whoever has the code `good` as this somebody.
    pub(crate) fn has_somebody(&self, somebody: Value) {
        self.state.lock().unwrap().somebody = somebody;
    }

    /// Notes what a browser was sent here with.
    pub(crate) fn is_asked(&self, authorization_uri: &str) -> BTreeMap<String, String> {
        let url = Url::parse(authorization_uri).unwrap();
        assert!(
            authorization_uri.starts_with(&self.url),
            "{authorization_uri}"
        );
        let asked: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
        self.state.lock().unwrap().asked.clone_from(&asked);
        asked
    }

    pub(crate) fn breaks(&self, status: u16, body: Value) {
        let status = StatusCode::from_u16(status).unwrap();
        self.state.lock().unwrap().broken = Some((status, body));
    }

    pub(crate) fn has_new_key(&self) {
        let mut state = self.state.lock().unwrap();
        state.key = ES256.generate_key_pair().unwrap();
        state.kid += 1;
    }

    pub(crate) fn calls(&self, what: &'static str) -> u32 {
        let state = self.state.lock().unwrap();
        state.calls.get(what).copied().unwrap_or_default()
    }

    fn count(&self, what: &'static str) {
        *self.state.lock().unwrap().calls.entry(what).or_default() += 1;
    }

    /// Whether the code is the one that the provider has given, and comes from whom it was given to.
    fn is_good(&self, headers: &HeaderMap, form: &BTreeMap<String, String>) -> bool {
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let encode =
            |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let basic = BASE64_STANDARD.encode(format!("{CLIENT}:{}", encode(SECRET)));
        let in_header = headers
            .get("authorization")
            .is_some_and(|sent| *sent == format!("Basic {basic}"));
        let in_form = (field("client_id"), field("client_secret")) == (CLIENT, SECRET);
        let state = self.state.lock().unwrap();
        let asked = |name: &str| {
            state
                .asked
                .get(name)
                .map(String::as_str)
                .unwrap_or_default()
        };
        (in_header || in_form)
            && field("code") == "good"
            && field("redirect_uri") == asked("redirect_uri")
            && pkce::verifies(field("code_verifier"), asked("code_challenge"))
    }
}

async fn metadata(State(provider): State<Provider>) -> Json<Value> {
    provider.count("metadata");
    let url = &provider.url;
    Json(json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"),
        "jwks_uri": format!("{url}/keys"),
        "userinfo_endpoint": format!("{url}/userinfo"),
    }))
}

async fn keys(State(provider): State<Provider>) -> Json<Value> {
    provider.count("keys");
    let state = provider.state.lock().unwrap();
    let mut key: Value = serde_json::from_str(&state.key.to_jwk_public_key().to_string()).unwrap();
    key["kid"] = json!(state.kid.to_string());
    Json(json!({"keys": [key]}))
}

async fn token(
    State(provider): State<Provider>,
    headers: HeaderMap,
    Form(form): Form<BTreeMap<String, String>>,
) -> Response {
    provider.count("token");
    // What GitHub answers as JSON to nothing else.
    assert_eq!(headers["accept"], "application/json");
    if let Some((status, body)) = provider.state.lock().unwrap().broken.clone() {
        return (status, Json(body)).into_response();
    }
    if !provider.is_good(&headers, &form) {
        let body = json!({"error": "invalid_grant"});
        return (StatusCode::BAD_REQUEST, Json(body)).into_response();
    }
    let mut claims = provider.state.lock().unwrap().somebody.clone();
    if claims.get("nonce").is_none() {
        claims["nonce"] = json!(provider.state.lock().unwrap().asked.get("nonce"));
    }
    let id_token = provider.sign(&claims);
    Json(json!({"access_token": "an access token", "token_type": "Bearer", "id_token": id_token}))
        .into_response()
}

async fn user(State(provider): State<Provider>, headers: HeaderMap) -> Json<Value> {
    assert_eq!(headers["authorization"], "Bearer an access token");
    Json(provider.state.lock().unwrap().somebody["user"].clone())
}

async fn user_info(State(provider): State<Provider>, headers: HeaderMap) -> Json<Value> {
    assert_eq!(headers["authorization"], "Bearer an access token");
    provider.count("userinfo");
    Json(provider.state.lock().unwrap().somebody["userinfo"].clone())
}

async fn emails(State(provider): State<Provider>, headers: HeaderMap) -> Json<Value> {
    assert_eq!(headers["authorization"], "Bearer an access token");
    Json(provider.state.lock().unwrap().somebody["emails"].clone())
}
