//! What clients discover the server by (RFC 8414, OpenID Connect Discovery, RFC 9728), and what sends them there.

use http::Method;
use tonic::Code;

use super::*;
use crate::support::{ISSUER, PASSWORD, refused, with_bearer};

const OAUTH: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";
const RESOURCE: &str = "/.well-known/oauth-protected-resource";
/// A page that the operator has never heard of.
const PAGE: &str = "https://page.example";

/// A server whose tokens are also for services of others, one of them on its own host.
async fn app_with(change: impl FnOnce(&mut countersign::config::Config)) -> TestApp {
    TestApp::with(|config| {
        config.oauth.resources = vec![
            MCP.to_owned(),
            format!("{ISSUER}/mcp"),
            format!("{ISSUER}/mcp?v=2"),
        ];
        change(config);
    })
    .await
}

async fn document(app: &TestApp, target: &str) -> Value {
    let answer = app.get(target).send().await;
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    assert_eq!(answer.header("content-type"), "application/json");
    answer.json()
}

/// Clients refuse the whole document for one empty member.
fn assert_nothing_is_empty(document: &Value) {
    for (name, value) in document.as_object().unwrap() {
        let is_empty = value.is_null()
            || value.as_str().is_some_and(str::is_empty)
            || value.as_array().is_some_and(Vec::is_empty);
        assert!(!is_empty, "{name}");
    }
}

#[tokio::test]
async fn a_client_finds_every_endpoint_and_what_it_takes() {
    let app = app_with(|_| {}).await;
    let found = document(&app, OAUTH).await;
    assert_eq!(document(&app, OPENID).await, found);
    assert_nothing_is_empty(&found);
    for (member, value) in [
        ("issuer", json!(ISSUER)),
        (
            "authorization_endpoint",
            json!(format!("{ISSUER}/oauth/authorize")),
        ),
        ("token_endpoint", json!(format!("{ISSUER}/oauth/token"))),
        (
            "registration_endpoint",
            json!(format!("{ISSUER}/oauth/register")),
        ),
        (
            "revocation_endpoint",
            json!(format!("{ISSUER}/oauth/revoke")),
        ),
        (
            "introspection_endpoint",
            json!(format!("{ISSUER}/oauth/introspect")),
        ),
        (
            "userinfo_endpoint",
            json!(format!("{ISSUER}/oauth/userinfo")),
        ),
        ("jwks_uri", json!(format!("{ISSUER}/.well-known/jwks.json"))),
        ("response_types_supported", json!(["code"])),
        ("response_modes_supported", json!(["query"])),
        ("code_challenge_methods_supported", json!(["S256"])),
        (
            "authorization_response_iss_parameter_supported",
            json!(true),
        ),
        ("client_id_metadata_document_supported", json!(true)),
        ("subject_types_supported", json!(["public"])),
        (
            "id_token_signing_alg_values_supported",
            json!(["RS256", "ES256"]),
        ),
        (
            "prompt_values_supported",
            json!(["none", "login", "consent", "select_account"]),
        ),
        (
            "protected_resources",
            json!([
                ISSUER,
                MCP,
                format!("{ISSUER}/mcp"),
                format!("{ISSUER}/mcp?v=2")
            ]),
        ),
    ] {
        assert_eq!(found[member], value, "{member}");
    }
}

#[tokio::test]
async fn a_client_finds_what_it_may_ask_for() {
    let app = app_with(|_| {}).await;
    let found = document(&app, OAUTH).await;
    let lists = |member: &str, value: &str| {
        let listed = found[member].as_array().unwrap();
        assert!(listed.contains(&json!(value)), "{member}: {value}");
    };
    for scope in ["openid", "profile", "email", "offline_access", "mcp"] {
        lists("scopes_supported", scope);
    }
    for grant in ["authorization_code", "refresh_token", "client_credentials"] {
        lists("grant_types_supported", grant);
    }
    for endpoint in ["token", "revocation", "introspection"] {
        // Nobody introspects without showing who they are.
        let none = ["none"].into_iter().filter(|_| endpoint != "introspection");
        let others = [
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt",
        ];
        for method in none.chain(others) {
            lists(
                &format!("{endpoint}_endpoint_auth_methods_supported"),
                method,
            );
        }
        for algorithm in ["RS256", "ES256"] {
            let member = format!("{endpoint}_endpoint_auth_signing_alg_values_supported");
            lists(&member, algorithm);
        }
    }
    for language in ["en", "de", "es", "ar"] {
        lists("ui_locales_supported", language);
    }
}

/// Whoever signs in elsewhere is not signed out here.
#[tokio::test]
async fn people_sign_out_where_they_sign_in() {
    for (own_page, endpoint) in [
        ("", json!(format!("{ISSUER}/oauth/logout"))),
        ("https://login.example.com/authorize", Value::Null),
    ] {
        let change = |config: &mut countersign::config::Config| {
            config.oauth.authorization_endpoint = own_page.to_owned()
        };
        let found = document(&app_with(change).await, OPENID).await;
        assert_eq!(found["end_session_endpoint"], endpoint, "{own_page}");
    }
}

/// Every method that is listed can be registered (Claude asks for `client_secret_post` because it is).
#[tokio::test]
async fn whatever_is_listed_can_be_had() {
    let app = app().await;
    let found = document(&app, OAUTH).await;
    for method in found["token_endpoint_auth_methods_supported"]
        .as_array()
        .unwrap()
    {
        let mut metadata =
            json!({"redirect_uris": [CALLBACK], "token_endpoint_auth_method": method});
        if method == "private_key_jwt" {
            metadata["jwks_uri"] = json!("https://app.example.com/jwks.json");
        }
        let answer = app.post_json("/oauth/register", metadata).await;
        assert_eq!(answer.status, 201, "{method}: {}", answer.text());
        assert_eq!(answer.json()["token_endpoint_auth_method"], *method);
    }
}

#[tokio::test]
async fn what_is_switched_off_is_not_offered() {
    let app = app_with(|config| {
        config.oauth.registration = false;
        config.oauth.client_documents = false;
    })
    .await;
    let found = document(&app, OAUTH).await;
    assert!(found.get("registration_endpoint").is_none());
    assert_eq!(found["client_id_metadata_document_supported"], json!(false));
}

#[tokio::test]
async fn an_issuer_with_a_path_is_found_wherever_clients_look() {
    let issuer = "http://127.0.0.1:8080/:t";
    let app = TestApp::at(issuer, |config| {
        config.oauth.resources = vec![
            format!("{issuer}/mcp"),
            "http://127.0.0.1:8080/x".to_owned(),
        ];
    })
    .await;
    for target in [
        "/.well-known/oauth-authorization-server/:t",
        "/.well-known/openid-configuration/:t",
        "/:t/.well-known/openid-configuration",
        OAUTH,
        OPENID,
    ] {
        let found = document(&app, target).await;
        assert_eq!(found["issuer"], issuer, "{target}");
        assert_eq!(found["token_endpoint"], format!("{issuer}/oauth/token"));
    }
    for (target, resource) in [
        (format!("{RESOURCE}/:t"), issuer),
        (format!("{RESOURCE}/:t/mcp"), &format!("{issuer}/mcp")),
        (format!("{RESOURCE}/x"), "http://127.0.0.1:8080/x"),
    ] {
        assert_eq!(
            document(&app, &target).await["resource"],
            *resource,
            "{target}"
        );
    }
}

#[tokio::test]
async fn a_resource_is_found_at_its_own_path() {
    let app = app_with(|_| {}).await;
    let on_this_host = format!("{ISSUER}/mcp");
    for (target, resource, scopes) in [
        (
            RESOURCE.to_owned(),
            ISSUER,
            json!(["mcp", "profile", "email"]),
        ),
        (format!("{RESOURCE}/mcp"), &on_this_host, json!(["mcp"])),
        (format!("{RESOURCE}/mcp?x"), &on_this_host, json!(["mcp"])),
        (
            format!("{RESOURCE}/mcp?v=2"),
            &format!("{on_this_host}?v=2"),
            json!(["mcp"]),
        ),
        // For a proxy in front of the other host to pass on.
        (format!("{RESOURCE}?resource={MCP}"), MCP, json!(["mcp"])),
        (
            format!("{RESOURCE}?resource=https%3A%2F%2Fmcp.example.com%2Fmcp"),
            MCP,
            json!(["mcp"]),
        ),
    ] {
        let found = document(&app, &target).await;
        assert_eq!(
            found,
            json!({
                "resource": resource,
                "authorization_servers": [ISSUER],
                "scopes_supported": scopes,
                "bearer_methods_supported": ["header"],
            }),
            "{target}"
        );
    }
}

#[tokio::test]
async fn nothing_else_is_there() {
    let app = app_with(|_| {}).await;
    for target in [
        "/.well-known/oauth-authorization-server/t",
        "/.well-known/oauth-authorization-server/",
        "/.well-known/openid-configuration/t",
        "/t/.well-known/openid-configuration",
        "/.well-known/oauth-protected-resource/other",
        "/.well-known/oauth-protected-resource/mcp/",
        "/.well-known/oauth-protected-resource?resource=https://evil.example/",
        "/.well-known/oauth-protected-resource?resource=",
        "/.well-known/jwks",
        "/.well-known/x",
    ] {
        for method in [Method::GET, Method::POST] {
            let answer = app.call(method.clone(), target).send().await;
            assert_eq!(answer.status, 404, "{method} {target}");
        }
    }
    let posted = app.post(OAUTH).send().await;
    assert_eq!((posted.status, posted.header("allow")), (405, "GET, HEAD"));
}

#[tokio::test]
async fn a_document_that_the_client_has_is_not_sent_again() {
    let app = app_with(|_| {}).await;
    let mut tags = std::collections::BTreeSet::new();
    for target in [
        OAUTH,
        RESOURCE,
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/jwks.json",
    ] {
        let whole = app.get(target).send().await;
        let tag = whole.header("etag");
        assert!(tag.starts_with('"') && tag.len() > 20, "{tag}");
        assert_eq!(whole.header("cache-control"), "public, max-age=300");
        let again = app.get(target).header("if-none-match", tag).send().await;
        assert_eq!((again.status, again.text().as_str()), (304, ""));
        assert_eq!(again.header("etag"), tag);
        let other = app
            .get(target)
            .header("if-none-match", "\"x\"")
            .send()
            .await;
        assert_eq!(other.status, 200);
        let head = app.call(Method::HEAD, target).send().await;
        assert_eq!((head.status, head.text().as_str()), (200, ""));
        assert_eq!(head.header("etag"), tag);
        assert_eq!(head.header("content-length"), whole.body.len().to_string());
        tags.insert(tag.to_owned());
    }
    assert_eq!(tags.len(), 4);
}

/// Asks before a call as browsers do.
async fn preflight(app: &TestApp, path: &str, origin: &str) -> TestResponse {
    app.call(Method::OPTIONS, path)
        .header("origin", origin)
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "mcp-protocol-version")
        .send()
        .await
}

/// RFC 9700 section 2.6: clients in browsers need these, wherever their pages come from, and no cookie with them.
#[tokio::test]
async fn pages_of_every_origin_may_call_what_clients_need_and_nothing_else() {
    let listed = "https://app.example.com";
    for origins in [vec![], vec![listed]] {
        let app = app_with(|config| config.cors = cors(&origins)).await;
        for path in [
            OAUTH,
            OPENID,
            RESOURCE,
            "/.well-known/jwks.json",
            "/oauth/token",
            "/oauth/revoke",
            "/oauth/register",
            "/oauth/register/mkc_1",
            "/oauth/userinfo",
        ] {
            let asked = preflight(&app, path, PAGE).await;
            assert_eq!(asked.status, 200, "{path}");
            assert_eq!(asked.header("access-control-allow-origin"), "*", "{path}");
            assert_eq!(asked.header("access-control-allow-credentials"), "");
            let headers = asked.header("access-control-allow-headers");
            for name in [
                "authorization",
                "content-type",
                "mcp-protocol-version",
                "dpop",
            ] {
                assert!(headers.split(',').any(|one| one == name), "{path}: {name}");
            }
            let called = app.get(path).header("origin", PAGE).send().await;
            assert_eq!(called.header("access-control-allow-origin"), "*", "{path}");
            let exposed = called.header("access-control-expose-headers");
            assert!(exposed.contains("www-authenticate"), "{path}");
        }
        for path in [
            "/oauth/authorize",
            "/oauth/logout",
            "/sign-out",
            "/oauth/introspect",
            "/oauth/me",
            "/oauth/token?grant_type=password",
            "/v1/sessions",
            "/api/auth/login",
            "/oauth/registered",
        ] {
            let asked = preflight(&app, path, PAGE).await;
            assert_eq!(asked.header("access-control-allow-origin"), "", "{path}");
        }
        // A page must not guess passwords through the browsers of its visitors.
        let log_in =
            json!({"grant_type": "password", "username": "a@b.example", "password": PASSWORD});
        let guessed = app.post("/oauth/token").json(log_in).header("origin", PAGE);
        assert_eq!(
            guessed.send().await.header("access-control-allow-origin"),
            ""
        );
    }
    let app = app_with(|config| config.cors = cors(&[listed])).await;
    let asked = preflight(&app, OAUTH, listed).await;
    assert_eq!(asked.header("access-control-allow-origin"), listed);
    assert_eq!(asked.header("access-control-allow-credentials"), "true");
}

fn cors(origins: &[&str]) -> countersign::config::Cors {
    let variable = ("COUNTERSIGN_CORS_ORIGINS".into(), origins.join(",").into());
    let sources = countersign::config::Sources::environment([variable]);
    countersign::config::Config::load(&sources).unwrap().cors
}

/// The challenge of a call without a credential to this server itself.
const ASKED: &str = r#"Bearer realm="countersign", resource_metadata="http://127.0.0.1:8080/.well-known/oauth-protected-resource", scope="mcp""#;

#[tokio::test]
async fn a_call_without_a_token_is_told_where_to_get_one() {
    let app = app_with(|_| {}).await;
    let invalid = format!("{ASKED}, error=\"invalid_token\"");
    for path in [
        "/v1/accounts/me",
        "/oauth/me",
        "/api/user/tokens",
        "/countersign.v1.AccountService/GetAccount",
    ] {
        let call = || match path.contains("Service") {
            true => app.post(path).json(json!({"name": "accounts/me"})),
            false => app.get(path),
        };
        let missing = call().send().await;
        assert_eq!(missing.status, 401, "{path}");
        assert_eq!(missing.header("www-authenticate"), ASKED, "{path}");
        let bad = call().bearer("x.y.z").send().await;
        assert_eq!(bad.header("www-authenticate"), invalid, "{path}");
    }
    let request = || countersign::pb::v1::GetAccountRequest {
        name: "accounts/me".to_owned(),
    };
    for (request, challenge) in [
        (tonic::Request::new(request()), ASKED),
        (with_bearer(request(), "x.y.z"), &invalid),
    ] {
        let status = app.accounts().get_account(request).await.unwrap_err();
        assert_eq!(
            status.metadata().get("www-authenticate").unwrap(),
            challenge
        );
    }
    // What opens a registration is got nowhere else.
    let registration = app.get("/oauth/register/mkc_1").send().await;
    assert_eq!(
        registration.header("www-authenticate"),
        r#"Bearer realm="countersign""#
    );
}

#[tokio::test]
async fn a_token_that_may_too_little_is_told_which_scope_it_lacks() {
    let app = app_with(|_| {}).await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let key = ann.makes_key(&["email"]).await;
    let denied = app.get("/v1/apiKeys").bearer(&key).send().await;
    assert_eq!(denied.status, 403);
    let lacking = format!(
        "{}, error=\"insufficient_scope\", scope=\"mcp\"",
        ASKED.strip_suffix(", scope=\"mcp\"").unwrap()
    );
    assert_eq!(denied.header("www-authenticate"), lacking);
    let request = countersign::pb::v1::ListApiKeysRequest::default();
    let answer = app
        .api_keys()
        .list_api_keys(with_bearer(request, &key))
        .await;
    let status = answer.as_ref().unwrap_err();
    assert_eq!(status.metadata().get("www-authenticate").unwrap(), &lacking);
    refused(answer, Code::PermissionDenied, "PERMISSION_DENIED");
}

/// A client of a service behind a proxy needs the metadata of that service, and would refuse those of this server.
#[tokio::test]
async fn a_proxy_passes_on_where_its_own_service_is_described() {
    let app = app_with(|config| {
        let others = ["https://api.example.com/api", "https://api.example.com/"];
        config.oauth.resources = others.map(str::to_owned).to_vec();
    })
    .await;
    let ask = async |host: &str| {
        let call = app.get("/authz/forward");
        let call = call
            .header("x-forwarded-method", "GET")
            .header("x-forwarded-uri", "/api/accounts/1/messages")
            .header("x-forwarded-host", host)
            .header("sec-fetch-mode", "cors");
        call.send().await.header("www-authenticate").to_owned()
    };
    let of_the_service = ASKED.replace(
        "http://127.0.0.1:8080/.well-known/oauth-protected-resource",
        "https://api.example.com/.well-known/oauth-protected-resource/api",
    );
    assert_eq!(ask("api.example.com").await, of_the_service);
    assert_eq!(ask("127.0.0.1:8080").await, ASKED);
    assert_eq!(ask("other.example").await, r#"Bearer realm="countersign""#);
}

/// Whoever builds on the API of this server itself asks for it by name.
#[tokio::test]
async fn the_server_itself_is_a_resource_that_clients_can_ask_for() {
    let app = app_with(|_| {}).await;
    let client = public_client(&app).await;
    let session = app.sign_up("ann").await.logs_in().await.tokens.access_token;
    let found = document(&app, RESOURCE).await;
    let request = client.request_with(json!({"resources": [found["resource"]]}));
    let code = code(&app, &session, request).await;
    let mut form = client.exchange(&code);
    form.push(("resource", ISSUER));
    let granted = token(&app, &form).await.json();
    assert!(opens(&app, &granted["access_token"]).await, "{granted}");
}

/// Who this server is stands in its settings. Whoever says otherwise in a head, be it a proxy, changes no link.
#[tokio::test]
async fn no_head_of_a_request_changes_who_the_server_says_it_is() {
    const EVIL: &str = "evil.example";
    let app = app_with(|_| {}).await;
    let client = public_client(&app).await;
    for name in [
        "host",
        "x-forwarded-host",
        "forwarded",
        "x-original-host",
        "x-forwarded-server",
    ] {
        let value = match name {
            "forwarded" => "host=evil.example;proto=https",
            _ => EVIL,
        };
        let request = client.request_with(json!({"scope": "nonsense"}));
        let redirected = serde_urlencoded::to_string(request.as_object().unwrap()).unwrap();
        let answers = [
            app.get(OAUTH),
            app.get(OPENID),
            app.get(RESOURCE),
            app.get("/"),
            app.get("/v1/accounts/me"),
            app.get(&format!("/oauth/authorize?{redirected}")),
            app.post("/oauth/register")
                .json(json!({"redirect_uris": [CALLBACK]})),
        ];
        for call in answers {
            let answer = call.header(name, value).send().await;
            assert!(
                [200, 201, 303, 400, 401].contains(&answer.status),
                "{name}: {}",
                answer.status
            );
            assert!(!answer.text().contains(EVIL), "{name}: {}", answer.text());
            assert!(
                answer.text().contains(ISSUER) || answer.status != 200,
                "{name}: {}",
                answer.text()
            );
            for (header, value) in &answer.headers {
                let value = value.to_str().unwrap();
                assert!(!value.contains(EVIL), "{name}: {header}: {value}");
            }
        }
    }
}
