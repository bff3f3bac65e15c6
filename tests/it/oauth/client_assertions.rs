//! Clients that sign who they are (RFC 7523).

use std::cell::Cell;

use countersign::{config::Config, env::Clock as _};
use josekit::{
    jwk::{KeyPair as _, alg::ec::EcKeyPair},
    jws::{ES256, HS256, JwsHeader, JwsSigner, RS256, serialize_compact},
};

use super::{documents::Host, *};
use crate::support::ISSUER;

pub(super) const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
pub(super) const MINUTE: std::time::Duration = std::time::Duration::from_secs(60);

/// Somebody with a key.
pub(super) struct Key {
    signer: Box<dyn JwsSigner>,
    pub(super) public: Value,
    alg: &'static str,
    used: Cell<u32>,
}

impl Key {
    pub(super) fn es256(kid: &str) -> Self {
        let pair: EcKeyPair = ES256.generate_key_pair().unwrap();
        Self {
            signer: Box::new(ES256.signer_from_jwk(&pair.to_jwk_key_pair()).unwrap()),
            public: public(&pair.to_jwk_public_key(), kid),
            alg: "ES256",
            used: Cell::new(0),
        }
    }

    pub(super) fn rs256(kid: &str) -> Self {
        let pair = RS256.generate_key_pair(2048).unwrap();
        Self {
            signer: Box::new(RS256.signer_from_jwk(&pair.to_jwk_key_pair()).unwrap()),
            public: public(&pair.to_jwk_public_key(), kid),
            alg: "RS256",
            used: Cell::new(0),
        }
    }

    pub(super) fn set(&self) -> Value {
        json!({"keys": [self.public]})
    }

    /// What a client says of itself at this time, with an id of its own each time.
    pub(super) fn claims(&self, app: &TestApp, client: &str) -> Value {
        self.used.set(self.used.get() + 1);
        let now = app.clock.now().seconds();
        json!({
            "iss": client, "sub": client, "aud": ISSUER, "iat": now, "exp": now + 60,
            "jti": format!("{}", self.used.get()),
        })
    }

    pub(super) fn sign(&self, claims: &Value) -> String {
        let mut header = JwsHeader::new();
        header.set_algorithm(self.alg);
        header.set_key_id(self.public["kid"].as_str().unwrap());
        serialize_compact(claims.to_string().as_bytes(), &header, &*self.signer).unwrap()
    }

    pub(super) fn assertion(&self, app: &TestApp, client: &str) -> String {
        self.sign(&self.claims(app, client))
    }
}

fn public(jwk: &josekit::jwk::Jwk, kid: &str) -> Value {
    let mut public: Value = serde_json::from_str(&jwk.to_string()).unwrap();
    public["kid"] = json!(kid);
    public
}

/// A client with this key that has registered itself.
pub(super) async fn client_with(app: &TestApp, keys: Value) -> Client {
    let mut metadata = json!({
        "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "private_key_jwt",
    });
    metadata
        .as_object_mut()
        .unwrap()
        .extend(keys.as_object().unwrap().clone());
    register(app, metadata).await
}

/// Asks with an assertion and these other fields.
async fn ask(app: &TestApp, path: &str, assertion: &str, more: &[(&str, &str)]) -> TestResponse {
    let mut form = vec![
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", assertion),
    ];
    form.extend(more);
    app.post(path).form(&form).send().await
}

/// Whether this assertion proves its client. What it asks for is not there, which is found out afterwards.
pub(super) async fn proves(app: &TestApp, assertion: &str) -> bool {
    let more = [("grant_type", "refresh_token"), ("refresh_token", "x")];
    let answer = ask(app, "/oauth/token", assertion, &more).await;
    let error = answer.json()["error"].as_str().unwrap().to_owned();
    assert!(
        ["invalid_grant", "invalid_client"].contains(&error.as_str()),
        "{error}"
    );
    error == "invalid_grant"
}

#[tokio::test]
async fn a_client_with_a_key_signs_wherever_others_show_a_secret() {
    let app = app().await;
    let ann = app.sign_up("ann").await;
    let session = ann.logs_in().await.tokens.access_token;
    for key in [Key::es256("a"), Key::rs256("a")] {
        let client = client_with(&app, json!({"jwks": key.set()})).await;
        assert_eq!(client.secret, "");
        let code = code(&app, &session, client.request()).await;
        let assertion = key.assertion(&app, &client.id);
        let granted = ask(&app, "/oauth/token", &assertion, &client.exchange(&code)).await;
        assert_eq!(granted.status, 200, "{}", granted.text());
        let granted = granted.json();
        let token = granted["refresh_token"].as_str().unwrap();
        // Without `client_id`, which the assertion names.
        let more = [("grant_type", "refresh_token"), ("refresh_token", token)];
        let assertion = key.assertion(&app, &client.id);
        let refreshed = ask(&app, "/oauth/token", &assertion, &more).await.json();
        let token = refreshed["access_token"].as_str().unwrap();
        let assertion = key.assertion(&app, &client.id);
        let found = ask(&app, "/oauth/introspect", &assertion, &[("token", token)]).await;
        assert_eq!(found.json()["active"], json!(true), "{}", found.text());
        let assertion = key.assertion(&app, &client.id);
        let revoked = ask(&app, "/oauth/revoke", &assertion, &[("token", token)]).await;
        assert_eq!(revoked.status, 200, "{}", revoked.text());
        assert!(!app.opens(token).await);
    }
}

#[tokio::test]
async fn what_does_not_prove_the_client_is_refused() {
    let app = app().await;
    let (key, other) = (Key::rs256("a"), Key::rs256("a"));
    let client = client_with(&app, json!({"jwks": key.set()})).await;
    let stranger = client_with(&app, json!({"jwks": other.set()})).await;
    let claims = || key.claims(&app, &client.id);
    assert!(proves(&app, &key.sign(&claims())).await);
    let now = app.clock.now().seconds();
    for (member, value) in [
        ("iss", json!(stranger.id)),
        ("sub", json!(stranger.id)),
        ("aud", json!("https://other.example")),
        ("aud", json!([ISSUER, "https://other.example"])),
        ("exp", json!(now)),
        ("exp", json!(now + 3700)),
        ("exp", Value::Null),
        ("jti", Value::Null),
        ("iat", json!(now + 3600)),
    ] {
        let mut claims = claims();
        claims[member] = value.clone();
        assert!(!proves(&app, &key.sign(&claims)).await, "{member}: {value}");
    }
    // In the name of another client, and with the key of one.
    assert!(!proves(&app, &other.sign(&claims())).await);
    let mut of_another = claims();
    of_another["sub"] = json!(stranger.id);
    let more = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "x"),
        ("client_id", &*client.id),
    ];
    for assertion in [other.assertion(&app, &stranger.id), key.sign(&of_another)] {
        let answer = ask(&app, "/oauth/token", &assertion, &more).await;
        assert_error(&answer, 401, "invalid_client");
    }
    // A public key is no secret, and no signature is none.
    let signed = key.sign(&claims());
    let (header, _) = signed.split_once('.').unwrap();
    let mut forged = JwsHeader::new();
    forged.set_algorithm("HS256");
    forged.set_key_id("a");
    let secret = HS256.signer_from_bytes(key.public.to_string()).unwrap();
    let mac = serialize_compact(claims().to_string().as_bytes(), &forged, &secret).unwrap();
    assert!(!proves(&app, &mac).await);
    let (_, body) = mac.split_once('.').unwrap();
    assert!(!proves(&app, &format!("{header}.{body}")).await);
    for alg in ["none", "RS256", "HS256"] {
        let header = base64(&json!({"alg": alg, "kid": "a"}));
        assert!(
            !proves(&app, &format!("{header}.{}.", base64(&claims()))).await,
            "{alg}"
        );
    }
}

fn base64(value: &Value) -> String {
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}

#[tokio::test]
async fn an_assertion_is_used_once() {
    let app = app().await;
    let key = Key::es256("a");
    let clients = [
        client_with(&app, json!({"jwks": key.set()})).await,
        client_with(&app, json!({"jwks": key.set()})).await,
    ];
    let claims = key.claims(&app, &clients[0].id);
    assert!(proves(&app, &key.sign(&claims)).await);
    assert!(!proves(&app, &key.sign(&claims)).await);
    // Also signed once more, and to the last second.
    app.clock
        .advance(MINUTE - std::time::Duration::from_secs(1));
    assert!(!proves(&app, &key.sign(&claims)).await);
    // Another client may use the same id.
    let mut claims = key.claims(&app, &clients[1].id);
    claims["jti"] = json!("1");
    assert!(proves(&app, &key.sign(&claims)).await);
}

/// Asks for tokens with these fields, and with Basic.
async fn refused(
    app: &TestApp,
    fields: &[(&str, &str)],
    basic: Option<&Client>,
    (status, error): (u16, &str),
) {
    let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", "x")];
    form.extend(fields);
    let call = app.post("/oauth/token").form(&form);
    let answer = match basic {
        Some(client) => call.basic(&client.id, &client.secret).send().await,
        None => call.send().await,
    };
    assert_error(&answer, status, error);
}

#[tokio::test]
async fn a_client_says_who_it_is_in_its_own_way_and_in_no_other() {
    let app = app().await;
    let key = Key::es256("a");
    let signs = client_with(&app, json!({"jwks": key.set()})).await;
    let shows = confidential_client(&app).await;
    let public = public_client(&app).await;
    let invalid = (401, "invalid_client");
    // Not at all, or with a secret.
    let id = ("client_id", signs.id.as_str());
    refused(&app, &[id], None, invalid).await;
    let secret = ("client_secret", shows.secret.as_str());
    refused(&app, &[id, secret], None, invalid).await;
    // Those who show a secret, or none, don't sign, whatever keys they have.
    let with_keys = async |method: &str| {
        let metadata = json!({
            "redirect_uris": [CALLBACK], "token_endpoint_auth_method": method, "jwks": key.set(),
        });
        register(&app, metadata).await
    };
    let (secret_and_keys, keys_alone) = (
        with_keys("client_secret_basic").await,
        with_keys("none").await,
    );
    for client in [&shows, &public, &secret_and_keys, &keys_alone] {
        let assertion = key.assertion(&app, &client.id);
        let fields = [
            ("client_assertion_type", JWT_BEARER),
            ("client_assertion", assertion.as_str()),
        ];
        refused(&app, &fields, None, invalid).await;
    }
    assert!(proves(&app, &key.assertion(&app, &signs.id)).await);
}

#[tokio::test]
async fn an_assertion_comes_alone_and_says_what_it_is() {
    let app = app().await;
    let key = Key::es256("a");
    let signs = client_with(&app, json!({"jwks": key.set()})).await;
    let shows = confidential_client(&app).await;
    let assertion = key.assertion(&app, &signs.id);
    let sent = ("client_assertion", assertion.as_str());
    let typ = ("client_assertion_type", JWT_BEARER);
    let saml = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer";
    let invalid = (400, "invalid_request");
    refused(&app, &[typ, sent, ("client_secret", "x")], None, invalid).await;
    refused(&app, &[typ, sent], Some(&shows), invalid).await;
    refused(&app, &[sent], None, invalid).await;
    refused(
        &app,
        &[("client_assertion_type", saml), sent],
        None,
        invalid,
    )
    .await;
    let broken = [typ, ("client_assertion", "x")];
    refused(&app, &broken, None, (401, "invalid_client")).await;
    // None of these has used it up.
    assert!(proves(&app, &assertion).await);
}

#[tokio::test]
async fn the_client_of_a_document_signs_too() {
    let app = app().await;
    let (host, keys) = (Host::start().await, Host::start().await);
    let key = Key::rs256("1");
    keys.says("200 OK", key.set());
    let mut document = host.document();
    document["token_endpoint_auth_method"] = json!("private_key_jwt");
    document["jwks_uri"] = json!(keys.client_id);
    host.says("200 OK", document);
    let client = host.client();
    let session = app.sign_up("ann").await.logs_in().await.tokens.access_token;
    let code = code(&app, &session, client.request()).await;
    let unproved = token(&app, &client.exchange(&code)).await;
    assert_error(&unproved, 401, "invalid_client");
    let assertion = key.assertion(&app, &client.id);
    let granted = ask(&app, "/oauth/token", &assertion, &client.exchange(&code)).await;
    assert_eq!(granted.status, 200, "{}", granted.text());
    let granted = granted.json();
    let token = granted["access_token"].as_str().unwrap();
    for path in ["/oauth/introspect", "/oauth/revoke"] {
        let unproved = app
            .post(path)
            .form(&[("token", token), ("client_id", &client.id)]);
        assert_error(&unproved.send().await, 401, "invalid_client");
    }
    let look = async || {
        let assertion = key.assertion(&app, &client.id);
        let answer = ask(&app, "/oauth/introspect", &assertion, &[("token", token)]).await;
        answer.json()["active"].clone()
    };
    assert_eq!(look().await, true);
    let assertion = key.assertion(&app, &client.id);
    let revoked = ask(&app, "/oauth/revoke", &assertion, &[("token", token)]).await;
    assert_eq!(revoked.status, 200, "{}", revoked.text());
    assert_eq!(look().await, false);
}

/// For the tests of clients that the operator sets up.
pub(super) async fn signed_token(
    change: impl FnOnce(&mut Config, &str),
    client: &str,
) -> TestResponse {
    let key = Key::es256("1");
    let set = key.set().to_string();
    let app = TestApp::with(|config| {
        let file = config.data_dir.join("jwks.json");
        std::fs::write(&file, set).unwrap();
        change(config, file.to_str().unwrap());
    })
    .await;
    let assertion = key.assertion(&app, client);
    ask(
        &app,
        "/oauth/token",
        &assertion,
        &[("grant_type", "client_credentials")],
    )
    .await
}
