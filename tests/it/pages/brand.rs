//! Whose pages they are: what an operator chooses, and what is refused.

use std::fs;

use countersign::config::{Config, Sources};
use regex::Regex;

use super::{LANGUAGES, NOWHERE};
use crate::support::{ISSUER, TestApp};

/// A PNG by its first bytes, of this many in all.
fn png(length: usize) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    bytes.resize(length, 0x5a);
    bytes
}

#[tokio::test]
async fn a_page_shows_the_brand() {
    let folder = tempfile::tempdir().unwrap();
    let logo = folder.path().join("logo.svg");
    fs::write(&logo, "<svg xmlns='http://www.w3.org/2000/svg'/>").unwrap();
    let app = TestApp::with(|config| {
        config.pages.name = "Example".to_owned();
        config.pages.logo_file = Some(logo);
        config.pages.color = "#0f766e".parse().unwrap();
    })
    .await;
    let text = app.get("/").by_browser().await.text();
    assert!(text.contains(" · Example</title>"), "{text}");
    assert!(text.contains("--brand:#0f766e;"), "{text}");
    let shown = "<img src=\"data:image/svg+xml;base64,PHN2ZyB4bWxucz0naHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmcnLz4=\" alt=\"Example\">";
    assert!(text.contains(shown), "{text}");
}

#[tokio::test]
async fn a_hostile_name_is_only_a_name() {
    let name = "\"><script>'&</title></style>";
    let app = TestApp::with(|config| config.pages.name = name.to_owned()).await;
    for path in ["/", NOWHERE] {
        let text = app.get(path).by_browser().await.text();
        assert!(text.contains("&#60;script&#62;"), "{text}");
        assert!(!text.contains("<script"), "{text}");
        assert_eq!(text.matches("</title>").count(), 1);
        assert_eq!(text.matches("</style>").count(), 1);
    }
}

#[tokio::test]
async fn the_largest_page_is_small_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    let logo = folder.path().join("logo.png");
    fs::write(&logo, png(12 * 1024)).unwrap();
    let app = TestApp::with(|config| config.pages.logo_file = Some(logo)).await;
    let addresses =
        Regex::new(r#"(?:src|href|action|content)="([^"]*)"|url\(([^)]*)\)|@import"#).unwrap();
    for path in ["/", NOWHERE] {
        for language in LANGUAGES {
            let page = app.page(path, language).await;
            assert!(page.body.len() < 30_000, "{} bytes", page.body.len());
            let text = page.text();
            for address in addresses.captures_iter(&text) {
                let address = address.get(1).map_or("", |address| address.as_str());
                let is_own = address.starts_with(&format!("{ISSUER}/"))
                    || address.starts_with("data:image/");
                let leads_nowhere = address.starts_with("?ui_locales=")
                    || address.starts_with("width=device-width");
                assert!(is_own || leads_nowhere, "{path}: {address}");
            }
        }
    }
}

#[tokio::test]
async fn a_logo_that_cannot_be_shown_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes, cause) in [
        ("large.png", Some(png(12 * 1024 + 1)), "larger than 12 KiB"),
        ("text.svg", Some(b"hello".to_vec()), "neither SVG nor PNG"),
        (
            "photo.jpg",
            Some(b"\xff\xd8\xff\xe0<svg".to_vec()),
            "neither SVG nor PNG",
        ),
        ("missing.png", None, "cannot read the logo"),
    ] {
        let path = folder.path().join(name);
        if let Some(bytes) = bytes {
            fs::write(&path, bytes).unwrap();
        }
        let mut app = TestApp::start().await;
        app.config.pages.logo_file = Some(path);
        let refused = app.try_restart().await.err().unwrap();
        assert!(
            refused.contains(name) && refused.contains(cause),
            "{refused}"
        );
        assert!(refused.contains("pages.logo_file"), "{refused}");
    }
}

#[test]
fn a_brand_that_pages_cannot_have_is_refused() {
    let load = |name: &str, value: &str| {
        let variables = [(format!("COUNTERSIGN_PAGES_{name}").into(), value.into())];
        Config::load(&Sources::environment(variables)).map_err(|refused| refused.to_string())
    };
    for (name, value, must) in [
        (
            "COLOR",
            "#ffee00",
            "the nearest colour that does is #9a9000",
        ),
        ("COLOR", "red", "it must be a colour such as #2563eb"),
        ("NAME", " ", "it must have 1 to 40 characters"),
        ("NAME", &"n".repeat(41), "it must have 1 to 40 characters"),
        ("NAME", "a\nb", "none of them a control character"),
    ] {
        let refused = load(name, value).unwrap_err();
        assert!(refused.contains(must), "{refused}");
        assert!(
            refused.contains(&format!("`pages.{}`", name.to_lowercase())),
            "{refused}"
        );
    }
    assert!(load("COLOR", "#0F766E").is_ok());
    assert!(load("NAME", &"ñ".repeat(40)).is_ok());
}
