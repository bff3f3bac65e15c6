//! A restored database has everybody in it, and opens for nobody who was logged in before.

use std::time::Duration;

use countersign::app;
use tonic::Code;

use super::{Place, api_key, backup_of, backup_with_contents_of, on_every_pair};
use crate::support::{PASSWORD, TestApp, refused, sign_up_with, solved};

on_every_pair! {
    what_was_given_before_opens_nothing,
    a_challenge_is_not_used_twice,
}

async fn what_was_given_before_opens_nothing(from: Place, to: Place) {
    let app = from.start().await;
    let ann = app.sign_up("ann").await;
    let before = ann.logs_in().await.tokens;
    let key = api_key(&app, &before.access_token).await;
    let (_folder, file, contents) = backup_with_contents_of(&app).await;
    let restored = to.restores(&app, &file).await;
    assert_eq!(restored.backup.contents, contents);
    let ended = restored.ended;
    assert_eq!((ended.sessions, ended.grants, ended.api_keys), (1, 1, 1));
    assert!(ended.signing_keys > 0);

    let server = to.start_after(&app).await;
    assert!(!server.opens(&before.access_token).await);
    assert!(!server.opens(&key).await);
    let refresh = server.try_refresh(&before.refresh_token).await;
    refused(refresh, Code::Unauthenticated, "REFRESH_TOKEN_INVALID");
    let again = server.try_log_in(&ann.email, PASSWORD).await.unwrap();
    let token = again.tokens.unwrap().access_token;
    assert!(server.opens(&token).await);
    let taken = server.try_sign_up(&ann.email, PASSWORD).await;
    refused(taken, Code::AlreadyExists, "EMAIL_ALREADY_EXISTS");

    // Where the backup was made, nothing has changed.
    assert!(app.opens(&before.access_token).await);
    assert!(app.opens(&key).await);
    assert!(!app.opens(&token).await);
}

async fn a_challenge_is_not_used_twice(from: Place, to: Place) {
    let app = from.start().await;
    let (_folder, file) = backup_of(&app).await;
    // Solved after the backup, which knows nothing of it.
    let work = solved(&app.challenge().await);
    let made = sign_up_with("ann", Some(work.clone()));
    app.accounts().create_account(made).await.unwrap();
    to.restores(&app, &file).await;

    let server = to.start_after(&app).await;
    let again = sign_up_with("bob", Some(work));
    let again = server.accounts().create_account(again).await;
    refused(again, Code::InvalidArgument, "CHALLENGE_INVALID");
    app.clock.advance(Duration::from_millis(1));
    let work = solved(&server.challenge().await);
    let new = sign_up_with("bob", Some(work));
    server.accounts().create_account(new).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn api_keys_are_kept_for_an_operator_who_says_so() {
    let (from, to) = (Place::sqlite(), Place::sqlite());
    let app = from.start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let key = api_key(&app, &ann.tokens.access_token).await;
    let (_folder, file) = backup_of(&app).await;
    to.takes_key_of(&app);
    let restored = app::restore(&to.config(&app), &file, true, &app.env()).await;
    assert_eq!(restored.unwrap().ended.api_keys, 0);
    let server = to.start_after(&app).await;
    assert!(server.opens(&key).await);
    assert!(!server.opens(&ann.tokens.access_token).await);
}

/// Of whoever logs in, signs and asks on the restored server, a second backup is as good as the first one.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_database_is_backed_up_and_restored_again() {
    let (first, second, third) = (Place::sqlite(), Place::sqlite(), Place::sqlite());
    let app: TestApp = first.start().await;
    let ann = app.sign_up("ann").await;
    let (_folder, file) = backup_of(&app).await;
    second.restores(&app, &file).await;
    let server = second.start_after(&app).await;
    server.sign_up("bob").await.logs_in().await;
    let (_folder, file) = backup_of(&server).await;
    let restored = third.restores(&server, &file).await;
    assert_eq!(restored.ended.sessions, 1);
    let server = third.start_after(&app).await;
    server.try_log_in(&ann.email, PASSWORD).await.unwrap();
    server
        .try_log_in("bob@example.com", PASSWORD)
        .await
        .unwrap();
}
