//! Administration, over gRPC and REST: who may, what a disabled account means, and what is found.

use std::time::Duration;

use countersign::pb::v1::{
    Account, ApiKey, CreateApiKeyRequest, CreateSessionRequest, DeleteOrganizationRequest,
    DisableAccountRequest, DisableOrganizationRequest, EnableAccountRequest,
    EnableOrganizationRequest, GetOrganizationRequest, GrantAdministratorRequest,
    InspectAccountRequest, ListOrganizationsRequest, Organization, Plan, RemoveAccountRequest,
    RevokeAdministratorRequest, SearchAccountsRequest, SearchAccountsResponse, SessionProfile,
    UpdateOrganizationRequest,
};
use http::Method;
use serde_json::json;
use tonic::{Code, Request, Response, Status};

use crate::support::{Call, LoggedIn, PASSWORD, Person, TestApp, reason, refused, with_bearer};

/// Every path of the administration, and whether it may be called twice with the same outcome.
const PATHS: [(Method, &str); 13] = [
    (Method::GET, "/v1/admin/accounts"),
    (Method::GET, "/v1/admin/{account}"),
    (Method::POST, "/v1/admin/{account}:disable"),
    (Method::POST, "/v1/admin/{account}:enable"),
    (Method::POST, "/v1/admin/{account}:grantAdministrator"),
    (Method::POST, "/v1/admin/{account}:revokeAdministrator"),
    (Method::GET, "/v1/admin/organizations"),
    (Method::GET, "/v1/admin/{organization}"),
    (Method::PATCH, "/v1/admin/{organization}"),
    (Method::POST, "/v1/admin/{organization}:disable"),
    (Method::POST, "/v1/admin/{organization}:enable"),
    (Method::DELETE, "/v1/admin/{account}"),
    (Method::DELETE, "/v1/admin/{organization}"),
];

impl TestApp {
    /// Somebody signs up after everybody else.
    async fn joins(&self, name: &str) -> Person<'_> {
        self.clock.advance(Duration::from_millis(1));
        self.sign_up(name).await
    }

    /// Somebody signs up, is made an administrator by the operator, and logs in.
    async fn administrator(&self, name: &str) -> LoggedIn<'_> {
        let person = self.sign_up(name).await;
        self.grant(&person.email).await;
        person.logs_in().await
    }

    async fn grant(&self, email: &str) {
        let request = GrantAdministratorRequest {
            name: format!("accounts/{email}"),
        };
        self.operator().grant_administrator(request).await.unwrap();
    }

    async fn inspects(&self, name: &str) -> Result<Account, Status> {
        let request = InspectAccountRequest {
            name: name.to_owned(),
        };
        let answer = self.operator().inspect_account(request).await;
        answer.map(|answer| answer.into_inner().account.unwrap())
    }

    async fn organization_of(&self, person: &Person<'_>) -> String {
        self.inspects(&person.account).await.unwrap().organization
    }

    async fn found(&self, request: SearchAccountsRequest) -> Vec<String> {
        let answer = self.operator().search_accounts(request).await.unwrap();
        emails(&answer.into_inner())
    }
}

fn emails(page: &SearchAccountsResponse) -> Vec<String> {
    let accounts = page.accounts.iter();
    accounts.map(|account| account.email.clone()).collect()
}

/// A call with the body that its method wants.
fn ask<'a>(app: &'a TestApp, method: &Method, path: &str) -> Call<'a> {
    let call = app.call(method.clone(), path);
    match *method {
        Method::POST => call.json(json!({})),
        Method::PATCH => call.json(json!({"plan": "PLAN_PRO"})),
        _ => call,
    }
}

fn disable(name: &str) -> DisableAccountRequest {
    DisableAccountRequest {
        name: name.to_owned(),
    }
}

fn enable(name: &str) -> EnableAccountRequest {
    EnableAccountRequest {
        name: name.to_owned(),
    }
}

async fn makes_key(app: &TestApp, person: &LoggedIn<'_>, scopes: &[&str]) -> String {
    let key = ApiKey {
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        ..ApiKey::default()
    };
    let request = CreateApiKeyRequest { api_key: Some(key) };
    let answer = app.api_keys().create_api_key(person.asks(request)).await;
    answer.unwrap().into_inner().secret
}

async fn lists(
    app: &TestApp,
    credential: &str,
) -> Result<Response<SearchAccountsResponse>, Status> {
    let request = with_bearer(SearchAccountsRequest::default(), credential);
    app.admin().search_accounts(request).await
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
    assert_eq!(emails(&seen), ["bob@example.com", "ann@example.com"]);
    assert_eq!(
        (
            seen.accounts[0].administrator,
            seen.accounts[1].administrator
        ),
        (false, true)
    );

    let bobs = bob.logs_in().await;
    let name = bob.account.clone();
    let grant = session.asks(GrantAdministratorRequest { name });
    let granted = app.admin().grant_administrator(grant).await.unwrap();
    assert!(granted.into_inner().account.unwrap().administrator);
    lists(&app, &bobs.tokens.access_token).await.unwrap();

    let name = ann.account.clone();
    let revoke = bobs.asks(RevokeAdministratorRequest { name });
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
    let bobs = bob.logs_in().await.tokens.access_token.clone();
    let narrow = makes_key(&app, &admin, &["profile"]).await;
    let mailbox = CreateSessionRequest {
        email: "ann@example.com".to_owned(),
        password: PASSWORD.to_owned(),
        profile: SessionProfile::Mailtd.into(),
        ..CreateSessionRequest::default()
    };
    let mailbox = app.sessions().create_session(mailbox).await.unwrap();
    let mailbox = mailbox.into_inner().tokens.unwrap().access_token;
    for (method, path) in PATHS {
        let there = path.replace("{account}", &bob.account);
        let there = there.replace("{organization}", &organization);
        let nowhere = path.replace("{account}", "accounts/none");
        let nowhere = nowhere.replace("{organization}", "organizations/none");
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
    let key = makes_key(&app, &admin, &[]).await;
    lists(&app, &key).await.unwrap();
}

#[tokio::test]
async fn every_path_answers_an_administrator() {
    let app = TestApp::start().await;
    let admin = app.administrator("ann").await;
    let (bob, cid) = (app.sign_up("bob").await, app.sign_up("cid").await);
    let organization = app.organization_of(&cid).await;
    for (method, path) in PATHS {
        let path = path.replace("{account}", &bob.account);
        let path = path.replace("{organization}", &organization);
        let call = ask(&app, &method, &path);
        let answer = call.bearer(&admin.tokens.access_token).send().await;
        assert_eq!(answer.status(), 200, "{method} {path}: {}", answer.text());
    }
    let left = app.found(SearchAccountsRequest::default()).await;
    assert_eq!(left, ["ann@example.com"]);
}

#[tokio::test]
async fn a_disabled_account_is_dead_at_once_and_after_a_restart() {
    let app = TestApp::start().await;
    let admin = app.administrator("ann").await.tokens.access_token.clone();
    let bob = app.sign_up("bob").await;
    let (email, account) = (bob.email.clone(), bob.account.clone());
    let session = bob.logs_in().await;
    let key = makes_key(&app, &session, &[]).await;
    let tokens = session.tokens.clone();
    assert!(app.opens(&tokens.access_token).await && app.opens(&key).await);

    let answer = app
        .admin()
        .disable_account(with_bearer(disable(&account), &admin))
        .await;
    let disabled = answer.unwrap().into_inner().account.unwrap();
    assert!(disabled.disable_time.is_some());
    let app = is_dead(
        app,
        &email,
        &tokens.access_token,
        &tokens.refresh_token,
        &key,
    )
    .await;
    let app = app.restart().await;
    let app = is_dead(
        app,
        &email,
        &tokens.access_token,
        &tokens.refresh_token,
        &key,
    )
    .await;

    // Again changes nothing, not even since when.
    let again = app
        .operator()
        .disable_account(disable(&account))
        .await
        .unwrap();
    assert_eq!(again.into_inner().account.unwrap(), disabled);

    let enabled = app
        .admin()
        .enable_account(with_bearer(enable(&account), &admin))
        .await;
    assert_eq!(
        enabled.unwrap().into_inner().account.unwrap().disable_time,
        None
    );
    assert!(app.opens(&key).await, "programs work again");
    assert!(
        !app.opens(&tokens.access_token).await,
        "sessions ended for good"
    );
    let refresh = app.try_refresh(&tokens.refresh_token).await;
    refused(refresh, Code::Unauthenticated, "REFRESH_TOKEN_INVALID");
    app.try_log_in(&email, PASSWORD).await.unwrap();
}

async fn is_dead(app: TestApp, email: &str, access: &str, refresh: &str, key: &str) -> TestApp {
    assert!(!app.opens(access).await && !app.opens(key).await);
    let answer = app.try_refresh(refresh).await;
    refused(answer, Code::Unauthenticated, "REFRESH_TOKEN_INVALID");
    let right = app.try_log_in(email, PASSWORD).await.unwrap_err();
    let wrong = app
        .try_log_in(email, "wrong horse battery")
        .await
        .unwrap_err();
    assert_eq!(
        (right.code(), right.message(), right.details()),
        (wrong.code(), wrong.message(), wrong.details())
    );
    assert_eq!(reason(&right), "INVALID_CREDENTIALS");
    app
}

#[tokio::test]
async fn a_disabled_organization_takes_all_its_accounts_along() {
    let app = TestApp::start().await;
    let admin = app.administrator("ann").await;
    let bob = app.sign_up("bob").await;
    let name = app.organization_of(&bob).await;
    let session = bob.logs_in().await;
    let key = makes_key(&app, &session, &[]).await;
    assert!(session.is_in().await && app.opens(&key).await);

    let request = admin.asks(DisableOrganizationRequest { name: name.clone() });
    let answer = app.admin().disable_organization(request).await.unwrap();
    assert!(
        answer
            .into_inner()
            .organization
            .unwrap()
            .disable_time
            .is_some()
    );
    assert!(!session.is_in().await && !app.opens(&key).await);
    let (refresh, log_in) = (
        app.try_refresh(&session.tokens.refresh_token).await,
        app.try_log_in(&bob.email, PASSWORD).await,
    );
    refused(refresh, Code::Unauthenticated, "REFRESH_TOKEN_INVALID");
    refused(log_in, Code::Unauthenticated, "INVALID_CREDENTIALS");
    // Enabling the account alone does not help while its organization is disabled.
    let account = app
        .operator()
        .enable_account(enable(&bob.account))
        .await
        .unwrap();
    assert!(account.into_inner().account.unwrap().disable_time.is_some());
    assert!(!app.opens(&key).await);

    let request = admin.asks(EnableOrganizationRequest { name });
    let answer = app.admin().enable_organization(request).await.unwrap();
    assert_eq!(answer.into_inner().organization.unwrap().disable_time, None);
    assert!(app.opens(&key).await && !session.is_in().await);
    bob.logs_in().await;
}

#[tokio::test]
async fn a_plan_is_followed_at_once() {
    let app = TestApp::with(|config| config.limits.enabled = true).await;
    let ann = app.sign_up("ann").await;
    let session = ann.logs_in().await;
    let calls = async || {
        let mut passed = 0;
        while app
            .get("/v1/accounts/me")
            .bearer(&session.tokens.access_token)
            .send()
            .await
            .status()
            == 200
        {
            passed += 1;
        }
        passed
    };
    assert_eq!(calls().await, 8);
    let name = app.organization_of(&ann).await;
    let set = |plan: Plan, paths: &[&str]| UpdateOrganizationRequest {
        organization: Some(Organization {
            name: name.clone(),
            plan: plan.into(),
            ..Organization::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        }),
    };
    let answer = app
        .operator()
        .update_organization(set(Plan::Pro, &["plan"]))
        .await
        .unwrap();
    let pro = answer.into_inner().organization.unwrap();
    assert_eq!(
        (pro.plan(), pro.owner, pro.owner_email, pro.account_count),
        (Plan::Pro, ann.account.clone(), ann.email.clone(), 1)
    );
    assert_eq!(calls().await, 20);
    for (plan, paths, field) in [
        (Plan::Unspecified, &["plan"][..], "organization.plan"),
        (Plan::Unspecified, &["*"], "organization.plan"),
        (Plan::Free, &["owner"], "update_mask"),
    ] {
        let answer = app.operator().update_organization(set(plan, paths)).await;
        assert_eq!(
            refused(answer, Code::InvalidArgument, "INVALID_FIELD"),
            [field]
        );
    }
    let unchanged = app
        .operator()
        .update_organization(set(Plan::Unspecified, &[]))
        .await;
    assert_eq!(
        unchanged.unwrap().into_inner().organization.unwrap().plan(),
        Plan::Pro
    );
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
            .revoke_administrator(session.asks(RevokeAdministratorRequest { name: account() }))
            .await
            .map(drop),
        admin
            .disable_account(session.asks(disable(&ann.account)))
            .await
            .map(drop),
        admin
            .remove_account(session.asks(RemoveAccountRequest { name: account() }))
            .await
            .map(drop),
        admin
            .disable_organization(session.asks(DisableOrganizationRequest {
                name: organization.clone(),
            }))
            .await
            .map(drop),
        admin
            .delete_organization(session.asks(DeleteOrganizationRequest {
                name: organization.clone(),
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
        .revoke_administrator(RevokeAdministratorRequest { name })
        .await
        .unwrap();
    assert!(!app.inspects(&bob.account).await.unwrap().administrator);
}

#[tokio::test]
async fn a_deleted_account_or_organization_is_gone_with_its_credentials() {
    let app = TestApp::start().await;
    let (bob, cid) = (app.sign_up("bob").await, app.sign_up("cid").await);
    let sessions = [bob.logs_in().await, cid.logs_in().await];
    let organizations = [
        app.organization_of(&bob).await,
        app.organization_of(&cid).await,
    ];
    assert!(sessions[0].is_in().await && sessions[1].is_in().await);
    let remove = || RemoveAccountRequest {
        name: bob.account.clone(),
    };
    let delete = || DeleteOrganizationRequest {
        name: organizations[1].clone(),
    };
    app.operator().remove_account(remove()).await.unwrap();
    app.operator().delete_organization(delete()).await.unwrap();
    assert!(!sessions[0].is_in().await && !sessions[1].is_in().await);
    for name in organizations.clone() {
        let answer = app
            .operator()
            .get_organization(GetOrganizationRequest { name })
            .await;
        refused(answer, Code::NotFound, "ORGANIZATION_NOT_FOUND");
    }
    refused(
        app.inspects(&cid.account).await,
        Code::NotFound,
        "ACCOUNT_NOT_FOUND",
    );
    refused(
        app.operator().remove_account(remove()).await,
        Code::NotFound,
        "ACCOUNT_NOT_FOUND",
    );
    refused(
        app.operator().delete_organization(delete()).await,
        Code::NotFound,
        "ORGANIZATION_NOT_FOUND",
    );
    app.sign_up("bob").await;
}

#[tokio::test]
async fn accounts_are_found_by_what_is_in_their_address_or_name() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.joins("ann").await, app.joins("b_b").await);
    app.grant(&bob.email).await;
    app.operator()
        .disable_account(disable(&ann.account))
        .await
        .unwrap();
    let all = SearchAccountsRequest::default;
    let query = |text: &str| SearchAccountsRequest {
        query: text.to_owned(),
        ..all()
    };
    for (request, found) in [
        (query("ANN@"), vec!["ann@example.com"]),
        (query("_"), vec!["b_b@example.com"]),
        (query("%"), vec![]),
        (query("example"), vec!["b_b@example.com", "ann@example.com"]),
        (
            SearchAccountsRequest {
                disabled_only: true,
                ..all()
            },
            vec!["ann@example.com"],
        ),
        (
            SearchAccountsRequest {
                administrators_only: true,
                ..all()
            },
            vec!["b_b@example.com"],
        ),
        (
            SearchAccountsRequest {
                organization: app.organization_of(&ann).await,
                ..all()
            },
            vec!["ann@example.com"],
        ),
    ] {
        assert_eq!(app.found(request.clone()).await, found, "{request:?}");
    }
    for (request, field) in [
        (query("a\nb"), "query"),
        (query(&"a".repeat(201)), "query"),
        (
            SearchAccountsRequest {
                organization: "organization/x".to_owned(),
                ..all()
            },
            "organization",
        ),
        (
            SearchAccountsRequest {
                page_token: "forged".to_owned(),
                ..all()
            },
            "page_token",
        ),
    ] {
        let answer = app.operator().search_accounts(request).await;
        assert_eq!(
            refused(answer, Code::InvalidArgument, "INVALID_FIELD"),
            [field]
        );
    }
    let nowhere = SearchAccountsRequest {
        organization: "organizations/x".to_owned(),
        ..all()
    };
    refused(
        app.operator().search_accounts(nowhere).await,
        Code::NotFound,
        "ORGANIZATION_NOT_FOUND",
    );
}

#[tokio::test]
async fn a_page_goes_on_with_its_own_filter_alone() {
    let app = TestApp::start().await;
    for name in ["ann", "bob", "cid"] {
        app.joins(name).await;
    }
    let page = |query: &str, page_token: &str| SearchAccountsRequest {
        query: query.to_owned(),
        page_size: 2,
        page_token: page_token.to_owned(),
        ..SearchAccountsRequest::default()
    };
    let first = app
        .operator()
        .search_accounts(page("example", ""))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(emails(&first), ["cid@example.com", "bob@example.com"]);
    let token = first.next_page_token;
    let second = app
        .operator()
        .search_accounts(page("example", &token))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (emails(&second), second.next_page_token.as_str()),
        (vec!["ann@example.com".to_owned()], "")
    );
    let other = app.operator().search_accounts(page("exam", &token)).await;
    assert_eq!(
        refused(other, Code::InvalidArgument, "INVALID_FIELD"),
        ["page_token"]
    );

    let list = |page_token: &str| ListOrganizationsRequest {
        page_size: 2,
        page_token: page_token.to_owned(),
        ..ListOrganizationsRequest::default()
    };
    let first = app
        .operator()
        .list_organizations(list(""))
        .await
        .unwrap()
        .into_inner();
    let second = app
        .operator()
        .list_organizations(list(&first.next_page_token))
        .await
        .unwrap();
    assert_eq!(
        (
            first.organizations.len(),
            second.into_inner().organizations.len()
        ),
        (2, 1)
    );
    let foreign = app.operator().list_organizations(list(&token)).await;
    assert_eq!(
        refused(foreign, Code::InvalidArgument, "INVALID_FIELD"),
        ["page_token"]
    );
}

#[tokio::test]
async fn whoever_calls_over_the_network_is_never_the_operator() {
    let app = TestApp::start().await;
    for (name, value) in [
        ("operator", "true"),
        ("x-countersign-operator", "1"),
        ("authorization", "Bearer operator"),
    ] {
        let mut request = Request::new(SearchAccountsRequest::default());
        request.metadata_mut().insert(name, value.parse().unwrap());
        let answer = app.admin().search_accounts(request).await.unwrap_err();
        assert_eq!(answer.code(), Code::Unauthenticated);
    }
}
