//! API keys, over gRPC.

use std::time::Duration;

use countersign::pb::v1::{
    ApiKey, ApiKeyKind, CreateApiKeyRequest, CreateApiKeyResponse, DeleteApiKeyRequest,
    GetApiKeyRequest, GetSessionRequest, ListApiKeysRequest,
};
use prost_types::Timestamp;
use tonic::{Code, Status};

use crate::support::{LoggedIn, TestApp, refused, with_bearer};

async fn make(
    app: &TestApp,
    who: &LoggedIn<'_>,
    api_key: ApiKey,
) -> Result<CreateApiKeyResponse, Status> {
    let request = CreateApiKeyRequest {
        api_key: Some(api_key),
        request_id: String::new(),
    };
    app.api_keys()
        .create_api_key(who.asks(request))
        .await
        .map(tonic::Response::into_inner)
}

#[tokio::test]
async fn a_key_is_made_with_a_name_and_opens_everything_that_a_session_opens() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let made = make(
        &app,
        &ann,
        ApiKey {
            display_name: " deploys ".to_owned(),
            ..ApiKey::default()
        },
    )
    .await
    .unwrap();
    let key = made.api_key.unwrap();
    assert_eq!(
        (key.display_name.as_str(), key.kind(), key.scopes.as_slice()),
        (
            "deploys",
            ApiKeyKind::Standard,
            ["account".to_owned()].as_slice()
        )
    );
    assert!(
        made.secret.starts_with("cs_live_")
            && made.secret.starts_with(&key.hint)
            && key.hint.len() < 16
    );
    assert!(app.opens(&made.secret).await);
    let read = GetApiKeyRequest {
        name: key.name.clone(),
    };
    let read = app
        .api_keys()
        .get_api_key(with_bearer(read, &made.secret))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(read.api_key.unwrap(), key);
    let current = GetSessionRequest {
        name: "sessions/current".to_owned(),
    };
    let none = app
        .sessions()
        .get_session(with_bearer(current, &made.secret))
        .await;
    refused(none, Code::NotFound, "SESSION_NOT_FOUND");
}

#[tokio::test]
async fn a_key_with_an_end_ends() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let now = countersign::env::Clock::now(&app.clock).seconds();
    let ends = |seconds| ApiKey {
        expire_time: Some(Timestamp { seconds, nanos: 0 }),
        ..ApiKey::default()
    };
    for seconds in [now, now - 1, i64::MAX] {
        let answer = make(&app, &ann, ends(seconds)).await;
        assert_eq!(
            refused(answer, Code::InvalidArgument, "INVALID_FIELD"),
            ["api_key.expire_time"]
        );
    }
    let made = make(&app, &ann, ends(now + 60)).await.unwrap();
    app.clock.advance(Duration::from_secs(59));
    assert!(app.opens(&made.secret).await);
    app.clock.advance(Duration::from_secs(1));
    assert!(!app.opens(&made.secret).await);
}

#[tokio::test]
async fn bad_keys_are_not_made() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let scopes = |scopes: &[&str]| {
        scopes
            .iter()
            .map(|scope| (*scope).to_owned())
            .collect::<Vec<_>>()
    };
    for (key, field) in [
        (
            ApiKey {
                display_name: "n".repeat(101),
                ..ApiKey::default()
            },
            "api_key.display_name",
        ),
        (
            ApiKey {
                display_name: "a\u{7}".to_owned(),
                ..ApiKey::default()
            },
            "api_key.display_name",
        ),
        (
            ApiKey {
                kind: 42,
                ..ApiKey::default()
            },
            "api_key.kind",
        ),
        (
            ApiKey {
                scopes: scopes(&["everything"]),
                ..ApiKey::default()
            },
            "api_key.scopes",
        ),
        (
            ApiKey {
                scopes: scopes(&[""]),
                ..ApiKey::default()
            },
            "api_key.scopes",
        ),
        (
            ApiKey {
                scopes: vec!["mcp".to_owned(); 17],
                ..ApiKey::default()
            },
            "api_key.scopes",
        ),
    ] {
        assert_eq!(
            refused(
                make(&app, &ann, key).await,
                Code::InvalidArgument,
                "INVALID_FIELD"
            ),
            [field]
        );
    }
    let none = app
        .api_keys()
        .create_api_key(ann.asks(CreateApiKeyRequest {
            api_key: None,
            request_id: String::new(),
        }))
        .await;
    assert_eq!(
        refused(none, Code::InvalidArgument, "INVALID_FIELD"),
        ["api_key"]
    );
}

#[tokio::test]
async fn a_key_can_do_no_more_than_its_scopes() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let made = make(
        &app,
        &ann,
        ApiKey {
            scopes: vec!["profile".to_owned()],
            ..ApiKey::default()
        },
    )
    .await
    .unwrap();
    let request = CreateApiKeyRequest {
        api_key: Some(ApiKey::default()),
        request_id: String::new(),
    };
    let answer = app
        .api_keys()
        .create_api_key(with_bearer(request, &made.secret))
        .await;
    refused(answer, Code::PermissionDenied, "PERMISSION_DENIED");
}

#[tokio::test]
async fn keys_are_listed_without_their_secrets_and_revoked_for_good() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let bob = app.sign_up("bob").await.logs_in().await;
    let made = make(&app, &ann, ApiKey::default()).await.unwrap();
    let name = made.api_key.unwrap().name;
    make(&app, &ann, ApiKey::default()).await.unwrap();
    let list = || ListApiKeysRequest {
        page_size: 0,
        page_token: String::new(),
        filter: String::new(),
    };
    let listed = app
        .api_keys()
        .list_api_keys(ann.asks(list()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(listed.api_keys.len(), 2);
    assert!(!format!("{listed:?}").contains(&made.secret));
    assert!(app.opens(&made.secret).await);
    let revoke = || DeleteApiKeyRequest { name: name.clone() };
    let foreign = app.api_keys().delete_api_key(bob.asks(revoke())).await;
    refused(foreign, Code::NotFound, "API_KEY_NOT_FOUND");
    app.api_keys()
        .delete_api_key(ann.asks(revoke()))
        .await
        .unwrap();
    assert!(!app.opens(&made.secret).await);
    for answer in [
        app.api_keys()
            .delete_api_key(ann.asks(revoke()))
            .await
            .map(|_| ()),
        app.api_keys()
            .get_api_key(ann.asks(GetApiKeyRequest { name: name.clone() }))
            .await
            .map(|_| ()),
    ] {
        refused(answer, Code::NotFound, "API_KEY_NOT_FOUND");
    }
    assert_eq!(
        app.api_keys()
            .list_api_keys(ann.asks(list()))
            .await
            .unwrap()
            .into_inner()
            .api_keys
            .len(),
        1
    );
}

#[tokio::test]
async fn a_mistyped_key_is_refused() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let secret = make(&app, &ann, ApiKey::default()).await.unwrap().secret;
    for text in [
        secret[..secret.len() - 1].to_owned(),
        format!("{secret}x"),
        secret.to_uppercase(),
        secret.replacen("cs_live_", "mk_live_", 1),
    ] {
        assert!(!app.opens(&text).await, "{text}");
    }
}
