//! How often a client may call.

use std::time::Duration;

use serde_json::json;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::support::{PASSWORD, TestApp, TestResponse};

async fn limited() -> TestApp {
    TestApp::with(|config| config.limits.enabled = true).await
}

/// A public call that costs little: a refresh token that is none.
async fn call(app: &TestApp, from: &str) -> TestResponse {
    app.post("/v1/sessions:refresh")
        .json(json!({"refreshToken": "x"}))
        .from(from)
        .send()
        .await
}

/// How many of one public call from each of these addresses pass.
async fn how_many_pass(app: &TestApp, addresses: impl Iterator<Item = String>) -> usize {
    let mut passed = 0;
    for address in addresses {
        passed += usize::from(call(app, &address).await.status() == 401);
    }
    passed
}

async fn sign_up(app: &TestApp, path: &str, from: &str) -> TestResponse {
    let email = format!("{}@example.com", path.replace('/', "-"));
    let mut body = json!({"email": email, "password": PASSWORD});
    if path.ends_with("register") {
        body["name"] = json!("Ann");
    }
    app.post(path).json(body).from(from).send().await
}

#[tokio::test]
async fn eight_public_calls_a_second_pass_and_the_stated_wait_is_enough() {
    let app = limited().await;
    for _ in 0..8 {
        assert_eq!(call(&app, "192.0.2.1").await.status(), 401);
    }
    let refused = call(&app, "192.0.2.1").await;
    assert_eq!(
        (refused.status(), refused.header("retry-after")),
        (429, "1")
    );
    assert_eq!(refused.header("ratelimit"), r#""public";r=0;t=1"#);
    assert_eq!(refused.header("ratelimit-policy"), r#""public";q=8;w=1"#);
    assert_eq!(
        refused.json()["details"][0]["metadata"],
        json!({"limit": "public", "limit_calls": "8", "limit_window_seconds": "1"})
    );
    let text = refused.text();
    assert!(
        text.contains("RATE_LIMITED") && text.contains(r#""retryDelay":"0.125s""#),
        "{text}"
    );
    assert_eq!(
        call(&app, "192.0.2.2").await.status(),
        401,
        "another address has its own"
    );
    app.clock.advance(Duration::from_millis(125));
    assert_eq!(call(&app, "192.0.2.1").await.status(), 401);
    assert_eq!(call(&app, "192.0.2.1").await.status(), 429);
}

#[tokio::test]
async fn a_subscriber_is_one_client_however_many_addresses_it_uses() {
    let app = limited().await;
    let addresses = (0..10_000).map(|number| format!("2001:db8:1:2::{number:x}"));
    let passed = how_many_pass(&app, addresses).await;
    assert_eq!(passed, 8);
    assert_eq!(call(&app, "2001:db8:1:3::1").await.status(), 401);
    for _ in 0..4 {
        call(&app, "192.0.2.1").await;
        call(&app, "::ffff:192.0.2.1").await;
    }
    assert_eq!(call(&app, "192.0.2.1").await.status(), 429);
}

#[tokio::test]
async fn a_site_cannot_multiply_its_limit_by_its_networks() {
    let app = limited().await;
    let addresses = (0..2_000).map(|number| format!("2001:db8:1:{number:x}::1"));
    let passed = how_many_pass(&app, addresses).await;
    assert_eq!(passed, 16 * 8);
    assert_eq!(
        call(&app, "2001:db8:2::1").await.status(),
        401,
        "another site has its own"
    );
    app.clock.advance(Duration::from_millis(125));
    assert_eq!(call(&app, "2001:db8:1:ffff::1").await.status(), 401);
}

#[tokio::test]
async fn what_another_limit_refuses_spends_no_sign_up() {
    let app = limited().await;
    for _ in 0..8 {
        call(&app, "192.0.2.1").await;
    }
    let refused = sign_up(&app, "/v1/accounts", "192.0.2.1").await;
    assert_eq!(
        (refused.status(), refused.header("ratelimit")),
        (429, r#""public";r=0;t=1"#)
    );
    app.clock.advance(Duration::from_millis(125));
    assert_eq!(
        sign_up(&app, "/v1/accounts", "192.0.2.1").await.status(),
        200
    );
}

#[tokio::test]
async fn what_is_refused_for_what_it_says_spends_no_sign_up() {
    let app = limited().await;
    let from = "192.0.2.1";
    let sign_up = |body| app.post("/v1/accounts").json(body).from(from).send();
    for _ in 0..5 {
        for body in [
            json!({"email": "no address", "password": PASSWORD}),
            json!({"email": "ann@example.com", "password": "short"}),
            json!({"email": "ann@example.com", "password": "password1"}),
            json!({"email": "ann@example.com", "password": PASSWORD, "sessionClientId": "mailtd"}),
        ] {
            assert_eq!(sign_up(body).await.status(), 400);
        }
        app.clock.advance(Duration::from_millis(500));
    }
    for name in ["ann", "bob", "cid", "dan", "eve"] {
        assert_eq!(makes(&app, name, from).await.status(), 200);
    }
    assert_eq!(makes(&app, "flo", from).await.status(), 429);
}

/// Signs up with the address of this name.
async fn makes(app: &TestApp, name: &str, from: &str) -> TestResponse {
    let body = json!({"email": format!("{name}@example.com"), "password": PASSWORD});
    app.post("/v1/accounts").json(body).from(from).send().await
}

#[tokio::test]
async fn five_sign_ups_at_once_and_one_in_eight_seconds_through_every_face_together() {
    let app = limited().await;
    let paths = ["/v1/accounts", "/v1/auth/register", "/api/auth/signup"];
    for name in ["ann", "bob"] {
        assert_eq!(makes(&app, name, "192.0.2.1").await.status(), 200);
    }
    for (turn, path) in paths.iter().enumerate() {
        let made = sign_up(&app, path, "192.0.2.1").await;
        assert!([200, 201].contains(&made.status()), "{}", made.text());
        if turn < 2 {
            continue;
        }
        for other in paths {
            let refused = sign_up(&app, other, "192.0.2.1").await;
            assert_eq!(
                (refused.status(), refused.header("retry-after")),
                (429, "8"),
                "{other}"
            );
            assert_eq!(
                refused.header("ratelimit"),
                r#""account-creation";r=0;t=8"#,
                "{other}"
            );
            assert_eq!(
                refused.header("ratelimit-policy"),
                r#""account-creation";q=5;w=40"#,
                "{other}"
            );
        }
    }
    app.clock.advance(Duration::from_secs(8));
    assert_eq!(makes(&app, "cid", "192.0.2.1").await.status(), 200);
    assert_eq!(makes(&app, "dan", "192.0.2.1").await.status(), 429);
}

#[tokio::test]
async fn a_program_that_signs_up_or_logs_in_runs_as_often_as_it_likes() {
    let app = limited().await;
    let body = json!({"email": "ann@example.com", "password": PASSWORD});
    for run in 0..20 {
        let mut answer = app.post_json("/api/auth/signup", body.clone()).await;
        assert_eq!(answer.status(), if run == 0 { 201 } else { 409 });
        if answer.status() == 409 {
            answer = app.post_json("/api/auth/login", body.clone()).await;
        }
        assert!(
            answer.json()["token"].is_string(),
            "{run}: {}",
            answer.text()
        );
        // Two public calls.
        app.clock.advance(Duration::from_millis(250));
    }
}

#[tokio::test]
async fn to_be_told_that_an_address_is_taken_is_a_try_at_its_account() {
    let app = limited().await;
    makes(&app, "ann", "192.0.2.1").await;
    for _ in 0..5 {
        assert_eq!(makes(&app, "ann", "192.0.2.2").await.status(), 409);
    }
    let log_in = || {
        let body = json!({"email": "ann@example.com", "password": PASSWORD});
        app.post("/v1/sessions").json(body).from("192.0.2.2").send()
    };
    let refused = [makes(&app, "ann", "192.0.2.2").await, log_in().await];
    for refused in refused {
        assert_eq!(
            (refused.status(), refused.header("ratelimit")),
            (429, r#""log-in";r=0;t=1"#)
        );
    }
    // It spent no sign-up.
    app.clock.advance(Duration::from_secs(1));
    for name in ["bob", "cid", "dan", "eve", "flo"] {
        assert_eq!(makes(&app, name, "192.0.2.2").await.status(), 200);
    }
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(log_in().await.status(), 200);
    // The right password clears what was counted there.
    for _ in 0..5 {
        app.clock.advance(Duration::from_secs(8));
        assert_eq!(makes(&app, "ann", "192.0.2.2").await.status(), 409);
    }
}

/// Asks as fast as it is let who of so many has an account, by signing up, and counts who is told in ten minutes.
async fn search(app: &TestApp, from: &str, addresses: impl Iterator<Item = String>) -> Vec<u16> {
    let (mut told, mut waited) = (Vec::new(), Duration::ZERO);
    for name in addresses {
        loop {
            let answer = makes(app, &name, from).await;
            if answer.status() != 429 {
                told.push(answer.status());
                break;
            }
            let wait = Duration::from_secs(answer.header("retry-after").parse().unwrap());
            app.clock.advance(wait);
            waited += wait;
            if waited > Duration::from_secs(600) {
                return told;
            }
        }
    }
    panic!("there were too few addresses");
}

#[tokio::test]
async fn a_search_for_addresses_costs_a_sign_up_for_each_free_one_and_a_failed_log_in_for_each_other()
 {
    let app = limited().await;
    for number in 0..130 {
        let from = format!("198.51.100.{number}");
        assert_eq!(
            makes(&app, &format!("known{number}"), &from).await.status(),
            200
        );
    }
    // A hundred failures at all accounts together, and then the growing delays of log-ins.
    let known = (0..130).map(|number| format!("known{number}"));
    let told = search(&app, "192.0.2.1", known).await;
    assert!((100..=120).contains(&told.len()), "{}", told.len());
    assert!(told.iter().all(|status| *status == 409));
    // Five at once and one each eight seconds, and each of them makes an account.
    let free = (0..130).map(|number| format!("free{number}"));
    let told = search(&app, "192.0.2.2", free).await;
    assert!((75..=82).contains(&told.len()), "{}", told.len());
    assert!(told.iter().all(|status| *status == 200));
}

#[tokio::test]
async fn a_refusal_of_a_sign_up_says_nothing_about_the_address() {
    let app = limited().await;
    for number in 0..105 {
        let from = format!("198.51.100.{number}");
        makes(&app, &format!("known{number}"), &from).await;
    }
    let seen = |answer: &TestResponse| {
        (
            answer.status(),
            answer.header("ratelimit").to_owned(),
            answer.json()["message"].clone(),
        )
    };
    // Without a sign-up left.
    for name in ["ann", "bob", "cid", "dan", "eve"] {
        makes(&app, name, "192.0.2.1").await;
    }
    let [known, free] = [
        makes(&app, "known0", "192.0.2.1").await,
        makes(&app, "free", "192.0.2.1").await,
    ];
    assert_eq!((known.status(), seen(&known)), (429, seen(&free)));
    // Without a failed log-in left, however many sign-ups are.
    for number in 0..100 {
        let taken = makes(&app, &format!("known{number}"), "192.0.2.2").await;
        assert_eq!(taken.status(), 409);
        app.clock.advance(Duration::from_millis(125));
    }
    let [known, free] = [
        makes(&app, "known103", "192.0.2.2").await,
        makes(&app, "free", "192.0.2.2").await,
    ];
    assert_eq!((known.status(), seen(&known)), (429, seen(&free)));
}

#[tokio::test]
async fn grpc_and_connect_name_the_limit_and_the_wait() {
    let app = limited().await;
    for name in ["ann", "bob", "cid", "dan", "eve"] {
        app.sign_up(name).await;
    }
    let refused = app
        .try_sign_up("flo@example.com", PASSWORD)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(
        refused.get_details_retry_info().unwrap().retry_delay,
        Some(Duration::from_secs(8))
    );
    let info = refused.get_details_error_info().unwrap();
    assert_eq!(
        (info.reason.as_str(), info.metadata["limit"].as_str()),
        ("RATE_LIMITED", "account-creation")
    );
    let connect = sign_up(
        &app,
        "/countersign.v1.AccountService/CreateAccount",
        "127.0.0.1",
    )
    .await;
    assert_eq!(
        (connect.status(), connect.header("retry-after")),
        (429, "8")
    );
}

#[tokio::test]
async fn trying_credentials_spends_nothing_of_those_who_have_good_ones_or_log_in() {
    let app = limited().await;
    let person = app.sign_up("ann").await;
    let token = person.logs_in().await.tokens.access_token;
    let try_one = |from| {
        app.get("/v1/accounts/me")
            .bearer("cs_live_wrong")
            .from(from)
            .send()
    };
    for _ in 0..8 {
        assert_eq!(try_one("192.0.2.9").await.status(), 401);
    }
    let refused = try_one("192.0.2.9").await;
    assert_eq!(
        refused.header("ratelimit"),
        r#""failed-credentials";r=0;t=1"#
    );
    assert_eq!(call(&app, "192.0.2.9").await.status(), 401, "not limited");
    let owner = app
        .get("/v1/accounts/me")
        .bearer(&token)
        .from("192.0.2.9")
        .send()
        .await;
    assert_eq!(
        owner.status(),
        200,
        "a good credential has a quota of its own"
    );
}

#[tokio::test]
async fn once_its_tries_are_spent_an_unknown_credential_is_not_looked_for() {
    let app = limited().await;
    let person = app.sign_up("ann").await;
    let fresh = person.logs_in().await;
    app.parts.store.close().await;
    let look = |credential: &str, from: &'static str| {
        app.get("/v1/accounts/me")
            .bearer(credential)
            .from(from)
            .send()
    };
    // A key of another kind has no check by which a typo could be told.
    let unknown = "somebody-elses-key";
    assert_eq!(
        look(unknown, "192.0.2.1").await.status(),
        503,
        "it is looked for"
    );
    for _ in 0..8 {
        assert_eq!(look("cs_live_wrong", "192.0.2.2").await.status(), 401);
    }
    let refused = look(unknown, "192.0.2.2").await;
    assert_eq!(
        (refused.status(), refused.header("ratelimit")),
        (429, r#""failed-credentials";r=0;t=1"#)
    );
    // What this server issued is known before it is first used: its session is looked for.
    let token = &fresh.tokens.access_token;
    assert_eq!(look(token, "192.0.2.2").await.status(), 503);
    app.clock.advance(Duration::from_millis(125));
    assert_eq!(look(unknown, "192.0.2.2").await.status(), 503);
}

#[tokio::test]
async fn who_fails_at_an_address_keeps_no_good_credential_out_there() {
    let app = limited().await;
    let ann = app.sign_up("ann").await.logs_in().await;
    let key = ann.makes_key(&[]).await;
    let token = ann.tokens.access_token.clone();
    // Nothing is remembered of either from before.
    let app = app.restart().await;
    let look = |credential: &str| {
        app.get("/v1/accounts/me")
            .bearer(credential)
            .from("192.0.2.1")
            .send()
    };
    for _ in 0..20 {
        look("cs_live_wrong").await;
    }
    assert_eq!(look("somebody-elses-key").await.status(), 429);
    assert_eq!(look(&key).await.status(), 200);
    assert_eq!(look(&token).await.status(), 200);
    let forged = format!("{token}x");
    let mut refused = 0;
    for _ in 0..200 {
        let answer = look(&forged).await;
        refused += usize::from(
            answer
                .header("ratelimit")
                .contains("well-formed-credentials"),
        );
    }
    assert!(refused >= 200 - 16 * 8, "{refused}");
}

#[tokio::test]
async fn a_revoked_credential_is_not_looked_for_without_end() {
    let app = limited().await;
    let person = app.sign_up("ann").await;
    let ann = person.logs_in().await;
    let token = &ann.tokens.access_token;
    let look = || {
        app.get("/v1/accounts/me")
            .bearer(token)
            .from("192.0.2.1")
            .send()
    };
    assert_eq!(look().await.status(), 200);
    let revoke = app
        .delete("/v1/sessions/current")
        .bearer(token)
        .send()
        .await;
    assert_eq!(revoke.status(), 200);
    for _ in 0..8 {
        assert_eq!(look().await.status(), 401);
    }
    // It has a form of ours, so that sixteen times as many looks are left.
    for _ in 0..16 * 8 {
        look().await;
    }
    app.parts.store.close().await;
    assert_eq!(look().await.status(), 429, "no look-up is left to fail");
}

#[tokio::test]
async fn what_cannot_be_read_counts_as_a_call_in_every_dialect() {
    let app = limited().await;
    let paths = [
        "/v1/sessions",
        "/auth/login",
        "/api/auth/login",
        "/countersign.v1.SessionService/CreateSession",
        "/no/path",
    ];
    for (number, path) in paths.into_iter().enumerate() {
        let from = format!("192.0.2.{number}");
        for _ in 0..8 {
            let refused = app
                .post(path)
                .body("application/json", "{")
                .from(&from)
                .send()
                .await;
            assert!(
                [400, 404].contains(&refused.status()),
                "{path}: {}",
                refused.status()
            );
        }
        let refused = app
            .post(path)
            .body("application/json", "{")
            .from(&from)
            .send()
            .await;
        assert_eq!(
            (refused.status(), refused.header("retry-after")),
            (429, "1"),
            "{path}"
        );
    }
    for _ in 0..100 {
        assert_eq!(
            app.get("/.well-known/jwks.json")
                .from("192.0.2.0")
                .send()
                .await
                .status(),
            200
        );
    }
}

#[tokio::test]
async fn limits_can_be_switched_off() {
    let app = TestApp::start().await;
    for _ in 0..100 {
        assert_eq!(call(&app, "192.0.2.1").await.status(), 401);
    }
}
