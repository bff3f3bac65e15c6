//! What somebody is told before they let a client in: anybody may call themselves anything, and only hosts are known.

use super::{
    documents::Host,
    pages::{Browser, person},
    *,
};

/// The page of an authorization of this client that leads to this URI.
async fn page(browser: &Browser<'_>, client: &Client, redirect_uri: &str) -> TestResponse {
    let request = client.request_with(json!({"redirect_uri": redirect_uri}));
    let query = serde_urlencoded::to_string(request).unwrap();
    let begun = browser.get(&format!("/oauth/authorize?{query}")).await;
    assert_eq!(begun.status, 303, "{}", begun.text());
    browser.get(begun.header("location")).await
}

/// A browser in which somebody has signed in.
async fn signed_in(app: &TestApp) -> Browser<'_> {
    let (client, email) = (public_client(app).await, person(app).await);
    let browser = Browser::new(app);
    let path = browser.begin(&client, &[]).await;
    browser.sign_in(&path, &email).await;
    browser
}

#[tokio::test]
async fn the_client_of_a_document_is_shown_with_the_host_of_it() {
    let app = app().await;
    let (host, browser) = (Host::start().await, signed_in(&app).await);
    let client = host.client();
    let page = page(&browser, &client, CALLBACK).await.text();
    let url = Url::parse(&client.id).unwrap();
    for told in [url.authority(), "app.example.com"] {
        assert!(page.contains(&format!("<bdi>{told}</bdi>")), "{told}");
    }
}

/// A host that begins like a name of this machine is somebody else's.
#[tokio::test]
async fn only_this_machine_is_called_so() {
    let app = app().await;
    let browser = signed_in(&app).await;
    for (uri, told) in [
        ("http://localhost:8123/cb", "this device (localhost:8123)"),
        ("http://127.0.0.1:8123/cb", "this device (127.0.0.1:8123)"),
        ("http://[::1]/cb", "this device ([::1])"),
        ("https://localhost/cb", "this device (localhost)"),
        (
            "cursor://a.example/cb",
            "a program on this device (cursor:)",
        ),
        ("https://localhost.a.example/cb", "localhost.a.example"),
        ("https://127.0.0.1.a.example/cb", "127.0.0.1.a.example"),
        ("https://a.example:8443/localhost", "a.example:8443"),
    ] {
        let client = register(&app, json!({"redirect_uris": [uri]})).await;
        let page = page(&browser, &client, uri).await.text();
        // Fluent keeps the direction of what it puts into a message apart.
        let page = page.replace(['\u{2068}', '\u{2069}'], "");
        assert!(page.contains(&format!("<bdi>{told}</bdi>")), "{uri}");
    }
}

/// Whatever runs on this machine may take the name of a client that somebody has allowed once (RFC 8252 section 8.6).
#[tokio::test]
async fn a_client_on_this_machine_is_asked_about_every_time() {
    let app = app().await;
    let browser = signed_in(&app).await;
    for (uri, again) in [
        ("http://localhost:8123/cb", 200),
        ("https://localhost/cb", 200),
        ("https://127.0.0.1/cb", 200),
        ("cursor://a.example/cb", 200),
        ("https://localhost.a.example/cb", 303),
        (CALLBACK, 303),
    ] {
        let client = register(&app, json!({"redirect_uris": [uri]})).await;
        let request = || client.request_with(json!({"redirect_uri": uri}));
        let session = browser.cookie("countersign_session").unwrap();
        approve(&app, &session, &start(&app, request()).await).await;
        assert_eq!(page(&browser, &client, uri).await.status, again, "{uri}");
    }
}
