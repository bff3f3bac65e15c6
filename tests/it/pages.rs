//! The hosted pages, as browsers get them, and what other clients get at their addresses.

mod api_reference;
mod brand;

use std::{collections::BTreeSet, fs, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::Method;
use regex::Regex;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::support::{Call, ISSUER, TestApp, TestResponse};

/// What Chromium says when somebody opens an address.
const BROWSER: &str =
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";
const NOWHERE: &str = "/no/such/page";
const LANGUAGES: [&str; 4] = ["en", "de", "es", "ar"];

impl Call<'_> {
    async fn by_browser(self) -> TestResponse {
        self.header("accept", BROWSER).send().await
    }
}

impl TestApp {
    async fn page(&self, path: &str, language: &str) -> TestResponse {
        let call = self.get(path).header("accept-language", language);
        call.by_browser().await
    }
}

fn is_html(answer: &TestResponse) -> bool {
    answer.header("content-type") == "text/html; charset=utf-8"
}

/// The text between the tags, but for the style and for what is typed into a terminal.
fn texts(html: &str) -> BTreeSet<String> {
    let code = Regex::new("(?s)<(style|pre)[ >].*?</(style|pre)>").unwrap();
    let html = code.replace_all(html, "");
    let named = Regex::new(r#"(?:alt|aria-label|title)="([^"]*)""#).unwrap();
    let attributes = named.captures_iter(&html).map(|found| found[1].to_owned());
    let tags = Regex::new("(?s)<[^>]*>").unwrap();
    let between = tags.split(&html).map(ToOwned::to_owned);
    attributes
        .chain(between)
        .flat_map(|text| {
            // A variable stands between these, and the name of the brand after the dot.
            let variable = Regex::new("\u{2068}[^\u{2069}]*\u{2069}| · Countersign").unwrap();
            let parts = variable.split(&text).map(|part| part.trim().to_owned());
            parts.collect::<Vec<_>>()
        })
        .filter(|text| !text.is_empty() && text != "Countersign")
        .collect()
}

#[tokio::test]
async fn a_browser_is_told_what_runs_here() {
    let app = TestApp::start().await;
    let page = app.get("/").by_browser().await;
    assert_eq!((page.status(), is_html(&page)), (200, true));
    let text = page.text();
    assert!(
        text.contains("<h1>An identity service runs here</h1>"),
        "{text}"
    );
    for told in [
        format!("{ISSUER}/v1/accounts</pre>"),
        format!("{ISSUER}/v1/sessions</pre>"),
        format!("{ISSUER}/oauth/register</pre>"),
        format!("href=\"{ISSUER}/docs/OAUTH.md\""),
        format!("href=\"{ISSUER}/.well-known/openid-configuration\""),
        "countersign admin grant ada@example.com".to_owned(),
        format!("<a class=\"button\" href=\"{ISSUER}/docs\">"),
        format!("href=\"{ISSUER}/openapi.json\""),
    ] {
        assert!(text.contains(&told), "{told}");
    }
    // Nothing tells the version.
    assert!(!text.contains(env!("CARGO_PKG_VERSION")), "{text}");
}

#[tokio::test]
async fn what_the_start_page_links_to_is_there() {
    let app = TestApp::start().await;
    let page = app.get("/").by_browser().await.text();
    let links = Regex::new(&format!("<a [^>]*href=\"{ISSUER}([^\"]*)\"")).unwrap();
    let links: Vec<_> = links
        .captures_iter(&page)
        .map(|link| link[1].to_owned())
        .collect();
    assert!(links.len() >= 3, "{links:?}");
    for link in links {
        assert_eq!(app.get(&link).by_browser().await.status(), 200, "{link}");
    }
}

#[tokio::test]
async fn a_command_that_is_copied_as_it_is_makes_no_account_that_everybody_knows() {
    let app = TestApp::start().await;
    let page = app.get("/").by_browser().await.text();
    let body = Regex::new(r"-d '(\{[^']*\})'[^']*/v1/accounts<").unwrap();
    let body = serde_json::from_str(&body.captures(&page).unwrap()[1]).unwrap();
    let made = app.post_json("/v1/accounts", body).await;
    assert_eq!(made.status(), 400);
    let violation = &made.json()["details"][1]["fieldViolations"][0];
    assert_eq!(violation["field"], "password");
}

#[tokio::test]
async fn a_program_gets_addresses() {
    let app = TestApp::start().await;
    for accept in ["*/*", "application/json", ""] {
        let answer = app.get("/").header("accept", accept).send().await;
        assert_eq!(answer.status(), 200);
        let expected = json!({
            "issuer": ISSUER,
            "openid_configuration": format!("{ISSUER}/.well-known/openid-configuration"),
            "registration_endpoint": format!("{ISSUER}/oauth/register"),
            "jwks_uri": format!("{ISSUER}/.well-known/jwks.json"),
            "openapi": format!("{ISSUER}/openapi.json"),
            "health": format!("{ISSUER}/readyz"),
            "service_documentation": format!("{ISSUER}/docs"),
        });
        assert_eq!(answer.json(), expected, "{accept}");
        assert_eq!(answer.header("vary"), "accept");
    }
    for path in ["/.well-known/jwks.json", "/openapi.json", "/readyz"] {
        assert_eq!(app.get(path).send().await.status(), 200, "{path}");
    }
}

#[tokio::test]
async fn only_reading_is_allowed() {
    let app = TestApp::start().await;
    let head = app.call(Method::HEAD, "/").by_browser().await;
    assert_eq!((head.status(), head.text().as_str()), (200, ""));
    assert!(is_html(&head));
    let post = app.post("/").by_browser().await;
    assert_eq!((post.status(), post.header("allow")), (405, "GET,HEAD"));
}

#[tokio::test]
async fn a_page_lets_a_browser_do_nothing_but_show_it() {
    let app = TestApp::start().await;
    for path in ["/", NOWHERE] {
        let page = app.get(path).by_browser().await;
        let text = page.text();
        let style = text.split("<style>").nth(1).unwrap();
        let style = style.split("</style>").next().unwrap();
        let hash = STANDARD.encode(Sha256::digest(style));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; script-src 'self'; img-src 'self' data:; \
             connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"
        );
        for (name, value) in [
            ("content-security-policy", policy.as_str()),
            // A client's pop-up window must still know who opened it.
            ("cross-origin-opener-policy", ""),
            ("x-content-type-options", "nosniff"),
            (
                "referrer-policy",
                // A page of ours has forms; an error has none.
                if path == "/" {
                    "same-origin"
                } else {
                    "no-referrer"
                },
            ),
            ("cache-control", "no-store"),
            ("vary", "accept, accept-language, cookie"),
        ] {
            assert_eq!(page.header(name), value, "{path}: {name}");
            let lines = page.headers.get_all(name).iter().count();
            assert_eq!(lines, usize::from(!value.is_empty()), "{path}: {name}");
        }
        // The policy would stop either.
        assert!(
            !text.contains(" style=") && !text.contains("<script"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_page_speaks_the_language_of_its_reader() {
    let app = TestApp::start().await;
    for path in ["/", NOWHERE] {
        for (query, accepted, tag, direction) in [
            ("", "de-AT,de;q=0.9,en;q=0.8", "de", "ltr"),
            ("", "fr", "en", "ltr"),
            ("", "ar-EG", "ar", "rtl"),
            ("?ui_locales=ar", "de", "ar", "rtl"),
            ("?ui_locales=fr%20es-MX", "de", "es", "ltr"),
        ] {
            let page = app.page(&format!("{path}{query}"), accepted).await;
            let html = format!("<html lang=\"{tag}\" dir=\"{direction}\">");
            assert!(page.text().contains(&html), "{path}{query} {accepted}");
        }
    }
    let home = app.page("/?ui_locales=de", "en").await.text();
    assert!(home.contains("href=\"?ui_locales=es\" lang=\"es\" hreflang=\"es\""));
    assert!(home.contains("lang=\"de\" hreflang=\"de\" aria-current=\"true\""));
}

#[tokio::test]
async fn every_text_of_a_page_is_in_the_catalogue() {
    let app = TestApp::start().await;
    let locales = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pages/locales");
    let catalogue = |tag| fs::read_to_string(locales.join(format!("{tag}.ftl"))).unwrap();
    for path in ["/", NOWHERE, "/docs"] {
        for tag in LANGUAGES {
            let page = app.page(path, tag).await.text();
            let mut known = catalogue(tag);
            // Each language is called by its own name.
            let names = LANGUAGES.map(|tag| {
                catalogue(tag)
                    .lines()
                    .find(|l| l.starts_with("language-name"))
                    .unwrap()
                    .to_owned()
            });
            known += &names.join("\n");
            let texts = texts(&page);
            assert!(texts.len() >= 3, "{texts:?}");
            for text in texts {
                assert!(known.contains(&text), "{path} in {tag}: {text}");
            }
        }
    }
}

#[tokio::test]
async fn where_nothing_is_a_browser_is_shown_the_way() {
    let app = TestApp::start().await;
    for method in [Method::GET, Method::POST] {
        let page = app.call(method, NOWHERE).by_browser().await;
        assert_eq!((page.status(), is_html(&page)), (404, true));
        let (text, id) = (page.text(), page.header("x-request-id"));
        assert!(text.contains(&format!("<a class=\"button\" href=\"{ISSUER}/\">")));
        assert!(!id.is_empty() && text.contains(id), "{text}");
        assert!(
            !text.contains(NOWHERE),
            "what somebody made up is not repeated"
        );
    }
    let head = app.call(Method::HEAD, NOWHERE).by_browser().await;
    let length = app.get(NOWHERE).by_browser().await.body.len().to_string();
    assert_eq!((head.status(), head.text().as_str()), (404, ""));
    assert_eq!(head.header("content-length"), length);
}

#[tokio::test]
async fn other_clients_and_other_errors_get_no_page() {
    let app = TestApp::start().await;
    let as_program = app
        .get(NOWHERE)
        .header("accept", "application/json")
        .send()
        .await;
    let as_before = app.get(NOWHERE).send().await;
    assert_eq!(as_program.status(), 404);
    assert_eq!(
        as_program.header("content-type"),
        as_before.header("content-type")
    );
    assert_eq!(
        as_program.json()["details"][0]["reason"],
        "METHOD_NOT_FOUND"
    );
    assert_eq!(
        (
            as_before.header("vary"),
            as_before.header("content-security-policy")
        ),
        ("", "")
    );
    for (path, status) in [
        // A path that is there, which needs a credential.
        ("/v1/accounts/me", 401),
        // Faces, and an rpc that is not there.
        ("/api/auth/nothing", 404),
        ("/oauth/nothing", 404),
        ("/countersign.v1.AccountService/Nothing", 404),
    ] {
        let answer = app.get(path).by_browser().await;
        assert!(!is_html(&answer), "{path}");
        assert_eq!(answer.status(), status, "{path}");
        assert!(answer.json().is_object(), "{path}");
    }
}

/// The guides are those of the version that runs.
#[tokio::test]
async fn the_guides_are_here_to_read() {
    let app = TestApp::start().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    for name in [
        "OAUTH",
        "MCP",
        "TOKENS",
        "OPERATIONS",
        "ERRORS",
        "FEDERATION",
    ] {
        let guide = app.page(&format!("/docs/{name}.md"), "en").await;
        assert_eq!(guide.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(
            guide.text(),
            fs::read_to_string(folder.join(format!("{name}.md"))).unwrap()
        );
    }
    let app = TestApp::with(|config| {
        config.pages.api_reference = false;
        config.oauth.registration = false;
    })
    .await;
    assert_eq!(app.page("/docs/OAUTH.md", "en").await.status, 404);
    let page = app.page("/", "en").await.text();
    assert!(
        !page.contains("/docs") && !page.contains("/oauth/register"),
        "{page}"
    );
}
