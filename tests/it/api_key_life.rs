//! What becomes of an API key: it is used, renamed, rotated, mistyped and found where it should not be.

mod rotation;

use std::time::Duration;

use countersign::{
    env::Clock as _,
    pb::v1::{
        ApiKey, ApiKeyKind, CreateAccountRequest, CreateApiKeyRequest, CreateApiKeyResponse,
        GetAccountRequest, GetApiKeyRequest, ListApiKeysRequest, RotateApiKeyRequest,
        RotateApiKeyResponse, UpdateApiKeyRequest,
    },
};
use prost_types::{FieldMask, Timestamp};
use serde_json::json;
use tonic::{Code, Status};

use crate::support::{LoggedIn, PASSWORD, TestApp, home, refused, with_bearer};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn make(app: &TestApp, who: &LoggedIn<'_>, api_key: ApiKey) -> CreateApiKeyResponse {
    let request = CreateApiKeyRequest {
        api_key: Some(api_key),
        request_id: String::new(),
    };
    let made = app.api_keys().create_api_key(who.asks(request)).await;
    made.unwrap().into_inner()
}

async fn read(app: &TestApp, who: &LoggedIn<'_>, name: &str) -> ApiKey {
    let name = name.to_owned();
    let request = who.asks(GetApiKeyRequest { name });
    let read = app.api_keys().get_api_key(request).await;
    read.unwrap().into_inner().api_key.unwrap()
}

async fn rotate(
    app: &TestApp,
    credential: &str,
    name: &str,
    overlap: Option<Duration>,
) -> Result<RotateApiKeyResponse, Status> {
    let request = RotateApiKeyRequest {
        name: name.to_owned(),
        overlap: overlap.map(|overlap| overlap.try_into().unwrap()),
        request_id: String::new(),
    };
    let answer = app
        .api_keys()
        .rotate_api_key(with_bearer(request, credential))
        .await;
    answer.map(tonic::Response::into_inner)
}

fn named(name: &str) -> ApiKey {
    ApiKey {
        display_name: name.to_owned(),
        ..ApiKey::default()
    }
}

fn at(app: &TestApp, later: Duration) -> Timestamp {
    Timestamp {
        seconds: app.clock.now().after(later).seconds(),
        nanos: 0,
    }
}

#[tokio::test]
async fn the_last_use_of_a_key_is_written_down_once_a_minute() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let (used, idle) = (
        make(&app, &ann, ApiKey::default()).await,
        make(&app, &ann, ApiKey::default()).await,
    );
    let name = used.api_key.unwrap().name;
    app.clock.advance(10 * MINUTE + Duration::from_secs(7));
    let minute = at(&app, Duration::ZERO).seconds / 60 * 60;
    for _ in 0..3 {
        assert!(app.opens(&used.secret).await);
    }
    assert_eq!(read(&app, &ann, &name).await.last_use_time, None);
    app.parts.jobs.run_pending().await.unwrap();
    let last_use = read(&app, &ann, &name).await.last_use_time.unwrap();
    assert_eq!((last_use.seconds, last_use.nanos), (minute, 0));
    app.clock.advance(5 * MINUTE);
    app.parts.jobs.run_pending().await.unwrap();
    let listed = app
        .api_keys()
        .list_api_keys(ann.asks(ListApiKeysRequest::default()))
        .await
        .unwrap()
        .into_inner()
        .api_keys;
    let idle = idle.api_key.unwrap().name;
    for key in listed {
        let expected = (key.name != idle).then_some(last_use);
        assert_eq!(key.last_use_time, expected, "{}", key.name);
    }
}

#[tokio::test]
async fn a_key_is_never_used_before_it_is_made() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    // The minute of the use began before the key did.
    app.clock.advance(MINUTE / 2);
    let made = make(&app, &ann, ApiKey::default()).await;
    let (key, secret) = (made.api_key.unwrap(), made.secret);
    assert_ne!(key.create_time.unwrap().seconds % 60, 0);
    app.clock.advance(Duration::from_secs(1));
    assert!(app.opens(&secret).await);
    app.parts.jobs.run_pending().await.unwrap();
    app.clock.advance(5 * MINUTE);
    app.parts.jobs.run_pending().await.unwrap();
    let read = read(&app, &ann, &key.name).await;
    assert_eq!(read.last_use_time, key.create_time);
}

#[tokio::test]
async fn a_stop_writes_down_what_was_used_and_a_crash_loses_a_minute_of_it() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let made = make(&app, &ann, ApiKey::default()).await;
    let name = made.api_key.unwrap().name;
    // Each look is a use.
    let last_use = async |app: &TestApp| {
        let request = with_bearer(GetApiKeyRequest { name: name.clone() }, &made.secret);
        let read = app.api_keys().get_api_key(request).await;
        read.unwrap().into_inner().api_key.unwrap().last_use_time
    };
    assert_eq!(last_use(&app).await, None);
    let app = app.restart().await;
    assert_eq!(last_use(&app).await, None);
    app.parts.jobs.finish().await;
    let app = app.restart().await;
    assert!(last_use(&app).await.is_some());
}

#[tokio::test]
async fn a_key_is_renamed_and_nothing_else() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let before = make(&app, &ann, named("lptop")).await.api_key.unwrap();
    let update = |name: &str, paths: &[&str]| UpdateApiKeyRequest {
        api_key: Some(ApiKey {
            name: before.name.clone(),
            scopes: vec!["openid".to_owned()],
            ..named(name)
        }),
        update_mask: Some(FieldMask {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        }),
    };
    let renamed = app
        .api_keys()
        .update_api_key(ann.asks(update(" laptop ", &["display_name"])))
        .await;
    let renamed = renamed.unwrap().into_inner().api_key.unwrap();
    assert_eq!(
        renamed,
        ApiKey {
            display_name: "laptop".to_owned(),
            ..before.clone()
        }
    );
    let cleared = app
        .api_keys()
        .update_api_key(ann.asks(update("", &["*"])))
        .await;
    assert_eq!(
        cleared.unwrap().into_inner().api_key.unwrap().display_name,
        ""
    );
    let untouched = app
        .api_keys()
        .update_api_key(ann.asks(update("", &[])))
        .await;
    assert_eq!(
        untouched
            .unwrap()
            .into_inner()
            .api_key
            .unwrap()
            .display_name,
        ""
    );
    let answer = app
        .api_keys()
        .update_api_key(ann.asks(update("x", &["scopes"])))
        .await;
    assert_eq!(
        refused(answer, Code::InvalidArgument, "INVALID_FIELD"),
        ["update_mask"]
    );
    let bob = app.sign_up("bob").await.logs_in().await;
    let answer = app
        .api_keys()
        .update_api_key(bob.asks(update("x", &["*"])))
        .await;
    refused(answer, Code::NotFound, "API_KEY_NOT_FOUND");
}

#[tokio::test]
async fn a_typo_is_refused_without_a_look_into_the_database() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let secret = make(&app, &ann, ApiKey::default()).await.secret;
    app.parts.store.close().await;
    let me = |credential: &str| {
        let name = "accounts/me".to_owned();
        let request = with_bearer(GetAccountRequest { name }, credential);
        async { app.accounts().get_account(request).await }
    };
    let last = if secret.ends_with('0') { "1" } else { "0" };
    for typo in [
        format!("{}{last}", &secret[..secret.len() - 1]),
        secret[..secret.len() - 1].to_owned(),
        secret.replacen("cs_live_", "tm_pro_", 1),
        secret.replacen("cs_live_", "mk_live_", 1),
        "cs_live_".to_owned(),
    ] {
        refused(me(&typo).await, Code::Unauthenticated, "CREDENTIAL_INVALID");
    }
    // What could be a key is looked for, and there is nothing to look in.
    for unknown in [secret.as_str(), "a-key-of-another-form"] {
        refused(me(unknown).await, Code::Unavailable, "STORAGE_UNAVAILABLE");
    }
}

#[tokio::test]
async fn the_documented_expression_and_checksum_find_every_key() {
    let document = include_str!("../../docs/SECURITY.md");
    let expression = document
        .lines()
        .find(|line| line.starts_with(r"\b(?:"))
        .expect("docs/SECURITY.md states how leaked secrets are found");
    let expression = regex::Regex::new(expression).unwrap();
    let app = TestApp::start().await;
    let person = app.sign_up("ann").await;
    let organization = {
        let ann = person.logs_in().await;
        let request = GetAccountRequest {
            name: "accounts/me".to_owned(),
        };
        let me = app.accounts().get_account(ann.asks(request)).await;
        home(&me.unwrap().into_inner().account.unwrap())
    };
    app.upgrade(&organization).await;
    let ann = person.logs_in().await;
    let mut secrets = vec![ann.tokens.refresh_token.clone()];
    for kind in [
        ApiKeyKind::Standard,
        ApiKeyKind::Mailkite,
        ApiKeyKind::Mailtd,
    ] {
        for _ in 0..8 {
            let key = ApiKey {
                kind: kind.into(),
                ..ApiKey::default()
            };
            secrets.push(make(&app, &ann, key).await.secret);
        }
    }
    for secret in secrets {
        let file = format!(
            "token = \"{secret}\"; # cs_live_short, mk_live_{}",
            "A".repeat(50)
        );
        let found: Vec<_> = expression
            .find_iter(&file)
            .map(|found| found.as_str())
            .collect();
        assert_eq!(found, [secret.as_str()]);
        let (checked, check) = secret.split_at(secret.len() - 6);
        assert_eq!(
            base62(crc32fast::hash(checked.as_bytes())),
            check,
            "{secret}"
        );
    }
}

/// Six digits of `0-9A-Za-z`, the most significant first.
fn base62(mut number: u32) -> String {
    let digits: Vec<char> = ('0'..='9').chain('A'..='Z').chain('a'..='z').collect();
    let mut text = Vec::new();
    for _ in 0..6 {
        text.insert(0, digits[(number % 62) as usize]);
        number /= 62;
    }
    text.into_iter().collect()
}

#[tokio::test]
async fn mail_td_keys_are_for_the_owner_of_a_paid_organization() {
    let app = TestApp::start().await;
    let person = app.sign_up("ann").await;
    let free = person.logs_in().await;
    let key = || CreateApiKeyRequest {
        api_key: Some(ApiKey {
            kind: ApiKeyKind::Mailtd.into(),
            ..ApiKey::default()
        }),
        request_id: String::new(),
    };
    let list = || ListApiKeysRequest {
        filter: "kind = API_KEY_KIND_MAILTD".to_owned(),
        ..ListApiKeysRequest::default()
    };
    let answer = app.api_keys().create_api_key(free.asks(key())).await;
    assert_eq!(
        refused(answer, Code::PermissionDenied, "PERMISSION_DENIED"),
        ["api_key.kind"]
    );
    let answer = app.api_keys().list_api_keys(free.asks(list())).await;
    refused(answer, Code::PermissionDenied, "PERMISSION_DENIED");
    let at_sign_up = CreateAccountRequest {
        email: "bob@example.com".to_owned(),
        password: PASSWORD.to_owned(),
        api_key_kind: ApiKeyKind::Mailtd.into(),
        ..CreateAccountRequest::default()
    };
    let answer = app.accounts().create_account(at_sign_up).await;
    assert_eq!(
        refused(answer, Code::InvalidArgument, "INVALID_FIELD"),
        ["api_key_kind"]
    );
    app.sign_up("bob").await;

    let request = GetAccountRequest {
        name: "accounts/me".to_owned(),
    };
    let me = app
        .accounts()
        .get_account(free.asks(request))
        .await
        .unwrap();
    let organization = home(&me.into_inner().account.unwrap());
    app.upgrade(&organization).await;
    let pro = person.logs_in().await;
    make(&app, &pro, ApiKey::default()).await;
    let made = app
        .api_keys()
        .create_api_key(pro.asks(key()))
        .await
        .unwrap()
        .into_inner();
    assert!(made.secret.starts_with("tm_pro_") && app.opens(&made.secret).await);
    let listed = app
        .api_keys()
        .list_api_keys(pro.asks(list()))
        .await
        .unwrap();
    let listed = listed.into_inner().api_keys;
    let name = made.api_key.unwrap().name;
    assert_eq!(
        listed.iter().map(|key| &key.name).collect::<Vec<_>>(),
        [&name]
    );

    // What remembers the plan is not asked again in the transaction.
    app.downgrade(&organization).await;
    let answer = app.api_keys().create_api_key(pro.asks(key())).await;
    refused(answer, Code::PermissionDenied, "PERMISSION_DENIED");
    let answer = rotate(&app, &pro.tokens.access_token, &name, None).await;
    refused(answer, Code::PermissionDenied, "PERMISSION_DENIED");
    assert!(
        app.opens(&made.secret).await,
        "its owner still signs in with it"
    );
}

#[tokio::test]
async fn an_e_mail_token_manages_no_keys() {
    let app = TestApp::start().await;
    let person = app.sign_up("ann").await;
    let ann = person.logs_in().await;
    let name = make(&app, &ann, ApiKey::default())
        .await
        .api_key
        .unwrap()
        .name;
    let body = json!({"email": person.email, "password": PASSWORD, "clientId": "mailtd"});
    let token = app.post_json("/v1/sessions", body).await.json();
    let token = token["tokens"]["accessToken"].as_str().unwrap();
    let path = format!("/v1/{name}");
    let rotate = format!("{path}:rotate");
    for call in [
        app.get("/v1/apiKeys"),
        app.post("/v1/apiKeys").json(json!({})),
        app.get(&path),
        app.patch(&path).json(json!({"displayName": "x"})),
        app.post(&rotate).json(json!({})),
        app.delete(&path),
    ] {
        let answer = call.bearer(token).send().await;
        assert_eq!(answer.status(), 403, "{}", answer.text());
        assert!(answer.text().contains("PERMISSION_DENIED"));
    }
    assert_eq!(read(&app, &ann, &name).await.display_name, "");
}
