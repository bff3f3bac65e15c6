//! What an account allows each client: looked at, and taken back.

use std::time::Duration;

use countersign::pb::v1::{
    ApiKey, CreateApiKeyRequest, DeleteGrantRequest, DeleteSessionRequest, GetClientRequest,
    GetGrantRequest, GetSessionRequest, Grant, ListGrantsRequest, RevokeGrantsRequest,
};
use tonic::Code;

use crate::support::{LoggedIn, TestApp, refused, with_bearer};

/// Everything that this account allows at the moment.
async fn grants(app: &TestApp, person: &LoggedIn<'_>, filter: &str) -> Vec<Grant> {
    let request = ListGrantsRequest {
        filter: filter.to_owned(),
        ..ListGrantsRequest::default()
    };
    let answer = app.grants().list_grants(person.asks(request)).await;
    answer.unwrap().into_inner().grants
}

async fn read(app: &TestApp, person: &LoggedIn<'_>, name: &str) -> Result<Grant, tonic::Status> {
    let name = name.to_owned();
    let request = person.asks(GetGrantRequest { name });
    let answer = app.grants().get_grant(request).await?;
    Ok(answer.into_inner().grant.unwrap())
}

async fn delete(app: &TestApp, person: &LoggedIn<'_>, name: &str) -> Result<(), tonic::Status> {
    let name = name.to_owned();
    let request = person.asks(DeleteGrantRequest { name });
    app.grants().delete_grant(request).await.map(drop)
}

#[tokio::test]
async fn a_log_in_grants_what_its_client_may() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let here = ann.logs_in().await;
    // Two ids of one millisecond have no order.
    app.clock.advance(Duration::from_secs(1));
    app.token(&ann.email, "momail").await;

    let all = grants(&app, &here, "").await;
    let clients: Vec<_> = all.iter().map(|grant| grant.client_id.as_str()).collect();
    assert_eq!(clients, ["momail", "countersign"]);
    let own = &all[1];
    assert_eq!(
        (&own.name, &own.session),
        (&here.tokens.grant, &here.session)
    );
    assert_eq!((&own.account, own.current), (&ann.account, true));
    assert_eq!(
        (&own.scopes[..], all[0].current),
        (&["account".to_owned()][..], false)
    );
    assert_eq!(own.refresh_time, own.create_time);
    assert_eq!(read(&app, &here, "grants/current").await.unwrap(), *own);

    let filtered = grants(&app, &here, "client_id = momail").await;
    assert_eq!(filtered, [all[0].clone()]);
    assert_eq!(grants(&app, &here, "client_id = \"unknown\"").await, []);
    for wrong in ["client_id > 1", "scopes = account", "momail", "client_id ="] {
        let request = ListGrantsRequest {
            filter: wrong.to_owned(),
            ..ListGrantsRequest::default()
        };
        let answer = app.grants().list_grants(here.asks(request)).await;
        refused(answer, Code::InvalidArgument, "INVALID_FIELD");
    }
}

#[tokio::test]
async fn lists_of_grants_come_in_pages() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let here = ann.logs_in().await;
    for client_id in ["momail", "smtpd", "mailkite"] {
        app.token(&ann.email, client_id).await;
    }
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListGrantsRequest {
            page_size: 3,
            page_token,
            filter: String::new(),
        };
        let page = app.grants().list_grants(here.asks(request)).await;
        let page = page.unwrap().into_inner();
        assert!(page.grants.len() <= 3);
        seen.extend(page.grants);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
        // It is the page of that list, and of no other.
        let request = ListGrantsRequest {
            page_token: page_token.clone(),
            filter: "client_id = momail".to_owned(),
            ..ListGrantsRequest::default()
        };
        let answer = app.grants().list_grants(here.asks(request)).await;
        refused(answer, Code::InvalidArgument, "INVALID_FIELD");
    }
    assert_eq!(seen, grants(&app, &here, "").await);
}

#[tokio::test]
async fn a_grant_that_is_taken_back_opens_nothing_and_ends_its_session() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let (here, lost) = (ann.logs_in().await, ann.logs_in().await);
    assert!(lost.is_in().await);
    delete(&app, &here, &lost.tokens.grant).await.unwrap();
    assert!(!lost.is_in().await && here.is_in().await);
    let refresh = app.try_refresh(&lost.tokens.refresh_token).await;
    refused(refresh, Code::Unauthenticated, "REFRESH_TOKEN_INVALID");
    let name = lost.session.clone();
    let request = here.asks(GetSessionRequest { name });
    let session = app.sessions().get_session(request).await;
    refused(session, Code::NotFound, "SESSION_NOT_FOUND");
    let gone = delete(&app, &here, &lost.tokens.grant).await;
    refused(gone, Code::NotFound, "GRANT_NOT_FOUND");
    delete(&app, &here, "grants/current").await.unwrap();
    assert!(!here.is_in().await);
}

#[tokio::test]
async fn a_session_that_ends_takes_its_grant_along() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let (here, lost) = (ann.logs_in().await, ann.logs_in().await);
    let name = lost.session.clone();
    let end = here.asks(DeleteSessionRequest { name });
    app.sessions().delete_session(end).await.unwrap();
    let gone = read(&app, &here, &lost.tokens.grant).await;
    refused(gone, Code::NotFound, "GRANT_NOT_FOUND");
    assert_eq!(grants(&app, &here, "").await.len(), 1);
}

#[tokio::test]
async fn grants_of_others_look_as_if_they_did_not_exist() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let (ann, bob) = (ann.logs_in().await, bob.logs_in().await);
    for name in [
        &bob.tokens.grant,
        "grants/0198c0de-0000-7000-8000-000000000001",
        "grants/x",
    ] {
        refused(
            read(&app, &ann, name).await,
            Code::NotFound,
            "GRANT_NOT_FOUND",
        );
        refused(
            delete(&app, &ann, name).await,
            Code::NotFound,
            "GRANT_NOT_FOUND",
        );
    }
    assert!(bob.is_in().await);
}

#[tokio::test]
async fn an_api_key_sees_the_grants_of_its_account_and_has_none() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let request = CreateApiKeyRequest {
        api_key: Some(ApiKey::default()),
        request_id: String::new(),
    };
    let made = app.api_keys().create_api_key(ann.asks(request)).await;
    let key = made.unwrap().into_inner().secret;
    let list = with_bearer(ListGrantsRequest::default(), &key);
    let listed = app.grants().list_grants(list).await.unwrap().into_inner();
    assert_eq!(listed.grants.len(), 1);
    assert!(!listed.grants[0].current);
    let name = "grants/current".to_owned();
    let request = with_bearer(GetGrantRequest { name }, &key);
    let current = app.grants().get_grant(request).await;
    refused(current, Code::NotFound, "GRANT_NOT_FOUND");
}

#[tokio::test]
async fn an_e_mail_token_manages_no_grants() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let token = app.token(&ann.email, "mailtd").await;
    let list = with_bearer(ListGrantsRequest::default(), &token);
    let answer = app.grants().list_grants(list).await;
    refused(answer, Code::PermissionDenied, "PERMISSION_DENIED");
}

#[tokio::test]
async fn a_client_says_what_holds_for_its_tokens() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let client = async |id: &str| {
        let name = format!("clients/{id}");
        let request = ann.asks(GetClientRequest { name });
        let answer = app.clients().get_client(request).await;
        answer.map(|answer| answer.into_inner().client.unwrap())
    };
    let own = client("countersign").await.unwrap();
    assert_eq!(own.name, "clients/countersign");
    assert_eq!(own.grant_types, ["password", "refresh_token"]);
    assert_eq!(own.access_token_lifetime.unwrap().seconds, 3600);
    assert!(own.rotates_refresh_tokens);
    let mailkite = client("mailkite").await.unwrap();
    assert_eq!(
        (&mailkite.grant_types[..], &mailkite.scopes[..]),
        (&["password".to_owned()][..], &["mcp".to_owned()][..])
    );
    assert!(!client("momail").await.unwrap().rotates_refresh_tokens);
    refused(client("unknown").await, Code::NotFound, "CLIENT_NOT_FOUND");
}

#[tokio::test]
async fn what_a_client_was_granted_is_taken_back_at_once() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let here = ann.logs_in().await;
    let tokens = [
        app.token(&ann.email, "momail").await,
        app.token(&ann.email, "momail").await,
    ];
    let bob = app.sign_up("bob").await;
    let others = app.token(&bob.email, "momail").await;
    let revoke = |id: &str| {
        let name = format!("clients/{id}");
        here.asks(RevokeGrantsRequest { name })
    };
    app.clients().revoke_grants(revoke("momail")).await.unwrap();
    for token in tokens {
        assert!(!app.opens(&token).await);
    }
    assert!(here.is_in().await && app.opens(&others).await);
    assert_eq!(grants(&app, &here, "").await.len(), 1);
    // Nothing is left to take back, which is what was asked for.
    app.clients().revoke_grants(revoke("momail")).await.unwrap();
    let unknown = app.clients().revoke_grants(revoke("unknown")).await;
    refused(unknown, Code::NotFound, "CLIENT_NOT_FOUND");
}
