//! Deciding for services behind a proxy: the matrix of who may what, and what proxies are answered.

mod forward;
mod world;

use countersign::{
    config::{Config, Sources},
    model::scope::KNOWN,
    pb::v1::{CheckAccessRequest, CheckAccessResponse, CredentialKind, Plan},
    rest::forward::IDENTITY_HEADERS,
};
use tonic::Code;

use self::world::{World, rules, stored};
use crate::support::refused;

const OWN: [&str; 2] = ["ann's token", "ann's key"];
const OF_THE_ORGANIZATION: [&str; 2] = ["the boss's token", "the boss's key"];

#[tokio::test]
async fn the_messages_of_an_account_are_its_own_and_its_organizations() {
    let world = World::new().await;
    let messages = format!("/api/accounts/{}/messages", world.ann);
    let all = [OWN, OF_THE_ORGANIZATION].concat();
    for (method, path) in [
        ("GET", messages.clone()),
        ("DELETE", format!("{messages}/17")),
        ("GET", format!("{messages}/?page=2&x=/../;")),
        ("POST", messages.replace("messages", "%6dessages")),
    ] {
        assert_eq!(world.who_may(method, &path).await, all, "{path}");
    }
    // An e-mail token opens its own mailbox, that of the owner of a Pro organization too, and no other.
    let of_the_boss = format!("/api/accounts/{}/messages", world.boss);
    let passed = world.who_may("GET", &of_the_boss).await;
    assert_eq!(
        passed,
        [&OF_THE_ORGANIZATION[..], &["the boss's e-mail token"]].concat()
    );
}

#[tokio::test]
async fn an_account_that_is_not_there_looks_like_anybody_elses() {
    let world = World::new().await;
    let path = |id: &str| format!("/api/accounts/{id}/messages");
    let stranger = stored(&world.app, "stranger@example.com").await.id;
    let foreign = world
        .asks(Some(&world.boss_token), "GET", &path(&stranger.to_string()))
        .await;
    let foreign = foreign.unwrap_err();
    let upper = world.ann.to_uppercase();
    let simple = world.ann.replace('-', "");
    for id in [
        "019b0000-0000-7000-8000-000000000000",
        "me",
        "7",
        "%2a",
        "*",
        "{account_id}",
        &upper,
        &simple,
        &format!("%7b{}%7d", world.ann),
        &format!("urn:uuid:{}", world.ann),
        &format!("{}%20", world.ann),
    ] {
        assert!(world.who_may("GET", &path(id)).await.is_empty(), "{id}");
        let answer = world
            .asks(Some(&world.boss_token), "GET", &path(id))
            .await
            .unwrap_err();
        assert_eq!(
            (answer.code(), answer.message(), answer.details()),
            (foreign.code(), foreign.message(), foreign.details()),
            "{id}"
        );
    }
}

#[tokio::test]
async fn what_no_rule_is_about_is_denied_to_everybody() {
    let world = World::new().await;
    for path in [
        "/",
        "/api",
        "/api/accounts",
        &format!("/api/accounts/{}", world.ann),
        &format!("/api/accounts/{}/tokens", world.ann),
        &format!("/API/accounts/{}/messages", world.ann),
        &format!("/x/../api/accounts/{}/messages", world.ann),
        &format!("/api/accounts/{}/messages/%2e%2e/tokens", world.ann),
        &format!("/api/accounts/{}/messages;x", world.ann),
        &format!("http://id.example.com/api/accounts/{}/messages", world.ann),
        &format!("/api/accounts/{}/messages/{}", world.ann, "a".repeat(9_000)),
    ] {
        assert!(world.who_may("GET", path).await.is_empty(), "{path}");
    }
}

#[tokio::test]
async fn a_rule_says_who() {
    let world = World::with(rules(&[
        "/public anyone",
        "/public/secret nobody",
        "GET /notes authenticated",
        "/billing pro",
        "/profile authenticated scope:profile",
        "/mail/{account_id} account scope:email",
    ]))
    .await;
    let everybody: Vec<_> = world.credentials().iter().map(|(who, _)| *who).collect();
    // A credential that is sent has to be good also where none is asked for.
    let anyone: Vec<_> = everybody
        .iter()
        .copied()
        .filter(|who| *who != "bad")
        .collect();
    let narrow = |who: &&str| who.contains("narrow");
    let full: Vec<_> = anyone
        .iter()
        .copied()
        .filter(|who| *who != "none" && !narrow(who))
        .collect();
    let stranger = |who: &&str| who.contains("stranger");
    // An e-mail token is for one mailbox, whatever its organization has paid for.
    let mailbox = |who: &&str| who.contains("e-mail");
    let pro: Vec<_> = full
        .iter()
        .copied()
        .filter(|who| !stranger(who) && !mailbox(who))
        .collect();
    let profile: Vec<_> = anyone
        .iter()
        .copied()
        .filter(|who| *who != "none")
        .collect();
    assert_eq!(world.who_may("PUT", "/public/a").await, anyone);
    assert!(world.who_may("GET", "/public/secret/a").await.is_empty());
    assert_eq!(world.who_may("GET", "/notes").await, full);
    assert_eq!(world.who_may("HEAD", "/notes").await, full);
    assert!(world.who_may("PUT", "/notes").await.is_empty());
    assert_eq!(world.who_may("GET", "/billing").await, pro);
    assert_eq!(world.who_may("GET", "/profile").await, profile);
    let mail = format!("/mail/{}", world.ann);
    let narrow_of_the_boss = ["the boss's narrow key"];
    let readers = [&OWN[..], &OF_THE_ORGANIZATION, &narrow_of_the_boss].concat();
    assert_eq!(world.who_may("GET", &mail).await, readers);
    // The documented example is only the default.
    let messages = format!("/api/accounts/{}/messages", world.ann);
    assert!(world.who_may("GET", &messages).await.is_empty());
}

#[tokio::test]
async fn the_answer_says_who_calls() {
    let world = World::with(rules(&["/ anyone"])).await;
    let message = CheckAccessRequest {
        method: "GET".to_owned(),
        path: "/".to_owned(),
    };
    let nobody = world.app.authorization().check_access(message).await;
    assert_eq!(nobody.unwrap().into_inner(), CheckAccessResponse::default());
    let boss = stored(&world.app, "boss@example.com").await;
    let mut expected = CheckAccessResponse {
        account: boss.id.resource_name(),
        organization: boss.organization.id.resource_name(),
        email: "boss@example.com".to_owned(),
        email_verified: false,
        plan: Plan::Pro.into(),
        scopes: vec!["account".to_owned()],
        credential_kind: CredentialKind::Session.into(),
    };
    let by_token = world
        .asks(Some(&world.boss_token), "GET", "/")
        .await
        .unwrap();
    assert_eq!(by_token, expected);
    expected.credential_kind = CredentialKind::ApiKey.into();
    expected.scopes = vec!["profile".to_owned(), "email".to_owned()];
    let by_key = world
        .asks(Some(&world.boss_narrow_key), "GET", "/")
        .await
        .unwrap();
    assert_eq!(by_key, expected);
}

/// Nor is a service told whether the address was verified.
#[tokio::test]
async fn a_service_learns_an_address_only_from_who_may_see_it() {
    let world = World::with(rules(&["/ anyone"])).await;
    let callers = world.credentials();
    let callers = callers
        .iter()
        .filter(|(who, _)| !["none", "bad"].contains(who));
    for &(who, credential) in callers {
        let told = world.asks(credential, "GET", "/").await.unwrap();
        let sees = who != "ann's narrow key";
        assert_eq!(!told.email.is_empty(), sees, "{who}");
        let is_ann = who.starts_with("ann");
        assert_eq!(told.email_verified, sees && is_ann, "{who}");
    }
}

#[tokio::test]
async fn a_deleted_account_and_an_ended_session_are_nobodys_at_once() {
    let world = World::new().await;
    let messages = format!("/api/accounts/{}/messages", world.ann);
    assert!(
        world
            .asks(Some(&world.boss_token), "GET", &messages)
            .await
            .is_ok()
    );
    let delete = world
        .app
        .delete("/v1/accounts/me")
        .bearer(&world.ann_token)
        .send()
        .await;
    assert_eq!(delete.status(), 200);
    let answer = world.asks(Some(&world.boss_token), "GET", &messages).await;
    refused(answer, Code::PermissionDenied, "PERMISSION_DENIED");
    let answer = world.asks(Some(&world.ann_key), "GET", &messages).await;
    refused(answer, Code::Unauthenticated, "CREDENTIAL_INVALID");
}

#[tokio::test]
async fn own_accounts_are_decided_without_the_database() {
    let world = World::new().await;
    let messages = format!("/api/accounts/{}/messages", world.ann);
    assert!(
        world
            .asks(Some(&world.ann_token), "GET", &messages)
            .await
            .is_ok()
    );
    world.app.parts.store.close().await;
    assert!(
        world
            .asks(Some(&world.ann_token), "GET", &messages)
            .await
            .is_ok()
    );
    let other = messages.replace(&world.ann, &world.boss);
    let answer = world.asks(Some(&world.ann_token), "GET", &other).await;
    refused(answer, Code::PermissionDenied, "PERMISSION_DENIED");
}

#[tokio::test]
async fn a_rule_can_name_every_scope_that_a_credential_can_have() {
    for scope in KNOWN {
        let sources = Sources::environment([
            ("COUNTERSIGN_DATA_DIR".into(), "/x".into()),
            (
                "COUNTERSIGN_AUTHZ_RULES".into(),
                format!("/public anyone, GET|PUT /a authenticated scope:{scope}").into(),
            ),
        ]);
        assert_eq!(
            Config::load(&sources).unwrap().authz.rules.len(),
            2,
            "{scope}"
        );
    }
}

#[test]
fn rules_that_say_two_things_or_nothing_are_refused_at_the_start() {
    for (rules, says) in [
        ("/a everybody", "who may is anyone"),
        (
            "/a anyone, GET /a pro, /a nobody",
            "`/a anyone` and `/a nobody` are about the same",
        ),
    ] {
        let sources = Sources::environment([
            ("COUNTERSIGN_DATA_DIR".into(), "/x".into()),
            ("COUNTERSIGN_AUTHZ_RULES".into(), rules.into()),
        ]);
        let refusal = Config::load(&sources).unwrap_err().to_string();
        assert!(refusal.contains("setting `authz.rules`"), "{refusal}");
        assert!(refusal.contains(says), "{refusal}");
    }
}

#[test]
fn the_document_shows_rules_that_load_and_every_header() {
    let document = include_str!("../../docs/FORWARD-AUTH.md");
    let (_, rest) = document.split_once("```toml\n").unwrap();
    let (settings, _) = rest.split_once("```").unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("data_dir = '/x'\n{settings}")).unwrap();
    let sources = Sources::default().file(Some(file.path().to_owned()));
    let rules = Config::load(&sources).unwrap().authz.rules;
    assert_eq!(rules.len(), 6);
    assert_eq!(rules[0], Config::default().authz.rules[0]);
    let rows = document
        .lines()
        .filter_map(|line| line.strip_prefix("| `X-"));
    let named: Vec<_> = rows
        .map(|row| format!("x-{}", row[..row.find('`').unwrap()].to_lowercase()))
        .collect();
    assert_eq!(named, IDENTITY_HEADERS);
}
