use std::time::Duration;

use super::*;
use crate::model::{client::Lifetimes, oauth::metadata::Metadata};

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn client(scope: &str) -> Client {
    let metadata = Metadata {
        redirect_uris: vec!["https://app.example.com/cb".to_owned()],
        scope: scope.to_owned(),
        ..Metadata::default()
    };
    let hour = Duration::from_secs(3600);
    let lifetimes = Lifetimes {
        access_token: hour,
        grant: hour,
        mailkite: hour,
        mailtd: hour,
        pages: hour,
    };
    Client::of_metadata(
        "mkc_1".to_owned(),
        metadata.registered().unwrap(),
        None,
        lifetimes,
    )
}

fn sent() -> Parameters {
    Parameters {
        response_type: "code".to_owned(),
        code_challenge: CHALLENGE.to_owned(),
        code_challenge_method: "S256".to_owned(),
        ..Parameters::default()
    }
}

fn read(parameters: Parameters) -> Result<AuthorizationRequest, &'static str> {
    let resources = Resources {
        issuer: "https://id.example.com".to_owned(),
        registered: vec!["https://mcp.example.com/mcp".to_owned()],
        loopback: false,
    };
    let uri = "https://app.example.com/cb".to_owned();
    AuthorizationRequest::read(parameters, uri, &client(""), &resources)
        .map_err(|wrong| wrong.error)
}

/// The request with one parameter changed.
fn with(name: &str, value: &str) -> Parameters {
    let (mut parameters, value) = (sent(), value.to_owned());
    match name {
        "response_type" => parameters.response_type = value,
        "response_mode" => parameters.response_mode = value,
        "code_challenge" => parameters.code_challenge = value,
        "code_challenge_method" => parameters.code_challenge_method = value,
        "scope" => parameters.scope = value,
        "resource" => parameters.resources = vec![value],
        "prompt" => parameters.prompt = value,
        "max_age" => parameters.max_age = value,
        "nonce" => parameters.nonce = value,
        "request" => parameters.request = value,
        "request_uri" => parameters.request_uri = value,
        _ => panic!("{name}"),
    }
    parameters
}

#[test]
fn what_is_wrong_is_told_in_the_words_of_the_rfcs() {
    for (name, value, error) in [
        ("response_type", "", "invalid_request"),
        ("response_type", "token", "unsupported_response_type"),
        (
            "response_type",
            "code id_token",
            "unsupported_response_type",
        ),
        ("response_mode", "fragment", "invalid_request"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("scope", "files:read address", "invalid_scope"),
        ("resource", "https://evil.example", "invalid_target"),
        ("prompt", "none login", "invalid_request"),
        ("prompt", "dance", "invalid_request"),
        ("max_age", "-1", "invalid_request"),
        ("nonce", &"x".repeat(256), "invalid_request"),
        ("request", "x", "request_not_supported"),
        ("request_uri", "x", "request_uri_not_supported"),
    ] {
        assert_eq!(
            read(with(name, value)).unwrap_err(),
            error,
            "{name}={value}"
        );
    }
}

#[test]
fn unknown_scopes_are_left_out_and_an_absent_one_is_the_default() {
    let scope = |scope: &str| {
        let parameters = Parameters {
            scope: scope.to_owned(),
            ..sent()
        };
        read(parameters).unwrap().scope
    };
    assert_eq!(scope(""), "mcp");
    assert_eq!(
        scope("mcp files:read offline_access mcp"),
        "mcp offline_access"
    );
}

#[test]
fn the_audience_is_what_is_registered() {
    let resources = vec!["https://mcp.example.com/mcp".to_owned(); 2];
    let request = read(Parameters {
        resources,
        ..sent()
    })
    .unwrap();
    assert_eq!(request.audience, ["https://mcp.example.com/mcp"]);
    assert!(read(sent()).unwrap().audience.is_empty());
}

#[test]
fn an_answer_repeats_the_state_and_names_the_issuer() {
    let request = read(Parameters {
        state: "a b".to_owned(),
        ..sent()
    })
    .unwrap();
    assert_eq!(
        request.answer("https://id.example.com", &[("code", "x")]),
        "https://app.example.com/cb?code=x&state=a+b&iss=https%3A%2F%2Fid.example.com"
    );
}

fn authorization(prompt: &str, max_age: &str) -> Authorization {
    let parameters = Parameters {
        prompt: prompt.to_owned(),
        max_age: max_age.to_owned(),
        ..sent()
    };
    Authorization {
        id: uuid::Uuid::nil().into(),
        client_id: "mkc_1".to_owned(),
        request: read(parameters).unwrap(),
        created_at: NOW,
        expires_at: NOW.after(Duration::from_secs(600)),
        decided_at: None,
        approval: None,
        grant_id: None,
    }
}

fn session(created_at: Timestamp) -> Session {
    Session {
        id: uuid::Uuid::nil().into(),
        account_id: uuid::Uuid::nil().into(),
        amr: Vec::new(),
        created_at,
        expires_at: NOW.after(Duration::from_secs(3600)),
        revoked_at: None,
        client_address: String::new(),
        user_agent: String::new(),
        request_hash: None,
    }
}

#[test]
fn a_step_is_missing_until_the_person_has_logged_in_and_said_yes() {
    let (none, all) = (Scopes::default(), Scopes::one("mcp"));
    let before = session(NOW.before(Duration::from_secs(60)));
    let after = session(NOW.after(Duration::from_secs(1)));
    let later = NOW.after(Duration::from_secs(2));
    for (prompt, max_age, session, consented, step) in [
        ("", "", None, &all, Step::LogIn),
        ("", "", Some(&before), &none, Step::Consent),
        ("", "", Some(&before), &all, Step::None),
        ("none", "", Some(&before), &all, Step::None),
        ("consent", "", Some(&before), &all, Step::Consent),
        ("login", "", Some(&before), &all, Step::LogIn),
        ("select_account", "", Some(&before), &all, Step::LogIn),
        ("login", "", Some(&after), &all, Step::None),
        ("login consent", "", Some(&after), &all, Step::Consent),
        ("", "30", Some(&before), &all, Step::LogIn),
        ("", "120", Some(&before), &all, Step::None),
        ("", "0", Some(&before), &all, Step::LogIn),
        ("", "0", Some(&after), &all, Step::None),
    ] {
        let found =
            authorization(prompt, max_age).next_step(&client(""), session, consented, later);
        assert_eq!(found, step, "{prompt} {max_age}");
    }
}

/// RFC 8252 section 8.6: whoever is called back on the machine itself could be any program there.
#[test]
fn a_public_client_on_the_machine_asks_each_time() {
    let all = Scopes::one("mcp");
    let here = session(NOW);
    for uri in [
        "http://localhost:61234/cb",
        "http://127.0.0.1/cb",
        "cursor://cb",
    ] {
        let mut asked = authorization("", "");
        asked.request.redirect_uri = uri.to_owned();
        let step = asked.next_step(&client(""), Some(&here), &all, NOW);
        assert_eq!(step, Step::Consent, "{uri}");
        let mut confidential = client("");
        confidential.metadata.token_endpoint_auth_method = "client_secret_post".to_owned();
        let step = asked.next_step(&confidential, Some(&here), &all, NOW);
        assert_eq!(step, Step::None, "{uri}");
    }
}

#[test]
fn an_authorization_waits_for_one_decision_and_not_for_ever() {
    let pending = authorization("", "");
    assert!(pending.is_pending(NOW));
    assert!(!pending.is_pending(pending.expires_at));
    let decided = Authorization {
        decided_at: Some(NOW),
        ..pending
    };
    assert!(!decided.is_pending(NOW));
}
