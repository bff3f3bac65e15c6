//! Clients that the operator sets up: tokens of their own (RFC 6749 section 4.4), and introspection for the services that
//! they are (RFC 7662).

use countersign::config::{Config, OAuthClient, OAuthClients};

use super::*;
use crate::support::ISSUER;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "https://other.example.com/";

fn client(config: &Config, id: &str) -> OAuthClient {
    let file = config.data_dir.join("client-secret");
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    OAuthClient {
        id: id.to_owned(),
        token_endpoint_auth_method: "client_secret_basic".to_owned(),
        secret_file: Some(file),
        ..OAuthClient::default()
    }
}

/// A job with tokens of its own, a service that takes tokens, and a program that people sign in with.
fn set_up(config: &mut Config) {
    config.oauth.resources = vec![MCP.to_owned(), OTHER.to_owned()];
    config.oauth.clients = OAuthClients(vec![
        OAuthClient {
            grant_types: vec!["client_credentials".to_owned()],
            scope: "jobs:run jobs:read".to_owned(),
            ..client(config, "job")
        },
        OAuthClient {
            resources: vec![MCP.to_owned()],
            ..client(config, "mcp-server")
        },
        OAuthClient {
            name: "Our app".to_owned(),
            redirect_uris: vec![CALLBACK.to_owned()],
            ..client(config, "app")
        },
    ]);
}

async fn ask(app: &TestApp, client: &str, form: &[(&str, &str)]) -> TestResponse {
    let call = app.post("/oauth/token").form(form);
    call.basic(client, SECRET).send().await
}

async fn own_token(app: &TestApp, more: &[(&str, &str)]) -> Value {
    let mut form = vec![("grant_type", "client_credentials")];
    form.extend(more);
    let answer = ask(app, "job", &form).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

async fn looks_at(app: &TestApp, client: &str, token: &str) -> Value {
    let call = app.post("/oauth/introspect").form(&[("token", token)]);
    let answer = call.basic(client, SECRET).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn claims(token: &Value) -> Value {
    decoded(token.as_str().unwrap().split('.').nth(1).unwrap())
}

/// A part of a JWT.
fn decoded(part: &str) -> Value {
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn a_job_gets_a_token_of_its_own() {
    let app = TestApp::with(set_up).await;
    let granted = own_token(&app, &[("resource", MCP)]).await;
    assert_eq!(
        (&granted["scope"], &granted["expires_in"]),
        (&json!("jobs:run jobs:read"), &json!(3600))
    );
    assert!(granted.get("refresh_token").is_none());
    let claims = claims(&granted["access_token"]);
    for (claim, value) in [
        ("iss", json!(ISSUER)),
        ("sub", json!("job")),
        ("client_id", json!("job")),
        ("aud", json!([MCP])),
        ("scope", json!("jobs:run jobs:read")),
    ] {
        assert_eq!(claims[claim], value, "{claim}");
    }
    let fewer = own_token(&app, &[("scope", "jobs:read mcp")]).await;
    assert_eq!(fewer["scope"], "jobs:read");
    assert_eq!(self::claims(&fewer["access_token"])["aud"], json!(ISSUER));
    // RFC 8707 section 2 lets a client name several.
    let both = own_token(&app, &[("resource", MCP), ("resource", OTHER)]).await;
    assert_eq!(
        self::claims(&both["access_token"])["aud"],
        json!([MCP, OTHER])
    );
    for (more, error) in [
        (("scope", "mcp"), "invalid_scope"),
        (("resource", "https://evil.example/"), "invalid_target"),
    ] {
        let form = [("grant_type", "client_credentials"), more];
        assert_error(&ask(&app, "job", &form).await, 400, error);
    }
}

/// It acts for nobody, whatever it is for.
#[tokio::test]
async fn a_clients_own_token_opens_nothing_here() {
    let app = TestApp::with(set_up).await;
    for resource in [ISSUER, MCP] {
        let granted = own_token(&app, &[("resource", resource)]).await;
        assert!(!opens(&app, &granted["access_token"]).await);
        let token = granted["access_token"].as_str().unwrap();
        for path in ["/v1/accounts/me", "/oauth/me", "/api/user/tokens"] {
            let answer = app.get(path).bearer(token).send().await;
            assert_eq!(answer.status, 401, "{path}");
        }
        let forwarded = app
            .get("/authz/forward")
            .header("x-original-method", "GET")
            .header("x-original-uri", "/api/accounts/1/messages");
        let answer = forwarded.bearer(token).send().await;
        assert_eq!(answer.status, 401, "{}", answer.text());
    }
}

#[tokio::test]
async fn it_is_live_while_it_lasts_and_there_is_the_client() {
    let app = TestApp::with(set_up).await;
    let granted = own_token(&app, &[("resource", MCP)]).await;
    let token = granted["access_token"].as_str().unwrap().to_owned();
    for reader in ["job", "mcp-server"] {
        let found = looks_at(&app, reader, &token).await;
        assert_eq!(
            (
                &found["active"],
                &found["sub"],
                &found["client_id"],
                &found["aud"]
            ),
            (&json!(true), &json!("job"), &json!("job"), &json!([MCP]))
        );
    }
    // Nothing is kept of it that could be ended.
    let call = app.post("/oauth/revoke").form(&[("token", &token)]);
    assert_error(
        &call.basic("job", SECRET).send().await,
        400,
        "invalid_request",
    );
    let app = app
        .restart_with(|config| {
            config.oauth.clients.0.retain(|client| client.id != "job");
        })
        .await;
    assert_eq!(
        looks_at(&app, "mcp-server", &token).await,
        json!({"active": false})
    );
    let form = [("grant_type", "client_credentials")];
    assert_error(&ask(&app, "job", &form).await, 401, "invalid_client");
    let app = app.restart_with(set_up).await;
    assert_eq!(
        looks_at(&app, "mcp-server", &token).await["active"],
        json!(true)
    );
    app.clock.advance(std::time::Duration::from_secs(3600));
    assert_eq!(
        looks_at(&app, "mcp-server", &token).await,
        json!({"active": false})
    );
}

/// Otherwise anybody could get a token for a service, without a person who says yes.
#[tokio::test]
async fn a_client_that_registered_itself_gets_no_token_of_its_own() {
    let app = TestApp::with(set_up).await;
    let metadata = json!({
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "client_secret_post",
        "grant_types": ["authorization_code", "client_credentials"],
        "scope": "jobs:run",
    });
    let registered = app
        .post_json("/oauth/register", metadata.clone())
        .await
        .json();
    assert_eq!(registered["grant_types"], json!(["authorization_code"]));
    for (id, secret) in [
        (
            registered["client_id"].as_str().unwrap(),
            registered["client_secret"].as_str().unwrap(),
        ),
        ("app", SECRET),
        ("mcp-server", SECRET),
    ] {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", id),
            ("client_secret", secret),
        ];
        assert_error(&token(&app, &form).await, 400, "unauthorized_client");
    }
    let mut alone = metadata;
    alone["grant_types"] = json!(["client_credentials"]);
    let refused = app.post_json("/oauth/register", alone).await;
    assert_error(&refused, 400, "invalid_client_metadata");
}

#[tokio::test]
async fn a_service_sees_the_access_tokens_that_are_for_it_and_no_others() {
    let app = TestApp::with(set_up).await;
    let ann = app.sign_up("ann").await;
    let session = ann.logs_in().await.tokens.access_token;
    let program = public_client(&app).await;
    let get = async |resources: Value| {
        let request = program.request_with(json!({"resources": resources}));
        let code = code(&app, &session, request).await;
        token(&app, &program.exchange(&code)).await.json()
    };
    let (for_it, for_another, for_both) = (
        get(json!([MCP])).await,
        get(json!([OTHER])).await,
        get(json!([OTHER, MCP])).await,
    );
    let sees = async |reader: &str, token: &Value| {
        let found = looks_at(&app, reader, token.as_str().unwrap()).await;
        found["active"] == json!(true)
    };
    for granted in [&for_it, &for_both] {
        assert!(sees("mcp-server", &granted["access_token"]).await);
    }
    let found = looks_at(&app, "mcp-server", for_it["access_token"].as_str().unwrap()).await;
    let account = ann.account.strip_prefix("accounts/").unwrap();
    assert_eq!(
        (&found["sub"], &found["client_id"]),
        (&json!(account), &json!(program.id))
    );
    assert!(!sees("mcp-server", &for_another["access_token"]).await);
    assert!(!sees("mcp-server", &for_it["refresh_token"]).await);
    assert!(!sees("mcp-server", &json!(session)).await);
    // Who is no service sees its own alone.
    for reader in ["app", "job"] {
        assert!(!sees(reader, &for_it["access_token"]).await);
    }
    // And no service ends what it may look at.
    let token = for_it["access_token"].as_str().unwrap();
    let call = app.post("/oauth/revoke").form(&[("token", token)]);
    assert_eq!(call.basic("mcp-server", SECRET).send().await.status, 200);
    assert!(sees("mcp-server", &for_it["access_token"]).await);
    // What it has looked at before is remembered: no database is needed.
    app.parts.store.close().await;
    assert!(sees("mcp-server", &for_it["access_token"]).await);
}

#[tokio::test]
async fn a_service_sees_at_once_that_a_token_is_over() {
    let app = TestApp::with(set_up).await;
    let ann = app.sign_up("ann").await;
    let session = ann.logs_in().await.tokens.access_token;
    let program = public_client(&app).await;
    let get = async || {
        let request = program.request_with(json!({"resources": [MCP]}));
        let code = code(&app, &session, request).await;
        let granted = token(&app, &program.exchange(&code)).await.json();
        granted["access_token"].as_str().unwrap().to_owned()
    };
    let is_live = async |token: &str| looks_at(&app, "mcp-server", token).await["active"] == true;
    let taken_back = get().await;
    assert!(is_live(&taken_back).await);
    let call = app.post("/oauth/revoke").form(&[("token", &taken_back)]);
    assert_eq!(call.send().await.status, 200);
    assert!(!is_live(&taken_back).await);

    let disabled = get().await;
    assert!(is_live(&disabled).await);
    let request = crate::support::disable(&ann.account);
    app.operator().disable_account(request).await.unwrap();
    assert!(!is_live(&disabled).await);
}

#[tokio::test]
async fn people_sign_in_with_a_client_of_the_operator_as_with_others() {
    let app = TestApp::with(set_up).await;
    let here = app.sign_up("ann").await.logs_in().await;
    let client = Client {
        id: "app".to_owned(),
        secret: SECRET.to_owned(),
        registration_token: String::new(),
    };
    let name = start(&app, client.request()).await;
    let asked = app.get(&format!("/v1/{name}")).send().await.json();
    assert_eq!(asked["authorization"]["clientName"], "Our app");
    let code = parameter(
        &approve(&app, &here.tokens.access_token, &name).await,
        "code",
    );
    assert_error(
        &token(&app, &client.exchange(&code)).await,
        401,
        "invalid_client",
    );
    let granted = ask(&app, "app", &client.exchange(&code)).await;
    assert_eq!(granted.status, 200, "{}", granted.text());
    assert_eq!(
        refresh(&app, &client, &granted.json()["refresh_token"])
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_job_may_sign_who_it_is() {
    let granted = client_assertions::signed_token(
        |config, file| {
            config.oauth.clients = OAuthClients(vec![OAuthClient {
                id: "job".to_owned(),
                grant_types: vec!["client_credentials".to_owned()],
                token_endpoint_auth_method: "private_key_jwt".to_owned(),
                jwks_file: Some(file.into()),
                ..OAuthClient::default()
            }]);
        },
        "job",
    );
    let granted = granted.await;
    assert_eq!(granted.status, 200, "{}", granted.text());
}

/// A secret stands in a file of its own, and nowhere else.
#[tokio::test]
async fn a_secret_is_shown_nowhere() {
    let app = TestApp::with(set_up).await;
    let shown = format!("{:?}", app.config.oauth);
    assert!(shown.contains("client-secret") && !shown.contains(SECRET));
}

#[tokio::test]
async fn a_file_that_is_no_secret_stops_the_start() {
    for text in ["", "short", "with spaces in the middle of it all"] {
        let app = TestApp::with(set_up).await;
        std::fs::write(app.config.data_dir.join("client-secret"), text).unwrap();
        let Err(refused) = app.try_restart().await else {
            panic!("{text}");
        };
        assert!(
            refused.contains("`job`") && refused.contains("openssl rand"),
            "{refused}"
        );
    }
}

/// What a program may register, the operator may set up for it.
#[tokio::test]
async fn the_operator_decides_on_pkce_on_signatures_and_on_where_people_go_after_they_signed_out() {
    const AFTER: &str = "https://app.example.com/bye";
    let app = TestApp::with(|config| {
        config.oauth.clients = OAuthClients(vec![OAuthClient {
            redirect_uris: vec![CALLBACK.to_owned()],
            post_logout_redirect_uris: vec![AFTER.to_owned()],
            id_token_signed_response_alg: "ES256".to_owned(),
            require_pkce: Some(false),
            ..client(config, "app")
        }]);
    })
    .await;
    let session = app.sign_up("ann").await.logs_in().await.tokens.access_token;
    let request = json!({
        "response_type": "code", "client_id": "app", "redirect_uri": CALLBACK, "scope": "openid", "nonce": "n",
    });
    let code = code(&app, &session, request).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
    ];
    let granted = ask(&app, "app", &form).await;
    assert_eq!(granted.status, 200, "{}", granted.text());
    let id_token = granted.json()["id_token"].as_str().unwrap().to_owned();
    let header = id_token.split('.').next().unwrap();
    assert_eq!(decoded(header)["alg"], "ES256");
    let resolve = json!({"idTokenHint": id_token, "postLogoutRedirectUri": AFTER});
    let answer = app.post_json("/v1/logOuts:resolve", resolve).await;
    assert_eq!(answer.json()["redirectUri"], AFTER, "{}", answer.text());
}
