//! Clients register themselves (RFC 7591), and look after their registrations (RFC 7592).

use std::time::Duration;

use super::*;

const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test]
async fn a_client_that_says_little_gets_all_that_was_registered() {
    let app = app().await;
    let metadata = json!({
        "client_name": "Cursor",
        "redirect_uris": ["cursor://anysphere.cursor-mcp/oauth/callback", CALLBACK, "http://localhost:8787/cb"],
        "grant_types": ["authorization_code", "refresh_token", "urn:example:other"],
        "response_types": ["code"],
        "client_uri": null,
        "application_type": "spaceship",
        "something_else": {"a": [1]},
    });
    let answer = app.post_json("/oauth/register", metadata).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), "no-store");
    let mut body = answer.json();
    let members = body.as_object_mut().unwrap();
    let id = members.remove("client_id").unwrap();
    let id = id.as_str().unwrap();
    assert!(
        id.starts_with("mkc_")
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    );
    assert!(members.remove("client_id_issued_at").unwrap().is_u64());
    let token = members.remove("registration_access_token").unwrap();
    assert!(token.as_str().unwrap().starts_with("cs_rat_"));
    let uri = members.remove("registration_client_uri").unwrap();
    assert_eq!(
        uri,
        format!("{}/oauth/register/{id}", crate::support::ISSUER)
    );
    // Nothing is null or empty, and what was not registered is absent.
    assert_eq!(
        body,
        json!({
            "client_name": "Cursor",
            "redirect_uris": ["cursor://anysphere.cursor-mcp/oauth/callback", CALLBACK, "http://localhost:8787/cb"],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
            "application_type": "spaceship",
        })
    );
}

#[tokio::test]
async fn a_client_with_a_secret_gets_it_once() {
    let app = app().await;
    for method in ["client_secret_basic", "client_secret_post"] {
        let metadata = json!({"redirect_uris": [CALLBACK], "token_endpoint_auth_method": method});
        let body = app.post_json("/oauth/register", metadata).await.json();
        assert_eq!(body["token_endpoint_auth_method"], method);
        assert_eq!(body["client_secret_expires_at"], json!(0));
        assert!(
            body["client_secret"]
                .as_str()
                .unwrap()
                .starts_with("cs_cs_")
        );
        let (id, token) = (&body["client_id"], &body["registration_access_token"]);
        let (id, token) = (id.as_str().unwrap(), token.as_str().unwrap());
        let read = manage(&app, Method::GET, id, token, None).await.json();
        assert_eq!(
            (
                read.get("client_secret"),
                read.get("client_secret_expires_at")
            ),
            (None, None)
        );
        assert_eq!(read["client_id"], id);
    }
}

#[tokio::test]
async fn what_cannot_be_registered_is_told_in_the_words_of_the_rfc() {
    let app = app().await;
    for (metadata, error) in [
        (json!({}), "invalid_redirect_uri"),
        (json!({"redirect_uris": []}), "invalid_redirect_uri"),
        (
            json!({"redirect_uris": ["http://evil.example/cb"]}),
            "invalid_redirect_uri",
        ),
        (
            json!({"redirect_uris": [CALLBACK, "javascript:alert(1)"]}),
            "invalid_redirect_uri",
        ),
        (json!({"redirect_uris": CALLBACK}), "invalid_redirect_uri"),
        (json!({"redirect_uris": [7]}), "invalid_redirect_uri"),
        (
            json!({"redirect_uris": vec![CALLBACK; 21]}),
            "invalid_redirect_uri",
        ),
        (
            json!({"redirect_uris": [CALLBACK], "client_name": 7}),
            "invalid_client_metadata",
        ),
        (
            json!({"redirect_uris": [CALLBACK], "client_name": "a\u{0}b"}),
            "invalid_client_metadata",
        ),
        // Names that are read as others.
        (
            json!({"redirect_uris": [CALLBACK], "client_name": "Cla\u{200b}ude"}),
            "invalid_client_metadata",
        ),
        (
            json!({"redirect_uris": [CALLBACK], "client_name": "\u{202e}edualC"}),
            "invalid_client_metadata",
        ),
        (
            json!({"redirect_uris": [CALLBACK], "grant_types": ["implicit"]}),
            "invalid_client_metadata",
        ),
        (
            json!({"redirect_uris": [CALLBACK], "response_types": ["token"]}),
            "invalid_client_metadata",
        ),
        (
            json!({"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "private_key_jwt"}),
            "invalid_client_metadata",
        ),
        (
            json!({"redirect_uris": [CALLBACK], "logo_uri": "javascript:1"}),
            "invalid_client_metadata",
        ),
    ] {
        let answer = app.post_json("/oauth/register", metadata.clone()).await;
        assert_error(&answer, 400, error);
        let description = answer.json()["error_description"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(!description.contains("metadata."), "{description}");
    }
    for body in ["", "[]", "{", "{\"a\":1,\"a\":2}"] {
        let call = app
            .post("/oauth/register")
            .body("application/json", body.to_owned());
        assert_error(&call.send().await, 400, "invalid_client_metadata");
    }
    let form = app
        .post("/oauth/register")
        .form(&[("client_name", "x")])
        .send()
        .await;
    assert_eq!(form.status, 415);
}

#[tokio::test]
async fn a_registration_is_managed_with_its_own_token_alone() {
    let app = app().await;
    let (one, other) = (public_client(&app).await, confidential_client(&app).await);
    let changed = json!({
        "client_id": one.id,
        "redirect_uris": ["https://new.example.com/cb"],
        "token_endpoint_auth_method": "client_secret_post",
    });
    for (id, token) in [
        (&one.id, &other.registration_token),
        (&other.id, &one.registration_token),
        (&one.id, &other.secret),
        (&one.id, &String::from("x")),
        (
            &"mkc_00000000000000000000000000000000".to_owned(),
            &one.registration_token,
        ),
        (&"momail".to_owned(), &one.registration_token),
    ] {
        for (method, body) in [
            (Method::GET, None),
            (Method::PUT, Some(changed.clone())),
            (Method::DELETE, None),
        ] {
            let body = body.map(|mut body| {
                body["client_id"] = json!(id);
                body
            });
            let answer = manage(&app, method, id, token, body).await;
            assert_error(&answer, 401, "invalid_token");
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
        }
    }
    // An id that none can have is as unknown as any other.
    for (method, body) in [
        (Method::GET, None),
        (Method::PUT, Some(changed.clone())),
        (Method::DELETE, None),
    ] {
        let answer = manage(&app, method, "%C3%A9", &one.registration_token, body).await;
        assert_error(&answer, 401, "invalid_token");
    }
    let anonymous = app.get(&format!("/oauth/register/{}", one.id)).send().await;
    assert_error(&anonymous, 401, "invalid_token");

    let token = &one.registration_token;
    let answer = manage(&app, Method::PUT, &one.id, token, Some(changed.clone())).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    assert_eq!(body["redirect_uris"], json!(["https://new.example.com/cb"]));
    // Replaced and not merged (RFC 7592 section 2.2): the name is gone, and there is a secret now.
    assert_eq!(body.get("client_name"), None);
    assert!(body["client_secret"].is_string());
    assert_eq!(body["registration_access_token"], json!(token));
    let again = manage(&app, Method::PUT, &one.id, token, Some(changed))
        .await
        .json();
    assert_eq!(again.get("client_secret"), None);
    let foreign = json!({"client_id": other.id, "redirect_uris": [CALLBACK]});
    let answer = manage(&app, Method::PUT, &one.id, token, Some(foreign)).await;
    assert_error(&answer, 400, "invalid_client_metadata");

    let answer = manage(&app, Method::DELETE, &one.id, token, None).await;
    assert_eq!((answer.status, answer.text().as_str()), (204, ""));
    let answer = manage(&app, Method::GET, &one.id, token, None).await;
    assert_error(&answer, 401, "invalid_token");
}

#[tokio::test]
async fn a_deleted_client_is_unknown_and_what_was_granted_to_it_is_over() {
    let app = app().await;
    let client = public_client(&app).await;
    let ann = app.sign_up("ann").await;
    let granted = tokens(&app, &client, &ann).await;
    let session = ann.logs_in().await.tokens.access_token;
    let code = code(&app, &session, client.request()).await;
    assert!(opens(&app, &granted["access_token"]).await);

    let deleted = manage(
        &app,
        Method::DELETE,
        &client.id,
        &client.registration_token,
        None,
    )
    .await;
    assert_eq!(deleted.status, 204);
    assert!(!opens(&app, &granted["access_token"]).await);
    // Before anything else is looked at, so that the program registers again.
    let refreshed = refresh(&app, &client, &granted["refresh_token"]).await;
    assert_error(&refreshed, 401, "invalid_client");
    assert_error(
        &token(&app, &client.exchange(&code)).await,
        401,
        "invalid_client",
    );
    let answer = app
        .post_json("/v1/authorizations:start", client.request())
        .await;
    assert_eq!(answer.status, 404);
    assert!(
        answer.text().contains("CLIENT_NOT_FOUND"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn a_client_that_nobody_uses_is_forgotten_and_one_with_a_live_grant_is_not() {
    let app = TestApp::with(|config| config.tokens.refresh_lifetime = 200 * DAY).await;
    let (used, unused) = (public_client(&app).await, public_client(&app).await);
    let ann = app.sign_up("ann").await;
    app.clock.advance(Duration::from_secs(1));
    let granted = tokens(&app, &used, &ann).await;
    app.clock.advance(29 * DAY);
    app.parts.jobs.run_pending().await.unwrap();
    let read = async |client: &Client| {
        manage(
            &app,
            Method::GET,
            &client.id,
            &client.registration_token,
            None,
        )
        .await
        .status
    };
    assert_eq!((read(&used).await, read(&unused).await), (200, 200));
    app.clock.advance(2 * DAY);
    app.parts.jobs.run_pending().await.unwrap();
    assert_eq!((read(&used).await, read(&unused).await), (200, 401));
    app.clock.advance(160 * DAY);
    app.parts.jobs.run_pending().await.unwrap();
    assert_eq!(read(&used).await, 200);
    assert_eq!(
        refresh(&app, &used, &granted["refresh_token"]).await.status,
        200
    );
}

#[tokio::test]
async fn a_server_can_be_closed_to_registrations() {
    let app = TestApp::with(|config| config.oauth.registration = false).await;
    let answer = app
        .post_json("/oauth/register", json!({"redirect_uris": [CALLBACK]}))
        .await;
    assert_error(&answer, 403, "access_denied");
}

#[tokio::test]
async fn fifty_clients_of_an_address_register_at_once() {
    let app = TestApp::with(|config| config.limits.enabled = true).await;
    let register = async |address: &str| {
        let call = app
            .post("/oauth/register")
            .json(json!({"redirect_uris": [CALLBACK]}));
        call.from(address).send().await
    };
    for _ in 0..50 {
        assert_eq!(register("192.0.2.1").await.status, 201);
    }
    let refused = register("192.0.2.1").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "2"));
    assert_eq!(register("192.0.2.2").await.status, 201);
    app.clock.advance(Duration::from_secs(2));
    assert_eq!(register("192.0.2.1").await.status, 201);
}

/// What a client registers is what it asks for when it asks for nothing, and no limit to what people may allow it.
#[tokio::test]
async fn a_registered_scope_is_a_default_and_no_ceiling() {
    let app = app().await;
    let metadata = json!({"redirect_uris": [CALLBACK], "scope": "email"});
    let client = register(&app, metadata).await;
    let session = app.sign_up("ann").await.logs_in().await.tokens.access_token;
    for (asked, granted) in [
        (json!({}), "email"),
        (json!({"scope": "mcp"}), "mcp"),
        (json!({"scope": "openid email"}), "openid email"),
    ] {
        let code = code(&app, &session, client.request_with(asked.clone())).await;
        let answer = token(&app, &client.exchange(&code)).await.json();
        assert_eq!(answer["scope"], granted, "{asked}");
    }
}

/// A client whose keys could never be fetched learns so when it registers, and not when it asks for tokens.
#[tokio::test]
async fn keys_stand_where_this_server_may_fetch_them() {
    let app = app().await;
    let with = |uri: &str| {
        json!({
            "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": uri,
        })
    };
    for uri in [
        "http://app.example.com/jwks.json",
        "ftp://app.example.com/jwks.json",
    ] {
        let answer = app.post_json("/oauth/register", with(uri)).await;
        assert_error(&answer, 400, "invalid_client_metadata");
    }
    for uri in [
        "https://app.example.com/jwks.json",
        "http://localhost:9/jwks.json",
    ] {
        register(&app, with(uri)).await;
    }
}
