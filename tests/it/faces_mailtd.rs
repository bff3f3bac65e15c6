//! Mail.td, as a person who uses its documented API meets it.

mod pro;

use std::time::Duration;

use countersign::{
    metrics::Format,
    pb::v1::{Challenge, ChallengeAlgorithm},
};
use http::Method;
use serde_json::{Value, json};

use crate::support::{TestApp, TestResponse, solved};

const ADDRESS: &str = "demo@mail.td";
const PASSWORD: &str = "supersecret";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Gets a challenge and solves it, as the document has it: `{"id", "nonce"}`.
async fn pow(app: &TestApp) -> Value {
    let challenge = app.get("/api/challenge").send().await;
    assert_eq!(challenge.status(), 200);
    let challenge = challenge.json();
    assert_eq!(challenge["algorithm"], "sha256");
    let work = solved(&Challenge {
        id: challenge["id"].as_str().unwrap().to_owned(),
        salt: challenge["salt"].as_str().unwrap().to_owned(),
        difficulty: challenge["difficulty"]
            .as_i64()
            .unwrap()
            .try_into()
            .unwrap(),
        algorithm: ChallengeAlgorithm::Sha256.into(),
        ..Challenge::default()
    });
    json!({"id": work.challenge_id, "nonce": work.nonce})
}

async fn create(app: &TestApp, address: &str) -> TestResponse {
    let pow = pow(app).await;
    let body = json!({"address": address, "password": PASSWORD, "pow": pow});
    app.post_json("/api/accounts", body).await
}

async fn sign_in(app: &TestApp, address: &str) -> TestResponse {
    let body = json!({"address": address, "password": PASSWORD});
    app.post_json("/api/token", body).await
}

async fn log_in(app: &TestApp, email: &str) -> TestResponse {
    let body = json!({"email": email, "password": PASSWORD});
    app.post_json("/api/user/login", body).await
}

/// Reads or deletes an account.
async fn account(app: &TestApp, method: Method, id: &Value, token: &Value) -> TestResponse {
    let path = format!("/api/accounts/{}", id.as_str().unwrap());
    app.call(method, &path)
        .bearer(token.as_str().unwrap())
        .send()
        .await
}

/// A user with the Pro plan: the answer of their log-in.
async fn pro(app: &TestApp, email: &str) -> Value {
    assert_eq!(create(app, email).await.status(), 201);
    let first = log_in(app, email).await.json();
    assert_eq!(first["plan"], "free");
    let organization = app.organization(first["token"].as_str().unwrap()).await;
    app.upgrade(&organization).await;
    let second = log_in(app, email).await.json();
    assert_eq!(second["plan"], "pro");
    second
}

#[track_caller]
fn assert_keys<const N: usize>(value: &Value, mut expected: [&str; N]) {
    let members = value.as_object().into_iter().flatten();
    let mut keys: Vec<_> = members.map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    expected.sort_unstable();
    assert_eq!(keys, expected);
}

#[tokio::test]
async fn a_free_user_solves_a_challenge_and_has_an_account() {
    let app = TestApp::start().await;
    let challenge = app.get("/api/challenge").send().await.json();
    assert_keys(
        &challenge,
        ["id", "salt", "difficulty", "expires_at", "algorithm"],
    );
    assert_eq!(challenge["expires_at"], (1_768_473_000_i64 + 300) * 1000);

    let made = create(&app, ADDRESS).await;
    assert_eq!(made.status(), 201, "{}", made.text());
    assert_eq!(made.header("cache-control"), "no-store");
    let made = made.json();
    assert_keys(&made, ["id", "address", "token"]);
    assert_eq!(made["address"], ADDRESS);
    assert!(made["token"].as_str().unwrap().starts_with("eyJ"));

    let signed_in = sign_in(&app, ADDRESS).await;
    assert_eq!(signed_in.status(), 200);
    let signed_in = signed_in.json();
    assert_eq!(
        (&signed_in["id"], &signed_in["address"]),
        (&made["id"], &made["address"])
    );
    assert_ne!(signed_in["token"], made["token"]);

    for token in [&made["token"], &signed_in["token"]] {
        let read = account(&app, Method::GET, &made["id"], token).await;
        assert_eq!(read.status(), 200);
        assert_eq!(
            read.json(),
            json!({"id": made["id"], "address": ADDRESS, "created_at": 1_768_473_000_000_i64})
        );
    }
    let deleted = account(&app, Method::DELETE, &made["id"], &made["token"]).await;
    assert_eq!((deleted.status(), deleted.text().as_str()), (204, ""));
    for token in [&made["token"], &signed_in["token"]] {
        let gone = account(&app, Method::GET, &made["id"], token).await;
        assert_eq!(gone.status(), 401);
        assert_eq!(gone.json(), json!({"error": "invalid_or_expired_token"}));
    }
    assert_eq!(sign_in(&app, ADDRESS).await.status(), 401);
}

#[tokio::test]
async fn a_free_account_takes_work_whether_or_not_a_token_comes_along() {
    let app = TestApp::start().await;
    let free = create(&app, ADDRESS).await.json();
    let free = free["token"].as_str().unwrap();
    let body = json!({"address": "other@mail.td", "password": PASSWORD});
    for call in [
        app.post("/api/accounts"),
        app.post("/api/accounts").bearer(free),
    ] {
        let refused = call.json(body.clone()).send().await;
        assert_eq!(refused.status(), 400, "{}", refused.text());
        assert_eq!(refused.json(), json!({"error": "challenge_required"}));
    }
    let refused = app
        .post("/api/accounts")
        .bearer("tm_pro_wrong")
        .json(body.clone())
        .send()
        .await;
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.json(), json!({"error": "invalid_or_expired_token"}));
    // Nor does the work make a token good; what it buys is not spent on that.
    let mut body = body;
    body["pow"] = pow(&app).await;
    let refused = app
        .post("/api/accounts")
        .bearer("tm_pro_wrong")
        .json(body.clone())
        .send()
        .await;
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.json(), json!({"error": "invalid_or_expired_token"}));
    let made = app
        .post("/api/accounts")
        .bearer(free)
        .json(body.clone())
        .send()
        .await;
    assert_eq!(made.status(), 201, "{}", made.text());
    body["address"] = json!("third@mail.td");
    let replayed = app.post_json("/api/accounts", body.clone()).await;
    assert_eq!(replayed.status(), 400);
    assert_eq!(replayed.json(), json!({"error": "challenge_invalid"}));
    body["pow"] = pow(&app).await;
    body["pow"]["id"] = json!(format!("{}x", body["pow"]["id"].as_str().unwrap()));
    let forged = app.post_json("/api/accounts", body).await;
    assert_eq!(forged.json(), json!({"error": "challenge_invalid"}));
    let taken = create(&app, ADDRESS).await;
    assert_eq!(
        (taken.status(), &taken.json()["error"]),
        (409, &json!("address_already_exists"))
    );
    assert_eq!(
        sign_in(&app, "third@mail.td").await.status(),
        401,
        "nothing was made"
    );
}

#[tokio::test]
async fn the_challenge_names_its_algorithm() {
    let app = TestApp::with(|config| {
        config.signup.algorithm = countersign::config::ChallengeAlgorithm::Argon2id;
        config.signup.argon2_memory_kib = 64;
    })
    .await;
    let challenge = app.get("/api/challenge").send().await.json();
    assert_eq!(challenge["algorithm"], "argon2id");
    assert_eq!(challenge["memory_kib"], 64);
    assert!(challenge["iterations"].as_u64().unwrap() >= 1);
}

#[tokio::test]
async fn a_wrong_password_an_unknown_address_and_a_user_without_a_password_are_answered_alike() {
    let app = TestApp::start().await;
    create(&app, ADDRESS).await;
    create(&app, "google@mail.td").await;
    app.forget_password("google@mail.td").await;
    for (path, name) in [("/api/token", "address"), ("/api/user/login", "email")] {
        let mut answers = Vec::new();
        for (address, password) in [
            (ADDRESS, "not_the_password"),
            ("nobody@mail.td", PASSWORD),
            ("google@mail.td", PASSWORD),
            ("not an address", PASSWORD),
        ] {
            let mut body = json!({"password": password});
            body[name] = json!(address);
            let refused = app.post_json(path, body).await;
            assert_eq!(refused.status(), 401, "{address}");
            answers.push(refused.text());
        }
        answers.dedup();
        assert_eq!(answers, [r#"{"error":"invalid_credentials"}"#]);
    }
}

#[tokio::test]
async fn who_signs_up_here_logs_in_through_every_other_face_and_every_token_opens_what_it_should() {
    let app = TestApp::start().await;
    let made = create(&app, ADDRESS).await.json();
    let body = json!({"email": ADDRESS, "password": PASSWORD});
    let momail = app.post_json("/v1/auth/login", body.clone()).await.json();
    let mailkite = app.post_json("/api/auth/login", body.clone()).await.json();
    let native = app.post_json("/v1/sessions", body.clone()).await.json();
    let form = [("username", ADDRESS), ("password", PASSWORD)];
    let smtpd = app
        .post("/oauth/token?grant_type=password")
        .form(&form)
        .send()
        .await
        .json();
    let pro = log_in(&app, ADDRESS).await.json();
    for token in [
        &made["token"],
        &pro["token"],
        &momail["data"]["accessToken"],
        &mailkite["token"],
        &native["tokens"]["accessToken"],
        &smtpd["access_token"],
    ] {
        assert_eq!(
            account(&app, Method::GET, &made["id"], token)
                .await
                .status(),
            200
        );
        let me = app
            .get("/oauth/me")
            .basic(token.as_str().unwrap(), "")
            .send()
            .await;
        assert_eq!(me.json()["id"], made["id"]);
        assert_eq!(app.me(token.as_str().unwrap()).await.email, ADDRESS);
    }
}

#[tokio::test]
async fn who_signs_up_through_another_face_signs_in_here() {
    let app = TestApp::start().await;
    let body = json!({"email": ADDRESS, "password": PASSWORD, "name": "Demo"});
    assert_eq!(app.post_json("/v1/auth/register", body).await.status(), 201);
    let body = json!({"email": "kite@mail.td", "password": PASSWORD});
    let kite = app.post_json("/api/auth/signup", body).await.json();
    for address in [ADDRESS, "KITE@mail.td"] {
        let signed_in = sign_in(&app, address).await.json();
        assert_eq!(
            account(&app, Method::GET, &signed_in["id"], &signed_in["token"])
                .await
                .status(),
            200
        );
        assert_eq!(log_in(&app, address).await.json()["plan"], "free");
    }
    assert_eq!(
        account(&app, Method::GET, &kite["user"]["id"], &kite["api_key"])
            .await
            .status(),
        200
    );
}

#[tokio::test]
async fn bad_requests_are_answered_in_the_words_of_the_face() {
    let app = TestApp::start().await;
    for path in ["/api/accounts", "/api/token", "/api/user/login"] {
        for (content_type, body, status, error) in [
            ("application/json", "", 400, "malformed_request"),
            ("application/json", "{", 400, "malformed_request"),
            (
                "application/json",
                r#"{"password":"a","password":"b"}"#,
                400,
                "malformed_request",
            ),
            ("application/json", "{}", 400, "invalid_field"),
            ("text/plain", "{}", 415, "unsupported_media_type"),
        ] {
            let refused = app.post(path).body(content_type, body).send().await;
            assert_eq!(refused.status(), status, "{path} {body}");
            assert_eq!(refused.json()["error"], error, "{path} {body}");
        }
        let large = " ".repeat((64 << 10) + 1);
        let refused = app.post(path).body("application/json", large).send().await;
        assert_eq!(
            (refused.status(), &refused.json()["error"]),
            (413, &json!("message_too_large"))
        );
    }
    let made = create(&app, ADDRESS).await.json();
    let path = format!("/api/accounts/{}/messages", made["id"].as_str().unwrap());
    let mail = app
        .get(&path)
        .bearer(made["token"].as_str().unwrap())
        .send()
        .await;
    assert_eq!(
        (mail.status(), mail.json()),
        (404, json!({"error": "not_found"}))
    );
}

/// A free user's request becomes two rpcs; the first of them is refused.
#[tokio::test]
async fn a_request_spends_one_call_however_many_rpcs_it_takes() {
    let app = TestApp::with(|config| config.limits.enabled = true).await;
    let token = create(&app, ADDRESS).await.json()["token"].clone();
    let calls = |class| {
        let text = app.parts.exposition.read(Format::Prometheus);
        let line = format!("countersign_calls_total{{class=\"{class}\",outcome=\"allowed\"}} ");
        let count = text.lines().find_map(|text| text.strip_prefix(&line));
        count.unwrap().parse::<f64>().unwrap()
    };
    app.clock.advance(Duration::from_secs(8));
    let pow = pow(&app).await;
    let before = [calls("public"), calls("free")];
    let body = json!({"address": "other@mail.td", "password": PASSWORD, "pow": pow});
    let made = app
        .post("/api/accounts")
        .bearer(token.as_str().unwrap())
        .json(body)
        .send()
        .await;
    assert_eq!(made.status(), 201, "{}", made.text());
    assert_eq!(
        [calls("public"), calls("free")],
        [before[0], before[1] + 1.0]
    );
}

#[tokio::test]
async fn a_limit_is_told_in_the_words_of_the_face() {
    let app = TestApp::with(|config| config.limits.enabled = true).await;
    assert_eq!(create(&app, ADDRESS).await.status(), 201);
    let refused = create(&app, "other@mail.td").await;
    assert_eq!(
        (refused.status(), refused.json()),
        (429, json!({"error": "rate_limited"}))
    );
    assert_eq!(refused.header("retry-after"), "8");
    assert_eq!(refused.header("ratelimit"), r#""account-creation";r=0;t=8"#);
    assert_eq!(
        refused.header("ratelimit-policy"),
        r#""account-creation";q=1;w=8"#
    );
    app.clock.advance(Duration::from_secs(8));
    assert_eq!(create(&app, "other@mail.td").await.status(), 201);
}
