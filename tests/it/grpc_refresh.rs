//! Refresh tokens, over gRPC: traded, retried, reused, revoked.

use std::time::Duration;

use countersign::pb::v1::RevokeRefreshTokenRequest;
use tonic::Code;

use crate::support::{TestApp, refused};

#[tokio::test]
async fn a_refresh_replaces_the_token_and_a_retry_gets_the_same_one() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let first = app.try_refresh(&ann.tokens.refresh_token).await.unwrap();
    assert_ne!(first.refresh_token, ann.tokens.refresh_token);
    app.clock.advance(Duration::from_secs(9));
    let retried = app.try_refresh(&ann.tokens.refresh_token).await.unwrap();
    assert_eq!(retried.refresh_token, first.refresh_token);
    app.try_refresh(&first.refresh_token).await.unwrap();
}

#[tokio::test]
async fn a_refresh_token_used_again_ends_its_session() {
    let app = TestApp::start().await;
    for late in [true, false] {
        let person = app.sign_up(if late { "ann" } else { "bob" }).await;
        let (stolen, other) = (person.logs_in().await, person.logs_in().await);
        let first = app.try_refresh(&stolen.tokens.refresh_token).await.unwrap();
        if late {
            app.clock.advance(Duration::from_secs(10));
        } else {
            // The successor was used, so the first token is nobody's retry any more.
            app.try_refresh(&first.refresh_token).await.unwrap();
        }
        let again = app.try_refresh(&stolen.tokens.refresh_token).await;
        refused(again, Code::Unauthenticated, "REFRESH_TOKEN_INVALID");
        let heir = app.try_refresh(&first.refresh_token).await;
        refused(heir, Code::Unauthenticated, "REFRESH_TOKEN_INVALID");
        assert!(!app.opens(&first.access_token).await && !stolen.is_in().await);
        assert!(
            other.is_in().await,
            "another session of the same account stays"
        );
    }
}

#[tokio::test]
async fn what_is_not_a_refresh_token_is_refused() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let token = &ann.tokens.refresh_token;
    let flipped = token.replace(&token[token.len() - 1..], "_");
    for text in [
        "x",
        &token[..token.len() - 1],
        &format!("{token}x"),
        &ann.tokens.access_token[..500],
        &flipped,
    ] {
        refused(
            app.try_refresh(text).await,
            Code::Unauthenticated,
            "REFRESH_TOKEN_INVALID",
        );
    }
    for text in [String::new(), "x".repeat(513)] {
        assert_eq!(
            refused(
                app.try_refresh(&text).await,
                Code::InvalidArgument,
                "INVALID_FIELD"
            ),
            ["refresh_token"]
        );
    }
    assert!(!app.opens(token).await, "a refresh token opens nothing");
}

#[tokio::test]
async fn the_refresh_token_alone_logs_out() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let request = || RevokeRefreshTokenRequest {
        refresh_token: ann.tokens.refresh_token.clone(),
    };
    app.sessions()
        .revoke_refresh_token(request())
        .await
        .unwrap();
    assert!(!ann.is_in().await);
    let again = app.sessions().revoke_refresh_token(request()).await;
    refused(again, Code::Unauthenticated, "REFRESH_TOKEN_INVALID");
}

#[tokio::test]
async fn a_face_that_keeps_its_refresh_token_does_not_spend_one_that_rotates() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let body = serde_json::json!({"refreshToken": ann.tokens.refresh_token});
    assert_eq!(app.post_json("/auth/refresh", body).await.status(), 401);
    app.try_refresh(&ann.tokens.refresh_token).await.unwrap();
}
