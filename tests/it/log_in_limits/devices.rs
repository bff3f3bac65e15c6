//! Devices that an account knows.

use std::time::Duration;

use countersign::pb::v1::CreateSessionRequest;
use http::Method;
use serde_json::json;

use super::{cookie_of, fail, limited, log_in, seconds_to_wait, try_on};
use crate::support::{PASSWORD, TestApp};

const COOKIE: &str = "countersign_device";

#[tokio::test]
async fn a_device_value_that_is_not_this_accounts_is_no_device() {
    let app = TestApp::with(|config| {
        config.limits.enabled = true;
        config.limits.log_in_untrusted = 5;
    })
    .await;
    app.sign_up("ann").await;
    app.clock.advance(Duration::from_secs(8));
    app.sign_up("bob").await;
    let bobs = cookie_of(&log_in(&app, "bob@example.com", PASSWORD, "192.0.2.50").await);
    let anns = cookie_of(&log_in(&app, "ann@example.com", PASSWORD, "192.0.2.51").await);
    for number in 0..5 {
        log_in(
            &app,
            "ann@example.com",
            "wrong",
            &format!("192.0.2.{number}"),
        )
        .await;
    }
    let value = anns.split_once('=').unwrap().1;
    let mut forged = vec![
        bobs,
        format!("{COOKIE}="),
        format!("{COOKIE}={}", "A".repeat(76)),
        format!("{COOKIE}={}", "A".repeat(5_000)),
        format!("{COOKIE}={}", value.to_uppercase()),
        format!("other={value}"),
        format!("__Host-{COOKIE}={value}"),
    ];
    for at in [0, 20, 40, 75] {
        let mut bytes = value.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        forged.push(format!("{COOKIE}={}", String::from_utf8(bytes).unwrap()));
    }
    for (number, cookie) in forged.iter().enumerate() {
        let from = format!("203.0.113.{number}");
        let answer = try_on(&app, "ann@example.com", PASSWORD, &from, cookie).await;
        assert_eq!(answer.status(), 429, "{cookie}");
    }
    let known = try_on(&app, "ann@example.com", PASSWORD, "203.0.113.99", &anns).await;
    assert_eq!(known.status(), 200);
    app.clock.advance(Duration::from_secs(366 * 24 * 3600));
    for number in 0..5 {
        log_in(
            &app,
            "ann@example.com",
            "wrong",
            &format!("192.0.2.{number}"),
        )
        .await;
    }
    let old = try_on(&app, "ann@example.com", PASSWORD, "203.0.113.98", &anns).await;
    assert_eq!(old.status(), 429, "a year is over");
}

#[tokio::test]
async fn a_device_that_fails_too_often_is_untrusted() {
    let app = limited().await;
    app.sign_up("ann").await;
    let cookie = cookie_of(&log_in(&app, "ann@example.com", PASSWORD, "192.0.2.1").await);
    let mut failures = 0;
    while failures < 10 {
        let answer = try_on(&app, "ann@example.com", "wrong", "192.0.2.2", &cookie).await;
        match answer.status() {
            401 => failures += 1,
            _ => app
                .clock
                .advance(Duration::from_secs(seconds_to_wait(&answer))),
        }
    }
    // By itself it would have to wait after each failure now. As its network it has not failed yet.
    app.clock.advance(Duration::from_secs(60));
    for _ in 0..5 {
        let wrong = try_on(&app, "ann@example.com", "wrong", "192.0.2.2", &cookie).await;
        assert_eq!(wrong.status(), 401, "{}", wrong.text());
    }
    let refused = try_on(&app, "ann@example.com", PASSWORD, "192.0.2.2", &cookie).await;
    seconds_to_wait(&refused);
}

/// An attacker who shares an address with the owner spends the calls of that address.
#[tokio::test]
async fn a_known_device_has_calls_of_its_own() {
    let app = limited().await;
    app.sign_up("ann").await;
    let cookie = cookie_of(&log_in(&app, "ann@example.com", PASSWORD, "192.0.2.1").await);
    for _ in 0..20 {
        log_in(&app, "bob@example.com", "wrong", "192.0.2.1").await;
    }
    let refused = log_in(&app, "ann@example.com", PASSWORD, "192.0.2.1").await;
    assert_eq!(refused.header("ratelimit"), r#""public";r=0;t=1"#);
    let owner = try_on(&app, "ann@example.com", PASSWORD, "192.0.2.1", &cookie).await;
    assert_eq!(owner.status(), 200, "{}", owner.text());
    // They are as many as those of an address, and only for logging in.
    for _ in 0..7 {
        try_on(&app, "ann@example.com", PASSWORD, "192.0.2.1", &cookie).await;
    }
    let refused = try_on(&app, "ann@example.com", PASSWORD, "192.0.2.1", &cookie).await;
    assert_eq!(refused.header("ratelimit"), r#""known-device";r=0;t=1"#);
    let refresh = app
        .post("/v1/sessions:refresh")
        .json(json!({"refreshToken": "x"}))
        .from("192.0.2.1")
        .header("cookie", &cookie);
    assert_eq!(refresh.send().await.status(), 429);
}

#[tokio::test]
async fn every_way_to_log_in_hands_out_a_device_and_takes_it_back() {
    let app = limited().await;
    app.sign_up("ann").await;
    let body = json!({"email": "ann@example.com", "password": PASSWORD});
    for (number, path) in [
        "/v1/sessions",
        "/auth/login",
        "/v1/auth/login",
        "/api/auth/login",
        "/oauth/token?grant_type=password",
        "/countersign.v1.SessionService/CreateSession",
    ]
    .into_iter()
    .enumerate()
    {
        let from = format!("192.0.2.{number}");
        let answer = app.post(path).json(body.clone()).from(&from).send().await;
        assert_eq!(answer.status(), 200, "{path}: {}", answer.text());
        let set: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
        assert_eq!(set.len(), 1, "{path}");
        let (_, attributes) = answer.header("set-cookie").split_once(';').unwrap();
        assert_eq!(
            attributes, " Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax",
            "{path}"
        );
        let cookie = cookie_of(&answer);
        fail(&app, "ann@example.com", &from, 5).await;
        let known = app
            .call(Method::POST, path)
            .json(body.clone())
            .from(&from)
            .header("cookie", &format!("theme=dark; {cookie}"));
        assert_eq!(known.send().await.status(), 200, "{path}");
    }
}

#[tokio::test]
async fn programs_send_the_device_in_a_field() {
    let app = limited().await;
    app.sign_up("ann").await;
    let made = app.try_log_in("ann@example.com", PASSWORD).await.unwrap();
    fail(&app, "ann@example.com", "127.0.0.1", 5).await;
    app.try_log_in("ann@example.com", PASSWORD)
        .await
        .unwrap_err();
    let request = CreateSessionRequest {
        email: "ann@example.com".to_owned(),
        password: PASSWORD.to_owned(),
        device_token: made.device_token,
        ..CreateSessionRequest::default()
    };
    app.sessions().create_session(request).await.unwrap();
    let wrong = log_in(&app, "ann@example.com", "wrong", "192.0.2.1").await;
    assert_eq!(
        wrong.header("set-cookie"),
        "",
        "a failure hands out nothing"
    );
}

#[tokio::test]
async fn devices_of_many_accounts_do_not_multiply_what_a_network_may_call() {
    let app = limited().await;
    let mut cookies = Vec::new();
    for number in 0..20 {
        let email = format!("own{number}@example.com");
        app.try_sign_up(&email, PASSWORD).await.unwrap();
        cookies.push(cookie_of(
            &log_in(&app, &email, PASSWORD, "192.0.2.1").await,
        ));
        app.clock.advance(Duration::from_secs(8));
    }
    let mut passed = 0;
    for _ in 0..10 {
        for cookie in &cookies {
            let answer = try_on(&app, "ann@example.com", "wrong", "192.0.2.1", cookie).await;
            passed += u32::from(!answer.header("ratelimit").contains("known-device"));
        }
    }
    // Eight as everybody, and of each account eight, but no more than sixteen clients' worth.
    assert!(passed <= 8 + 16 * 8, "{passed}");
}

#[tokio::test]
async fn a_program_is_known_by_its_metadata_where_its_address_is_flooded() {
    let app = limited().await;
    app.sign_up("ann").await;
    let known = log_in(&app, "ann@example.com", PASSWORD, "192.0.2.1").await;
    let device = known.json()["deviceToken"].as_str().unwrap().to_owned();
    app.clock.advance(Duration::from_secs(1));
    for _ in 0..8 {
        log_in(&app, "ann@example.com", "wrong", "192.0.2.1").await;
    }
    let mut request = tonic::Request::new(CreateSessionRequest {
        email: "ann@example.com".to_owned(),
        password: PASSWORD.to_owned(),
        ..CreateSessionRequest::default()
    });
    let forwarded = "192.0.2.1".parse().unwrap();
    request.metadata_mut().insert("x-forwarded-for", forwarded);
    request
        .metadata_mut()
        .insert("x-countersign-device", device.parse().unwrap());
    let flooded = log_in(&app, "ann@example.com", PASSWORD, "192.0.2.1").await;
    assert_eq!(flooded.status(), 429);
    app.sessions().create_session(request).await.unwrap();
}

#[tokio::test]
async fn devices_cannot_be_stored_up_to_guess_with() {
    let app = limited().await;
    app.sign_up("ann").await;
    let mut devices = Vec::new();
    for _ in 0..4 {
        devices.push(cookie_of(
            &log_in(&app, "ann@example.com", PASSWORD, "192.0.2.1").await,
        ));
        app.clock.advance(Duration::from_secs(1));
    }
    let mut checked = 0;
    for device in devices {
        for _ in 0..5 {
            let answer = try_on(&app, "ann@example.com", "wrong", "192.0.2.9", &device).await;
            checked += usize::from(answer.status() == 401);
            app.clock.advance(Duration::from_millis(125));
        }
    }
    // The five of the one device that they are, and one that its first delay let through meanwhile.
    assert!(checked <= 7, "{checked}");
}
