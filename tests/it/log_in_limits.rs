//! Whoever guesses passwords waits longer and longer, and the owner still gets in.

mod devices;

use std::{sync::Arc, time::Duration};

use countersign::pb::v1::ChangePasswordRequest;
use serde_json::{Value, json};
use tokio::sync::{Mutex, Notify};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::support::{PASSWORD, TestApp, TestResponse, with_bearer};

async fn limited() -> TestApp {
    TestApp::with(|config| config.limits.enabled = true).await
}

/// A log-in over REST, with a cookie when there is one.
async fn try_on(
    app: &TestApp,
    email: &str,
    password: &str,
    from: &str,
    cookie: &str,
) -> TestResponse {
    let call = app
        .post("/v1/sessions")
        .json(json!({"email": email, "password": password}))
        .from(from);
    let call = match cookie {
        "" => call,
        cookie => call.header("cookie", cookie),
    };
    call.send().await
}

async fn log_in(app: &TestApp, email: &str, password: &str, from: &str) -> TestResponse {
    try_on(app, email, password, from, "").await
}

/// So many wrong passwords, which are all checked, with pauses in which the limit on calls fills again.
async fn fail(app: &TestApp, email: &str, from: &str, times: usize) {
    for _ in 0..times {
        let wrong = log_in(app, email, "wrong", from).await;
        assert_eq!(wrong.status(), 401, "{}", wrong.text());
        app.clock.advance(Duration::from_millis(125));
    }
}

fn seconds_to_wait(refused: &TestResponse) -> u64 {
    assert_eq!(refused.status(), 429, "{}", refused.text());
    refused.header("retry-after").parse().unwrap()
}

/// The cookie of an answer as a browser sends it back.
fn cookie_of(answer: &TestResponse) -> String {
    let cookie = answer.header("set-cookie").split(';').next().unwrap();
    assert!(!cookie.is_empty(), "no cookie in {:?}", answer.headers);
    cookie.to_owned()
}

#[tokio::test]
async fn wrong_passwords_are_slowed_down_and_the_stated_wait_is_enough() {
    let app = limited().await;
    app.sign_up("ann").await;
    fail(&app, "ann@example.com", "192.0.2.1", 5).await;
    for expected in [1, 2, 4, 8, 16, 32] {
        // Not even the right one is looked at while it has to wait.
        let refused = log_in(&app, "ann@example.com", PASSWORD, "192.0.2.1").await;
        let wait = seconds_to_wait(&refused);
        assert_eq!(wait, expected);
        assert_eq!(
            refused.header("ratelimit"),
            format!(r#""log-in";r=0;t={wait}"#)
        );
        assert_eq!(refused.header("ratelimit-policy"), r#""log-in";q=5;w=4500"#);
        app.clock.advance(Duration::from_secs(wait));
        let wrong = log_in(&app, "ann@example.com", "wrong", "192.0.2.1").await;
        assert_eq!(wrong.status(), 401);
    }
    let wait = seconds_to_wait(&log_in(&app, "ann@example.com", PASSWORD, "192.0.2.1").await);
    app.clock.advance(Duration::from_secs(wait));
    let right = log_in(&app, "ann@example.com", PASSWORD, "192.0.2.1").await;
    assert_eq!(right.status(), 200);
    fail(&app, "ann@example.com", "192.0.2.1", 5).await;
}

#[tokio::test]
async fn every_face_and_every_spelling_of_the_address_is_one_count() {
    let app = limited().await;
    app.sign_up("ann").await;
    let tries: [(&str, Value); 5] = [
        (
            "/v1/sessions",
            json!({"email": " ANN@example.com", "password": "wrong one"}),
        ),
        (
            "/auth/login",
            json!({"email": "Ann@Example.com", "password": "wrong one"}),
        ),
        (
            "/api/auth/login",
            json!({"email": "ann@EXAMPLE.com", "password": "wrong one"}),
        ),
        (
            "/oauth/token?grant_type=password",
            json!({"username": "aNN@example.com", "password": "wrong one"}),
        ),
        (
            "/countersign.v1.SessionService/CreateSession",
            json!({"email": "ann@example.com", "password": "wrong one"}),
        ),
    ];
    for (path, body) in &tries {
        let wrong = app.post_json(path, body.clone()).await;
        assert!(
            [401, 403].contains(&wrong.status()),
            "{path}: {}",
            wrong.text()
        );
    }
    app.clock.advance(Duration::from_millis(900));
    for (path, body) in &tries {
        let refused = app.post_json(path, body.clone()).await;
        assert_eq!(
            (refused.status(), refused.header("retry-after")),
            (429, "1"),
            "{path}"
        );
        if !path.contains("SessionService") {
            assert_eq!(refused.header("ratelimit"), r#""log-in";r=0;t=1"#, "{path}");
        }
    }
    let refused = app
        .try_log_in("ann@example.com", PASSWORD)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let info = refused.get_details_error_info().unwrap();
    assert_eq!(
        (info.reason.as_str(), info.metadata["limit"].as_str()),
        ("RATE_LIMITED", "log-in")
    );
    let wait = refused
        .get_details_retry_info()
        .unwrap()
        .retry_delay
        .unwrap();
    // The log-in opens in 100 ms; the call itself, which was spent too, takes longer to be given back.
    assert_eq!(wait, Duration::from_millis(125));
}

#[tokio::test]
async fn an_address_that_nobody_has_is_treated_like_one_that_somebody_has() {
    let app = limited().await;
    app.sign_up("ann").await;
    let mut answers = Vec::new();
    for email in ["ann@example.com", "nobody@example.com"] {
        let mut seen = Vec::new();
        for number in 0..40 {
            // From three networks in turn, as fast as the limit on calls lets them.
            let from = format!("192.0.2.{}", number % 3);
            let answer = log_in(&app, email, "wrong", &from).await;
            let mut body = answer.json();
            let details = body["details"].as_array_mut().unwrap();
            details.retain(|detail| detail.get("requestId").is_none());
            seen.push((answer.status(), answer.header("ratelimit").to_owned(), body));
            app.clock.advance(Duration::from_millis(125));
        }
        answers.push(seen);
        // So that the second one starts as the first one did.
        app.clock.advance(Duration::from_secs(2 * 24 * 3600));
    }
    for (number, (known, unknown)) in answers[0].iter().zip(&answers[1]).enumerate() {
        assert_eq!(known, unknown, "{number}");
    }
    assert!(answers[0].iter().any(|(status, ..)| *status == 429));
}

#[tokio::test]
async fn failures_elsewhere_spend_nothing_of_mine() {
    let app = limited().await;
    app.sign_up("ann").await;
    fail(&app, "ann@example.com", "192.0.2.1", 5).await;
    seconds_to_wait(&log_in(&app, "ann@example.com", "wrong", "192.0.2.1").await);
    fail(&app, "ann@example.com", "192.0.2.2", 5).await;
    fail(&app, "ann@example.com", "2001:db8:1:2::1", 5).await;
    let same_subscriber = log_in(&app, "ann@example.com", "wrong", "2001:db8:1:2::2").await;
    seconds_to_wait(&same_subscriber);
    fail(&app, "bob@example.com", "192.0.2.1", 5).await;
}

/// What the twenty addresses of a flood do: each of them tries as often as it is let.
struct Flood<'a> {
    app: &'a TestApp,
    checked: usize,
}

impl Flood<'_> {
    fn address(number: usize) -> String {
        format!("198.51.100.{number}")
    }

    async fn goes_on(&mut self) {
        for number in 0..20 {
            while log_in(self.app, "ann@example.com", "wrong", &Self::address(number))
                .await
                .status()
                == 401
            {
                self.checked += 1;
            }
        }
    }
}

/// From a new device on a new network, from a network where she was before, and with a known device on one
/// of the attackers' own networks: each 100 times, and each time at the first try.
#[tokio::test]
async fn the_owner_gets_in_while_twenty_addresses_flood_the_account() {
    let app = limited().await;
    app.sign_up("ann").await;
    let (email, home) = ("ann@example.com", "192.0.2.1");
    let cookie = cookie_of(&log_in(&app, email, PASSWORD, home).await);
    let mut flood = Flood {
        app: &app,
        checked: 0,
    };
    for number in 0..100 {
        flood.goes_on().await;
        let (new, theirs) = (format!("203.0.113.{number}"), Flood::address(number % 20));
        for (from, cookie) in [(new.as_str(), ""), (home, ""), (&theirs, &cookie)] {
            let answer = try_on(&app, email, PASSWORD, from, cookie).await;
            assert_eq!(answer.status(), 200, "{number} {from}: {}", answer.text());
        }
        app.clock.advance(Duration::from_secs(60));
    }
    assert!(flood.checked > 20 * 15, "a flood: {}", flood.checked);
}

/// More networks than the account has room for: untrusted clients queue, the owner does not.
#[tokio::test]
async fn a_flood_from_everywhere_holds_up_untrusted_clients_alone() {
    let app = TestApp::with(|config| {
        config.limits.enabled = true;
        config.limits.log_in_untrusted = 20;
    })
    .await;
    app.sign_up("ann").await;
    let owner = log_in(&app, "ann@example.com", PASSWORD, "203.0.113.1").await;
    let cookie = cookie_of(&owner);
    let mut waits = Vec::new();
    for number in 0..200 {
        let answer = log_in(
            &app,
            "ann@example.com",
            "wrong",
            &format!("198.51.100.{number}"),
        )
        .await;
        match answer.status() {
            401 => assert!(number < 20, "{number}"),
            _ => waits.push(seconds_to_wait(&answer)),
        }
    }
    assert_eq!(waits[..3], [30, 60, 90]);
    assert_eq!(*waits.last().unwrap(), 3600, "the queue has an end");

    let untrusted = log_in(&app, "ann@example.com", PASSWORD, "192.0.2.77").await;
    let wait = seconds_to_wait(&untrusted);
    let device = try_on(&app, "ann@example.com", PASSWORD, "192.0.2.78", &cookie).await;
    assert_eq!(device.status(), 200, "a known device does not queue");
    let network = log_in(&app, "ann@example.com", PASSWORD, "203.0.113.1").await;
    assert_eq!(
        network.status(),
        200,
        "a network with a session does not queue"
    );
    app.clock.advance(Duration::from_secs(wait));
    // Whoever else comes first.
    for number in 200..250 {
        log_in(
            &app,
            "ann@example.com",
            "wrong",
            &format!("198.51.100.{number}"),
        )
        .await;
    }
    let waited = log_in(&app, "ann@example.com", PASSWORD, "192.0.2.77").await;
    assert_eq!(waited.status(), 200, "{}", waited.text());
}

#[tokio::test]
async fn guessing_through_a_stolen_token_is_slowed_down_and_holds_up_nobody_else() {
    let app = limited().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let change = |password: &str| {
        ann.asks(ChangePasswordRequest {
            name: "accounts/me".to_owned(),
            current_password: password.to_owned(),
            new_password: "another good password".to_owned(),
            keep_api_keys: false,
        })
    };
    for _ in 0..5 {
        let wrong = app.accounts().change_password(change("wrong one")).await;
        assert_eq!(wrong.unwrap_err().code(), Code::Unauthenticated);
    }
    let refused = app.accounts().change_password(change(PASSWORD)).await;
    let refused = refused.unwrap_err();
    assert_eq!(
        refused.get_details_error_info().unwrap().metadata["limit"],
        "log-in"
    );
    app.clock.advance(Duration::from_millis(125));
    let other = app.try_log_in("ann@example.com", PASSWORD).await.unwrap();
    let other = other.tokens.unwrap().access_token;
    let changed = with_bearer(change(PASSWORD).into_inner(), &other);
    app.accounts().change_password(changed).await.unwrap();
}

#[tokio::test]
async fn a_call_that_was_given_up_is_no_attempt() {
    let app = limited().await;
    app.sign_up("ann").await;
    // Nobody gets in while this is written.
    let begun = Arc::new(Notify::new());
    let has_begun = Arc::clone(&begun);
    let may_go_on = Arc::new(Mutex::new(()));
    let go_on = Arc::clone(&may_go_on).lock_owned().await;
    let store = app.parts.store.clone();
    let held = tokio::spawn(async move {
        let write = store.write(|_| {
            Box::pin(async move {
                begun.notify_one();
                drop(may_go_on.blocking_lock());
                Ok(())
            })
        });
        write.await
    });
    has_begun.notified().await;
    for number in 0..50 {
        let attempt = log_in(&app, "ann@example.com", PASSWORD, "192.0.2.1");
        let mut attempt = Box::pin(attempt);
        let begun = std::future::poll_fn(|context| {
            std::task::Poll::Ready(attempt.as_mut().poll(context).is_ready())
        });
        assert!(!begun.await, "{number}: it had no time to end");
        drop(attempt);
        app.clock.advance(Duration::from_millis(125));
    }
    drop(go_on);
    held.await.unwrap().unwrap();
    fail(&app, "ann@example.com", "192.0.2.1", 5).await;
}

#[tokio::test]
async fn limits_on_log_ins_can_be_switched_off() {
    let app = TestApp::start().await;
    app.sign_up("ann").await;
    for _ in 0..30 {
        let wrong = log_in(&app, "ann@example.com", "wrong", "192.0.2.1").await;
        assert_eq!(wrong.status(), 401);
    }
}
