//! Disabling, deleting and plans: what follows at once, and what comes back.

use countersign::pb::{admin::v1 as admin_v1, v1::Plan};
use tonic::Code;

use crate::support::{PASSWORD, TestApp, disable, enable, reason, refused, with_bearer};

#[tokio::test]
async fn a_disabled_account_is_dead_at_once_and_after_a_restart() {
    let app = TestApp::start().await;
    let admin = app.administrator("ann").await.tokens.access_token.clone();
    let bob = app.sign_up("bob").await;
    let (email, account) = (bob.email.clone(), bob.account.clone());
    let session = bob.logs_in().await;
    let key = session.makes_key(&[]).await;
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
    let key = session.makes_key(&[]).await;
    assert!(session.is_in().await && app.opens(&key).await);

    let request = admin.asks(admin_v1::DisableOrganizationRequest { name: name.clone() });
    let answer = app
        .admin_of_organizations()
        .disable_organization(request)
        .await
        .unwrap();
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

    let request = admin.asks(admin_v1::EnableOrganizationRequest { name });
    let answer = app
        .admin_of_organizations()
        .enable_organization(request)
        .await
        .unwrap();
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
    let set = |plan: Plan, paths: &[&str]| admin_v1::UpdateOrganizationRequest {
        organization: Some(admin_v1::Organization {
            name: name.clone(),
            plan: plan.into(),
            ..admin_v1::Organization::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        }),
    };
    let answer = app
        .operator_of_organizations()
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
        let answer = app
            .operator_of_organizations()
            .update_organization(set(plan, paths))
            .await;
        assert_eq!(
            refused(answer, Code::InvalidArgument, "INVALID_FIELD"),
            [field]
        );
    }
    let unchanged = app
        .operator_of_organizations()
        .update_organization(set(Plan::Unspecified, &[]))
        .await;
    assert_eq!(
        unchanged.unwrap().into_inner().organization.unwrap().plan(),
        Plan::Pro
    );
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
    let remove = || admin_v1::DeleteAccountRequest {
        name: bob.account.clone(),
    };
    let delete = || admin_v1::DeleteOrganizationRequest {
        name: organizations[1].clone(),
    };
    app.operator().delete_account(remove()).await.unwrap();
    app.operator_of_organizations()
        .delete_organization(delete())
        .await
        .unwrap();
    assert!(!sessions[0].is_in().await && !sessions[1].is_in().await);
    for name in organizations.clone() {
        let answer = app
            .operator_of_organizations()
            .get_organization(admin_v1::GetOrganizationRequest { name })
            .await;
        refused(answer, Code::NotFound, "ORGANIZATION_NOT_FOUND");
    }
    refused(
        app.inspects(&cid.account).await,
        Code::NotFound,
        "ACCOUNT_NOT_FOUND",
    );
    refused(
        app.operator().delete_account(remove()).await,
        Code::NotFound,
        "ACCOUNT_NOT_FOUND",
    );
    refused(
        app.operator_of_organizations()
            .delete_organization(delete())
            .await,
        Code::NotFound,
        "ORGANIZATION_NOT_FOUND",
    );
    app.sign_up("bob").await;
}
