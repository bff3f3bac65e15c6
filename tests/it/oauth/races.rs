//! Codes and refresh tokens that are used by many at once.

use std::time::Duration;

use countersign::pb::v1::ChangePasswordRequest;
use futures_util::future::{BoxFuture, FutureExt as _};

use super::*;
use crate::{
    store_contract::{Base, on_both_engines},
    support::{PASSWORD, all_at_once},
};

on_both_engines! {
    nothing_that_a_code_gives_survives_a_password_change,
    nothing_that_a_code_gives_survives_its_registration,
    nothing_that_a_code_gives_survives_a_revocation,
    a_code_is_redeemed_once,
    a_refresh_token_has_one_successor,
    without_a_retry_window_a_refresh_token_is_used_once,
}

/// How many at once, and how often. `COUNTERSIGN_TEST_RACES=200x50` is the long form.
#[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
fn size() -> (usize, usize) {
    let text = std::env::var("COUNTERSIGN_TEST_RACES").unwrap_or("40x5".to_owned());
    let (at_once, rounds) = text.split_once('x').unwrap();
    (at_once.parse().unwrap(), rounds.parse().unwrap())
}

async fn a_code_is_redeemed_once(base: Base) {
    let app = &TestApp::with(|config| base.configure(config)).await;
    let client = public_client(app).await;
    let here = app.sign_up("ann").await.logs_in().await;
    for _ in 0..size().1 {
        let code = code(app, &here.tokens.access_token, client.request()).await;
        let form = client.exchange(&code);
        let answers = all_at_once((0..size().0).map(|_| token(app, &form))).await;
        let granted: Vec<_> = answers
            .iter()
            .filter(|answer| answer.status == 200)
            .collect();
        assert_eq!(granted.len(), 1);
        for refused in answers.iter().filter(|answer| answer.status != 200) {
            assert_error(refused, 400, "invalid_grant");
        }
        // It was redeemed again, so that what it gave is over.
        assert!(!opens(app, &granted[0].json()["access_token"]).await);
    }
}

/// Of many at once one gets the next token, and whoever else holds the old one ends the family.
async fn without_a_retry_window_a_refresh_token_is_used_once(base: Base) {
    let app = TestApp::with(|config| {
        base.configure(config);
        config.tokens.refresh_retry_window = Duration::ZERO;
    })
    .await;
    let client = public_client(&app).await;
    let ann = app.sign_up("cid").await;
    for _ in 0..size().1 {
        let granted = tokens(&app, &client, &ann).await;
        let old = &granted["refresh_token"];
        let answers = all_at_once((0..size().0).map(|_| refresh(&app, &client, old))).await;
        let is_granted = |answer: &&TestResponse| answer.status == 200;
        let granted: Vec<_> = answers.iter().filter(is_granted).collect();
        assert_eq!(granted.len(), 1);
        for refused in answers.iter().filter(|answer| !is_granted(answer)) {
            assert_error(refused, 400, "invalid_grant");
        }
        let next = granted[0].json();
        assert!(!opens(&app, &next["access_token"]).await);
        let last = refresh(&app, &client, &next["refresh_token"]).await;
        assert_error(&last, 400, "invalid_grant");
    }
    // Nor is a start of the server another chance.
    let granted = tokens(&app, &client, &ann).await;
    let next = refresh(&app, &client, &granted["refresh_token"])
        .await
        .json();
    let app = app.restart().await;
    let again = refresh(&app, &client, &granted["refresh_token"]).await;
    assert_error(&again, 400, "invalid_grant");
    assert!(!opens(&app, &next["access_token"]).await);
}

async fn a_refresh_token_has_one_successor(base: Base) {
    let app = &TestApp::with(|config| base.configure(config)).await;
    let client = public_client(app).await;
    let ann = app.sign_up("bob").await;
    for _ in 0..size().1 {
        let granted = tokens(app, &client, &ann).await;
        let old = &granted["refresh_token"];
        let answers = all_at_once((0..size().0).map(|_| refresh(app, &client, old))).await;
        let mut next: Vec<_> = answers
            .iter()
            .map(|answer| answer.json()["refresh_token"].to_string())
            .collect();
        next.dedup();
        assert_eq!(next.len(), 1, "{next:?}");
        assert!(answers.iter().all(|answer| answer.status == 200));
    }
}

/// Redeems a code and does something else at the same time; whoever is first, the tokens open nothing afterwards.
async fn redeem_beside<'a>(
    app: &'a TestApp,
    form: &'a [(&'a str, &'a str)],
    ending: impl Future<Output = u16> + Send + 'a,
) {
    let redeem: BoxFuture<'a, (bool, Value, u16)> = async {
        let answer = token(app, form).await;
        (true, answer.json(), answer.status)
    }
    .boxed();
    let ending: BoxFuture<'a, (bool, Value, u16)> =
        async { (false, Value::Null, ending.await) }.boxed();
    for (is_redeemed, body, status) in all_at_once([redeem, ending]).await {
        if !is_redeemed {
            assert!([200, 204].contains(&status), "{status}");
        } else if status == 200 {
            assert!(!opens(app, &body["access_token"]).await);
        } else {
            assert!([400, 401].contains(&status), "{status} {body}");
        }
    }
}

async fn nothing_that_a_code_gives_survives_a_password_change(base: Base) {
    let app = &TestApp::with(|config| base.configure(config)).await;
    let client = public_client(app).await;
    for round in 0..size().1 {
        let ann = app.sign_up(&format!("ann{round}")).await;
        let here = ann.logs_in().await;
        let code = code(app, &here.tokens.access_token, client.request()).await;
        let form = client.exchange(&code);
        redeem_beside(app, &form, async {
            let request = here.asks(ChangePasswordRequest {
                name: "accounts/me".to_owned(),
                current_password: PASSWORD.to_owned(),
                new_password: "another horse battery".to_owned(),
                ..ChangePasswordRequest::default()
            });
            let changed = app.accounts().change_password(request).await;
            if changed.is_ok() { 200 } else { 500 }
        })
        .await;
    }
}

async fn nothing_that_a_code_gives_survives_its_registration(base: Base) {
    let app = &TestApp::with(|config| base.configure(config)).await;
    let here = app.sign_up("ann").await.logs_in().await;
    for _ in 0..size().1 {
        let client = public_client(app).await;
        let code = code(app, &here.tokens.access_token, client.request()).await;
        let form = client.exchange(&code);
        let token = &client.registration_token;
        redeem_beside(app, &form, async {
            manage(app, Method::DELETE, &client.id, token, None)
                .await
                .status
        })
        .await;
    }
}

async fn nothing_that_a_code_gives_survives_a_revocation(base: Base) {
    let app = &TestApp::with(|config| base.configure(config)).await;
    let client = public_client(app).await;
    let here = app.sign_up("ann").await.logs_in().await;
    for _ in 0..size().1 {
        let code = code(app, &here.tokens.access_token, client.request()).await;
        let form = client.exchange(&code);
        let path = format!("/v1/clients/{}:revokeGrants", client.id);
        redeem_beside(app, &form, async {
            let call = app.post(&path).bearer(&here.tokens.access_token);
            call.json(json!({})).send().await.status
        })
        .await;
    }
}
