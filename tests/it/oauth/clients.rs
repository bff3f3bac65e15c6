//! How clients say who they are (OAuth 2.1 section 2.4), and that none is taken for another.

use super::{documents::Host, *};

/// The form of a refresh without a client.
fn form(refresh_token: &Value) -> Vec<(&'static str, String)> {
    vec![
        ("grant_type", "refresh_token".to_owned()),
        ("refresh_token", refresh_token.as_str().unwrap().to_owned()),
    ]
}

async fn send(
    app: &TestApp,
    form: &[(&'static str, String)],
    more: &[(&'static str, &str)],
    basic: Option<(&str, &str)>,
) -> TestResponse {
    let mut all: Vec<_> = form
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    all.extend(more);
    let call = app.post("/oauth/token").form(&all);
    match basic {
        Some((id, secret)) => call.basic(id, secret).send().await,
        None => call.send().await,
    }
}

#[tokio::test]
async fn a_client_with_a_secret_shows_it_in_one_way() {
    let app = app().await;
    let client = confidential_client(&app).await;
    let ann = app.sign_up("ann").await;
    let mut granted = tokens(&app, &client, &ann).await;
    let (id, secret) = (client.id.as_str(), client.secret.as_str());
    for (more, basic) in [
        (vec![], Some((id, secret))),
        // Python's client of MCP repeats its id.
        (vec![("client_id", id)], Some((id, secret))),
        (vec![("client_id", id), ("client_secret", secret)], None),
    ] {
        let answer = send(&app, &form(&granted["refresh_token"]), &more, basic).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        granted = answer.json();
    }
    for (more, basic, status, error) in [
        (vec![], None, 400, "invalid_request"),
        (vec![("client_id", id)], None, 401, "invalid_client"),
        (
            vec![("client_id", id), ("client_secret", "wrong")],
            None,
            401,
            "invalid_client",
        ),
        (vec![], Some((id, "wrong")), 401, "invalid_client"),
        (vec![], Some((id, "")), 401, "invalid_client"),
        (vec![], Some(("", "")), 401, "invalid_client"),
        (
            vec![],
            Some(("mkc_00000000000000000000000000000000", secret)),
            401,
            "invalid_client",
        ),
        (
            vec![("client_secret", secret)],
            Some((id, secret)),
            400,
            "invalid_request",
        ),
        (
            vec![("client_id", "another")],
            Some((id, secret)),
            400,
            "invalid_request",
        ),
        (
            vec![("client_id", id), ("client_id", id)],
            None,
            400,
            "invalid_request",
        ),
    ] {
        let answer = send(&app, &form(&granted["refresh_token"]), &more, basic).await;
        assert_error(&answer, status, error);
        if status == 401 {
            let mut offered = answer.headers.get_all("www-authenticate").iter();
            assert!(offered.any(|value| value.to_str().unwrap().starts_with("Basic ")));
        }
    }
    // None of these has used it up.
    assert_eq!(
        refresh(&app, &client, &granted["refresh_token"])
            .await
            .status,
        200
    );
    let bearer = app
        .post("/oauth/token")
        .form(&[("grant_type", "refresh_token")]);
    assert_error(&bearer.bearer("x").send().await, 401, "invalid_client");
}

#[tokio::test]
async fn a_public_client_has_no_secret_to_show() {
    let app = app().await;
    let client = public_client(&app).await;
    let ann = app.sign_up("ann").await;
    let granted = tokens(&app, &client, &ann).await;
    let more = [("client_id", client.id.as_str()), ("client_secret", "x")];
    let answer = send(&app, &form(&granted["refresh_token"]), &more, None).await;
    assert_error(&answer, 401, "invalid_client");
    assert_eq!(
        refresh(&app, &client, &granted["refresh_token"])
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn an_unknown_client_is_told_so_before_anything_else_is_looked_at() {
    let app = app().await;
    for id in [
        "mkc_00000000000000000000000000000000",
        "momail",
        "countersign",
        "x",
    ] {
        for grant in [
            "authorization_code",
            "refresh_token",
            "client_credentials",
            "password",
            "urn:x",
        ] {
            let form = [("grant_type", grant), ("client_id", id)];
            assert_error(&token(&app, &form).await, 401, "invalid_client");
        }
    }
    let client = public_client(&app).await;
    for grant in ["password", "urn:x", "implicit"] {
        let form = [("grant_type", grant), ("client_id", client.id.as_str())];
        assert_error(&token(&app, &form).await, 400, "unsupported_grant_type");
    }
}

/// Every pair of clients, whatever one of them has of the other.
#[tokio::test]
async fn no_client_uses_what_is_anothers() {
    let app = app().await;
    let ann = app.sign_up("ann").await;
    let session = ann.logs_in().await.tokens.access_token;
    let (host, another_host) = (Host::start().await, Host::start().await);
    let clients = [
        public_client(&app).await,
        public_client(&app).await,
        confidential_client(&app).await,
        confidential_client(&app).await,
        host.client(),
        another_host.client(),
    ];
    for client in &clients {
        tokens(&app, client, &ann).await;
    }
    for owner in &clients {
        for other in clients.iter().filter(|other| other.id != owner.id) {
            let granted = tokens(&app, owner, &ann).await;
            let code = code(&app, &session, owner.request()).await;
            let mut exchange = other.exchange(&code);
            if !other.secret.is_empty() {
                exchange.push(("client_secret", &other.secret));
            }
            assert_error(&token(&app, &exchange).await, 400, "invalid_grant");
            let refreshed = refresh(&app, other, &granted["refresh_token"]).await;
            assert_error(&refreshed, 400, "invalid_grant");
            for kind in ["access_token", "refresh_token"] {
                if !other.secret.is_empty() {
                    assert_eq!(
                        introspect(&app, other, &granted[kind]).await,
                        json!({"active": false})
                    );
                }
                let text = granted[kind].as_str().unwrap();
                let mut form = vec![("token", text), ("client_id", &other.id)];
                if !other.secret.is_empty() {
                    form.push(("client_secret", &other.secret));
                }
                assert_eq!(
                    app.post("/oauth/revoke").form(&form).send().await.status,
                    200
                );
            }
            if !owner.registration_token.is_empty() {
                let foreign = &other.registration_token;
                let deleted = manage(&app, Method::DELETE, &owner.id, foreign, None);
                assert_error(&deleted.await, 401, "invalid_token");
            }
            // All of it is as it was.
            assert!(opens(&app, &granted["access_token"]).await);
            assert_eq!(
                refresh(&app, owner, &granted["refresh_token"]).await.status,
                200
            );
        }
    }
}

#[tokio::test]
async fn clients_at_one_address_do_not_wait_for_each_other() {
    let app = TestApp::with(|config| {
        config.limits.enabled = true;
    })
    .await;
    let ask = async |id: &str| {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", id),
            ("refresh_token", "x"),
        ];
        token(&app, &form).await.status
    };
    for _ in 0..8 {
        assert_eq!(ask("mkc_00000000000000000000000000000001").await, 401);
    }
    assert_eq!(ask("mkc_00000000000000000000000000000001").await, 429);
    for _ in 0..8 {
        assert_eq!(ask("mkc_00000000000000000000000000000002").await, 401);
    }
    // All of them together have sixteen times as much.
    let mut passed = 0;
    for id in 0..400 {
        passed += u32::from(ask(&format!("mkc_{id:032x}")).await == 401);
    }
    assert!((100..=128).contains(&passed), "{passed}");
}

/// Clients fail over an answer without a code, whatever its status.
#[tokio::test]
async fn a_server_that_fails_says_so_with_a_code() {
    let app = app().await;
    let client = public_client(&app).await;
    app.parts.store.close().await;
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "x"),
        ("client_id", &*client.id),
    ];
    assert_error(&token(&app, &form).await, 503, "temporarily_unavailable");
    let metadata = json!({"redirect_uris": [CALLBACK]});
    let answer = app.post_json("/oauth/register", metadata).await;
    assert_error(&answer, 503, "temporarily_unavailable");
}

/// Whoever asks for a resource that is not here learns which one is near: a slash too many is the usual mistake.
#[tokio::test]
async fn a_resource_that_is_not_here_is_named_beside_the_nearest_one() {
    let app = app().await;
    let client = public_client(&app).await;
    let asked = "https://mcp.example.com/mcp/";
    let request = client.request_with(json!({"resources": [asked]}));
    let answer = app
        .post_json("/v1/authorizations:start", request)
        .await
        .json();
    let description =
        format!("the resource is not registered here: {asked}; the nearest one that is: {MCP}");
    assert_eq!(answer["errorDescription"], description);
    let session = app.sign_up("ann").await.logs_in().await.tokens.access_token;
    let code = code(&app, &session, client.request()).await;
    for (sent, shown) in [(asked, asked), ("https://x.example/\"", "it")] {
        let mut form = client.exchange(&code);
        form.push(("resource", sent));
        let answer = token(&app, &form).await;
        assert_error(&answer, 400, "invalid_target");
        let told = answer.json()["error_description"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(told.contains(&format!(": {shown};")), "{told}");
    }
}
