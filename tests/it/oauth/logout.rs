//! Signing out, as a client asks for it (OpenID Connect RP-Initiated Logout 1.0) and as a person says yes.

use regex::Regex;

use super::{
    openid::id_token,
    pages::{Browser, is_page, location, person, tag},
    *,
};
use crate::support::ISSUER;

const LOGOUT: &str = "/oauth/logout";
pub(super) const AFTERWARDS: &str = "https://app.example.com/bye?from=us";
const SESSION: &str = "countersign_session";

pub(super) async fn client(app: &TestApp) -> Client {
    let metadata = json!({
        "client_name": "Cursor",
        "redirect_uris": [CALLBACK],
        "post_logout_redirect_uris": [AFTERWARDS, "http://127.0.0.1/bye"],
    });
    register(app, metadata).await
}

fn query(path: &str, parameters: &[(&str, &str)]) -> String {
    let query = serde_urlencoded::to_string(parameters).unwrap();
    format!("{path}?{query}")
}

/// A browser in which this person is signed in, and the token of their session.
pub(super) async fn signed_in<'a>(
    app: &'a TestApp,
    client: &Client,
    email: &str,
) -> (Browser<'a>, String) {
    let browser = Browser::new(app);
    let path = browser.begin(client, &[]).await;
    browser.sign_in(&path, email).await;
    let session = browser.cookie(SESSION).unwrap();
    (browser, session)
}

/// Follows a log-out request to the page that asks, and gives its path.
pub(super) async fn asked(browser: &Browser<'_>, parameters: &[(&str, &str)]) -> String {
    let answer = browser.get(&query(LOGOUT, parameters)).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    let path = answer.header("location").to_owned();
    assert!(path.starts_with("/sign-out"), "{path}");
    path
}

#[tokio::test]
async fn somebody_says_yes_is_signed_out_and_sent_back() {
    let app = app().await;
    let (client, email) = (client(&app).await, person(&app).await);
    let (browser, session) = signed_in(&app, &client, &email).await;
    let code = code(&app, &session, client.request()).await;
    let program = token(&app, &client.exchange(&code)).await.json();
    let path = asked(
        &browser,
        &[
            ("client_id", &client.id),
            ("post_logout_redirect_uri", AFTERWARDS),
            ("state", "a b&c"),
        ],
    )
    .await;
    let page = browser.get(&path).await;
    assert_eq!((page.status, page.header("set-cookie")), (200, ""));
    for told in [
        "Sign out of",
        "Cursor",
        "app.example.com",
        &email,
        "Apps that you have connected stay connected.",
    ] {
        assert!(page.text().contains(told), "{told}: {}", page.text());
    }
    assert!(page.body.len() < 30_000);
    // No link has signed anybody out.
    assert!(app.opens(&session).await);

    let answer = browser.submit(&path, &[("action", "sign-out")]).await;
    assert_eq!(
        location(&answer).as_str(),
        format!("{AFTERWARDS}&state=a+b%26c")
    );
    assert!(answer.header("set-cookie").contains("; HttpOnly;"));
    assert_eq!(browser.cookie(SESSION), None);
    assert!(!app.opens(&session).await);
    assert!(opens(&app, &program["access_token"]).await);
}

#[tokio::test]
async fn somebody_signs_out_without_a_client() {
    let app = app().await;
    let (client, email) = (client(&app).await, person(&app).await);
    let (browser, session) = signed_in(&app, &client, &email).await;
    assert_eq!(asked(&browser, &[]).await, "/sign-out");
    let answer = browser.submit("/sign-out", &[]).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, "/sign-out")
    );
    assert!(!app.opens(&session).await);
    let page = browser.get("/sign-out").await;
    assert!(page.text().contains("You are signed out"));
    assert!(!page.text().contains("<form"));
}

#[tokio::test]
async fn another_sites_form_signs_nobody_out() {
    let app = app().await;
    let (client, email) = (client(&app).await, person(&app).await);
    let (browser, session) = signed_in(&app, &client, &email).await;
    let tag = tag(&browser.get("/sign-out").await.text());
    let same_origin = ("sec-fetch-site", "same-origin");
    for (why, (name, value), shown, answered) in [
        ("no tag", same_origin, "", (303, "/sign-out")),
        ("another tag", same_origin, "x", (303, "/sign-out")),
        (
            "another site",
            ("sec-fetch-site", "cross-site"),
            &tag,
            (403, ""),
        ),
        (
            "a sibling",
            ("sec-fetch-site", "same-site"),
            &tag,
            (403, ""),
        ),
        (
            "another origin",
            ("origin", "https://evil.example"),
            &tag,
            (403, ""),
        ),
        ("nowhere", ("origin", "null"), &tag, (403, "")),
    ] {
        let form = [("action", "sign-out"), ("tag", shown)];
        let call = app.post("/sign-out").form(&form).header(name, value);
        let answer = browser.call(call).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            answered,
            "{why}"
        );
        assert!(app.opens(&session).await, "{why}");
    }
    // The tag of one browser is none in another one of the same person.
    let (other, there) = signed_in(&app, &client, &email).await;
    other.post("/sign-out", &[("tag", &tag)]).await;
    assert!(app.opens(&there).await);
    let call = app.post("/sign-out").header("origin", ISSUER);
    browser.call(call.form(&[("tag", &tag)])).await;
    assert!(!app.opens(&session).await);
}

#[tokio::test]
async fn a_form_is_for_whoever_was_signed_in_when_it_was_shown() {
    let app = app().await;
    let (client, email) = (client(&app).await, person(&app).await);
    app.sign_up("eve").await;
    let (browser, _) = signed_in(&app, &client, &email).await;
    let shown_to_ada = tag(&browser.get("/sign-out").await.text());
    let path = browser.begin(&client, &[("prompt", "login")]).await;
    browser.sign_in(&path, "eve@example.com").await;
    let hers = browser.cookie(SESSION).unwrap();
    browser.post("/sign-out", &[("tag", &shown_to_ada)]).await;
    assert!(app.opens(&hers).await);
    assert!(
        browser
            .get("/sign-out")
            .await
            .text()
            .contains("eve@example.com")
    );
}

#[tokio::test]
async fn whom_an_id_token_names_is_signed_out_at_once() {
    let app = app().await;
    let (client, email) = (client(&app).await, person(&app).await);
    let (browser, session) = signed_in(&app, &client, &email).await;
    let hint = id_token(&app, &client, &session).await;
    // Long after it has expired.
    app.clock.advance(std::time::Duration::from_secs(24 * 3600));
    let parameters = [
        ("id_token_hint", hint.as_str()),
        ("post_logout_redirect_uri", AFTERWARDS),
    ];

    // Somebody else is asked, under an address that does not say who was meant.
    app.sign_up("eve").await;
    let (other, hers) = signed_in(&app, &client, "eve@example.com").await;
    let path = asked(&other, &parameters).await;
    assert!(!path.contains("id_token_hint"), "{path}");
    assert!(other.get(&path).await.text().contains("eve@example.com"));
    assert!(app.opens(&hers).await);

    let answer = browser.get(&query(LOGOUT, &parameters)).await;
    assert_eq!(location(&answer).as_str(), AFTERWARDS);
    assert!(!app.opens(&session).await);
    assert_eq!(browser.cookie(SESSION), None);
}

/// Anybody can register a client and have an ID token of their own: this server sends no stranger on.
#[tokio::test]
async fn whoever_is_not_signed_in_sees_where_it_goes() {
    let app = app().await;
    let (client, email) = (client(&app).await, person(&app).await);
    let (browser, session) = signed_in(&app, &client, &email).await;
    let hint = id_token(&app, &client, &session).await;
    let ended = app.delete("/v1/sessions/current").bearer(&session).send();
    assert_eq!(ended.await.status, 200);
    let stranger = Browser::new(&app);
    for (who, browser) in [("stranger", &stranger), ("ended", &browser)] {
        for named in [
            ("client_id", client.id.as_str()),
            ("id_token_hint", hint.as_str()),
        ] {
            let path = asked(browser, &[named, ("post_logout_redirect_uri", AFTERWARDS)]).await;
            let page = browser.get(&path).await;
            assert_eq!(page.status, 200, "{who}");
            for told in [
                "You are signed out",
                "app.example.com",
                "href=\"https://app.example.com/bye",
            ] {
                assert!(page.text().contains(told), "{who}: {told}");
            }
        }
    }
}

#[tokio::test]
async fn a_wrong_request_sends_nobody_anywhere_and_signs_nobody_out() {
    let app = app().await;
    let (client, email) = (client(&app).await, person(&app).await);
    let other = public_client(&app).await;
    let (browser, session) = signed_in(&app, &client, &email).await;
    let hint = id_token(&app, &client, &session).await;
    let (input, signature) = hint.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    let forged = format!("{input}.{first}{}", &signature[1..]);
    let afterwards = ("post_logout_redirect_uri", AFTERWARDS);
    let id = ("client_id", client.id.as_str());
    let unknown = "mkc_00000000000000000000000000000000";
    for (why, status, parameters) in [
        (
            "an unknown client",
            404,
            &[("client_id", unknown), afterwards][..],
        ),
        ("no client", 400, &[afterwards]),
        (
            "another client's URI",
            400,
            &[("client_id", &other.id), afterwards],
        ),
        (
            "a URI for codes",
            400,
            &[id, ("post_logout_redirect_uri", CALLBACK)],
        ),
        (
            "more behind it",
            400,
            &[
                id,
                (
                    "post_logout_redirect_uri",
                    "https://app.example.com/bye?from=us2",
                ),
            ],
        ),
        (
            "a stranger's URI",
            400,
            &[id, ("post_logout_redirect_uri", "https://evil.example/")],
        ),
        (
            "an access token",
            400,
            &[("id_token_hint", &session), afterwards],
        ),
        ("text", 400, &[("id_token_hint", "x"), id, afterwards]),
        (
            "a forged ID token",
            400,
            &[("id_token_hint", &forged), id, afterwards],
        ),
        (
            "another client's ID token",
            400,
            &[("id_token_hint", &hint), ("client_id", &other.id)],
        ),
        ("a parameter twice", 400, &[id, id]),
    ] {
        for path in [LOGOUT, "/sign-out"] {
            let answer = browser.get(&query(path, parameters)).await;
            assert_eq!(answer.status, status, "{why}: {}", answer.text());
            assert!(is_page(&answer), "{why}");
            assert!(!answer.text().contains("evil.example"), "{why}");
        }
    }
    assert!(app.opens(&session).await);
    let call = app.get(&query(LOGOUT, &[afterwards])).send().await;
    assert_error(&call, 400, "invalid_request");
}

#[tokio::test]
async fn a_form_asks_as_a_query_does_and_languages_keep_it() {
    let app = app().await;
    let client = client(&app).await;
    let form = [
        ("client_id", client.id.as_str()),
        ("post_logout_redirect_uri", "http://127.0.0.1:4711/bye"),
        ("ui_locales", "de"),
    ];
    let call = app.post(LOGOUT).form(&form);
    let answer = call.header("sec-fetch-site", "cross-site").send().await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, query(LOGOUT, &form).as_str())
    );
    let browser = Browser::new(&app);
    let path = asked(&browser, &form).await;
    let page = browser.get(&path).await.text();
    assert!(page.contains("Sie sind abgemeldet") && page.contains("127.0.0.1:4711"));
    let link = Regex::new(r#"href="\?([^"]*)" lang="es""#).unwrap();
    let link = link.captures(&page).unwrap()[1].replace("&#38;", "&");
    let page = browser.get(&format!("/sign-out?{link}")).await.text();
    assert!(page.contains("La sesión está cerrada") && page.contains("127.0.0.1:4711"));
}

/// Whoever reads that they are signed out must be.
#[tokio::test]
async fn a_session_that_cannot_be_ended_is_not_said_to_be_over() {
    let app = app().await;
    let (client, email) = (client(&app).await, person(&app).await);
    let (browser, _) = signed_in(&app, &client, &email).await;
    let tag = tag(&browser.get("/sign-out").await.text());
    app.parts.store.close().await;
    let answer = browser.post("/sign-out", &[("tag", &tag)]).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(is_page(&answer) && browser.cookie(SESSION).is_some());
}

#[tokio::test]
async fn what_is_registered_for_it_is_held_to_the_rules_of_redirect_uris() {
    let app = app().await;
    let good = json!([AFTERWARDS, "com.example.app:/bye", "http://localhost/bye"]);
    let metadata =
        |uris: &Value| json!({"redirect_uris": [CALLBACK], "post_logout_redirect_uris": uris});
    let made = app.post_json("/oauth/register", metadata(&good)).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    assert_eq!(made["post_logout_redirect_uris"], good);
    let id = made["client_id"].as_str().unwrap();
    let token = made["registration_access_token"].as_str().unwrap();
    let read = manage(&app, Method::GET, id, token, None).await.json();
    assert_eq!(read["post_logout_redirect_uris"], good);
    for bad in [
        "http://evil.example/",
        "javascript:alert(1)",
        "https://a/#b",
        "",
    ] {
        let refused = app
            .post_json("/oauth/register", metadata(&json!([bad])))
            .await;
        assert_error(&refused, 400, "invalid_client_metadata");
        assert!(refused.text().contains("post_logout_redirect_uris[0]"));
    }
    let many = vec![AFTERWARDS; 21];
    let refused = app
        .post_json("/oauth/register", metadata(&json!(many)))
        .await;
    assert_error(&refused, 400, "invalid_client_metadata");
}
