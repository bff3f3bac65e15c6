//! Where the keys of clients that sign come from, and how often they are fetched.

use super::{
    client_assertions::{JWT_BEARER, Key, MINUTE, client_with, proves},
    documents::Host,
    *,
};

#[tokio::test]
async fn keys_are_fetched_when_they_are_needed_and_kept() {
    let app = app().await;
    let mut host = Host::start().await;
    let (first, second) = (Key::es256("1"), Key::rs256("2"));
    host.says("200 OK\r\ncache-control: max-age=3600", first.set());
    let client = client_with(&app, json!({"jwks_uri": host.client_id})).await;
    assert_eq!(host.hits(), 0);
    let asks = async |key: &Key| proves(&app, &key.assertion(&app, &client.id)).await;
    assert!(asks(&first).await);
    assert!(asks(&first).await);
    assert_eq!(host.hits(), 1);
    // Somebody else does not make this server ask.
    let mut expired = first.claims(&app, &client.id);
    expired["exp"] = json!(0);
    assert!(!proves(&app, &second.sign(&expired)).await);
    // A new key is looked for, once in a minute.
    host.says("200 OK\r\ncache-control: max-age=3600", second.set());
    assert!(!asks(&second).await);
    assert_eq!(host.hits(), 1);
    app.clock.advance(MINUTE);
    assert!(asks(&second).await);
    assert!(!asks(&first).await);
    assert_eq!(host.hits(), 2);
    // They go on while the host is away, for a day and no longer.
    host.stops().await;
    app.clock.advance(MINUTE * 60);
    assert!(asks(&second).await);
    app.clock.advance(MINUTE * 60 * 24);
    assert!(!asks(&second).await);
}

#[tokio::test]
async fn a_set_that_could_not_be_had_is_asked_for_again_after_a_minute() {
    let app = app().await;
    let host = Host::start().await;
    let key = Key::es256("1");
    let client = client_with(&app, json!({"jwks_uri": host.client_id})).await;
    let asks = async || proves(&app, &key.assertion(&app, &client.id)).await;
    let private = json!({"keys": [{"kty": "oct", "k": "AAAA"}]});
    for (round, (head, set)) in [
        ("503 Service Unavailable", key.set()),
        ("302 Found\r\nlocation: /", key.set()),
        ("200 OK", json!({"keys": []})),
        ("200 OK", private),
        ("200 OK", json!("x".repeat(40 << 10))),
    ]
    .into_iter()
    .enumerate()
    {
        host.says(head, set);
        assert!(!asks().await);
        assert!(!asks().await);
        assert_eq!(host.hits(), round + 1);
        app.clock.advance(MINUTE);
    }
    host.says("200 OK", key.set());
    assert!(asks().await);
}

#[tokio::test]
async fn keys_are_registered_in_one_place_and_shown_as_they_are() {
    let app = app().await;
    let key = Key::es256("1");
    let method = "private_key_jwt";
    let metadata = json!({
        "redirect_uris": [CALLBACK], "token_endpoint_auth_method": method, "jwks": key.set(),
    });
    let made = app.post_json("/oauth/register", metadata.clone()).await;
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(made.json()["jwks"], key.set());
    let mut private = key.public.clone();
    private["d"] = json!("AAAA");
    for (member, value) in [
        ("jwks_uri", json!("https://app.example.com/jwks.json")),
        ("jwks", Value::Null),
        ("jwks", json!(key.set().to_string())),
        ("jwks", json!({})),
        ("jwks", json!({"keys": []})),
        ("jwks", json!({"keys": [private]})),
        ("jwks", json!({"keys": [key.public, key.public]})),
    ] {
        let mut metadata = metadata.clone();
        metadata[member] = value;
        let answer = app.post_json("/oauth/register", metadata).await;
        assert_error(&answer, 400, "invalid_client_metadata");
    }
    // A client that begins to sign loses its secret.
    let client = confidential_client(&app).await;
    let changed = manage(
        &app,
        Method::PUT,
        &client.id,
        &client.registration_token,
        Some(metadata),
    );
    assert_eq!(changed.await.status, 200);
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "x"),
        ("client_id", &client.id),
        ("client_secret", &client.secret),
    ];
    assert_error(&token(&app, &form).await, 401, "invalid_client");
    assert!(proves(&app, &key.assertion(&app, &client.id)).await);
}

/// Otherwise one address has this server ask others as often as it likes, and takes the places of all.
#[tokio::test]
async fn an_address_has_keys_fetched_as_often_as_it_may_register() {
    let app = TestApp::with(|config| config.limits.enabled = true).await;
    let (host, key) = (Host::start().await, Key::es256("1"));
    host.says("200 OK", key.set());
    let client = client_with(&app, json!({"jwks_uri": host.client_id})).await;
    let address = "192.0.2.1";
    for _ in 0..50 {
        let metadata = json!({"redirect_uris": [CALLBACK]});
        let call = app.post("/oauth/register").json(metadata).from(address);
        assert_eq!(call.send().await.status, 201);
    }
    let asks = async |from: &str| {
        let assertion = key.assertion(&app, &client.id);
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", "x"),
            ("client_assertion_type", JWT_BEARER),
            ("client_assertion", &assertion),
        ];
        let answer = app.post("/oauth/token").form(&form).from(from).send().await;
        (answer.json()["error"].take(), host.hits())
    };
    assert_eq!(asks(address).await, (json!("invalid_client"), 0));
    assert_eq!(asks("192.0.2.2").await, (json!("invalid_grant"), 1));
    // What is kept costs nobody anything.
    assert_eq!(asks(address).await, (json!("invalid_grant"), 1));
}
