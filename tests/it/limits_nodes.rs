//! Limits that hold across the nodes of one Postgres.

use std::time::Duration;

use countersign::store::Database;
use serde_json::json;

use crate::{
    store_contract::{Base, on_postgres},
    support::{PASSWORD, TestApp, TestResponse, solved},
};

/// Two servers on one database.
async fn two_nodes(base: &Base) -> [TestApp; 2] {
    let Database::Postgres { url, .. } = base.database.clone() else {
        panic!("one node alone can use SQLite");
    };
    let first = TestApp::with(|config| {
        config.database.url = url;
        config.database.connections = 4;
        config.limits.enabled = true;
    })
    .await;
    let second = first.second_node().await;
    [first, second]
}

async fn sign_up(app: &TestApp, email: &str, from: &str) -> TestResponse {
    let body = json!({"email": email, "password": PASSWORD});
    app.post("/v1/accounts").json(body).from(from).send().await
}

async fn log_in(app: &TestApp, password: &str, from: &str) -> TestResponse {
    let body = json!({"email": "ann@example.com", "password": password});
    app.post("/v1/sessions").json(body).from(from).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn five_sign_ups_at_once_and_one_in_eight_seconds_through_all_nodes_together() {
    on_postgres(|base| async move {
        let [first, second] = two_nodes(&base).await;
        for (turn, from) in ["192.0.2.1", "2001:db8:1:2::1"].into_iter().enumerate() {
            let email = |name: &str| format!("{name}{turn}@example.com");
            for name in ["ann", "bob", "cid", "dan", "eve"] {
                assert_eq!(sign_up(&first, &email(name), from).await.status(), 200);
            }
            // What the same node refuses never asks the database.
            let same = sign_up(&first, &email("flo"), from).await;
            let refused = sign_up(&second, &email("flo"), from).await;
            for refused in [same, refused] {
                assert_eq!(
                    (refused.status(), refused.header("retry-after")),
                    (429, "8"),
                    "{}",
                    refused.text()
                );
                assert_eq!(refused.header("ratelimit"), r#""account-creation";r=0;t=8"#);
                assert_eq!(
                    refused.header("ratelimit-policy"),
                    r#""account-creation";q=5;w=40"#
                );
            }
            first.clock.advance(Duration::from_secs(8));
            assert_eq!(sign_up(&second, &email("flo"), from).await.status(), 200);
            first.clock.advance(Duration::from_secs(32));
        }
    })
    .await;
}

/// Signs up as Mail.td's face does.
async fn sign_up_at_mail_td(app: &TestApp, email: &str, from: &str) -> TestResponse {
    let work = solved(&app.challenge().await);
    let body = json!({
        "email": email,
        "password": PASSWORD,
        "sessionClientId": "mailtd",
        "proofOfWork": {"challengeId": work.challenge_id, "nonce": work.nonce},
    });
    app.post("/v1/accounts").json(body).from(from).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_td_holds_its_own_sign_ups_to_one_in_eight_seconds_and_the_stated_wait_is_enough() {
    on_postgres(|base| async move {
        let [first, second] = two_nodes(&base).await;
        let from = "192.0.2.1";
        let made = sign_up_at_mail_td(&first, "ann@mail.td", from).await;
        assert_eq!(made.status(), 200, "{}", made.text());
        first.clock.advance(Duration::from_secs(6));
        let refused = sign_up_at_mail_td(&second, "bob@mail.td", from).await;
        assert_eq!(
            (refused.status(), refused.header("retry-after")),
            (429, "8")
        );
        let policy = r#""account-creation";q=1;w=8"#;
        assert_eq!(refused.header("ratelimit-policy"), policy);
        assert_eq!(
            sign_up(&second, "eve@example.com", from).await.status(),
            200
        );
        first.clock.advance(Duration::from_secs(8));
        let made = sign_up_at_mail_td(&second, "bob@mail.td", from).await;
        assert_eq!(made.status(), 200, "{}", made.text());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_address_is_a_try_at_its_account_for_all_nodes_together() {
    on_postgres(|base| async move {
        let nodes = two_nodes(&base).await;
        let from = "192.0.2.2";
        sign_up(&nodes[0], "ann@example.com", "192.0.2.1").await;
        for turn in 0..5 {
            let taken = sign_up(&nodes[turn % 2], "ann@example.com", from).await;
            assert_eq!(taken.status(), 409);
        }
        for node in &nodes {
            let refused = sign_up(node, "ann@example.com", from).await;
            assert_eq!(
                (refused.status(), refused.header("ratelimit")),
                (429, r#""log-in";r=0;t=1"#)
            );
            assert_eq!(log_in(node, PASSWORD, from).await.status(), 429);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_are_counted_by_all_nodes_together_and_the_right_one_clears_them() {
    on_postgres(|base| async move {
        let nodes = two_nodes(&base).await;
        let [first, second] = &nodes;
        assert_eq!(
            sign_up(first, "ann@example.com", "192.0.2.1")
                .await
                .status(),
            200
        );
        for turn in 0..5 {
            let wrong = log_in(&nodes[turn % 2], "wrong", "192.0.2.1").await;
            assert_eq!(wrong.status(), 401);
        }
        for node in &nodes {
            let refused = log_in(node, PASSWORD, "192.0.2.1").await;
            assert_eq!(
                (refused.status(), refused.header("ratelimit")),
                (429, r#""log-in";r=0;t=1"#)
            );
        }
        let elsewhere = log_in(second, PASSWORD, "192.0.2.2").await;
        assert_eq!(elsewhere.status(), 200, "{}", elsewhere.text());
        first.clock.advance(Duration::from_secs(1));
        assert_eq!(log_in(second, PASSWORD, "192.0.2.1").await.status(), 200);
        for turn in 0..5 {
            let wrong = log_in(&nodes[turn % 2], "wrong", "192.0.2.1").await;
            assert_eq!(wrong.status(), 401, "counted from the beginning");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_guesses_through_all_nodes_are_no_more_than_one_after_the_other() {
    on_postgres(|base| async move {
        let nodes = two_nodes(&base).await;
        sign_up(&nodes[0], "ann@example.com", "192.0.2.1").await;
        // Half of a second's calls through each node, which count those by themselves.
        let guesses = (0..14).map(|turn| log_in(&nodes[turn % 2], "wrong", "192.0.2.9"));
        let answers = futures_join(guesses).await;
        let checked = answers.iter().filter(|answer| answer.status() == 401);
        assert_eq!(checked.count(), 5);
    })
    .await;
}

/// Polls them all in turn until each has ended.
pub(crate) async fn futures_join<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, output) in &mut pending {
            if output.is_none()
                && let std::task::Poll::Ready(answer) = future.as_mut().poll(context)
            {
                *output = Some(answer);
            }
        }
        if pending.iter().all(|(_, output)| output.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    pending
        .into_iter()
        .filter_map(|(_, output)| output)
        .collect()
}
