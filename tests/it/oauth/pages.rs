//! The hosted pages of an authorization, as a browser meets them, and as one that somebody misuses does.

use std::{cell::RefCell, collections::BTreeMap};

use countersign::layers::Connection;
use http::Method;
use regex::Regex;
use serde_json::json;
use url::Url;

use super::{CALLBACK, CHALLENGE, Client, MCP, app, parameter, public_client, register, token};
use crate::support::{Call, ISSUER, PASSWORD, TestApp, TestResponse};

const HTML: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

/// A browser: what it accepts, and its cookies.
pub(super) struct Browser<'a> {
    app: &'a TestApp,
    cookies: RefCell<BTreeMap<String, String>>,
    tls: bool,
}

impl<'a> Browser<'a> {
    pub(super) fn new(app: &'a TestApp) -> Self {
        Self {
            app,
            cookies: RefCell::default(),
            tls: false,
        }
    }

    pub(super) fn over_https(app: &'a TestApp) -> Self {
        Self {
            tls: true,
            ..Self::new(app)
        }
    }

    pub(super) fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.borrow().get(name).cloned()
    }

    pub(super) async fn call(&self, call: Call<'_>) -> TestResponse {
        let cookies = self.cookies.borrow().clone();
        let cookies: Vec<_> = cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let connection = Connection {
            tls: self.tls,
            ..TestApp::connection()
        };
        let mut call = call.header("accept", HTML).on(connection);
        if !cookies.is_empty() {
            call = call.header("cookie", &cookies.join("; "));
        }
        let answer = call.send().await;
        for cookie in answer.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            let (name, value) = cookie.split_once(';').unwrap().0.split_once('=').unwrap();
            let mut cookies = self.cookies.borrow_mut();
            if cookie.contains("Max-Age=0;") {
                cookies.remove(name);
            } else {
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    pub(super) async fn get(&self, path: &str) -> TestResponse {
        self.call(self.app.get(path)).await
    }

    /// Sends the form of a page, as the page has it but for these fields.
    pub(super) async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> TestResponse {
        let page = self.get(path).await;
        let tag = tag(&page.text());
        self.post(path, &[fields, &[("tag", &tag)]].concat()).await
    }

    /// Asks for a form of the page, and gives the page that has it.
    async fn show(&self, path: &str, action: &str, email: &str) -> TestResponse {
        let fields = [("action", action), ("email", email)];
        let answer = self.submit(path, &fields).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        self.get(answer.header("location")).await
    }

    pub(super) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> TestResponse {
        let call = self.app.post(path).header("sec-fetch-site", "same-origin");
        self.call(call.form(fields)).await
    }

    /// Opens the page of an authorization of this client, and gives its path.
    pub(super) async fn begin(&self, client: &Client, more: &[(&str, &str)]) -> String {
        let answer = self.get(&address(client, more)).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        answer.header("location").to_owned()
    }

    pub(super) async fn sign_in(&self, path: &str, email: &str) -> TestResponse {
        let fields = [
            ("action", "sign-in"),
            ("email", email),
            ("password", PASSWORD),
        ];
        let answer = self.submit(path, &fields).await;
        assert_eq!((answer.status, answer.header("location")), (303, path));
        answer
    }
}

pub(super) fn tag(page: &str) -> String {
    let pattern = Regex::new(r#"name="tag" value="([^"]*)""#).unwrap();
    pattern.captures(page).unwrap_or_else(|| panic!("{page}"))[1].to_owned()
}

/// Where a client sends a browser.
pub(super) fn address(client: &Client, more: &[(&str, &str)]) -> String {
    let usual = [
        ("response_type", "code"),
        ("client_id", &client.id),
        ("redirect_uri", CALLBACK),
        ("state", "the-state"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let query = serde_urlencoded::to_string([&usual[..], more].concat()).unwrap();
    format!("/oauth/authorize?{query}")
}

pub(super) async fn person(app: &TestApp) -> String {
    app.sign_up("ada").await.email
}

pub(super) fn location(answer: &TestResponse) -> Url {
    assert_eq!(answer.status, 303, "{}", answer.text());
    answer.header("location").parse().unwrap()
}

#[tokio::test]
async fn somebody_signs_in_allows_a_client_and_is_not_asked_again() {
    let app = app().await;
    let (client, email) = (public_client(&app).await, person(&app).await);
    let browser = Browser::new(&app);
    let path = browser.begin(&client, &[]).await;
    browser.sign_in(&path, &email).await;
    let consent = browser.get(&path).await;
    assert_eq!(consent.status, 200);
    for told in [
        "Cursor",
        "app.example.com",
        &email,
        "do everything in your account",
    ] {
        assert!(consent.text().contains(told), "{told}");
    }
    let answer = location(&browser.submit(&path, &[("action", "allow")]).await);
    assert!(answer.as_str().starts_with(CALLBACK));
    assert_eq!(parameter(&answer, "state"), "the-state");
    let code = parameter(&answer, "code");
    assert_eq!(token(&app, &client.exchange(&code)).await.status, 200);

    let path = browser.begin(&client, &[]).await;
    let again = location(&browser.get(&path).await);
    assert!(!parameter(&again, "code").is_empty());
}

#[tokio::test]
async fn a_page_is_safe_to_show() {
    let app = app().await;
    let client = public_client(&app).await;
    let browser = Browser::new(&app);
    let path = browser.begin(&client, &[]).await;
    let page = browser.get(&path).await;
    let policy = page.header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-"),
        "{policy}"
    );
    assert!(policy.contains("frame-ancestors 'none'") && policy.contains("base-uri 'none'"));
    // Chromium would hold the client's own onward hops to it.
    assert!(!policy.contains("form-action") && !policy.contains("unsafe"));
    assert_eq!(page.header("cache-control"), "no-store");
    // With `no-referrer` the form of the page would come from nowhere.
    assert_eq!(page.header("referrer-policy"), "same-origin");
    // A client's pop-up window must still know who opened it.
    assert_eq!(page.header("cross-origin-opener-policy"), "");
    assert!(page.body.len() < 30_000);
    let cookie = browser.get(&address(&client, &[])).await;
    assert_eq!(cookie.header("set-cookie"), "", "it has one already");
}

#[tokio::test]
async fn another_sites_form_does_nothing() {
    let app = app().await;
    let (client, email) = (public_client(&app).await, person(&app).await);
    let browser = Browser::new(&app);
    let path = browser.begin(&client, &[]).await;
    browser.sign_in(&path, &email).await;
    let tag = tag(&browser.get(&path).await.text());
    let other_path = browser.begin(&client, &[]).await;
    let other_tag = self::tag(&browser.get(&other_path).await.text());
    let allow = ("action", "allow");
    for (why, headers, shown, answered) in [
        (
            "no tag",
            &[("sec-fetch-site", "same-origin")][..],
            "",
            (303, path.as_str()),
        ),
        (
            "the tag of another form",
            &[("sec-fetch-site", "same-origin")],
            &other_tag,
            (303, path.as_str()),
        ),
        (
            "from another site",
            &[("sec-fetch-site", "cross-site")],
            &tag,
            (403, ""),
        ),
        (
            "from a sibling",
            &[("sec-fetch-site", "same-site")],
            &tag,
            (403, ""),
        ),
        (
            "from another origin",
            &[("origin", "https://evil.example")],
            &tag,
            (403, ""),
        ),
        ("from nowhere", &[("origin", "null")], &tag, (403, "")),
    ] {
        let mut call = app.post(&path).form(&[allow, ("tag", shown)]);
        for (name, value) in headers {
            call = call.header(name, value);
        }
        let answer = browser.call(call).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            answered,
            "{why}"
        );
    }
    // It still waits, and the page's own form decides, also of a browser that says less.
    let call = app.post(&path).header("origin", ISSUER);
    let answer = browser.call(call.form(&[allow, ("tag", &tag)])).await;
    assert!(!parameter(&location(&answer), "code").is_empty());
}

#[tokio::test]
async fn a_form_is_for_whoever_was_signed_in_when_it_was_shown() {
    let app = app().await;
    let (client, email) = (public_client(&app).await, person(&app).await);
    app.sign_up("eve").await;
    let browser = Browser::new(&app);
    let path = browser.begin(&client, &[]).await;
    browser.sign_in(&path, &email).await;
    let shown_to_ada = tag(&browser.get(&path).await.text());
    let other_path = browser.begin(&client, &[("prompt", "login")]).await;
    browser.sign_in(&other_path, "eve@example.com").await;
    let answer = browser
        .post(&path, &[("action", "allow"), ("tag", &shown_to_ada)])
        .await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, path.as_str())
    );
    assert!(browser.get(&path).await.text().contains("eve@example.com"));
}

#[tokio::test]
async fn an_authorization_is_for_the_browser_that_it_was_started_in() {
    let app = app().await;
    let (client, email) = (public_client(&app).await, person(&app).await);
    let browser = Browser::new(&app);
    let path = browser.begin(&client, &[]).await;
    let id = path.split('/').nth(2).unwrap();
    let stranger = Browser::new(&app);
    // Who has a browser's secret of their own, and a tag for their own authorization.
    let own = stranger.begin(&client, &[]).await;
    let own_tag = own.rsplit('/').next().unwrap();
    for path in [
        &path,
        &format!("/sign-in/{id}/{own_tag}"),
        &format!("/sign-in/{id}/x"),
    ] {
        let answer = stranger.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.text().contains("This request is over"));
        let fields = [
            ("action", "sign-in"),
            ("email", &email),
            ("password", PASSWORD),
        ];
        let answer = stranger.post(path, &fields).await;
        assert_eq!(answer.status, 404, "{path}");
    }
    assert_eq!(stranger.cookie("countersign_session"), None);
    assert_eq!(browser.get(&path).await.status, 200);
}

#[tokio::test]
async fn a_sign_in_makes_a_session_of_its_own_and_ends_the_one_before() {
    let app = app().await;
    let (client, email) = (public_client(&app).await, person(&app).await);
    let browser = Browser::new(&app);
    let path = browser.begin(&client, &[]).await;
    let answer = browser.sign_in(&path, &email).await;
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies.len(), 2, "the session, and the device");
    for cookie in cookies {
        assert!(
            cookie
                .to_str()
                .unwrap()
                .ends_with("; HttpOnly; SameSite=Lax")
        );
    }
    let first = browser.cookie("countersign_session").unwrap();
    let me = async |token: &str| app.get("/v1/accounts/me").bearer(token).send().await.status;
    assert_eq!(me(&first).await, 200);
    let path = browser.begin(&client, &[("prompt", "login")]).await;
    browser.sign_in(&path, &email).await;
    let second = browser.cookie("countersign_session").unwrap();
    assert_ne!(first, second);
    assert_eq!((me(&first).await, me(&second).await), (401, 200));
    let answer = browser.submit(&path, &[("action", "sign-out")]).await;
    assert_eq!(answer.status, 303);
    assert_eq!(
        (browser.cookie("countersign_session"), me(&second).await),
        (None, 401)
    );
}

#[tokio::test]
async fn an_authorization_that_is_over_says_what_to_do() {
    let app = app().await;
    let (client, email) = (public_client(&app).await, person(&app).await);
    let browser = Browser::new(&app);
    let path = browser.begin(&client, &[]).await;
    browser.sign_in(&path, &email).await;
    assert_eq!(
        browser.submit(&path, &[("action", "deny")]).await.status,
        303
    );
    let late = browser.begin(&client, &[]).await;
    app.clock.advance(app.config.oauth.authorization_lifetime);
    for path in [path, late] {
        let answer = browser.get(&path).await;
        assert_eq!(answer.status, 404);
        assert!(answer.text().contains("go back to the app and start again"));
    }
}

#[tokio::test]
async fn a_session_that_has_ended_is_none() {
    let app = app().await;
    let (client, email) = (public_client(&app).await, person(&app).await);
    let browser = Browser::new(&app);
    let path = browser.begin(&client, &[]).await;
    browser.sign_in(&path, &email).await;
    let token = browser.cookie("countersign_session").unwrap();
    let allow = tag(&browser.get(&path).await.text());
    let ended = app
        .delete("/v1/sessions/current")
        .bearer(&token)
        .send()
        .await;
    assert_eq!(ended.status, 200);
    // The form of before sends nobody anywhere but to the page.
    let answer = browser
        .post(&path, &[("action", "allow"), ("tag", &allow)])
        .await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, path.as_str())
    );
    assert!(
        browser
            .get(&path)
            .await
            .text()
            .contains("value=\"sign-in\"")
    );
}

#[tokio::test]
async fn a_parameter_comes_once_unless_it_is_a_list() {
    let app = app().await;
    let client = public_client(&app).await;
    let browser = Browser::new(&app);
    for name in ["client_id", "redirect_uri", "state", "scope", "anything"] {
        let answer = browser
            .get(&address(&client, &[(name, "x"), (name, "x")]))
            .await;
        assert_eq!(answer.status, 400, "{name}");
        assert!(is_page(&answer), "{name}");
    }
    for more in [
        &[("resource", MCP), ("resource", MCP)][..],
        &[("unknown", "x")],
    ] {
        browser.begin(&client, more).await;
    }
}

pub(super) fn is_page(answer: &TestResponse) -> bool {
    answer.header("content-type").starts_with("text/html") && answer.header("location").is_empty()
}

#[tokio::test]
async fn a_wrong_client_or_redirect_uri_sends_nobody_anywhere() {
    let app = app().await;
    let client = public_client(&app).await;
    let browser = Browser::new(&app);
    for (name, value, status) in [
        ("client_id", "mkc_00000000000000000000000000000000", 404),
        ("client_id", "", 400),
        ("redirect_uri", "https://app.example.com/callback/", 400),
        (
            "redirect_uri",
            "https://app.example.com.evil.example/callback",
            400,
        ),
        ("redirect_uri", "https://evil.example/", 400),
        ("redirect_uri", "javascript:alert(1)", 400),
    ] {
        let url = Url::parse(&format!("http://x{}", address(&client, &[]))).unwrap();
        let pairs = url.query_pairs().map(|(known, old)| {
            let value = if known == name {
                value.to_owned()
            } else {
                old.into_owned()
            };
            (known.into_owned(), value)
        });
        let query = serde_urlencoded::to_string(pairs.collect::<Vec<_>>()).unwrap();
        let answer = browser.get(&format!("/oauth/authorize?{query}")).await;
        assert_eq!(answer.status, status, "{name}={value}: {}", answer.text());
        assert!(is_page(&answer), "{name}={value}");
        assert!(!answer.text().contains("evil.example"), "{name}={value}");
    }
}

#[tokio::test]
async fn what_else_is_wrong_is_shown_to_strangers_first() {
    let app = app().await;
    let (client, email) = (public_client(&app).await, person(&app).await);
    let browser = Browser::new(&app);
    let wrong = address(&client, &[("max_age", "soon")]);
    let answer = browser.get(&wrong).await;
    assert_eq!(answer.status, 400);
    assert!(is_page(&answer) && answer.text().contains("app.example.com"));
    // Also to whoever shows a session that is none.
    let stranger = Browser::new(&app);
    let session = ("countersign_session".to_owned(), "x.y.z".to_owned());
    stranger.cookies.borrow_mut().extend([session]);
    assert!(is_page(&stranger.get(&wrong).await));
    // In another language it is the same page.
    assert!(answer.text().contains("max_age=soon&#38;ui_locales=de\""));
    let silent = browser
        .get(&address(
            &client,
            &[("max_age", "soon"), ("prompt", "none")],
        ))
        .await;
    assert_eq!(parameter(&location(&silent), "error"), "invalid_request");
    let path = browser.begin(&client, &[]).await;
    browser.sign_in(&path, &email).await;
    assert_eq!(
        parameter(&location(&browser.get(&wrong).await), "error"),
        "invalid_request"
    );
}

#[tokio::test]
async fn silence_is_kept() {
    let app = app().await;
    let (client, email) = (public_client(&app).await, person(&app).await);
    let browser = Browser::new(&app);
    let error = async |expected: &str| {
        let path = browser.begin(&client, &[("prompt", "none")]).await;
        let answer = location(&browser.get(&path).await);
        assert_eq!(parameter(&answer, "error"), expected);
        assert_eq!(parameter(&answer, "iss"), ISSUER);
    };
    error("login_required").await;
    let path = browser.begin(&client, &[]).await;
    browser.sign_in(&path, &email).await;
    error("consent_required").await;
    browser.submit(&path, &[("action", "allow")]).await;
    error("").await;
}

#[tokio::test]
async fn a_form_asks_as_a_query_does() {
    let app = app().await;
    let client = public_client(&app).await;
    let address = address(&client, &[("resource", MCP)]);
    let (path, query) = address.split_once('?').unwrap();
    let call = app
        .post(path)
        .body("application/x-www-form-urlencoded", query.to_owned());
    let answer = call.header("accept", HTML).send().await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, address.as_str())
    );
    assert_eq!(
        answer.header("set-cookie"),
        "",
        "another site's form brings none"
    );
}

#[tokio::test]
async fn programs_get_errors_as_data() {
    let app = app().await;
    let answer = app.get("/oauth/authorize?client_id=mkc_0").send().await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json()["error"], "invalid_request");
}

#[tokio::test]
async fn no_other_page_may_read_these() {
    let origin = "https://app.example.com";
    let app = TestApp::with(|config| config.cors.origins = vec![origin.parse().unwrap()]).await;
    for (path, is_read) in [
        ("/v1/accounts/me", true),
        ("/oauth/authorize", false),
        ("/sign-in/a/b", false),
        ("/oauth/logout", false),
        ("/sign-out", false),
    ] {
        let answer = app.get(path).header("origin", origin).send().await;
        assert_eq!(
            !answer.header("access-control-allow-origin").is_empty(),
            is_read,
            "{path}"
        );
        let preflight = app
            .call(Method::OPTIONS, path)
            .header("origin", origin)
            .header("access-control-request-method", "GET");
        let answer = preflight.send().await;
        assert_eq!(
            !answer.header("access-control-allow-origin").is_empty(),
            is_read,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_sign_up_that_takes_work_says_so_at_once() {
    let app = TestApp::with(|config| {
        config.signup.proof_of_work = countersign::config::ProofOfWork::All;
    })
    .await;
    let client = register(&app, json!({"redirect_uris": [CALLBACK]})).await;
    let browser = Browser::new(&app);
    let path = browser.begin(&client, &[]).await;
    let form = browser.show(&path, "show-register", "a@b.example").await;
    assert_eq!(form.status, 200);
    assert!(
        form.text().contains("data-work=\"/v1/challenges\"") && form.text().contains("<noscript>")
    );
    let fields = [
        ("action", "register"),
        ("email", "a@b.example"),
        ("password", PASSWORD),
    ];
    let refused = browser.submit(&path, &fields).await;
    assert_eq!(refused.status, 400);
    assert!(
        refused.text().contains("value=\"a@b.example\"")
            && refused.text().contains("role=\"alert\"")
    );
    assert!(!refused.text().contains(PASSWORD));
    // It is not for the sake of their network.
    assert!(refused.text().contains("This server asks everybody"));
}

#[tokio::test]
async fn too_many_tries_are_told_with_the_time_to_wait() {
    let app = TestApp::with(|config| {
        config.limits.enabled = true;
        config.limits.log_in_free_failures = 1;
    })
    .await;
    let (client, email) = (public_client(&app).await, person(&app).await);
    let browser = Browser::new(&app);
    let path = browser.begin(&client, &[]).await;
    let fields = [
        ("action", "sign-in"),
        ("email", email.as_str()),
        ("password", "wrong"),
    ];
    let mut last = browser.submit(&path, &fields).await;
    for _ in 0..20 {
        assert_eq!(last.status, 401);
        last = browser.submit(&path, &fields).await;
        if last.status == 429 {
            break;
        }
    }
    assert_eq!(last.status, 429);
    assert!(
        last.text().contains("There were too many tries"),
        "{}",
        last.text()
    );
}

/// Back and a reload ask nobody whether to send the form before it again. What was typed is in no address, which others may log.
#[tokio::test]
async fn each_form_is_a_page_of_its_own() {
    let app = app().await;
    let client = public_client(&app).await;
    let browser = Browser::new(&app);
    let path = browser
        .begin(&client, &[("login_hint", "bob@example.com")])
        .await;
    let asked_for = format!("{path}?provider=work&reason=x&form=sign-in");
    let fields = [("action", "show-register"), ("email", "ada@example.com")];
    let answer = browser.submit(&asked_for, &fields).await;
    let register = format!("{path}?provider=work&reason=x&form=register");
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, register.as_str())
    );
    let cookie = answer.header("set-cookie");
    assert!(
        cookie.ends_with("; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"),
        "{cookie}"
    );
    let has = |page: &TestResponse, form: &str, email: &str| {
        let (button, value) = (
            format!("name=\"action\" value=\"{form}\""),
            format!("value=\"{email}\""),
        );
        page.status == 200 && page.text().contains(&button) && page.text().contains(&value)
    };
    for _reload in 0..2 {
        let page = browser.get(&register).await;
        assert!(has(&page, "register", "ada@example.com"), "{}", page.text());
    }
    let page = browser.show(&register, "show-sign-in", "").await;
    assert!(has(&page, "sign-in", ""), "what was taken away stays away");
    // The page that a client sends somebody to has what the client says.
    let page = browser.get(&path).await;
    assert!(has(&page, "sign-in", "bob@example.com"), "{}", page.text());
    // No proxy takes a header of any length.
    let long = "a".repeat(513);
    let fields = [("action", "show-register"), ("email", long.as_str())];
    let answer = browser.submit(&path, &fields).await;
    assert_eq!((answer.status, answer.header("set-cookie")), (303, ""));
}

/// So does a form that comes too late: the page says what to do, at its own address.
#[tokio::test]
async fn a_form_of_an_authorization_that_is_over_leads_to_the_page() {
    let app = app().await;
    let client = public_client(&app).await;
    let browser = Browser::new(&app);
    let path = browser.begin(&client, &[]).await;
    let tag = tag(&browser.get(&path).await.text());
    app.clock.advance(app.config.oauth.authorization_lifetime);
    for action in ["deny", "allow", "sign-in", "register"] {
        let answer = browser
            .post(&path, &[("action", action), ("tag", &tag)])
            .await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, path.as_str()),
            "{action}: {}",
            answer.text()
        );
    }
    assert_eq!(browser.get(&path).await.status, 404);
}

/// Another language takes nothing of what was typed, nor what the page has said.
#[tokio::test]
async fn another_language_keeps_what_was_typed() {
    let app = app().await;
    let client = public_client(&app).await;
    let browser = Browser::new(&app);
    let path = browser.begin(&client, &[]).await;
    let page = browser
        .get(&format!("{path}?provider=work&reason=x"))
        .await
        .text();
    let button = Regex::new(r#"<button class="link" form="sign-in" formaction="([^"]*)" name="action" value="([^"]*)" lang="de""#).unwrap();
    let found = button.captures(&page).unwrap_or_else(|| panic!("{page}"));
    assert_eq!(
        (&found[1], &found[2]),
        (
            "?provider=work&#38;reason=x&#38;ui_locales=de",
            "show-sign-in"
        )
    );
    for (action, title) in [
        ("show-sign-in", "Anmelden"),
        ("show-register", "Konto erstellen"),
    ] {
        let in_german = format!("{path}?ui_locales=de");
        let page = browser.show(&in_german, action, "ada@example.com").await;
        let page = page.text();
        assert!(page.contains(&format!("<h1>{title}</h1>")), "{page}");
        assert!(page.contains(r#"value="ada@example.com""#), "{page}");
        assert!(
            page.contains(&format!(r#"value="{action}" lang="en""#)),
            "{page}"
        );
    }
    // It is remembered.
    assert_eq!(
        browser.cookie("countersign_language").as_deref(),
        Some("de")
    );
}

/// What is wrong is read with the field where somebody goes on.
#[tokio::test]
async fn what_is_wrong_is_tied_to_the_field_in_focus() {
    let app = app().await;
    let (client, email) = (public_client(&app).await, person(&app).await);
    let browser = Browser::new(&app);
    let path = browser.begin(&client, &[]).await;
    let field = |page: &str, id: &str| {
        let input = Regex::new(&format!(r#"<input id="{id}"[^>]*>"#)).unwrap();
        input.find(page).unwrap().as_str().to_owned()
    };
    let fields = [
        ("action", "sign-in"),
        ("email", &*email),
        ("password", "not the password"),
    ];
    let page = browser.submit(&path, &fields).await.text();
    assert!(page.contains(r#"role="alert" id="problem""#), "{page}");
    let password = field(&page, "password");
    assert!(
        password.contains(r#"aria-describedby="problem""#) && password.contains("autofocus"),
        "{password}"
    );
    assert!(!field(&page, "email").contains("aria-describedby"));
    let fields = [("action", "register"), ("email", ""), ("password", "short")];
    let page = browser.submit(&path, &fields).await.text();
    let (email, password) = (field(&page, "email"), field(&page, "password"));
    assert!(
        email.contains(r#"aria-describedby="email-error" aria-invalid="true" autofocus"#),
        "{email}"
    );
    assert!(
        password.contains("password-hint") && !password.contains("autofocus"),
        "{password}"
    );
}

/// Whether somebody has an account is not told by the page on which they sign in.
#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_look_the_same() {
    let app = app().await;
    let (client, email) = (public_client(&app).await, person(&app).await);
    let mut answers = Vec::new();
    for address in [&*email, "nobody@example.com"] {
        let browser = Browser::new(&app);
        let path = browser.begin(&client, &[]).await;
        let fields = [
            ("action", "sign-in"),
            ("email", address),
            ("password", "not the password"),
        ];
        let answer = browser.submit(&path, &fields).await;
        let tag = tag(&answer.text());
        let mut headers = answer.headers.clone();
        for changing in ["x-request-id", "content-length"] {
            headers.remove(changing);
        }
        let text = answer
            .text()
            .replace(&tag, "TAG")
            .replace(address, "ADDRESS");
        answers.push((answer.status, headers, text));
    }
    assert_eq!(answers[0], answers[1]);
}
