//! Administration, over gRPC and REST: who may.

use countersign::pb::{
    admin::v1 as admin_v1,
    v1::{CreateSessionRequest, DeleteAccountRequest},
};
use http::Method;
use serde_json::json;
use tonic::{Code, Request, Response, Status};

use crate::{
    admin_grants::allows,
    support::{Call, PASSWORD, TestApp, disable, enable, refused, with_bearer},
};

/// Every path of the administration, and whether it may be called twice with the same outcome.
const PATHS: [(Method, &str); 22] = [
    (Method::GET, "/admin/v1/grants"),
    (Method::DELETE, "/admin/v1/{grant}"),
    (Method::GET, "/admin/v1/consents"),
    (Method::DELETE, "/admin/v1/{consent}"),
    (Method::GET, "/admin/v1/accounts"),
    (Method::GET, "/admin/v1/{account}"),
    (Method::POST, "/admin/v1/{account}:disable"),
    (Method::POST, "/admin/v1/{account}:enable"),
    (Method::POST, "/admin/v1/{account}:grantAdministrator"),
    (Method::POST, "/admin/v1/{account}:revokeAdministrator"),
    (Method::GET, "/admin/v1/organizations"),
    (Method::GET, "/admin/v1/{organization}"),
    (Method::PATCH, "/admin/v1/{organization}"),
    (Method::POST, "/admin/v1/{organization}:disable"),
    (Method::POST, "/admin/v1/{organization}:enable"),
    (Method::GET, "/admin/v1/signingKeys"),
    (Method::POST, "/admin/v1/signingKeys:rotate"),
    (Method::POST, "/admin/v1/{key}:revoke"),
    (Method::GET, "/admin/v1/clients"),
    (Method::DELETE, "/admin/v1/{client}"),
    (Method::DELETE, "/admin/v1/{account}"),
    (Method::DELETE, "/admin/v1/{organization}"),
];

/// A call with the body that its method wants.
fn ask<'a>(app: &'a TestApp, method: &Method, path: &str) -> Call<'a> {
    let call = app.call(method.clone(), path);
    match *method {
        Method::POST => call.json(json!({})),
        Method::PATCH => call.json(json!({"plan": "PLAN_PRO"})),
        _ => call,
    }
}

async fn lists(
    app: &TestApp,
    credential: &str,
) -> Result<Response<admin_v1::ListAccountsResponse>, Status> {
    let request = with_bearer(admin_v1::ListAccountsRequest::default(), credential);
    app.admin().list_accounts(request).await
}

#[tokio::test]
async fn the_operator_makes_the_first_administrator_and_that_one_the_next() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    let (bob, session) = (app.joins("bob").await, ann.logs_in().await);
    let before = lists(&app, &session.tokens.access_token).await;
    refused(before, Code::PermissionDenied, "PERMISSION_DENIED");

    app.grant("Ann@EXAMPLE.com").await;
    // The same token, which was remembered as that of somebody without the right.
    let seen = lists(&app, &session.tokens.access_token).await.unwrap();
    let seen = seen.into_inner();
    let names: Vec<_> = seen.accounts.iter().map(|account| &account.email).collect();
    assert_eq!(names, ["bob@example.com", "ann@example.com"]);
    assert_eq!(
        (
            seen.accounts[0].administrator,
            seen.accounts[1].administrator
        ),
        (false, true)
    );

    let bobs = bob.logs_in().await;
    let name = bob.account.clone();
    let grant = session.asks(admin_v1::GrantAdministratorRequest { name });
    let granted = app.admin().grant_administrator(grant).await.unwrap();
    assert!(granted.into_inner().account.unwrap().administrator);
    lists(&app, &bobs.tokens.access_token).await.unwrap();

    let name = ann.account.clone();
    let revoke = bobs.asks(admin_v1::RevokeAdministratorRequest { name });
    let revoked = app.admin().revoke_administrator(revoke).await.unwrap();
    assert!(!revoked.into_inner().account.unwrap().administrator);
    let after = lists(&app, &session.tokens.access_token).await;
    refused(after, Code::PermissionDenied, "PERMISSION_DENIED");
    assert!(session.is_in().await);
}

#[tokio::test]
async fn nobody_else_may_and_nobody_else_learns_anything() {
    let app = TestApp::start().await;
    let admin = app.administrator("ann").await;
    let bob = app.sign_up("bob").await;
    let organization = app.organization_of(&bob).await;
    let key = app.signing_key("RS256").await;
    let client = app.registers("x").await;
    let bobs = bob.logs_in().await;
    let allowed = allows(&app, &bobs, &client).await;
    let bobs = bobs.tokens.access_token.clone();
    let narrow = admin.makes_key(&["profile"]).await;
    let mailbox = CreateSessionRequest {
        email: "ann@example.com".to_owned(),
        password: PASSWORD.to_owned(),
        client_id: "mailtd".to_owned(),
        ..CreateSessionRequest::default()
    };
    let mailbox = app.sessions().create_session(mailbox).await.unwrap();
    let mailbox = mailbox.into_inner().tokens.unwrap().access_token;
    for (method, path) in PATHS {
        let there = path.replace("{account}", &bob.account);
        let there = there.replace("{organization}", &organization);
        let there = there.replace("{key}", &key);
        let there = there.replace("{client}", &client);
        let there = there.replace("{grant}", &allowed.grant);
        let there = there.replace("{consent}", &allowed.consent);
        let nowhere = path.replace("{account}", "accounts/none");
        let nowhere = nowhere.replace("{organization}", "organizations/none");
        let nowhere = nowhere.replace("{key}", "signingKeys/none");
        let nowhere = nowhere.replace("{client}", "clients/none");
        let nowhere = nowhere.replace("{grant}", "grants/none");
        let nowhere = nowhere.replace("{consent}", "consents/none");
        let anonymous = ask(&app, &method, &there).send().await;
        assert_eq!(anonymous.status(), 401, "{path}");
        for credential in [&bobs, &narrow, &mailbox] {
            let mut answers = Vec::new();
            for path in [&there, &nowhere] {
                let call = ask(&app, &method, path).bearer(credential);
                let answer = call.header("x-request-id", "same").send().await;
                assert_eq!(answer.status(), 403, "{method} {path}");
                assert_eq!(answer.json()["details"][0]["reason"], "PERMISSION_DENIED");
                answers.push(answer.body);
            }
            assert_eq!(answers[0], answers[1], "{path}");
        }
    }
    assert!(
        app.inspects(&bob.account)
            .await
            .unwrap()
            .disable_time
            .is_none()
    );
}

#[tokio::test]
async fn an_api_key_of_an_administrator_administers() {
    let app = TestApp::start().await;
    let admin = app.administrator("ann").await;
    let key = admin.makes_key(&[]).await;
    lists(&app, &key).await.unwrap();
}

#[tokio::test]
async fn every_path_answers_an_administrator() {
    let app = TestApp::start().await;
    let admin = app.administrator("ann").await;
    let (bob, cid) = (app.sign_up("bob").await, app.sign_up("cid").await);
    let organization = app.organization_of(&cid).await;
    // The administrator's own token is signed with the other one.
    let key = app.signing_key("RS256").await;
    let client = app.registers("x").await;
    let first = allows(&app, &cid.logs_in().await, &client).await;
    let second = allows(&app, &bob.logs_in().await, &client).await;
    for (method, path) in PATHS {
        let path = path.replace("{account}", &bob.account);
        let path = path.replace("{organization}", &organization);
        let path = path.replace("{key}", &key);
        let path = path.replace("{client}", &client);
        let path = path.replace("{grant}", &first.grant);
        let path = path.replace("{consent}", &second.consent);
        let call = ask(&app, &method, &path);
        let answer = call.bearer(&admin.tokens.access_token).send().await;
        assert_eq!(answer.status(), 200, "{method} {path}: {}", answer.text());
    }
    let left = lists(&app, &admin.tokens.access_token).await.unwrap();
    assert_eq!(left.into_inner().accounts[0].email, "ann@example.com");
}

#[tokio::test]
async fn the_last_administrator_stays_one_unless_the_operator_says_so() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await;
    app.grant(&ann.email).await;
    let session = ann.logs_in().await;
    let organization = app.organization_of(&ann).await;
    let account = || ann.account.clone();
    let mut admin = app.admin();
    let own = [
        admin
            .revoke_administrator(
                session.asks(admin_v1::RevokeAdministratorRequest { name: account() }),
            )
            .await
            .map(drop),
        admin
            .disable_account(session.asks(disable(&ann.account)))
            .await
            .map(drop),
        admin
            .delete_account(session.asks(admin_v1::DeleteAccountRequest { name: account() }))
            .await
            .map(drop),
        app.admin_of_organizations()
            .disable_organization(session.asks(admin_v1::DisableOrganizationRequest {
                name: organization.clone(),
            }))
            .await
            .map(drop),
        app.admin_of_organizations()
            .delete_organization(session.asks(admin_v1::DeleteOrganizationRequest {
                name: organization.clone(),
            }))
            .await
            .map(drop),
        app.accounts()
            .delete_account(session.asks(DeleteAccountRequest {
                name: account(),
                ..DeleteAccountRequest::default()
            }))
            .await
            .map(drop),
    ];
    for answer in own {
        assert_eq!(
            refused(answer, Code::PermissionDenied, "PERMISSION_DENIED"),
            ["name"]
        );
    }
    lists(&app, &session.tokens.access_token).await.unwrap();

    // A second one who cannot log in does not count.
    let bob = app.sign_up("bob").await;
    app.grant(&bob.email).await;
    app.operator()
        .disable_account(disable(&bob.account))
        .await
        .unwrap();
    let answer = admin
        .disable_account(session.asks(disable(&ann.account)))
        .await;
    refused(answer, Code::PermissionDenied, "PERMISSION_DENIED");
    app.operator()
        .enable_account(enable(&bob.account))
        .await
        .unwrap();
    admin
        .disable_account(session.asks(disable(&ann.account)))
        .await
        .unwrap();
    assert!(!session.is_in().await);

    let name = bob.account.clone();
    app.operator()
        .revoke_administrator(admin_v1::RevokeAdministratorRequest { name })
        .await
        .unwrap();
    assert!(!app.inspects(&bob.account).await.unwrap().administrator);
}

#[tokio::test]
async fn whoever_calls_over_the_network_is_never_the_operator() {
    let app = TestApp::start().await;
    for (name, value) in [
        ("operator", "true"),
        ("x-countersign-operator", "1"),
        ("authorization", "Bearer operator"),
    ] {
        let mut request = Request::new(admin_v1::ListAccountsRequest::default());
        request.metadata_mut().insert(name, value.parse().unwrap());
        let answer = app.admin().list_accounts(request).await.unwrap_err();
        assert_eq!(answer.code(), Code::Unauthenticated);
    }
}
