//! An account has so many sessions and no more.

use std::time::Duration;

use crate::support::TestApp;

#[tokio::test]
async fn a_log_in_beyond_the_cap_ends_the_oldest_session() {
    let app = TestApp::with(|config| config.tokens.max_sessions = 3).await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let other = bob.logs_in().await;
    let mut sessions = Vec::new();
    for _ in 0..5 {
        app.clock.advance(Duration::from_millis(1));
        let session = ann.logs_in().await;
        // Remembered, so that ending it has to be noticed.
        assert!(session.is_in().await);
        sessions.push(session);
    }
    let mut live = Vec::new();
    for session in &sessions {
        live.push(session.is_in().await);
    }
    assert_eq!(live, [false, false, true, true, true]);
    let ended = app.try_refresh(&sessions[0].tokens.refresh_token).await;
    assert_eq!(ended.unwrap_err().code(), tonic::Code::Unauthenticated);
    assert!(other.is_in().await, "the cap is of each account");
}
