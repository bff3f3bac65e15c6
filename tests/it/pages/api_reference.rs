//! `/docs`.

use super::is_html;
use crate::support::{ISSUER, TestApp};

#[tokio::test]
async fn the_api_reference_asks_nobody_else() {
    let app = TestApp::start().await;
    let page = app.get("/docs").by_browser().await;
    assert_eq!((page.status(), is_html(&page)), (200, true));
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
                  connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
    assert_eq!(page.header("content-security-policy"), policy);
    assert!(!page.text().contains("http"), "{}", page.text());
    for (path, content_type) in [
        ("/docs/swagger-ui.css", "text/css"),
        ("/docs/swagger-ui-bundle.js", "text/javascript"),
        ("/docs/start.js", "text/javascript; charset=utf-8"),
    ] {
        assert!(
            page.text().contains(&format!("\"{}\"", &path[1..])),
            "{path}"
        );
        let file = app.get(path).send().await;
        assert_eq!(
            (file.status(), file.header("content-type")),
            (200, content_type)
        );
        assert_eq!(file.header("x-content-type-options"), "nosniff");
    }
    // What else the crate would serve.
    for path in [
        "/docs/",
        "/docs/swagger-ui-bundle.js.map",
        "/docs/oauth2-redirect.html",
    ] {
        assert_eq!(app.get(path).send().await.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn an_operator_switches_the_api_reference_off() {
    let app = TestApp::with(|config| config.pages.api_reference = false).await;
    for path in ["/docs", "/docs/start.js", "/docs/swagger-ui-bundle.js"] {
        assert_eq!(app.get(path).by_browser().await.status(), 404, "{path}");
    }
    let home = app.get("/").by_browser().await.text();
    assert!(!home.contains("/docs"), "{home}");
    assert!(home.contains(&format!(
        "<a class=\"button\" href=\"{ISSUER}/openapi.json\">"
    )));
    let addresses = app.get("/").send().await.json();
    assert!(addresses.get("service_documentation").is_none());
}
