//! The accounts of an organization: who makes them, who reaches them, and what is left when they go.

use countersign::pb::v1::{
    Account, ApiKeyKind, ChangePasswordRequest, CreateApiKeyRequest, DeleteAccountRequest,
    ListMembershipsRequest, ListMembershipsResponse, Plan, Role, UpdateAccountRequest,
};
use prost_types::FieldMask;
use tonic::{Code, Status};

use crate::support::{PASSWORD, TestApp, home, refused, with_bearer};

const ME: &str = "organizations/me";

async fn delete(app: &TestApp, token: &str, name: &str) -> Result<(), Status> {
    let request = DeleteAccountRequest {
        name: name.to_owned(),
        etag: String::new(),
    };
    let answer = app
        .accounts()
        .delete_account(with_bearer(request, token))
        .await;
    answer.map(drop)
}

async fn rename(app: &TestApp, token: &str, name: &str) -> Result<Account, Status> {
    let request = UpdateAccountRequest {
        account: Some(Account {
            name: name.to_owned(),
            display_name: "New".to_owned(),
            ..Account::default()
        }),
        update_mask: Some(FieldMask {
            paths: vec!["display_name".to_owned()],
        }),
    };
    let answer = app
        .accounts()
        .update_account(with_bearer(request, token))
        .await;
    answer.map(|answer| answer.into_inner().account.unwrap())
}

/// An API key of this kind for whoever has this token.
async fn key(app: &TestApp, token: &str, kind: ApiKeyKind) -> String {
    let api_key = countersign::pb::v1::ApiKey {
        kind: kind.into(),
        ..Default::default()
    };
    let request = CreateApiKeyRequest {
        api_key: Some(api_key),
        request_id: String::new(),
    };
    let made = app
        .api_keys()
        .create_api_key(with_bearer(request, token))
        .await;
    made.unwrap().into_inner().secret
}

async fn memberships(
    app: &TestApp,
    token: &str,
    parent: &str,
    page_token: &str,
) -> Result<ListMembershipsResponse, Status> {
    let request = ListMembershipsRequest {
        parent: parent.to_owned(),
        page_size: 2,
        page_token: page_token.to_owned(),
    };
    let request = with_bearer(request, token);
    let answer = app.organizations().list_memberships(request).await;
    answer.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn an_owner_sees_all_members_and_a_member_only_itself() {
    let app = TestApp::start().await;
    let owner = app.pro_owner("ann").await;
    for name in ["bob", "cid"] {
        app.clock.advance(std::time::Duration::from_millis(1));
        app.add(&owner, name).await;
    }
    let bob = app.token("bob@example.com", "countersign").await;
    let first = memberships(&app, &owner, ME, "").await.unwrap();
    let (roles, next) = (
        |page: &ListMembershipsResponse| {
            let roles = page.memberships.iter().map(|one| one.role());
            roles.collect::<Vec<_>>()
        },
        first.next_page_token.clone(),
    );
    assert_eq!(roles(&first), [Role::Member, Role::Member]);
    let second = memberships(&app, &owner, ME, &next).await.unwrap();
    assert_eq!(
        (roles(&second), second.next_page_token.as_str()),
        (vec![Role::Owner], "")
    );
    let own = memberships(&app, &bob, ME, "").await.unwrap();
    assert_eq!(
        own.memberships,
        [app.me(&bob).await.home_membership.unwrap()]
    );
    let foreign = memberships(&app, &bob, ME, &next).await;
    assert_eq!(
        refused(foreign, Code::InvalidArgument, "INVALID_FIELD"),
        ["page_token"]
    );
}

#[tokio::test]
async fn an_organization_of_somebody_else_is_not_there() {
    let app = TestApp::start().await;
    let (owner, stranger) = (app.pro_owner("ann").await, app.pro_owner("eve").await);
    let name = app.organization(&owner).await;
    let read = app.reads_organization(&stranger, &name).await;
    refused(read, Code::NotFound, "ORGANIZATION_NOT_FOUND");
    let listed = memberships(&app, &stranger, &name, "").await;
    refused(listed, Code::NotFound, "ORGANIZATION_NOT_FOUND");
    let mailbox = app.token("ann@example.com", "mailtd").await;
    let listed = memberships(&app, &mailbox, ME, "").await;
    refused(listed, Code::PermissionDenied, "PERMISSION_DENIED");
}

#[tokio::test]
async fn the_owner_of_a_paid_organization_makes_accounts_that_sign_in_by_themselves() {
    let app = TestApp::start().await;
    let ann = app.pro_owner("ann").await;
    let owner = app.me(&ann).await;
    let role = |account: &Account| account.home_membership.as_ref().unwrap().role();
    assert_eq!(role(&owner), Role::Owner);
    let (bob, bobs) = app.add(&ann, "bob").await;
    assert_eq!((home(&bob), role(&bob)), (home(&owner), Role::Member));
    for token in [&ann, &bobs] {
        let organization = app.reads_organization(token, "organizations/me").await;
        let organization = organization.unwrap();
        assert_eq!(
            (&organization.name, organization.plan()),
            (&home(&owner), Plan::Pro)
        );
    }
    assert_eq!(app.me(&bobs).await, bob);
    let by_name = app.try_add(&ann, &home(&owner), "eve").await.unwrap();
    assert_eq!(home(&by_name.account.unwrap()), home(&owner));
    let logged_in = app.try_log_in("BOB@example.com", PASSWORD).await.unwrap();
    assert_eq!(logged_in.account.unwrap(), bob);
}

#[tokio::test]
async fn every_credential_of_the_owner_but_an_e_mail_token_reaches_the_organization() {
    let app = TestApp::start().await;
    let ann = app.pro_owner("ann").await;
    let (bob, bobs) = app.add(&ann, "bob").await;
    let me = app.me(&ann).await;
    let mut credentials = vec![ann.clone()];
    for kind in [
        ApiKeyKind::Standard,
        ApiKeyKind::Mailkite,
        ApiKeyKind::Mailtd,
    ] {
        credentials.push(key(&app, &ann, kind).await);
    }
    for profile in ["countersign", "mailkite", "smtpd", "momail"] {
        credentials.push(app.token("ann@example.com", profile).await);
    }
    for credential in &credentials {
        assert_eq!(
            app.read_account(credential, &bob.name).await.unwrap().email,
            bob.email
        );
        assert_eq!(
            rename(&app, credential, &bob.name)
                .await
                .unwrap()
                .display_name,
            "New"
        );
    }
    let mailbox = app.token("ann@example.com", "mailtd").await;
    assert_eq!(app.me(&mailbox).await, me);
    for token in [&mailbox, &bobs, &app.pro_owner("eve").await] {
        let other = if *token == bobs { &me.name } else { &bob.name };
        refused(
            app.read_account(token, other).await,
            Code::NotFound,
            "ACCOUNT_NOT_FOUND",
        );
        refused(
            rename(&app, token, other).await,
            Code::NotFound,
            "ACCOUNT_NOT_FOUND",
        );
        refused(
            delete(&app, token, other).await,
            Code::NotFound,
            "ACCOUNT_NOT_FOUND",
        );
    }
    delete(&app, &credentials[3], &bob.name).await.unwrap();
    assert!(!app.opens(&bobs).await, "at once");
    refused(
        app.read_account(&ann, &bob.name).await,
        Code::NotFound,
        "ACCOUNT_NOT_FOUND",
    );
}

#[tokio::test]
async fn an_account_out_of_reach_looks_like_none() {
    let app = TestApp::start().await;
    let ann = app.pro_owner("ann").await;
    let (bob, _) = app.add(&ann, "bob").await;
    let eve = app.pro_owner("eve").await;
    let none = "accounts/01890a5d-ac96-774b-bcce-b302099a8057";
    for path in ["v1", "api"] {
        let mut answers = Vec::new();
        for name in [none, &bob.name] {
            for method in [http::Method::GET, http::Method::DELETE] {
                let answer = app
                    .call(method, &format!("/{path}/{name}"))
                    .bearer(&eve)
                    .send()
                    .await;
                assert_eq!(answer.status(), 404);
                let headers = answer
                    .headers
                    .iter()
                    .filter(|(name, _)| *name != "x-request-id");
                let headers: Vec<_> = headers
                    .map(|(name, value)| format!("{name}: {value:?}"))
                    .collect();
                let id = answer.header("x-request-id").to_owned();
                answers.push((headers, answer.text().replace(&id, "")));
            }
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
    }
}

#[tokio::test]
async fn nobody_else_makes_accounts_in_an_organization() {
    let app = TestApp::start().await;
    let ann = app.pro_owner("ann").await;
    let (_, bobs_mailbox) = app.add(&ann, "bob").await;
    let free = app
        .sign_up("fred")
        .await
        .logs_in()
        .await
        .tokens
        .access_token;
    let bob = app.token("bob@example.com", "mailtd-pro").await;
    let mailbox = app.token("ann@example.com", "mailtd").await;
    for token in [&free, &bob, &bobs_mailbox, &mailbox] {
        let answer = app.try_add(token, ME, "new").await;
        refused(answer, Code::PermissionDenied, "PERMISSION_DENIED");
    }
    let theirs = app.organization(&free).await;
    for parent in [
        theirs.as_str(),
        "organizations/x",
        "organizations/01890a5d-ac96-774b-bcce-b302099a8057",
    ] {
        let answer = app.try_add(&ann, parent, "new").await;
        refused(answer, Code::NotFound, "ORGANIZATION_NOT_FOUND");
    }
    for parent in ["", "organizations/", "accounts/me"] {
        let answer = app.try_add(&ann, parent, "new").await;
        assert_eq!(
            refused(answer, Code::InvalidArgument, "INVALID_FIELD"),
            ["parent"]
        );
    }
    let answer = app.try_add(&ann, ME, "BOB").await;
    assert_eq!(
        refused(answer, Code::AlreadyExists, "EMAIL_ALREADY_EXISTS"),
        ["email"]
    );
    app.sign_up("new").await;
}

#[tokio::test]
async fn what_allowed_it_is_looked_at_again_in_the_transaction() {
    let app = TestApp::start().await;
    let ann = app.pro_owner("ann").await;
    app.add(&ann, "bob").await;
    // The plan that is remembered with the credential is still the paid one.
    app.downgrade(&app.organization(&ann).await).await;
    let answer = app.try_add(&ann, ME, "eve").await;
    refused(answer, Code::PermissionDenied, "PERMISSION_DENIED");
    app.sign_up("eve").await;
}

#[tokio::test]
async fn an_organization_is_full_at_some_point() {
    let app = TestApp::with(|config| config.organizations.max_accounts = 3).await;
    let ann = app.pro_owner("ann").await;
    app.add(&ann, "bob").await;
    let (eve, _) = app.add(&ann, "eve").await;
    let answer = app.try_add(&ann, ME, "fred").await;
    refused(answer, Code::ResourceExhausted, "QUOTA_EXCEEDED");
    delete(&app, &ann, &eve.name).await.unwrap();
    app.add(&ann, "fred").await;
}

#[tokio::test]
async fn accounts_made_at_once_do_not_pass_the_limit() {
    let app = TestApp::with(|config| config.organizations.max_accounts = 3).await;
    let ann = app.pro_owner("ann").await;
    let names: Vec<_> = (0..12).map(|number| format!("bob{number}")).collect();
    let calls = names.iter().map(|name| app.try_add(&ann, ME, name));
    let answers = crate::support::all_at_once(calls).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 2);
    for answer in answers.into_iter().filter(Result::is_err) {
        refused(answer, Code::ResourceExhausted, "QUOTA_EXCEEDED");
    }
}

#[tokio::test]
async fn an_owner_stays_as_long_as_others_are_there() {
    let app = TestApp::start().await;
    let ann = app.pro_owner("ann").await;
    let owner = app.me(&ann).await;
    let (bob, bobs) = app.add(&ann, "bob").await;
    let mailbox = app.token("ann@example.com", "mailtd").await;
    for token in [&ann, &mailbox] {
        let answer = delete(&app, token, "accounts/me").await;
        refused(answer, Code::FailedPrecondition, "ORGANIZATION_NOT_EMPTY");
    }
    assert_eq!(app.me(&ann).await, owner);
    assert_eq!(app.me(&bobs).await, bob);
    delete(&app, &bobs, "accounts/me").await.unwrap();
    assert_eq!(app.me(&ann).await, owner);
    delete(&app, &ann, &owner.name).await.unwrap();
    assert!(!app.opens(&ann).await && !app.opens(&mailbox).await);
    app.sign_up("ann").await;
}

#[tokio::test]
async fn an_owner_does_not_take_the_administrator_from_the_server() {
    let app = TestApp::start().await;
    let ann = app.pro_owner("ann").await;
    let (bob, bobs) = app.add(&ann, "bob").await;
    app.grant(&bob.email).await;
    let answer = delete(&app, &ann, &bob.name).await;
    refused(answer, Code::PermissionDenied, "PERMISSION_DENIED");
    assert!(app.opens(&bobs).await);
    // Nor does the last one by leaving.
    let answer = delete(&app, &bobs, "accounts/me").await;
    refused(answer, Code::PermissionDenied, "PERMISSION_DENIED");
    app.grant("ann@example.com").await;
    delete(&app, &bobs, "accounts/me").await.unwrap();
}

#[tokio::test]
async fn an_owner_changes_no_password_but_the_own() {
    let app = TestApp::start().await;
    let ann = app.pro_owner("ann").await;
    let (bob, bobs) = app.add(&ann, "bob").await;
    let change = ChangePasswordRequest {
        name: bob.name.clone(),
        current_password: PASSWORD.to_owned(),
        new_password: "another horse battery".to_owned(),
        keep_api_keys: false,
    };
    let answer = app
        .accounts()
        .change_password(with_bearer(change, &ann))
        .await;
    refused(answer, Code::NotFound, "ACCOUNT_NOT_FOUND");
    assert!(app.opens(&bobs).await);
    app.try_log_in("bob@example.com", PASSWORD).await.unwrap();
}
