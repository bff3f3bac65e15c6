//! After a restore from a backup, nothing is left that apps were given before.

use super::*;
use crate::backup::{Place, backup_of};

#[tokio::test(flavor = "multi_thread")]
async fn codes_tokens_and_consents_from_before_a_restore_are_over() {
    let app = app().await;
    let client = public_client(&app).await;
    let ann = app.sign_up("ann").await;
    let here = ann.logs_in().await.tokens.access_token;
    let offline = json!({"scope": "mcp offline_access"});
    let first = code(&app, &here, client.request_with(offline)).await;
    let given = token(&app, &client.exchange(&first)).await.json();
    let unspent = code(&app, &here, client.request()).await;
    let undecided = start(&app, client.request()).await;
    let (_folder, file) = backup_of(&app).await;
    let place = Place::sqlite();
    let ended = place.restores(&app, &file).await.ended;
    assert_eq!(ended.consents, 1);

    let server = place.start_after(&app).await;
    assert!(!opens(&server, &given["access_token"]).await);
    let refreshed = refresh(&server, &client, &given["refresh_token"]).await;
    assert_error(&refreshed, 400, "invalid_grant");
    let redeemed = token(&server, &client.exchange(&unspent)).await;
    assert_error(&redeemed, 400, "invalid_grant");
    let again = server
        .try_log_in(&ann.email, crate::support::PASSWORD)
        .await;
    let here = again.unwrap().tokens.unwrap().access_token;
    let late = try_approve(&server, &here, &undecided).await;
    assert_eq!(late.status, 404, "{}", late.text());
    let consents = server.get("/v1/consents").bearer(&here).send().await.json();
    assert_eq!(consents["consents"], json!([]), "{consents}");
    // The client is still registered, and asks anew.
    let next = code(&server, &here, client.request()).await;
    assert_eq!(token(&server, &client.exchange(&next)).await.status, 200);
}
