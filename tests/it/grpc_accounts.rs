//! Accounts, over gRPC.

use countersign::pb::v1::{
    Account, ApiKeyKind, ChangePasswordRequest, CreateAccountRequest, CreateApiKeyRequest,
    DeleteAccountRequest, GetAccountRequest, Role, UpdateAccountRequest,
};
use prost_types::FieldMask;
use tonic::Code;

use crate::support::{PASSWORD, TestApp, refused};

fn sign_up(email: &str, password: &str) -> CreateAccountRequest {
    CreateAccountRequest {
        email: email.to_owned(),
        password: password.to_owned(),
        ..CreateAccountRequest::default()
    }
}

fn me() -> String {
    "accounts/me".to_owned()
}

#[tokio::test]
async fn signing_up_makes_an_account_that_owns_its_organization() {
    let app = TestApp::start().await;
    let request = CreateAccountRequest {
        display_name: "Ann Lee".to_owned(),
        ..sign_up(" Ann@Example.com ", PASSWORD)
    };
    let made = app
        .accounts()
        .create_account(request)
        .await
        .unwrap()
        .into_inner();
    let account = made.account.unwrap();
    assert_eq!(
        (account.email.as_str(), account.display_name.as_str()),
        ("Ann@Example.com", "Ann Lee")
    );
    assert!(account.name.starts_with("accounts/") && !account.email_verified);
    let home = account.home_membership.unwrap();
    assert_eq!((home.role(), &home.account), (Role::Owner, &account.name));
    assert!(home.organization.starts_with("organizations/"));
    let id = account.name.strip_prefix("accounts/").unwrap();
    assert_eq!(home.name, format!("{}/memberships/{id}", home.organization));
    assert!(made.session.is_none() && made.tokens.is_none() && made.api_key.is_none());
}

#[tokio::test]
async fn signing_up_can_sign_in_and_make_a_key_at_once() {
    let app = TestApp::start().await;
    let request = CreateAccountRequest {
        session_client_id: "mailkite".to_owned(),
        api_key_kind: ApiKeyKind::Mailkite.into(),
        ..sign_up("ann@example.com", PASSWORD)
    };
    let made = app
        .accounts()
        .create_account(request)
        .await
        .unwrap()
        .into_inner();
    assert!(made.api_key_secret.starts_with("mk_live_"));
    assert!(app.opens(&made.api_key_secret).await);
    assert!(app.opens(&made.tokens.unwrap().access_token).await);
}

#[tokio::test]
async fn an_address_is_taken_in_every_spelling() {
    let app = TestApp::start().await;
    app.sign_up("ann").await;
    for email in ["ann@example.com", "ANN@EXAMPLE.COM", "  Ann@example.com"] {
        let fields = refused(
            app.try_sign_up(email, PASSWORD).await,
            Code::AlreadyExists,
            "EMAIL_ALREADY_EXISTS",
        );
        assert_eq!(fields, ["email"]);
    }
}

#[tokio::test]
async fn fifty_at_once_make_one_account() {
    let app = TestApp::start().await;
    let tries = (0..50).map(|_| app.try_sign_up("ann@example.com", PASSWORD));
    let made = futures_join(tries)
        .await
        .into_iter()
        .filter(Result::is_ok)
        .count();
    assert_eq!(made, 1);
}

async fn futures_join<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut outputs = Vec::new();
    let mut pending: Vec<_> = futures.map(Box::pin).collect();
    std::future::poll_fn(|cx| {
        pending.retain_mut(|future| match future.as_mut().poll(cx) {
            std::task::Poll::Ready(output) => {
                outputs.push(output);
                false
            }
            std::task::Poll::Pending => true,
        });
        if pending.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    outputs
}

#[tokio::test]
async fn bad_sign_ups_name_the_field_and_leave_nothing() {
    let app = TestApp::start().await;
    let long_name = "n".repeat(201);
    for (request, field) in [
        (sign_up("", PASSWORD), "email"),
        (sign_up("ann", PASSWORD), "email"),
        (sign_up("ann@example.com\n", "short"), "email"),
        (
            sign_up(&format!("{}@example.com", "a".repeat(300)), PASSWORD),
            "email",
        ),
        (sign_up("ann@example.com", ""), "password"),
        (sign_up("ann@example.com", "short12"), "password"),
        (sign_up("ann@example.com", &"x".repeat(257)), "password"),
        (sign_up("ann@example.com", "with\u{0}control"), "password"),
        (
            CreateAccountRequest {
                display_name: "a\nb".to_owned(),
                ..sign_up("ann@example.com", PASSWORD)
            },
            "display_name",
        ),
        (
            CreateAccountRequest {
                display_name: long_name,
                ..sign_up("ann@example.com", PASSWORD)
            },
            "display_name",
        ),
        (
            CreateAccountRequest {
                session_client_id: "unknown".to_owned(),
                ..sign_up("ann@example.com", PASSWORD)
            },
            "session_client_id",
        ),
        (
            CreateAccountRequest {
                api_key_kind: -1,
                ..sign_up("ann@example.com", PASSWORD)
            },
            "api_key_kind",
        ),
    ] {
        let fields = refused(
            app.accounts().create_account(request).await,
            Code::InvalidArgument,
            "INVALID_FIELD",
        );
        assert_eq!(fields.first().map(String::as_str), Some(field));
    }
    let common = app.try_sign_up("ann@example.com", "password1").await;
    assert_eq!(
        refused(common, Code::InvalidArgument, "PASSWORD_TOO_COMMON"),
        ["password"]
    );
    app.sign_up("ann").await;
}

#[tokio::test]
async fn an_account_is_read_and_changed_by_its_owner() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let read = app
        .accounts()
        .get_account(ann.asks(GetAccountRequest { name: me() }))
        .await
        .unwrap();
    let before = read.into_inner().account.unwrap();
    let change = UpdateAccountRequest {
        account: Some(Account {
            name: me(),
            display_name: "Ann Lee".to_owned(),
            ..Account::default()
        }),
        update_mask: Some(FieldMask {
            paths: vec!["display_name".to_owned()],
        }),
    };
    let after = app
        .accounts()
        .update_account(ann.asks(change))
        .await
        .unwrap()
        .into_inner()
        .account
        .unwrap();
    assert_eq!(after.display_name, "Ann Lee");
    assert_ne!(after.etag, before.etag);
}

#[tokio::test]
async fn a_change_of_what_was_not_seen_or_may_not_change_is_refused() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let change = |etag: &str, path: &str| UpdateAccountRequest {
        account: Some(Account {
            name: me(),
            display_name: "Ann".to_owned(),
            etag: etag.to_owned(),
            ..Account::default()
        }),
        update_mask: Some(FieldMask {
            paths: vec![path.to_owned()],
        }),
    };
    for etag in ["7", "not an etag"] {
        let answer = app
            .accounts()
            .update_account(ann.asks(change(etag, "display_name")))
            .await;
        refused(answer, Code::Aborted, "ETAG_MISMATCH");
    }
    for path in ["email", "organization", "nothing", ""] {
        let answer = app
            .accounts()
            .update_account(ann.asks(change("", path)))
            .await;
        assert_eq!(
            refused(answer, Code::InvalidArgument, "INVALID_FIELD"),
            ["update_mask"]
        );
    }
    let nothing = UpdateAccountRequest {
        account: None,
        update_mask: None,
    };
    let answer = app.accounts().update_account(ann.asks(nothing)).await;
    assert_eq!(
        refused(answer, Code::InvalidArgument, "INVALID_FIELD"),
        ["account"]
    );
}

#[tokio::test]
async fn somebody_elses_account_looks_like_none() {
    let app = TestApp::start().await;
    let bob = app.sign_up("bob").await;
    let ann = app.sign_up("ann").await.logs_in().await;
    for name in [
        bob.account.as_str(),
        "accounts/0198c0de-0000-7000-8000-000000000000",
        "accounts/nobody",
    ] {
        let name = name.to_owned();
        let read = app
            .accounts()
            .get_account(ann.asks(GetAccountRequest { name: name.clone() }))
            .await;
        refused(read, Code::NotFound, "ACCOUNT_NOT_FOUND");
        let gone = DeleteAccountRequest {
            name,
            etag: String::new(),
        };
        refused(
            app.accounts().delete_account(ann.asks(gone)).await,
            Code::NotFound,
            "ACCOUNT_NOT_FOUND",
        );
    }
    bob.logs_in().await;
}

#[tokio::test]
async fn a_deleted_account_is_gone_with_all_its_credentials() {
    let app = TestApp::start().await;
    let person = app.sign_up("ann").await;
    let (ann, other) = (person.logs_in().await, person.logs_in().await);
    let key = app
        .api_keys()
        .create_api_key(ann.asks(CreateApiKeyRequest {
            api_key: Some(Default::default()),
            request_id: String::new(),
        }))
        .await;
    let secret = key.unwrap().into_inner().secret;
    assert!(app.opens(&secret).await && other.is_in().await);
    let gone = DeleteAccountRequest {
        name: me(),
        etag: String::new(),
    };
    app.accounts().delete_account(ann.asks(gone)).await.unwrap();
    assert!(!ann.is_in().await && !other.is_in().await && !app.opens(&secret).await);
    refused(
        app.try_log_in("ann@example.com", PASSWORD).await,
        Code::Unauthenticated,
        "INVALID_CREDENTIALS",
    );
    app.sign_up("ann").await;
}

#[tokio::test]
async fn a_new_password_ends_everything_that_the_old_one_opened() {
    let app = TestApp::start().await;
    let person = app.sign_up("ann").await;
    let (ann, other) = (person.logs_in().await, person.logs_in().await);
    let key = app
        .api_keys()
        .create_api_key(ann.asks(CreateApiKeyRequest {
            api_key: Some(Default::default()),
            request_id: String::new(),
        }))
        .await;
    let secret = key.unwrap().into_inner().secret;
    let change = |current: &str, keep_api_keys| ChangePasswordRequest {
        name: me(),
        current_password: current.to_owned(),
        new_password: "another horse battery".to_owned(),
        keep_api_keys,
    };
    let wrong = app
        .accounts()
        .change_password(ann.asks(change("wrong horse", false)))
        .await;
    refused(wrong, Code::Unauthenticated, "INVALID_CREDENTIALS");
    assert!(ann.is_in().await);
    let changed = app
        .accounts()
        .change_password(ann.asks(change(PASSWORD, false)))
        .await
        .unwrap()
        .into_inner();
    assert!(!ann.is_in().await && !other.is_in().await && !app.opens(&secret).await);
    assert!(app.opens(&changed.tokens.unwrap().access_token).await);
    refused(
        app.try_log_in("ann@example.com", PASSWORD).await,
        Code::Unauthenticated,
        "INVALID_CREDENTIALS",
    );
    app.try_log_in("ann@example.com", "another horse battery")
        .await
        .unwrap();
}

#[tokio::test]
async fn a_routine_change_of_password_can_leave_keys_alive() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let key = app
        .api_keys()
        .create_api_key(ann.asks(CreateApiKeyRequest {
            api_key: Some(Default::default()),
            request_id: String::new(),
        }))
        .await;
    let change = ChangePasswordRequest {
        name: me(),
        current_password: PASSWORD.to_owned(),
        new_password: "another horse battery".to_owned(),
        keep_api_keys: true,
    };
    app.accounts()
        .change_password(ann.asks(change))
        .await
        .unwrap();
    assert!(app.opens(&key.unwrap().into_inner().secret).await);
}

#[tokio::test]
async fn a_change_of_nothing_changes_nothing() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let nothing = |etag: &str| UpdateAccountRequest {
        account: Some(Account {
            name: me(),
            etag: etag.to_owned(),
            ..Account::default()
        }),
        update_mask: None,
    };
    let same = app
        .accounts()
        .update_account(ann.asks(nothing("")))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(same.account.unwrap().etag, "1");
    refused(
        app.accounts().update_account(ann.asks(nothing("2"))).await,
        Code::Aborted,
        "ETAG_MISMATCH",
    );
}
