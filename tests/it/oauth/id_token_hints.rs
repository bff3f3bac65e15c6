//! ID tokens that come back as `id_token_hint` after the key that signed them has gone.

use std::time::Duration;

use countersign::pb::admin::v1::RevokeSigningKeyRequest;

use super::{
    logout::{self, AFTERWARDS, asked, signed_in},
    openid::{id_token, part},
    pages::{Browser, location, person},
    *,
};

/// The key that signed this token ends at once.
pub(super) async fn revoke_key_of(app: &TestApp, token: &str) {
    let kid = part(token, 0)["kid"].as_str().unwrap().to_owned();
    let name = format!("signingKeys/{kid}");
    let revoke = RevokeSigningKeyRequest { name };
    let revoked = app.operator_of_keys().revoke_signing_key(revoke).await;
    revoked.unwrap();
}

/// Nobody can tell whom it named: whoever is logged in may be somebody else, so that somebody logs in, and nobody does in silence
/// (OpenID Connect Core section 3.1.2.1).
#[tokio::test]
async fn a_hint_whose_key_has_gone_has_somebody_log_in() {
    let app = app().await;
    let (client, email) = (public_client(&app).await, person(&app).await);
    let browser = Browser::new(&app);
    let path = browser.begin(&client, &[]).await;
    browser.sign_in(&path, &email).await;
    browser.submit(&path, &[("action", "allow")]).await;
    let session = browser.cookie("countersign_session").unwrap();
    let hint = id_token(&app, &client, &session).await;
    app.clock.advance(Duration::from_secs(1));
    let hint = ("id_token_hint", hint.as_str());
    let silent = ("prompt", "none");
    for (revoked, error) in [(false, ""), (true, "login_required")] {
        if revoked {
            revoke_key_of(&app, hint.1).await;
        }
        let path = browser.begin(&client, &[hint, silent]).await;
        let answer = location(&browser.get(&path).await);
        assert_eq!(parameter(&answer, "error"), error, "{revoked}");
        assert_eq!(parameter(&answer, "code").is_empty(), revoked);
    }
    let path = browser.begin(&client, &[hint]).await;
    let page = browser.get(&path).await.text();
    assert!(page.contains("value=\"sign-in\""), "{page}");
    browser.sign_in(&path, &email).await;
    let answer = location(&browser.get(&path).await);
    assert!(!parameter(&answer, "code").is_empty());
}

/// It says neither who asks nor who is meant: the person is asked, and goes where the client that is named besides may send them
/// (OpenID Connect RP-Initiated Logout 1.0 section 4).
#[tokio::test]
async fn a_log_out_with_one_whose_key_has_gone_asks_the_person() {
    let app = app().await;
    let (client, email) = (logout::client(&app).await, person(&app).await);
    let (_, session) = signed_in(&app, &client, &email).await;
    let hint = id_token(&app, &client, &session).await;
    revoke_key_of(&app, &hint).await;
    let usual = [
        ("id_token_hint", hint.as_str()),
        ("post_logout_redirect_uri", AFTERWARDS),
        ("state", "x"),
    ];
    let id = ("client_id", client.id.as_str());
    for (named, goes_to) in [
        (Some(id), format!("{AFTERWARDS}&state=x")),
        (None, "/sign-out".to_owned()),
    ] {
        let (browser, session) = signed_in(&app, &client, &email).await;
        let parameters: Vec<_> = usual.into_iter().chain(named).collect();
        let path = asked(&browser, &parameters).await;
        assert!(app.opens(&session).await);
        assert!(browser.get(&path).await.text().contains(&email));
        let answer = browser.submit(&path, &[("action", "sign-out")]).await;
        assert_eq!((answer.status, answer.header("location")), (303, &*goes_to));
        assert!(!app.opens(&session).await);
    }
}
