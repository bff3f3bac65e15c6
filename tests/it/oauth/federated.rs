//! Signing in with an account at another provider on the hosted pages.

use countersign::config::ProviderKind;
use serde_json::json;
use url::Url;

use super::{
    pages::{Browser, tag},
    parameter, public_client,
};
use crate::support::{ISSUER, PASSWORD, Provider, TestApp, TestResponse};

async fn app() -> (TestApp, Provider) {
    let provider = Provider::start().await;
    let app = TestApp::with(|config| provider.set_up(config, ProviderKind::Oidc, "work")).await;
    (app, provider)
}

/// Leaves for the provider by the button of this page, and gives the way back.
async fn leave(browser: &Browser<'_>, provider: &Provider, path: &str) -> String {
    let answer = browser.submit(path, &[("provider", "work")]).await;
    way_back(provider, &answer)
}

/// Where the provider sends a browser that came to it by this answer.
fn way_back(provider: &Provider, answer: &TestResponse) -> String {
    assert_eq!(answer.status, 303, "{}", answer.text());
    let asked = provider.is_asked(answer.header("location"));
    let callback = asked["redirect_uri"].strip_prefix(ISSUER).unwrap();
    assert_eq!(callback, "/sign-in/callback/work");
    let state = Url::parse_with_params("http://x/", [("code", "good"), ("state", &asked["state"])]);
    format!("{callback}?{}", state.unwrap().query().unwrap())
}

#[tokio::test]
async fn somebody_signs_in_at_the_provider_and_allows_the_client() {
    let (app, provider) = app().await;
    provider.has_somebody(provider.claims(&app, "1", "ann@example.com"));
    let (browser, client) = (Browser::new(&app), public_client(&app).await);
    let path = browser.begin(&client, &[]).await;
    let page = browser.get(&path).await.text();
    assert!(page.contains("Continue with \u{2068}The work"), "{page}");
    let back = leave(&browser, &provider, &path).await;
    let answer = browser.get(&back).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, path.as_str())
    );
    let page = browser.get(&path).await.text();
    assert!(page.contains("ann@example.com"), "{page}");
    let answer = browser.submit(&path, &[("action", "allow")]).await;
    let url: Url = answer.header("location").parse().unwrap();
    assert!(!parameter(&url, "code").is_empty(), "{url}");
    assert_eq!(parameter(&url, "state"), "the-state");
}

#[tokio::test]
async fn an_answer_of_the_provider_is_for_the_browser_that_was_sent_there() {
    let (app, provider) = app().await;
    provider.has_somebody(provider.claims(&app, "1", "mallory@example.com"));
    let client = public_client(&app).await;
    let (mallory, victim) = (Browser::new(&app), Browser::new(&app));
    let path = mallory.begin(&client, &[]).await;
    let back = leave(&mallory, &provider, &path).await;
    // The victim is known here, and would be signed in as Mallory.
    victim.begin(&client, &[]).await;
    for browser in [&victim, &Browser::new(&app)] {
        let answer = browser.get(&back).await;
        assert_eq!(answer.status, 404, "{}", answer.text());
        assert_eq!(browser.cookie("countersign_session"), None);
    }
    assert_eq!(provider.calls("token"), 0);
    // Nor with a state that was made for another purpose, provider, authorization or trip.
    for (from, to) in [
        (".sign-in.", ".link."),
        ("/work?", "/other?"),
        ("state=", "state=0"),
        ("state=", "x="),
    ] {
        let answer = mallory.get(&back.replace(from, to)).await;
        assert_eq!(answer.status, 404, "{to}");
    }
    assert_eq!(provider.calls("token"), 0);
    assert_eq!(mallory.get(&back).await.status, 303);
    assert!(mallory.cookie("countersign_session").is_some());
}

#[tokio::test]
async fn another_sites_form_sends_nobody_to_a_provider() {
    let (app, provider) = app().await;
    let (browser, client) = (Browser::new(&app), public_client(&app).await);
    let path = browser.begin(&client, &[]).await;
    let tag = tag(&browser.get(&path).await.text());
    let form = [("provider", "work"), ("tag", tag.as_str())];
    let call = app
        .post(&path)
        .header("sec-fetch-site", "cross-site")
        .form(&form);
    assert_eq!(browser.call(call).await.status, 403);
    let answer = browser.post(&path, &[("provider", "work")]).await;
    assert_eq!(answer.header("location"), path);
    assert_eq!(provider.calls("metadata"), 0);
}

#[tokio::test]
async fn what_goes_wrong_at_the_provider_is_said_on_the_page() {
    let (app, provider) = app().await;
    let (browser, client) = (Browser::new(&app), public_client(&app).await);
    let path = browser.begin(&client, &[]).await;
    let back = leave(&browser, &provider, &path).await;
    // They changed their mind.
    let answer = browser
        .get(&back.replace("code=good", "error=access_denied"))
        .await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, path.as_str())
    );
    for (wrong, said) in [
        ("error=server_error", "does not answer"),
        ("error=login_required", "did not confirm who you are"),
        ("code=bad", "did not confirm who you are"),
    ] {
        let answer = browser.get(&back.replace("code=good", wrong)).await;
        let page = browser.get(answer.header("location")).await;
        assert_eq!(page.status, 200);
        assert!(
            page.text().contains(&format!("The work\u{2069} {said}")),
            "{}",
            page.text()
        );
    }
    provider.breaks(500, json!({}));
    let answer = browser.get(&back).await;
    let page = browser.get(answer.header("location")).await.text();
    assert!(page.contains("The work\u{2069} does not answer"), "{page}");
    // Nobody is told anything by an address that somebody has made up.
    for query in [
        "provider=other&reason=INTERNAL",
        "provider=work&reason=x",
        "provider=work",
    ] {
        let page = browser.get(&format!("{path}?{query}")).await.text();
        assert!(!page.contains("role=\"alert\""), "{query}: {page}");
    }
    for nobody in ["other", "work\r\nx", "work?a=b"] {
        let answer = browser.submit(&path, &[("provider", nobody)]).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, path.as_str())
        );
    }
}

#[tokio::test]
async fn whoever_has_an_account_already_links_the_identity_by_its_password() {
    let (app, provider) = app().await;
    let ann = app.sign_up("ann").await;
    provider.has_somebody(provider.claims(&app, "1", &ann.email));
    let (browser, client) = (Browser::new(&app), public_client(&app).await);
    let path = browser.begin(&client, &[]).await;
    let back = leave(&browser, &provider, &path).await;
    let page = browser.get(&back).await.header("location").to_owned();
    assert!(page.starts_with(&path));
    let text = browser.get(&page).await.text();
    assert!(
        text.contains("The work\u{2069} is connected to it"),
        "{text}"
    );
    assert_eq!(browser.cookie("countersign_session"), None);

    let fields = |password| {
        [
            ("action", "sign-in"),
            ("email", ann.email.as_str()),
            ("password", password),
        ]
    };
    let wrong = browser.submit(&page, &fields("a wrong password")).await;
    assert_eq!(wrong.status, 401);
    let answer = browser.submit(&page, &fields(PASSWORD)).await;
    let back = way_back(&provider, &answer);
    // Whoever else signs in in this browser links nothing.
    let other = Browser::new(&app);
    assert_eq!(other.get(&back).await.status, 404);
    let answer = browser.get(&back).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, path.as_str())
    );

    let again = Browser::new(&app);
    let path = again.begin(&client, &[]).await;
    let back = leave(&again, &provider, &path).await;
    assert_eq!(again.get(&back).await.header("location"), path);
    let page = again.get(&path).await.text();
    assert!(page.contains(&ann.email), "{page}");
}

#[tokio::test]
async fn the_identity_of_somebody_else_is_not_linked_by_chance() {
    let (app, provider) = app().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    provider.has_somebody(provider.claims(&app, "1", &ann.email));
    let (browser, client) = (Browser::new(&app), public_client(&app).await);
    let path = browser.begin(&client, &[]).await;
    let back = leave(&browser, &provider, &path).await;
    // Ann has left this page behind, and is still signed in at the provider; Bob signs in on it.
    let page = browser.get(&back).await.header("location").to_owned();
    let fields = [
        ("action", "sign-in"),
        ("email", bob.email.as_str()),
        ("password", PASSWORD),
    ];
    let back = way_back(&provider, &browser.submit(&page, &fields).await);
    let answer = browser.get(&back).await;
    let page = browser.get(answer.header("location")).await.text();
    assert!(page.contains("did not confirm who you are"), "{page}");
    let other = Browser::new(&app);
    let path = other.begin(&client, &[]).await;
    let back = leave(&other, &provider, &path).await;
    assert!(
        other
            .get(&back)
            .await
            .header("location")
            .contains("EMAIL_ALREADY_EXISTS")
    );
}

#[tokio::test]
async fn a_link_is_for_whoever_began_it() {
    let (app, provider) = app().await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    provider.has_somebody(provider.claims(&app, "1", &ann.email));
    let (browser, client) = (Browser::new(&app), public_client(&app).await);
    let path = browser.begin(&client, &[]).await;
    let back = leave(&browser, &provider, &path).await;
    let page = browser.get(&back).await.header("location").to_owned();
    let fields = [
        ("action", "sign-in"),
        ("email", ann.email.as_str()),
        ("password", PASSWORD),
    ];
    let back = way_back(&provider, &browser.submit(&page, &fields).await);
    // Ann signs out, and Bob in.
    browser.submit(&path, &[("action", "sign-out")]).await;
    browser.sign_in(&path, &bob.email).await;
    assert_eq!(browser.get(&back).await.status, 404);
}

/// An ID token that somebody got in another browser, or by another visit, signs nobody in here.
#[tokio::test]
async fn an_id_token_is_for_the_visit_that_asked_for_it() {
    let (app, provider) = app().await;
    let client = public_client(&app).await;
    let other = Browser::new(&app);
    let path = other.begin(&client, &[]).await;
    let asked = other.submit(&path, &[("provider", "work")]).await;
    let nonce = provider.is_asked(asked.header("location"))["nonce"].clone();
    assert!(nonce.len() >= 16, "{nonce}");
    let browser = Browser::new(&app);
    let path = browser.begin(&client, &[]).await;
    for wrong in [json!(nonce), json!(""), json!(null)] {
        let mut somebody = provider.claims(&app, "1", "mallory@example.com");
        somebody["nonce"] = wrong.clone();
        provider.has_somebody(somebody);
        let back = leave(&browser, &provider, &path).await;
        let answer = browser.get(&back).await;
        let page = browser.get(answer.header("location")).await.text();
        assert!(
            page.contains("did not confirm who you are"),
            "{wrong}: {page}"
        );
        assert_eq!(browser.cookie("countersign_session"), None);
    }
    provider.has_somebody(provider.claims(&app, "1", "ann@example.com"));
    let back = leave(&browser, &provider, &path).await;
    assert_eq!(browser.get(&back).await.header("location"), path);
    assert!(browser.cookie("countersign_session").is_some());
}

/// Some providers have no metadata: all that is asked for is where the settings say.
#[tokio::test]
async fn every_endpoint_of_a_provider_can_be_stated() {
    let provider = Provider::start().await;
    let app = TestApp::with(|config| {
        provider.set_up(config, ProviderKind::Oidc, "work");
        let stated = &mut config.federation.providers.0[0];
        let at = |path: &str| format!("{}{path}", stated.issuer);
        let [authorize, token, keys, user_info] =
            ["/authorize", "/token", "/keys", "/userinfo"].map(at);
        stated.authorization_endpoint = authorize;
        stated.token_endpoint = token;
        stated.jwks_uri = keys;
        stated.userinfo_endpoint = user_info;
    })
    .await;
    let mut somebody = provider.claims(&app, "1", "ann@example.com");
    somebody.as_object_mut().unwrap().remove("email");
    somebody["userinfo"] = json!({"sub": "1", "email": "ann@example.com", "email_verified": true});
    provider.has_somebody(somebody);
    let (browser, client) = (Browser::new(&app), public_client(&app).await);
    let path = browser.begin(&client, &[]).await;
    let back = leave(&browser, &provider, &path).await;
    assert_eq!(browser.get(&back).await.header("location"), path);
    assert!(browser.get(&path).await.text().contains("ann@example.com"));
    assert_eq!(
        (provider.calls("metadata"), provider.calls("userinfo")),
        (0, 1)
    );
}
