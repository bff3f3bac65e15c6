//! Text that a database cannot hold, in every field of every rpc and face: it is refused, or kept as it is.

use std::collections::BTreeSet;

use countersign::{model::administration::SearchText, pb};
use serde_json::{Value, json};

use crate::{
    store_contract::{Base, on_both_engines},
    support::{PASSWORD, TestApp},
};

on_both_engines! {
    no_text_is_an_error_of_the_server,
}

/// Stands in JSON for what no string of Rust can hold.
const SURROGATE: &str = "lone surrogate";
/// A client that nobody has registered.
const CLIENT: &str = "mkc_00000000000000000000000000000000";
const NOBODY: &str = "0190a0a0-0000-7000-8000-000000000000";

fn named(name: &str) -> Value {
    json!({"name": name})
}

/// A request of every rpc. Those that would end the caller's credential, or delete, are about nobody.
fn requests() -> Vec<(&'static str, Value)> {
    [about_accounts(), to_administer(), about_credentials()].concat()
}

fn about_accounts() -> Vec<(&'static str, Value)> {
    let account = format!("accounts/{NOBODY}");
    let sign_up = json!({"email": "bob@example.com", "password": PASSWORD, "displayName": "Bob"});
    let work = json!({"challengeId": "x", "nonce": "1"});
    vec![
        (
            "AccountService/CreateAccount",
            with(sign_up.clone(), "proofOfWork", work),
        ),
        (
            "AccountService/ProvisionAccount",
            with(sign_up, "parent", json!("organizations/me")),
        ),
        ("AccountService/GetAccount", named("accounts/me")),
        (
            "AccountService/UpdateAccount",
            json!({"account": {"name": "accounts/me", "displayName": "Ann", "etag": "1"}, "updateMask": "displayName"}),
        ),
        (
            "AccountService/DeleteAccount",
            with(named(&account), "etag", json!("1")),
        ),
        (
            "AccountService/ChangePassword",
            json!({"name": account, "currentPassword": "x", "newPassword": PASSWORD}),
        ),
    ]
}

fn to_administer() -> Vec<(&'static str, Value)> {
    let (account, organization) = (
        format!("accounts/{NOBODY}"),
        format!("organizations/{NOBODY}"),
    );
    let search =
        json!({"filter": format!("ann AND organization = \"{organization}\""), "pageToken": "x"});
    vec![
        ("admin.v1.AccountService/ListAccounts", search),
        (
            "admin.v1.AccountService/GetAccount",
            named("accounts/ann@example.com"),
        ),
        ("admin.v1.AccountService/DisableAccount", named(&account)),
        (
            "admin.v1.AccountService/EnableAccount",
            named("accounts/bob@example.com"),
        ),
        ("admin.v1.AccountService/DeleteAccount", named(&account)),
        (
            "admin.v1.AccountService/GrantAdministrator",
            named(&account),
        ),
        (
            "admin.v1.AccountService/RevokeAdministrator",
            named(&account),
        ),
        (
            "admin.v1.OrganizationService/ListOrganizations",
            json!({"filter": "ann", "pageToken": "x"}),
        ),
        (
            "admin.v1.OrganizationService/GetOrganization",
            named(&organization),
        ),
        (
            "admin.v1.OrganizationService/UpdateOrganization",
            json!({"organization": {"name": organization, "plan": "PLAN_PRO"}, "updateMask": "plan"}),
        ),
        (
            "admin.v1.OrganizationService/DisableOrganization",
            named(&organization),
        ),
        (
            "admin.v1.OrganizationService/EnableOrganization",
            named(&organization),
        ),
        (
            "admin.v1.OrganizationService/DeleteOrganization",
            named(&organization),
        ),
        ("admin.v1.SigningKeyService/ListSigningKeys", json!({})),
        ("admin.v1.SigningKeyService/RotateSigningKeys", json!({})),
        (
            "admin.v1.SigningKeyService/RevokeSigningKey",
            named(&format!("signingKeys/{NOBODY}")),
        ),
    ]
    .into_iter()
    .chain(to_administer_oauth())
    .collect()
}

fn to_administer_oauth() -> Vec<(&'static str, Value)> {
    vec![
        (
            "admin.v1.ClientService/ListClients",
            json!({"pageToken": "x"}),
        ),
        (
            "admin.v1.ClientService/DeleteClient",
            named("clients/mkc_0"),
        ),
        (
            "admin.v1.GrantService/ListGrants",
            json!({"filter": "client_id = \"x\"", "pageToken": "x"}),
        ),
        (
            "admin.v1.GrantService/DeleteGrant",
            named(&format!("grants/{NOBODY}")),
        ),
        (
            "admin.v1.ConsentService/ListConsents",
            json!({"filter": "client_id = \"x\"", "pageToken": "x"}),
        ),
        (
            "admin.v1.ConsentService/DeleteConsent",
            named(&format!("consents/{NOBODY}")),
        ),
    ]
}

fn about_credentials() -> Vec<(&'static str, Value)> {
    let key = format!("apiKeys/{NOBODY}");
    vec![
        (
            "ApiKeyService/CreateApiKey",
            json!({"apiKey": {"displayName": "key", "scopes": ["mcp"]}}),
        ),
        ("ApiKeyService/GetApiKey", named(&key)),
        ("ApiKeyService/ListApiKeys", json!({"pageToken": "x"})),
        (
            "ApiKeyService/UpdateApiKey",
            json!({"apiKey": {"name": key, "displayName": "key"}, "updateMask": "displayName"}),
        ),
        ("ApiKeyService/RotateApiKey", named(&key)),
        ("ApiKeyService/DeleteApiKey", named(&key)),
        (
            "AuthorizationService/CheckAccess",
            json!({"method": "GET", "path": "/"}),
        ),
        ("ChallengeService/CreateChallenge", json!({})),
        (
            "SessionService/CreateSession",
            json!({"email": "ann@example.com", "password": PASSWORD, "deviceToken": "x", "requestId": NOBODY}),
        ),
        (
            "SessionService/RefreshSession",
            json!({"refreshToken": "x"}),
        ),
        ("SessionService/GetSession", named("sessions/current")),
        ("SessionService/ListSessions", json!({"pageToken": "x"})),
        (
            "OrganizationService/GetOrganization",
            named("organizations/me"),
        ),
        (
            "OrganizationService/ListMemberships",
            json!({"parent": "organizations/me", "pageToken": "x"}),
        ),
        (
            "SessionService/DeleteSession",
            named(&format!("sessions/{NOBODY}")),
        ),
        (
            "SessionService/RevokeRefreshToken",
            json!({"refreshToken": "x"}),
        ),
        ("GrantService/GetGrant", named("grants/current")),
        (
            "GrantService/ListGrants",
            json!({"filter": "client_id = \"countersign\"", "pageToken": "x"}),
        ),
        (
            "GrantService/DeleteGrant",
            named(&format!("grants/{NOBODY}")),
        ),
        ("ClientService/GetClient", named("clients/countersign")),
        ("ConsentService/ListConsents", json!({"pageToken": "x"})),
        (
            "ConsentService/DeleteConsent",
            named(&format!("consents/{NOBODY}")),
        ),
        ("ClientService/RevokeGrants", named("clients/momail")),
    ]
    .into_iter()
    .chain(identity_providers())
    .chain(oauth())
    .collect()
}

/// A request of every rpc about other providers.
fn identity_providers() -> Vec<(&'static str, Value)> {
    const PROVIDER: &str = "identityProviders/x";
    let proof = json!({
        "idToken": "x", "code": "x", "redirectUri": "x", "codeVerifier": "x", "nonce": "x",
    });
    vec![
        (
            "IdentityProviderService/ListIdentityProviders",
            json!({"pageToken": "x"}),
        ),
        (
            "IdentityProviderService/StartSignIn",
            json!({
                "name": PROVIDER, "redirectUri": "x", "state": "x", "nonce": "x", "codeChallenge": "x".repeat(43),
            }),
        ),
        (
            "IdentityProviderService/FinishSignIn",
            json!({"name": PROVIDER, "proof": proof, "clientId": "countersign"}),
        ),
        (
            "IdentityProviderService/CreateLinkedIdentity",
            json!({"identityProvider": PROVIDER, "proof": proof, "expectedEmail": "x"}),
        ),
        (
            "IdentityProviderService/ListLinkedIdentities",
            json!({"pageToken": "x"}),
        ),
        (
            "IdentityProviderService/DeleteLinkedIdentity",
            json!({"name": format!("linkedIdentities/{NOBODY}")}),
        ),
    ]
}

/// A request of every rpc of OAuth.
fn oauth() -> Vec<(&'static str, Value)> {
    let metadata = json!({
        "redirectUris": ["https://app.example.com/cb"],
        "clientName": "x",
        "grantTypes": ["authorization_code"],
        "responseTypes": ["code"],
        "tokenEndpointAuthMethod": "none",
        "scope": "mcp",
        "clientUri": "https://app.example.com",
        "logoUri": "https://app.example.com",
        "tosUri": "https://app.example.com",
        "policyUri": "https://app.example.com",
        "contacts": ["x"],
        "applicationType": "web",
        "softwareId": "x",
        "softwareVersion": "x",
        "idTokenSignedResponseAlg": "ES256",
        "postLogoutRedirectUris": ["https://app.example.com/bye"],
    });
    let managed = json!({"clientId": CLIENT, "registrationAccessToken": "x"});
    let authorization = format!("authorizations/{NOBODY}");
    let token = json!({"clientId": CLIENT, "clientSecret": "x", "token": "x"});
    vec![
        ("OAuthService/RegisterClient", json!({"metadata": metadata})),
        ("OAuthService/GetClientRegistration", managed.clone()),
        (
            "OAuthService/UpdateClientRegistration",
            with(managed.clone(), "metadata", metadata),
        ),
        ("OAuthService/DeleteClientRegistration", managed),
        (
            "OAuthService/StartAuthorization",
            json!({
                "responseType": "code", "clientId": CLIENT, "redirectUri": "https://app.example.com/cb", "scope": "mcp",
                "state": "x", "codeChallenge": "x", "codeChallengeMethod": "S256", "resources": ["x"],
                "responseMode": "query", "prompt": "login", "maxAge": "1", "loginHint": "x", "uiLocales": "en",
                "request": "x", "requestUri": "x", "nonce": "x", "claims": "{}", "display": "page", "idTokenHint": "x",
                "acrValues": "0",
            }),
        ),
        ("OAuthService/GetAuthorization", named(&authorization)),
        ("OAuthService/ApproveAuthorization", named(&authorization)),
        (
            "OAuthService/DenyAuthorization",
            with(
                named(&authorization),
                "reason",
                json!("DENIAL_REASON_LOGIN_REQUIRED"),
            ),
        ),
        (
            "OAuthService/IssueTokens",
            json!({
                "grantType": "refresh_token", "clientId": CLIENT, "clientSecret": "x", "code": "x", "redirectUri": "x",
                "codeVerifier": "x", "refreshToken": "x", "scope": "mcp", "resources": ["x"],
            }),
        ),
        ("OAuthService/IntrospectToken", token.clone()),
        ("OAuthService/RevokeToken", token),
        ("OAuthService/GetUserInfo", json!({})),
        (
            "OAuthService/ResolveLogOut",
            json!({"idTokenHint": "x", "clientId": CLIENT, "postLogoutRedirectUri": "x", "state": "x"}),
        ),
    ]
}

/// A request of every path of the faces that takes a body.
fn documented() -> Vec<(&'static str, Value)> {
    let log_in = json!({"email": "ann@example.com", "password": PASSWORD});
    let addressed = json!({"address": "ann@example.com", "password": PASSWORD});
    let named = with(
        json!({"email": "cid@example.com", "password": PASSWORD}),
        "name",
        json!("Cid Lee"),
    );
    vec![
        ("/api/auth/signup", named.clone()),
        ("/api/auth/login", log_in.clone()),
        (
            "/api/auth/google",
            json!({"credential": "x", "id_token": "x", "code": "x", "redirect_uri": "x", "code_verifier": "x", "nonce": "x"}),
        ),
        ("/v1/auth/register", named),
        ("/v1/auth/login", log_in.clone()),
        ("/v1/auth/refresh", json!({"refreshToken": "x"})),
        (
            "/api/accounts",
            with(addressed.clone(), "pow", json!({"id": "x", "nonce": "1"})),
        ),
        ("/api/token", addressed),
        ("/api/user/login", log_in),
        (
            "/oauth/token?grant_type=password",
            json!({"username": "ann@example.com", "password": PASSWORD}),
        ),
        (
            "/oauth/token?grant_type=refresh_token",
            json!({"refresh_token": "x"}),
        ),
        ("/oauth/revoke", json!({"refresh_token": "x"})),
        (
            "/oauth/register",
            json!({"redirect_uris": ["https://app.example.com/cb"], "client_name": "x", "scope": "mcp"}),
        ),
    ]
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

/// The same body with each of its strings replaced or followed by text that is hard to keep.
fn hostile(body: &Value) -> Vec<Vec<u8>> {
    let mut pointers = Vec::new();
    strings(body, String::new(), &mut pointers);
    let mut bodies = Vec::new();
    for pointer in pointers {
        for text in ["\0", "\u{1}", "\u{fffe}\u{ffff}", "\u{10ffff}", SURROGATE] {
            for keep in [true, false] {
                let mut body = body.clone();
                let value = body.pointer_mut(&pointer).unwrap();
                let kept = value.as_str().filter(|_| keep).unwrap_or_default();
                *value = format!("{kept}{text}").into();
                bodies.push(body.to_string().replace(SURROGATE, "\\ud800").into_bytes());
            }
        }
    }
    bodies
}

fn strings(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(at),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                strings(item, format!("{at}/{index}"), found);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                strings(member, format!("{at}/{name}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn every_rpc_is_tried() {
    let pool = pb::pool().unwrap();
    let rpcs: BTreeSet<String> = pool
        .services()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .map(|rpc| {
            let service = rpc.parent_service().full_name().to_owned();
            let service = service.strip_prefix("countersign.").unwrap();
            let service = service.strip_prefix("v1.").unwrap_or(service);
            format!("{service}/{}", rpc.name())
        })
        .collect();
    let tried = requests().into_iter().map(|(rpc, _)| rpc.to_owned());
    assert_eq!(tried.collect::<BTreeSet<_>>(), rpcs);
}

async fn no_text_is_an_error_of_the_server(base: Base) {
    let app = TestApp::with(|config| base.configure(config)).await;
    let ann = app.administrator("ann").await;
    let token = &ann.tokens.access_token;
    let organization = app.organization(token).await;
    let upgraded = app
        .patch(&format!("/admin/v1/{organization}?updateMask=plan"))
        .bearer(token)
        .json(json!({"plan": "PLAN_PRO"}))
        .send()
        .await;
    assert_eq!(upgraded.status(), 200, "{}", upgraded.text());
    let ann = app.token("ann@example.com", "mailtd-pro").await;

    let rpcs = requests()
        .into_iter()
        .map(|(rpc, body)| (format!("/countersign.v1.{rpc}"), body));
    let faces = documented()
        .into_iter()
        .map(|(path, body)| (path.to_owned(), body));
    for (path, body) in rpcs.chain(faces) {
        for body in hostile(&body) {
            let call = app.post(&path).bearer(&ann);
            let answer = call.body("application/json", body.clone()).send().await;
            assert!(
                answer.status() < 500,
                "{path} {} {}",
                String::from_utf8_lossy(&body),
                answer.text()
            );
        }
    }
    paths_and_forms(&app, &ann).await;
    headers(&app).await;
    the_store(&app).await;
}

async fn paths_and_forms(app: &TestApp, ann: &str) {
    for path in [
        "/v1/accounts/%00",
        "/v1/accounts/a%00@example.com",
        "/admin/v1/accounts/a%00@example.com",
        "/admin/v1/accounts/a%EF%BF%BE@example.com",
        "/admin/v1/accounts/%ff",
        "/admin/v1/accounts?filter=%00",
        "/admin/v1/accounts?filter=%ed%a0%80",
        "/admin/v1/accounts?page_token=%00",
        "/admin/v1/organizations?filter=%EF%BF%BF",
        "/v1/sessions/%00",
        "/v1/sessions?page_token=%00",
        "/v1/apiKeys/%00",
        "/api/accounts/%00",
        "/api/user/tokens?%00=%00",
        "/oauth/me?%00",
    ] {
        let answer = app.get(path).bearer(ann).send().await;
        assert!(answer.status() < 500, "{path} {}", answer.text());
    }
    for (path, body) in [
        (
            "/oauth/token?grant_type=password",
            "username=a%00&password=%00",
        ),
        (
            "/oauth/token?grant_type=password",
            "username=%ed%a0%80&password=x",
        ),
        ("/oauth/revoke", "refresh_token=%00"),
    ] {
        let call = app
            .post(path)
            .body("application/x-www-form-urlencoded", body);
        let answer = call.send().await;
        assert!(answer.status() < 500, "{path} {body} {}", answer.text());
    }
}

async fn headers(app: &TestApp) {
    let body = json!({"email": "ann@example.com", "password": PASSWORD});
    for name in [
        "user-agent",
        "x-countersign-device",
        "x-request-id",
        "cookie",
    ] {
        let mut call = app.post("/v1/sessions").json(body.clone());
        let value = http::HeaderValue::from_bytes(b"\xff\xfe caf\xe9 \x80").unwrap();
        call = call.header_value(name, value);
        let answer = call.send().await;
        assert_eq!(answer.status(), 200, "{name} {}", answer.text());
    }
}

/// What no field rule keeps away is refused by the database itself, or found like any other text.
async fn the_store(app: &TestApp) {
    let reader = app.parts.store.read();
    for text in ["a\0@example.com", "\u{ffff}@example.com"] {
        match reader.account_by_email(text).await {
            Ok(found) => assert_eq!(found, None),
            Err(refused) => assert_eq!(refused.reason().meaning().http, 400),
        }
        let filter = countersign::model::administration::AccountFilter {
            text: SearchText::new(text),
            ..Default::default()
        };
        let page = countersign::model::page::PageRequest::new(10, None);
        match reader.search_accounts(&filter, page).await {
            Ok(found) => assert_eq!(found.items, []),
            Err(refused) => assert_eq!(refused.reason().meaning().http, 400),
        }
    }
}
