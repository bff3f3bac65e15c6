//! The address that limits go by: nobody gets another bucket by what they write into a header.

use serde_json::json;

use crate::support::TestApp;

const PROXY: &str = "10.0.0.1";
/// What a public call costs of this many in a second, by default.
const A_SECOND: usize = 8;

async fn behind_a_proxy() -> TestApp {
    TestApp::with(|config| {
        config.limits.enabled = true;
        config.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    })
    .await
}

/// Whether a public call from this peer, with these headers, is within its limit.
async fn passes(app: &TestApp, peer: &str, headers: &[(&str, String)]) -> bool {
    let call = app
        .post("/v1/sessions:refresh")
        .json(json!({"refreshToken": "x"}))
        .from(peer);
    let call = headers
        .iter()
        .fold(call, |call, (name, value)| call.header(name, value));
    let status = call.send().await.status();
    assert!([401, 429].contains(&status), "{headers:?}: {status}");
    status == 401
}

/// A thousand ways to claim addresses, all different.
fn claims() -> Vec<Vec<(&'static str, String)>> {
    let mut claims = Vec::new();
    for number in 0..50 {
        let address = format!("198.51.100.{number}");
        for (name, value) in [
            ("x-forwarded-for", address.clone()),
            ("X-FORWARDED-FOR", format!("{address}:{number}")),
            ("x-forwarded-for", format!(" {address} , 10.0.0.2")),
            ("x-forwarded-for", format!("10.0.0.2,{address},10.0.0.3")),
            ("x-forwarded-for", format!("::ffff:{address}")),
            ("x-forwarded-for", format!("2001:db8:{number:x}::1")),
            ("x-forwarded-for", format!("[2001:db8:{number:x}::1]:80")),
            ("forwarded", format!("for={address}")),
            (
                "Forwarded",
                format!("For=\"{address}:{number}\";proto=https"),
            ),
            ("forwarded", format!("for=\"[2001:db8:{number:x}::1]\"")),
            ("forwarded", format!("for=unknown, for={address}")),
            ("forwarded", format!("for={address};x=\"")),
            ("x-real-ip", address.clone()),
            ("x-client-ip", address.clone()),
            ("client-ip", address.clone()),
            ("true-client-ip", address.clone()),
            ("cf-connecting-ip", address.clone()),
            ("x-cluster-client-ip", address.clone()),
            ("x-original-forwarded-for", address.clone()),
            ("via", format!("1.1 {address}")),
        ] {
            claims.push(vec![(name, value)]);
        }
    }
    claims
}

#[tokio::test]
async fn a_thousand_claims_of_an_untrusted_client_count_as_one() {
    let app = behind_a_proxy().await;
    let mut passed = 0;
    let claims = claims();
    for headers in &claims {
        passed += usize::from(passes(&app, "192.0.2.1", headers).await);
    }
    assert_eq!((claims.len(), passed), (1000, A_SECOND));
    assert!(
        passes(&app, "192.0.2.2", &[]).await,
        "a neighbour is not held back"
    );
}

#[tokio::test]
async fn what_a_client_writes_before_its_proxy_is_no_other_client() {
    let app = behind_a_proxy().await;
    let mut passed = 0;
    for mut headers in claims() {
        headers.push(("x-forwarded-for", "203.0.113.9".to_owned()));
        if headers[0].0.eq_ignore_ascii_case("forwarded") {
            headers.push(("forwarded", "for=203.0.113.9".to_owned()));
        }
        passed += usize::from(passes(&app, PROXY, &headers).await);
    }
    assert_eq!(passed, A_SECOND);
}

#[tokio::test]
async fn behind_a_trusted_proxy_every_client_has_its_own_limit() {
    let app = behind_a_proxy().await;
    let from = |address: &str| [("x-forwarded-for", address.to_owned())];
    for client in ["203.0.113.1", "203.0.113.2", "2001:db8:1:2::1"] {
        for _ in 0..A_SECOND {
            assert!(passes(&app, PROXY, &from(client)).await, "{client}");
        }
        assert!(!passes(&app, PROXY, &from(client)).await, "{client}");
    }
    for same in [
        "::ffff:203.0.113.1",
        "203.0.113.2:4711",
        "2001:db8:1:2:ffff::",
    ] {
        assert!(!passes(&app, PROXY, &from(same)).await, "{same}");
    }
    let mut passed = 0;
    for number in 0..10_000 {
        let address = format!("2001:db8:7:7::{number:x}");
        passed += usize::from(passes(&app, PROXY, &from(&address)).await);
    }
    assert_eq!(passed, A_SECOND, "a /64 is one client");
}
