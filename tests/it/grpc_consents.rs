//! What people have allowed OAuth clients: looked at, and taken back.

use std::time::Duration;

use countersign::pb::v1::{
    ApproveAuthorizationRequest, ClientMetadata, Consent, DeleteConsentRequest, IssueTokensRequest,
    IssueTokensResponse, ListConsentsRequest, RegisterClientRequest, StartAuthorizationRequest,
};
use tonic::{Code, Response, Status};
use url::Url;

use crate::{
    store_contract::{Base, on_both_engines},
    support::{LoggedIn, TestApp, refused},
};

on_both_engines! {
    what_is_taken_back_is_over_at_once,
    a_code_of_before_is_good_for_nothing,
}

/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const MCP: &str = "https://mcp.example.com/mcp";

async fn register(app: &TestApp, name: &str) -> String {
    let metadata = Some(ClientMetadata {
        redirect_uris: vec!["https://app.example.com/cb".to_owned()],
        client_name: name.to_owned(),
        ..ClientMetadata::default()
    });
    let made = app
        .oauth()
        .register_client(RegisterClientRequest { metadata })
        .await;
    made.unwrap().into_inner().registration.unwrap().client_id
}

/// Allows a client what it asks for, and gives the code that it gets.
async fn code(
    app: &TestApp,
    person: &LoggedIn<'_>,
    client_id: &str,
    scope: &str,
    resources: &[&str],
) -> String {
    let request = StartAuthorizationRequest {
        response_type: "code".to_owned(),
        client_id: client_id.to_owned(),
        scope: scope.to_owned(),
        resources: resources
            .iter()
            .map(|&resource| resource.to_owned())
            .collect(),
        code_challenge: CHALLENGE.to_owned(),
        code_challenge_method: "S256".to_owned(),
        ..StartAuthorizationRequest::default()
    };
    let started = app.oauth().start_authorization(request).await.unwrap();
    let name = started.into_inner().authorization.unwrap().name;
    let approve = person.asks(ApproveAuthorizationRequest { name });
    let answer = app.oauth().approve_authorization(approve).await.unwrap();
    let url = Url::parse(&answer.into_inner().redirect_uri).unwrap();
    let code = url.query_pairs().find(|(name, _)| name == "code").unwrap();
    code.1.into_owned()
}

async fn redeem(
    app: &TestApp,
    client_id: &str,
    code: String,
) -> Result<Response<IssueTokensResponse>, Status> {
    let request = IssueTokensRequest {
        grant_type: "authorization_code".to_owned(),
        client_id: client_id.to_owned(),
        code,
        code_verifier: VERIFIER.to_owned(),
        ..IssueTokensRequest::default()
    };
    app.oauth().issue_tokens(request).await
}

/// Allows a client what it asks for, and gives the access token that it gets.
async fn allow(
    app: &TestApp,
    person: &LoggedIn<'_>,
    client_id: &str,
    scope: &str,
    resources: &[&str],
) -> String {
    let code = code(app, person, client_id, scope, resources).await;
    let issued = redeem(app, client_id, code).await.unwrap();
    // Two ids of one millisecond have no order.
    app.clock.advance(Duration::from_secs(1));
    issued.into_inner().access_token
}

async fn page(
    app: &TestApp,
    person: &LoggedIn<'_>,
    size: i32,
    token: &str,
) -> (Vec<Consent>, String) {
    let request = person.asks(ListConsentsRequest {
        page_size: size,
        page_token: token.to_owned(),
    });
    let answer = app.consents().list_consents(request).await.unwrap();
    let answer = answer.into_inner();
    (answer.consents, answer.next_page_token)
}

async fn delete(app: &TestApp, person: &LoggedIn<'_>, name: &str) -> Result<(), Status> {
    let request = person.asks(DeleteConsentRequest {
        name: name.to_owned(),
    });
    app.consents().delete_consent(request).await.map(drop)
}

#[tokio::test]
async fn people_see_what_they_have_allowed() {
    let app = TestApp::with(|config| config.oauth.resources = vec![MCP.to_owned()]).await;
    let here = app.sign_up("ann").await.logs_in().await;
    let there = app.sign_up("bob").await.logs_in().await;
    let (editor, notes) = (
        register(&app, "Editor").await,
        register(&app, "Notes").await,
    );
    allow(&app, &here, &editor, "email", &[]).await;
    allow(&app, &here, &notes, "profile", &[MCP]).await;
    allow(&app, &there, &notes, "profile", &[]).await;
    // More for the same client is the same consent.
    allow(&app, &here, &editor, "email profile", &[]).await;

    let (all, next) = page(&app, &here, 0, "").await;
    assert_eq!(next, "");
    let seen: Vec<_> = all
        .iter()
        .map(|it| {
            (
                it.client_id.as_str(),
                it.client_name.as_str(),
                it.scopes.join(" "),
                it.resources.join(" "),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (
                notes.as_str(),
                "Notes",
                "profile".to_owned(),
                MCP.to_owned()
            ),
            (
                editor.as_str(),
                "Editor",
                "email profile".to_owned(),
                String::new()
            ),
        ]
    );
    assert_eq!(all[0].create_time, all[0].update_time);
    assert!(all[1].create_time.unwrap().seconds < all[1].update_time.unwrap().seconds);

    let (first, next) = page(&app, &here, 1, "").await;
    let (second, end) = page(&app, &here, 1, &next).await;
    assert_eq!(
        ([&first[..], &second[..]].concat(), end),
        (all, String::new())
    );
}

async fn what_is_taken_back_is_over_at_once(base: Base) {
    let app = TestApp::with(|config| {
        base.configure(config);
        config.oauth.resources = vec![MCP.to_owned()];
    })
    .await;
    let here = app.sign_up("ann").await.logs_in().await;
    let there = app.sign_up("bob").await.logs_in().await;
    let (editor, notes) = (
        register(&app, "Editor").await,
        register(&app, "Notes").await,
    );
    let kept = allow(&app, &here, &notes, "mcp", &[]).await;
    let others = allow(&app, &there, &editor, "mcp", &[]).await;
    allow(&app, &here, &editor, "mcp", &[MCP]).await;
    let token = allow(&app, &here, &editor, "mcp", &[]).await;
    let (all, _) = page(&app, &here, 0, "").await;
    let consent = all[0].name.clone();

    refused(
        delete(&app, &there, &consent).await,
        Code::NotFound,
        "CONSENT_NOT_FOUND",
    );
    assert!(app.opens(&token).await);
    delete(&app, &here, &consent).await.unwrap();
    assert!(!app.opens(&token).await);
    assert!(app.opens(&kept).await && app.opens(&others).await && here.is_in().await);
    // With the client's other consent.
    let (left, _) = page(&app, &here, 0, "").await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].client_id, notes);
    for gone in [
        consent.as_str(),
        "consents/x",
        "consents/01a21fb7-7273-74d8-9c9b-1ca94b719736",
    ] {
        refused(
            delete(&app, &here, gone).await,
            Code::NotFound,
            "CONSENT_NOT_FOUND",
        );
    }
}

/// The client may have got the code a moment before.
async fn a_code_of_before_is_good_for_nothing(base: Base) {
    let app = TestApp::with(|config| base.configure(config)).await;
    let here = app.sign_up("ann").await.logs_in().await;
    let editor = register(&app, "Editor").await;
    let code = code(&app, &here, &editor, "mcp", &[]).await;
    let (all, _) = page(&app, &here, 0, "").await;
    delete(&app, &here, &all[0].name).await.unwrap();
    refused(
        redeem(&app, &editor, code).await,
        Code::InvalidArgument,
        "AUTHORIZATION_CODE_INVALID",
    );
}
