//! Proof of work: who needs it, what is refused, and that a solution is used once.

use std::time::Duration;

use countersign::{
    config::{
        ChallengeAlgorithm as Algorithm, Config, ProofOfWork as Policy, decode_master_key,
        encode_master_key,
    },
    crypto::{challenges, seal::MasterKey, secrets::sign_value},
    domain::DerivedKeys,
    limits::SIGN_UPS_AT_ONCE,
    pb::v1::{ChallengeAlgorithm, CreateAccountRequest, CreateChallengeRequest, ProofOfWork},
};
use serde_json::json;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::support::{
    PASSWORD, TestApp, nonce, reason, refused, sign_up_with, solved, solves, zero_bits,
};

/// The settings of a server where every sign-up needs work.
fn all(config: &mut Config) {
    config.signup.proof_of_work = Policy::All;
}

/// The settings of a server where work is a way over the limit on sign-ups.
fn adaptive(config: &mut Config) {
    config.signup.proof_of_work = Policy::Adaptive;
    config.limits.enabled = true;
}

/// With the challenges of the slow algorithm, as fast as it gets.
fn argon2id(config: &mut Config) {
    all(config);
    config.signup.algorithm = Algorithm::Argon2id;
    config.signup.argon2_memory_kib = 64;
    config.signup.argon2_difficulty = 3;
    config.signup.argon2_difficulty_ceiling = 4;
}

impl TestApp {
    async fn signs_up(&self, name: &str, work: Option<ProofOfWork>) -> Result<(), Status> {
        let request = sign_up_with(name, work);
        self.accounts().create_account(request).await.map(drop)
    }

    /// Spends all sign-ups but one, and so much time that as many calls are left as before.
    async fn has_one_sign_up_left(&self) {
        for number in 1..SIGN_UPS_AT_ONCE {
            let work = self.solution().await;
            let signed_up = self.signs_up(&format!("early{number}"), Some(work)).await;
            signed_up.unwrap();
        }
        self.clock.advance(Duration::from_secs(1));
    }

    async fn solution(&self) -> ProofOfWork {
        solved(&self.challenge().await)
    }

    /// How hard a challenge is for a client at this address.
    async fn difficulty_at(&self, address: &str) -> i64 {
        let answer = self.post("/v1/challenges").json(json!({})).from(address);
        let answer = answer.send().await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        answer.json()["challenge"]["difficulty"].as_i64().unwrap()
    }

    /// Somebody at this address signs up, with work that is always good.
    async fn signs_up_at(&self, address: &str, name: &str) {
        let work = self.solution().await;
        let body = json!({
            "email": format!("{name}@example.com"), "password": PASSWORD,
            "proofOfWork": {"challengeId": work.challenge_id, "nonce": work.nonce},
        });
        let answer = self
            .post("/v1/accounts")
            .json(body)
            .from(address)
            .send()
            .await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
    }

    /// The key under which this server seals challenges.
    fn key(&self) -> [u8; 32] {
        let file = std::fs::read_to_string(self.config.key_file()).unwrap();
        let master = MasterKey::new(decode_master_key(&file).unwrap());
        DerivedKeys::from_master(&master).challenge
    }
}

#[track_caller]
fn invalid<T: std::fmt::Debug>(answer: Result<T, Status>) {
    refused(answer, Code::InvalidArgument, "CHALLENGE_INVALID");
}

#[track_caller]
fn required<T: std::fmt::Debug>(answer: Result<T, Status>) {
    refused(answer, Code::FailedPrecondition, "CHALLENGE_REQUIRED");
}

#[tokio::test]
async fn a_challenge_says_what_there_is_to_do() {
    let app = TestApp::start().await;
    let challenge = app.challenge().await;
    assert_eq!(challenge.algorithm(), ChallengeAlgorithm::Sha256);
    assert_eq!(challenge.difficulty, 8);
    assert_eq!((challenge.memory_kib, challenge.iterations), (0, 0));
    assert_eq!(challenge.salt.len(), 32);
    // 2026-01-15T10:35:00Z, five minutes after the tests' beginning.
    assert_eq!(challenge.expire_time.unwrap().seconds, 1_768_473_300);
    let other = app.challenge().await;
    assert_ne!((&other.id, &other.salt), (&challenge.id, &challenge.salt));
    let strange = CreateChallengeRequest { purpose: 7 };
    let fields = refused(
        app.challenges().create_challenge(strange).await,
        Code::InvalidArgument,
        "INVALID_FIELD",
    );
    assert_eq!(fields, ["purpose"]);
}

#[tokio::test]
async fn unless_it_is_set_otherwise_the_work_is_the_documented_one() {
    let signup = Config::default().signup;
    assert_eq!(signup.proof_of_work, Policy::MailTd);
    assert_eq!(signup.algorithm, Algorithm::Sha256);
    assert_eq!((signup.difficulty, signup.difficulty_ceiling), (20, 22));
    assert_eq!(signup.challenge_lifetime, Duration::from_secs(300));
}

#[tokio::test]
async fn a_solution_lets_one_sign_up_through() {
    let app = TestApp::with(all).await;
    required(app.signs_up("ann", None).await);
    let work = app.solution().await;
    app.signs_up("ann", Some(work.clone())).await.unwrap();
    invalid(app.signs_up("bob", Some(work.clone())).await);
    // Not even for the address that is taken by it.
    invalid(app.signs_up("ann", Some(work)).await);
}

#[tokio::test]
async fn a_mailtd_session_at_sign_up_takes_work_and_other_sign_ups_do_not() {
    let app = TestApp::start().await;
    let free = |work| CreateAccountRequest {
        session_client_id: "mailtd".to_owned(),
        ..sign_up_with("ann", work)
    };
    required(app.accounts().create_account(free(None)).await);
    let work = app.solution().await;
    let made = app.accounts().create_account(free(Some(work))).await;
    assert!(made.unwrap().into_inner().tokens.is_some());
    app.signs_up("bob", None).await.unwrap();
}

#[tokio::test]
async fn work_that_nobody_asked_for_must_be_good_all_the_same() {
    let app = TestApp::start().await;
    let forged = ProofOfWork {
        challenge_id: "forged".to_owned(),
        nonce: "1".to_owned(),
    };
    invalid(app.signs_up("ann", Some(forged)).await);
    let work = app.solution().await;
    app.signs_up("ann", Some(work.clone())).await.unwrap();
    invalid(app.signs_up("bob", Some(work)).await);
}

#[tokio::test]
async fn where_all_need_work_every_face_takes_it() {
    let app = TestApp::with(all).await;
    for (path, status, code) in [
        ("/v1/accounts", 200, "CHALLENGE_REQUIRED"),
        ("/api/auth/signup", 201, "challenge_required"),
        ("/v1/auth/register", 201, "CHALLENGE_REQUIRED"),
        ("/auth/register", 201, "CHALLENGE_REQUIRED"),
    ] {
        let email = format!("{}@example.com", path.replace('/', "-"));
        let mut body = json!({"email": email, "password": PASSWORD});
        if path.ends_with("register") {
            body["name"] = json!("Ann");
        }
        let refused = app.post_json(path, body.clone()).await;
        assert_eq!(refused.status(), 400, "{path}");
        assert!(refused.text().contains(code), "{path} {}", refused.text());
        let work = app.solution().await;
        if path == "/v1/accounts" {
            body["proofOfWork"] = json!({"challengeId": work.challenge_id, "nonce": work.nonce});
        } else {
            body["pow"] = json!({"id": work.challenge_id, "nonce": work.nonce});
        }
        let made = app.post_json(path, body).await;
        assert_eq!(made.status(), status, "{path} {}", made.text());
    }
}

#[tokio::test]
async fn a_challenge_outlives_a_restart_and_so_does_its_use() {
    let app = TestApp::with(all).await;
    let (used, open) = (app.solution().await, app.solution().await);
    app.signs_up("ann", Some(used.clone())).await.unwrap();
    let app = app.restart().await;
    invalid(app.signs_up("bob", Some(used)).await);
    app.signs_up("bob", Some(open)).await.unwrap();
}

#[tokio::test]
async fn a_sign_up_that_fails_for_another_reason_leaves_the_solution_good() {
    let app = TestApp::with(all).await;
    let first = app.solution().await;
    app.signs_up("ann", Some(first)).await.unwrap();
    let work = app.solution().await;
    let taken = app.signs_up("ann", Some(work.clone())).await;
    refused(taken, Code::AlreadyExists, "EMAIL_ALREADY_EXISTS");
    let weak = CreateAccountRequest {
        password: "password1".to_owned(),
        ..sign_up_with("bob", Some(work.clone()))
    };
    let weak = app.accounts().create_account(weak).await;
    refused(weak, Code::InvalidArgument, "PASSWORD_TOO_COMMON");
    app.signs_up("bob", Some(work)).await.unwrap();
}

#[tokio::test]
async fn forged_and_foreign_challenges_are_refused() {
    let app = TestApp::with(all).await;
    let elsewhere = TestApp::with(|config| {
        all(config);
        config.keys.master_key = encode_master_key(&[9; 32]).as_str().into();
    })
    .await;
    let work = app.solution().await;
    let with_id = |challenge_id: &str| ProofOfWork {
        challenge_id: challenge_id.to_owned(),
        ..work.clone()
    };
    let id = work.challenge_id.as_str();
    let last = if id.ends_with('A') { "B" } else { "A" };
    let other_end = format!("{}{last}", &id[..id.len() - 1]);
    for forged in [
        "x",
        "AAAA",
        &"A".repeat(512),
        &id[1..],
        &id[..id.len() - 1],
        &format!("{id}A"),
        &format!("{id}="),
        &id.to_lowercase(),
        &other_end,
    ] {
        invalid(app.signs_up("ann", Some(with_id(forged))).await);
    }
    invalid(app.signs_up("ann", Some(elsewhere.solution().await)).await);
    // Sealed here, but for another purpose, and as another sort of value.
    let bytes = challenges::open(&app.key(), id).unwrap().to_bytes();
    let other_purpose = [&bytes[..1], &[2], &bytes[2..]].concat();
    for (label, bytes) in [("challenge", &other_purpose), ("page token", &bytes)] {
        let foreign = sign_value(&app.key(), label, bytes);
        invalid(app.signs_up("ann", Some(with_id(&foreign))).await);
    }
    app.signs_up("ann", Some(work)).await.unwrap();
}

#[tokio::test]
async fn a_solution_that_comes_too_late_is_refused() {
    let app = TestApp::with(all).await;
    let (late, in_time) = (app.solution().await, app.solution().await);
    app.clock.advance(Duration::from_millis(299_999));
    app.signs_up("ann", Some(in_time)).await.unwrap();
    app.clock.advance(Duration::from_millis(1));
    invalid(app.signs_up("bob", Some(late)).await);
}

#[tokio::test]
async fn a_nonce_must_have_done_all_of_the_work() {
    let app = TestApp::with(all).await;
    let challenge = app.challenge().await;
    let lazy = nonce(&challenge, |bits| bits == 7);
    invalid(app.signs_up("ann", Some(lazy)).await);
    let diligent = nonce(&challenge, |bits| bits == 8);
    app.signs_up("ann", Some(diligent)).await.unwrap();
    let easier = app.challenge().await;
    let more = nonce(&easier, |bits| bits > 8);
    app.signs_up("bob", Some(more)).await.unwrap();
}

#[tokio::test]
async fn absurd_nonces_are_refused_and_odd_ones_that_solve_are_not() {
    let app = TestApp::with(all).await;
    let challenge = app.challenge().await;
    let with_nonce = |nonce: &str| ProofOfWork {
        challenge_id: challenge.id.clone(),
        nonce: nonce.to_owned(),
    };
    for absurd in ["пароль", "\u{0}", "\n", "🦀", &"1".repeat(128)] {
        assert!(zero_bits(&challenge.salt, absurd) < 8);
        invalid(app.signs_up("ann", Some(with_nonce(absurd))).await);
    }
    for (work, field) in [
        (with_nonce(""), "proof_of_work.nonce"),
        (with_nonce(&"1".repeat(129)), "proof_of_work.nonce"),
        (with_nonce(&"é".repeat(65)), "proof_of_work.nonce"),
        (with_id("", "1"), "proof_of_work.challenge_id"),
        (with_id(&"A".repeat(513), "1"), "proof_of_work.challenge_id"),
        (with_id("a b", "1"), "proof_of_work.challenge_id"),
        (with_id("é", "1"), "proof_of_work.challenge_id"),
    ] {
        let answer = app.signs_up("ann", Some(work)).await;
        let fields = refused(answer, Code::InvalidArgument, "INVALID_FIELD");
        assert_eq!(fields, [field]);
    }
    let huge = json!({
        "email": "ann@example.com", "password": PASSWORD,
        "proofOfWork": {"challengeId": challenge.id, "nonce": "1".repeat(1 << 20)},
    });
    assert_eq!(app.post_json("/v1/accounts", huge).await.status(), 413);
    let odd = (0..)
        .map(|number: u64| format!("рабо́та {number}"))
        .find(|nonce| zero_bits(&challenge.salt, nonce) >= 8);
    let odd = with_nonce(&odd.unwrap());
    app.signs_up("ann", Some(odd)).await.unwrap();
}

fn with_id(challenge_id: &str, nonce: &str) -> ProofOfWork {
    ProofOfWork {
        challenge_id: challenge_id.to_owned(),
        nonce: nonce.to_owned(),
    }
}

/// A password that is refused, an address that is taken and a database that is gone: none of it is
/// looked at before the work.
#[tokio::test]
async fn nothing_is_looked_at_before_the_cheap_checks() {
    for setting in [all, argon2id] {
        let app = TestApp::with(setting).await;
        let weak = |work| CreateAccountRequest {
            password: "password1".to_owned(),
            ..sign_up_with("ann", work)
        };
        let forged = with_id("forged", "1");
        let late = with_id(&app.challenge().await.id, "1");
        app.clock.advance(Duration::from_secs(300));
        app.parts.store.close().await;
        required(app.accounts().create_account(weak(None)).await);
        for work in [forged, late] {
            invalid(app.accounts().create_account(weak(Some(work))).await);
        }
        let unsolved = with_id(&app.challenge().await.id, "unsolved");
        let answer = app.accounts().create_account(weak(Some(unsolved))).await;
        let why = reason(&answer.unwrap_err());
        // The check of Argon2id costs something, so that the password comes first.
        let expected = match app.config.signup.algorithm {
            Algorithm::Sha256 => "CHALLENGE_INVALID",
            Algorithm::Argon2id => "PASSWORD_TOO_COMMON",
        };
        assert_eq!(why, expected);
    }
}

#[tokio::test]
async fn whether_an_address_is_taken_is_told_to_those_alone_who_have_done_the_work() {
    for setting in [all, argon2id] {
        let app = TestApp::with(setting).await;
        let challenge = app.challenge().await;
        app.signs_up("ann", Some(solved(&challenge))).await.unwrap();
        required(app.signs_up("ann", None).await);
        let challenge = app.challenge().await;
        let solution = solved(&challenge);
        let lazy = (0..)
            .map(|number: u32| with_id(&challenge.id, &format!("lazy {number}")))
            .find(|work| !solves(&challenge, &work.nonce));
        invalid(app.signs_up("ann", lazy).await);
        let taken = app.signs_up("ann", Some(solution)).await;
        refused(taken, Code::AlreadyExists, "EMAIL_ALREADY_EXISTS");
    }
}

#[tokio::test]
async fn argon2id_is_named_with_its_costs_and_checked() {
    let app = TestApp::with(argon2id).await;
    let challenge = app.challenge().await;
    assert_eq!(challenge.algorithm(), ChallengeAlgorithm::Argon2id);
    let costs = (
        challenge.difficulty,
        challenge.memory_kib,
        challenge.iterations,
    );
    assert_eq!(costs, (3, 64, 1));
    let work = solved(&challenge);
    let lazy = (0..)
        .map(|number: u32| with_id(&challenge.id, &number.to_string()))
        .find(|work| !solves(&challenge, &work.nonce));
    invalid(app.signs_up("ann", lazy).await);
    app.signs_up("ann", Some(work.clone())).await.unwrap();
    invalid(app.signs_up("bob", Some(work)).await);
}

#[tokio::test]
async fn a_challenge_stays_what_it_was_when_the_settings_change() {
    let mut app = TestApp::with(all).await;
    let work = app.solution().await;
    app.config.signup.difficulty = 10;
    app.config.signup.algorithm = Algorithm::Argon2id;
    let app = app.restart().await;
    app.signs_up("ann", Some(work)).await.unwrap();
    let harder = app.challenge().await;
    assert_eq!(harder.algorithm(), ChallengeAlgorithm::Argon2id);
}

#[tokio::test]
async fn a_network_that_signs_up_often_gets_harder_challenges_for_a_while() {
    let app = TestApp::start().await;
    let home = "192.0.2.1";
    let mut seen = Vec::new();
    for number in 0..17 {
        seen.push(app.difficulty_at(home).await);
        app.signs_up_at(home, &format!("ann{number}")).await;
    }
    assert_eq!(seen[..9], [8, 8, 8, 8, 9, 9, 9, 9, 10]);
    assert!(
        seen[9..].iter().all(|bits| *bits == 10),
        "the ceiling: {seen:?}"
    );
    assert_eq!(app.difficulty_at("192.0.2.2").await, 8, "another network");
    app.clock.advance(Duration::from_secs(3 * 600));
    assert_eq!(app.difficulty_at(home).await, 8);
}

#[tokio::test]
async fn many_sign_ups_everywhere_make_it_harder_for_all() {
    let app = TestApp::with(|config| config.signup.server_threshold = 6).await;
    for number in 0..6 {
        assert_eq!(app.difficulty_at("192.0.2.1").await, 8);
        app.signs_up_at(&format!("198.51.100.{number}"), &format!("ann{number}"))
            .await;
    }
    assert_eq!(app.difficulty_at("192.0.2.1").await, 9);
    // What failed does not count.
    for _ in 0..20 {
        app.signs_up("ann0", None).await.unwrap_err();
    }
    assert_eq!(app.difficulty_at("192.0.2.1").await, 9);
}

#[tokio::test]
async fn work_is_a_way_through_for_those_over_their_limit() {
    let app = TestApp::with(adaptive).await;
    app.has_one_sign_up_left().await;
    app.signs_up("ann", None).await.unwrap();
    let refused = app.signs_up("bob", None).await.unwrap_err();
    assert_eq!(reason(&refused), "CHALLENGE_REQUIRED");
    let wait = refused.get_details_retry_info().unwrap().retry_delay;
    assert_eq!(wait, Some(Duration::from_secs(7)));
    let info = refused.get_details_error_info().unwrap();
    assert_eq!(info.metadata["limit"], "account-creation");
    let work = app.solution().await;
    app.signs_up("bob", Some(work.clone())).await.unwrap();
    invalid(app.signs_up("eve", Some(work)).await);
    app.clock.advance(Duration::from_secs(8));
    app.signs_up("eve", None).await.unwrap();
}

#[tokio::test]
async fn over_the_limit_one_solution_tells_of_one_address() {
    let app = TestApp::with(adaptive).await;
    app.has_one_sign_up_left().await;
    app.signs_up("ann", None).await.unwrap();
    let work = app.solution().await;
    let taken = app.signs_up("ann", Some(work.clone())).await;
    refused(taken, Code::AlreadyExists, "EMAIL_ALREADY_EXISTS");
    invalid(app.signs_up("ann", Some(work.clone())).await);
    invalid(app.signs_up("bob", Some(work)).await);
}

#[tokio::test]
async fn where_work_is_a_way_through_the_faces_say_so_and_other_limits_stay() {
    let app = TestApp::with(adaptive).await;
    app.has_one_sign_up_left().await;
    let body = json!({"email": "ann@example.com", "password": PASSWORD});
    app.post_json("/api/auth/signup", body.clone()).await;
    let asked = app.post_json("/api/auth/signup", body.clone()).await;
    assert_eq!((asked.status(), asked.header("retry-after")), (400, "7"));
    assert_eq!(asked.header("ratelimit"), r#""account-creation";r=0;t=7"#);
    assert_eq!(asked.json()["error"]["code"], "challenge_required");
    // Nobody may try solutions faster than anything else.
    for _ in 0..6 {
        invalid(app.signs_up("bob", Some(with_id("forged", "1"))).await);
    }
    let refused_now = app.signs_up("bob", Some(with_id("forged", "1"))).await;
    refused(refused_now, Code::ResourceExhausted, "RATE_LIMITED");
}

#[tokio::test]
async fn without_the_way_through_the_limit_refuses_whatever_work_there_is() {
    let app = TestApp::with(|config| {
        all(config);
        config.limits.enabled = true;
    })
    .await;
    app.has_one_sign_up_left().await;
    let work = [app.solution().await, app.solution().await];
    let [first, second] = work.map(Some);
    app.signs_up("ann", first).await.unwrap();
    let limited = app.signs_up("bob", second).await;
    refused(limited, Code::ResourceExhausted, "RATE_LIMITED");
}
