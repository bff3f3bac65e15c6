//! Codes and refresh tokens that are used by many at once.

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
}

const AT_ONCE: usize = 40;
const ROUNDS: usize = 5;

async fn a_code_is_redeemed_once(base: Base) {
    let app = &TestApp::with(|config| base.configure(config)).await;
    let client = public_client(app).await;
    let here = app.sign_up("ann").await.logs_in().await;
    for _ in 0..ROUNDS {
        let code = code(app, &here.tokens.access_token, client.request()).await;
        let form = client.exchange(&code);
        let answers = all_at_once((0..AT_ONCE).map(|_| token(app, &form))).await;
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

async fn a_refresh_token_has_one_successor(base: Base) {
    let app = &TestApp::with(|config| base.configure(config)).await;
    let client = public_client(app).await;
    let ann = app.sign_up("bob").await;
    for _ in 0..ROUNDS {
        let granted = tokens(app, &client, &ann).await;
        let old = &granted["refresh_token"];
        let answers = all_at_once((0..AT_ONCE).map(|_| refresh(app, &client, old))).await;
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
    for round in 0..ROUNDS {
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
    for _ in 0..ROUNDS {
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
    for _ in 0..ROUNDS {
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
