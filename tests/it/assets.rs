//! The scripts that browsers load, through all layers.

use countersign::config::{Config, Sources};

use crate::support::TestApp;

const PAGE: &str = "https://app.example.com";

#[tokio::test]
async fn a_script_is_kept_by_browsers_and_read_by_every_page() {
    let app = TestApp::start().await;
    let script = app
        .get("/assets/pow.js")
        .header("origin", PAGE)
        .send()
        .await;
    assert_eq!(script.status(), 200);
    for (name, value) in [
        ("content-type", "text/javascript; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-cache"),
        ("access-control-allow-origin", "*"),
        ("cross-origin-resource-policy", "cross-origin"),
    ] {
        assert_eq!(script.header(name), value, "{name}");
    }
    let again = app
        .get("/assets/pow.js")
        .header("if-none-match", script.header("etag"))
        .send()
        .await;
    assert_eq!((again.status(), again.text().as_str()), (304, ""));
}

#[tokio::test]
async fn pages_that_may_call_read_scripts_as_others_do() {
    let variables = [("COUNTERSIGN_CORS_ORIGINS".into(), PAGE.into())];
    let cors = Config::load(&Sources::environment(variables)).unwrap().cors;
    let app = TestApp::with(|config| config.cors = cors).await;
    for (origin, allowed) in [(PAGE, PAGE), ("https://other.example", "*")] {
        let script = app
            .get("/assets/pow.js")
            .header("origin", origin)
            .send()
            .await;
        let header = script.header("access-control-allow-origin");
        assert_eq!((script.status(), header), (200, allowed));
    }
}
