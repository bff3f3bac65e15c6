//! The cookies of the pages, over https.

use std::collections::BTreeSet;

use countersign::config::{OAuthClient, OAuthClients};

use super::{
    pages::{Browser, address, tag},
    *,
};
use crate::support::PASSWORD;

/// A server with a public name, and a client that may send people there.
async fn app() -> (TestApp, Client) {
    let app = TestApp::at("https://id.example.com", |config| {
        config.oauth.clients = OAuthClients(vec![OAuthClient {
            id: "app".to_owned(),
            redirect_uris: vec![CALLBACK.to_owned()],
            ..OAuthClient::default()
        }]);
    });
    let client = Client {
        id: "app".to_owned(),
        secret: String::new(),
        registration_token: String::new(),
    };
    (app.await, client)
}

/// Makes an account in this browser.
async fn register(browser: &Browser<'_>, path: &str) -> TestResponse {
    let fields = [
        ("action", "register"),
        ("email", "ada@example.com"),
        ("password", PASSWORD),
    ];
    let answer = browser.submit(path, &fields).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    answer
}

/// No page of another host can set cookies of these names, no plain HTTP carries them, and no script reads them.
#[tokio::test]
async fn every_cookie_is_bound_to_the_host() {
    let (app, client) = app().await;
    let browser = Browser::over_https(&app);
    let begun = browser.get(&address(&client, &[])).await;
    let path = begun.header("location");
    let signed_in = register(&browser, path).await;
    let consent = browser.get(&format!("{path}?ui_locales=de")).await;
    assert!(consent.text().contains("ada@example.com"));
    let mut names = BTreeSet::new();
    for cookie in [&begun, &signed_in, &consent]
        .into_iter()
        .flat_map(|answer| answer.headers.get_all("set-cookie"))
    {
        let cookie = cookie.to_str().unwrap();
        assert!(
            cookie.ends_with("; HttpOnly; SameSite=Lax; Secure") && cookie.contains("; Path=/;"),
            "{cookie}"
        );
        names.insert(cookie.split_once('=').unwrap().0);
    }
    let expected = ["browser", "language", "session"];
    let expected = expected.map(|name| format!("__Host-countersign_{name}"));
    assert!(names.iter().eq(&expected), "{names:?}");
}

/// A page of a sibling host can set those, and sign somebody in as somebody else.
#[tokio::test]
async fn cookies_that_are_not_bound_to_the_host_are_nobodys() {
    let (app, client) = app().await;
    let browser = Browser::over_https(&app);
    let path = browser.begin(&client, &[]).await;
    register(&browser, &path).await;
    let [known, session] = ["browser", "session"].map(|name| {
        let name = format!("countersign_{name}");
        let value = browser.cookie(&format!("__Host-{name}")).unwrap();
        format!("{name}={value}")
    });
    let shown = async |cookies: String| {
        let call = app.get(&path).header("cookie", &cookies);
        Browser::over_https(&app).call(call).await
    };
    let page = shown(format!("__Host-{known}; __Host-{session}")).await;
    assert!(page.text().contains("ada@example.com"));
    let page = shown(format!("__Host-{known}; {session}")).await;
    assert_eq!(page.status, 200);
    assert!(!page.text().contains("ada@example.com") && !tag(&page.text()).is_empty());
    let page = shown(format!("{known}; __Host-{session}")).await;
    assert_eq!(page.status, 404);
}
