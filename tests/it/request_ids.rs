//! Retries (AIP-155): a client that lost an answer asks again with the same id, and gets what the first call made.

use countersign::pb::v1::{
    ApiKey, ApiKeyKind, CreateAccountRequest, CreateAccountResponse, CreateApiKeyRequest,
    CreateApiKeyResponse, CreateSessionRequest, CreateSessionResponse, ListApiKeysRequest,
    ListSessionsRequest, RotateApiKeyRequest,
};
use tonic::{Code, Status};

use crate::support::{LoggedIn, PASSWORD, TestApp, refused};

const ID: &str = "5f0c954e-2d0b-4a38-9b35-6b8f1c7d3e01";
const OTHER: &str = "5f0c954e-2d0b-4a38-9b35-6b8f1c7d3e02";

async fn sign_up(
    app: &TestApp,
    change: impl FnOnce(&mut CreateAccountRequest),
) -> Result<CreateAccountResponse, Status> {
    let mut request = CreateAccountRequest {
        email: "ann@example.com".to_owned(),
        password: PASSWORD.to_owned(),
        session_client_id: "countersign".to_owned(),
        api_key_kind: ApiKeyKind::Standard.into(),
        request_id: ID.to_owned(),
        ..CreateAccountRequest::default()
    };
    change(&mut request);
    let answer = app.accounts().create_account(request).await;
    answer.map(tonic::Response::into_inner)
}

async fn log_in(
    app: &TestApp,
    email: &str,
    client_id: &str,
    request_id: &str,
) -> Result<CreateSessionResponse, Status> {
    let request = CreateSessionRequest {
        email: email.to_owned(),
        password: PASSWORD.to_owned(),
        client_id: client_id.to_owned(),
        request_id: request_id.to_owned(),
        ..CreateSessionRequest::default()
    };
    let answer = app.sessions().create_session(request).await;
    answer.map(tonic::Response::into_inner)
}

async fn make_key(
    app: &TestApp,
    person: &LoggedIn<'_>,
    display_name: &str,
    request_id: &str,
) -> Result<CreateApiKeyResponse, Status> {
    let request = CreateApiKeyRequest {
        api_key: Some(ApiKey {
            display_name: display_name.to_owned(),
            ..ApiKey::default()
        }),
        request_id: request_id.to_owned(),
    };
    let answer = app.api_keys().create_api_key(person.asks(request)).await;
    answer.map(tonic::Response::into_inner)
}

async fn count_keys(app: &TestApp, person: &LoggedIn<'_>) -> usize {
    let list = person.asks(ListApiKeysRequest::default());
    let listed = app.api_keys().list_api_keys(list).await.unwrap();
    listed.into_inner().api_keys.len()
}

#[tokio::test]
async fn a_sign_up_that_is_repeated_makes_one_account() {
    let app = TestApp::start().await;
    let first = sign_up(&app, |_| {}).await.unwrap();
    let again = sign_up(&app, |_| {}).await.unwrap();
    assert_eq!(first.account, again.account);
    assert_eq!(first.session, again.session);
    assert_eq!(first.api_key, again.api_key);
    assert_eq!(first.api_key_secret, again.api_key_secret);
    let (first, again) = (first.tokens.unwrap(), again.tokens.unwrap());
    assert_eq!(first.refresh_token, again.refresh_token);
    for token in [&first.access_token, &again.access_token] {
        assert!(app.opens(token).await);
    }
    app.try_refresh(&again.refresh_token).await.unwrap();
}

#[tokio::test]
async fn only_the_same_sign_up_is_a_retry() {
    let app = TestApp::start().await;
    sign_up(&app, |_| {}).await.unwrap();
    let guess = sign_up(&app, |request| {
        "not the password".clone_into(&mut request.password)
    });
    refused(guess.await, Code::Unauthenticated, "INVALID_CREDENTIALS");
    for id in [OTHER, ""] {
        let other = sign_up(&app, |request| id.clone_into(&mut request.request_id)).await;
        refused(other, Code::AlreadyExists, "EMAIL_ALREADY_EXISTS");
    }
    let other_client = sign_up(&app, |request| {
        "momail".clone_into(&mut request.session_client_id)
    });
    refused(other_client.await, Code::InvalidArgument, "INVALID_FIELD");
    for wrong in [
        "x",
        "5f0c954e2d0b4a389b356b8f1c7d3e01",
        "{5f0c954e-2d0b-4a38-9b35-6b8f1c7d3e01}",
    ] {
        let malformed = sign_up(&app, |request| wrong.clone_into(&mut request.request_id));
        refused(malformed.await, Code::InvalidArgument, "INVALID_FIELD");
    }
    // The id is of this account: with another address it makes another one.
    let eve = sign_up(&app, |request| {
        "eve@example.com".clone_into(&mut request.email)
    });
    assert_eq!(eve.await.unwrap().account.unwrap().email, "eve@example.com");
}

#[tokio::test]
async fn a_log_in_that_is_repeated_opens_one_session() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    for client_id in ["countersign", "smtpd", "mailkite"] {
        let id = format!("5f0c954e-2d0b-4a38-9b35-{:0>12}", client_id.len());
        let first = log_in(&app, &ann.email, client_id, &id).await.unwrap();
        let again = log_in(&app, &ann.email, client_id, &id.to_uppercase())
            .await
            .unwrap();
        assert_eq!(first.session, again.session, "{client_id}");
        let (first, again) = (first.tokens.unwrap(), again.tokens.unwrap());
        assert_eq!(first.refresh_token, again.refresh_token, "{client_id}");
        for token in [first.access_token, again.access_token] {
            assert!(app.opens(&token).await, "{client_id}");
        }
    }
    let here = ann.logs_in().await;
    let list = here.asks(ListSessionsRequest::default());
    let listed = app.sessions().list_sessions(list).await.unwrap();
    assert_eq!(listed.into_inner().sessions.len(), 4);
}

#[tokio::test]
async fn a_log_in_whose_answer_arrived_is_not_repeated() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let made = log_in(&app, &ann.email, "countersign", ID).await.unwrap();
    let other_client = log_in(&app, &ann.email, "momail", ID).await;
    refused(other_client, Code::InvalidArgument, "INVALID_FIELD");
    let tokens = made.tokens.unwrap();
    let next = app.try_refresh(&tokens.refresh_token).await.unwrap();
    let late = log_in(&app, &ann.email, "countersign", ID).await;
    refused(late, Code::InvalidArgument, "INVALID_FIELD");
    // Which has ended nothing.
    app.try_refresh(&next.refresh_token).await.unwrap();
}

#[tokio::test]
async fn logins_with_one_id_that_come_at_once_open_one_session() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let log_ins = (0..8).map(|_| log_in(&app, &ann.email, "countersign", ID));
    let answers = futures_util::future::join_all(log_ins).await;
    let sessions: std::collections::HashSet<_> = answers
        .into_iter()
        .map(|answer| answer.unwrap().session.unwrap().name)
        .collect();
    assert_eq!(sessions.len(), 1);
}

#[tokio::test]
async fn a_key_that_is_asked_for_again_is_the_same_key() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let first = make_key(&app, &ann, "laptop", ID).await.unwrap();
    let again = make_key(&app, &ann, "laptop", ID).await.unwrap();
    assert_eq!(first, again);
    assert!(app.opens(&again.secret).await);
    assert_eq!(count_keys(&app, &ann).await, 1);
    let other = make_key(&app, &ann, "phone", ID).await;
    refused(other, Code::InvalidArgument, "INVALID_FIELD");
    let request = CreateApiKeyRequest {
        api_key: Some(ApiKey {
            display_name: "laptop".to_owned(),
            expire_time: Some("2999-01-01T00:00:00Z".parse().unwrap()),
            ..ApiKey::default()
        }),
        request_id: ID.to_owned(),
    };
    let ends = app.api_keys().create_api_key(ann.asks(request)).await;
    refused(ends, Code::InvalidArgument, "INVALID_FIELD");
    // Others may use the same id: it is told by account.
    let bob = app.sign_up("bob").await.logs_in().await;
    let bobs = make_key(&app, &bob, "laptop", ID).await.unwrap();
    assert_ne!(bobs.secret, first.secret);
}

#[tokio::test]
async fn a_rotation_that_is_repeated_has_one_successor() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let made = make_key(&app, &ann, "laptop", "").await.unwrap();
    let rotate = async |request_id: &str| {
        let request = RotateApiKeyRequest {
            name: made.api_key.as_ref().unwrap().name.clone(),
            request_id: request_id.to_owned(),
            overlap: None,
        };
        let answer = app.api_keys().rotate_api_key(ann.asks(request)).await;
        answer.map(tonic::Response::into_inner)
    };
    let first = rotate(ID).await.unwrap();
    let again = rotate(ID).await.unwrap();
    assert_eq!(first, again);
    assert!(app.opens(&again.secret).await);
    refused(rotate(OTHER).await, Code::Aborted, "ETAG_MISMATCH");
    assert_eq!(count_keys(&app, &ann).await, 2);
}
