//! A key is rotated into one like it, and the old one works on for a while.

use std::time::Duration;

use countersign::pb::v1::{ApiKey, CreateApiKeyRequest, ListApiKeysRequest, RotateApiKeyRequest};
use serde_json::json;
use tonic::Code;

use super::{DAY, HOUR, at, make, named, read, rotate};
use crate::support::{PASSWORD, TestApp, all_at_once, reason, refused};

#[tokio::test]
async fn a_key_is_rotated_into_one_like_it_and_goes_on_for_the_overlap() {
    let app = TestApp::start().await;
    let person = app.sign_up("ann").await;
    let old = make(&app, &person.logs_in().await, named("deploys")).await;
    let before = old.api_key.unwrap();
    app.clock.advance(10 * DAY);
    assert!(app.opens(&old.secret).await);
    let ann = person.logs_in().await;

    // A program may rotate its own key.
    let made = rotate(&app, &old.secret, &before.name, Some(2 * HOUR))
        .await
        .unwrap();
    let (new, previous) = (made.api_key.unwrap(), made.previous_api_key.unwrap());
    assert_eq!(
        (&new.display_name, new.kind(), &new.scopes),
        (&before.display_name, before.kind(), &before.scopes)
    );
    assert_eq!((new.expire_time, new.successor.as_str()), (None, ""));
    assert_ne!((&new.name, &made.secret), (&before.name, &old.secret));
    let changed = ApiKey {
        expire_time: Some(at(&app, 2 * HOUR)),
        successor: new.name.clone(),
        ..before.clone()
    };
    assert_eq!(previous, changed);
    assert_eq!(read(&app, &ann, &before.name).await, changed);

    app.clock.advance(2 * HOUR - Duration::from_secs(1));
    assert!(app.opens(&old.secret).await && app.opens(&made.secret).await);
    app.clock.advance(Duration::from_secs(1));
    assert!(!app.opens(&old.secret).await);
    assert!(app.opens(&made.secret).await);
}

#[tokio::test]
async fn without_a_word_the_overlap_is_a_day_and_with_none_the_old_key_ends_at_once() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let token = &ann.tokens.access_token;
    let first = make(&app, &ann, ApiKey::default()).await;
    assert!(app.opens(&first.secret).await, "and is remembered");
    let name = first.api_key.unwrap().name;
    let second = rotate(&app, token, &name, None).await.unwrap();
    let end = second.previous_api_key.unwrap().expire_time;
    assert_eq!(end, Some(at(&app, DAY)));
    assert!(app.opens(&second.secret).await, "and is remembered");
    let name = second.api_key.unwrap().name;
    let third = rotate(&app, token, &name, Some(Duration::ZERO))
        .await
        .unwrap();
    assert!(!app.opens(&second.secret).await);
    assert!(app.opens(&third.secret).await && app.opens(&first.secret).await);
}

#[tokio::test]
async fn a_rotation_never_lengthens_the_old_key_and_gives_the_new_one_the_same_lifetime() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let key = ApiKey {
        expire_time: Some(at(&app, 10 * DAY)),
        ..ApiKey::default()
    };
    let old = make(&app, &ann, key).await;
    let end = at(&app, 10 * DAY);
    app.clock.advance(9 * DAY);
    let name = old.api_key.unwrap().name;
    let token = app.try_log_in("ann@example.com", PASSWORD).await.unwrap();
    let token = token.tokens.unwrap().access_token;
    let made = rotate(&app, &token, &name, Some(30 * DAY)).await.unwrap();
    assert_eq!(made.previous_api_key.unwrap().expire_time, Some(end));
    assert_eq!(made.api_key.unwrap().expire_time, Some(at(&app, 10 * DAY)));
    app.clock.advance(DAY);
    assert!(!app.opens(&old.secret).await && app.opens(&made.secret).await);
}

#[tokio::test]
async fn a_key_is_rotated_once_however_many_try_at_once() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let old = make(&app, &ann, ApiKey::default()).await;
    let name = old.api_key.unwrap().name;
    let all = (0..20).map(|_| rotate(&app, &old.secret, &name, None));
    let mut made = Vec::new();
    for answer in all_at_once(all).await {
        match answer {
            Ok(rotated) => made.push(rotated.api_key.unwrap().name),
            Err(status) => {
                assert_eq!(
                    (status.code(), reason(&status).as_str()),
                    (Code::Aborted, "ETAG_MISMATCH")
                );
            }
        }
    }
    assert_eq!(made.len(), 1);
    assert_eq!(read(&app, &ann, &name).await.successor, made[0]);
    let listed = app
        .api_keys()
        .list_api_keys(ann.asks(ListApiKeysRequest::default()))
        .await;
    assert_eq!(listed.unwrap().into_inner().api_keys.len(), 2);
}

#[tokio::test]
async fn bad_rotations_change_nothing() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let bob = app.sign_up("bob").await.logs_in().await;
    let old = make(&app, &ann, ApiKey::default()).await;
    let before = old.api_key.unwrap();
    let token = &ann.tokens.access_token;
    let too_long = Some(30 * DAY + Duration::from_millis(1));
    let answer = rotate(&app, token, &before.name, too_long).await;
    assert_eq!(
        refused(answer, Code::InvalidArgument, "INVALID_FIELD"),
        ["overlap"]
    );
    let negative = RotateApiKeyRequest {
        name: before.name.clone(),
        overlap: Some(prost_types::Duration {
            seconds: -1,
            nanos: 0,
        }),
        request_id: String::new(),
    };
    let answer = app.api_keys().rotate_api_key(ann.asks(negative)).await;
    assert_eq!(
        refused(answer, Code::InvalidArgument, "INVALID_FIELD"),
        ["overlap"]
    );
    for name in ["apiKeys/x", "apiKeys/01890a5d-ac96-774b-bcce-b302099a8057"] {
        let answer = rotate(&app, token, name, None).await;
        refused(answer, Code::NotFound, "API_KEY_NOT_FOUND");
    }
    let answer = rotate(&app, &bob.tokens.access_token, &before.name, None).await;
    refused(answer, Code::NotFound, "API_KEY_NOT_FOUND");
    assert_eq!(read(&app, &ann, &before.name).await, before);
    let rest = app
        .post(&format!("/v1/{}:rotate", before.name))
        .bearer(token)
        .json(json!({"overlap": "60s"}))
        .send()
        .await;
    assert_eq!(rest.status(), 200, "{}", rest.text());
    assert_eq!(
        rest.json()["previousApiKey"]["successor"],
        rest.json()["apiKey"]["name"]
    );
}

#[tokio::test]
async fn a_full_list_can_still_be_rotated_once_round() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let mut names = Vec::new();
    for _ in 0..100 {
        let made = make(&app, &ann, ApiKey::default()).await;
        names.push(made.api_key.unwrap().name);
    }
    let one_more = || CreateApiKeyRequest {
        api_key: Some(ApiKey::default()),
        request_id: String::new(),
    };
    let answer = app.api_keys().create_api_key(ann.asks(one_more())).await;
    refused(answer, Code::ResourceExhausted, "QUOTA_EXCEEDED");
    let token = &ann.tokens.access_token;
    let mut newest = String::new();
    for name in &names {
        let made = rotate(&app, token, name, None).await.unwrap();
        newest = made.api_key.unwrap().name;
    }
    let answer = rotate(&app, token, &newest, None).await;
    refused(answer, Code::ResourceExhausted, "QUOTA_EXCEEDED");
    let answer = app.api_keys().create_api_key(ann.asks(one_more())).await;
    refused(answer, Code::ResourceExhausted, "QUOTA_EXCEEDED");
    app.clock.advance(DAY);
    let token = app.try_log_in("ann@example.com", PASSWORD).await.unwrap();
    let token = token.tokens.unwrap().access_token;
    rotate(&app, &token, &newest, None).await.unwrap();
}
