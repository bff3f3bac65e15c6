//! One mailbox, one account: whatever spelling of an address is typed, and wherever.

use serde_json::json;

use crate::support::{PASSWORD, TestApp};

/// Spellings of one mailbox.
const EVA: [&str; 5] = [
    "eva@bücher.example",
    "Eva@XN--BCHER-KVA.example",
    "\"eva\"@bu\u{308}cher.example",
    "eva@ｂücher.EXAMPLE",
    " \"e\\va\"@xn--bcher-kva.example ",
];

#[tokio::test]
async fn every_face_takes_every_spelling_of_an_address_for_one_mailbox() {
    let app = TestApp::start().await;
    let body = json!({"email": EVA[0], "password": PASSWORD});
    let made = app.post("/v1/accounts").json(body).send().await;
    assert_eq!(made.status, 200, "{}", made.text());

    for spelling in EVA {
        for (path, name) in [
            ("/v1/sessions", "email"),
            ("/api/auth/login", "email"),
            ("/v1/auth/login", "email"),
            ("/api/token", "address"),
            ("/api/user/login", "email"),
            ("/oauth/token?grant_type=password", "username"),
        ] {
            let body = json!({name: spelling, "password": PASSWORD});
            let answer = app.post(path).json(body).send().await;
            assert_eq!(answer.status, 200, "{path} {spelling} {}", answer.text());
        }
        for (path, name) in [
            ("/v1/accounts", "email"),
            ("/api/auth/signup", "email"),
            ("/v1/auth/register", "email"),
        ] {
            let body = json!({name: spelling, "password": PASSWORD, "name": "Eva"});
            let answer = app.post(path).json(body).send().await;
            assert!(
                [400, 409].contains(&answer.status),
                "{path} {spelling} {}",
                answer.text()
            );
        }
    }
}

#[tokio::test]
async fn an_account_shows_the_address_as_it_was_typed() {
    let app = TestApp::start().await;
    let body = json!({"email": EVA[1], "password": PASSWORD});
    let made = app.post("/v1/accounts").json(body).send().await;
    assert_eq!(made.json()["account"]["email"], EVA[1]);
}
