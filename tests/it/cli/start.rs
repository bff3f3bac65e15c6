//! How a server starts, or says why it cannot.

use std::{
    fs::{self, Permissions},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::Path,
};

use rustix::process::Signal;

use super::{Person, shown};
use crate::store_contract::Base;

#[test]
fn a_server_says_where_it_is_and_stops_when_told() {
    let person = Person::new();
    for (arguments, signal) in [(&[][..], Signal::TERM), (&["serve"], Signal::INT)] {
        let server = person.serves(arguments);
        assert!(
            server
                .first
                .starts_with("Countersign listens on http://127.0.0.1:")
        );
        let call = format!("curl {}/v1/accounts", server.url());
        let said = server.stops_on(signal);
        assert_eq!(said.code, Some(0), "{}", said.err);
        assert!(said.out.contains(&call), "{}", said.out);
    }
}

#[test]
fn the_start_says_in_one_line_what_runs_where() {
    let person = Person::new();
    let server = person.serves(&[]);
    let url = server.url().to_owned();
    let said = server.stops_on(Signal::TERM);
    let lines: Vec<_> = said.err.lines().collect();
    assert_eq!(lines.len(), 2, "the start and the stop: {}", said.err);
    for part in [
        concat!("version=\"", env!("CARGO_PKG_VERSION"), "\""),
        &format!("issuer=\"{url}\""),
        "database=\"SQLite\"",
        &format!("data_dir={}", shown(&person.data_dir())),
    ] {
        assert!(lines[0].contains(part), "{part}: {}", lines[0]);
    }

    let json = [("COUNTERSIGN_LOG_FORMAT", "json")];
    let server = person.tries_to_serve(&json, &[]).ok().unwrap();
    let said = server.stops_on(Signal::TERM);
    for line in said.err.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let target = line["target"].as_str().unwrap();
        assert!(target.starts_with("countersign::"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_part_of_a_database_url_is_logged_at_any_level() {
    crate::store_contract::on_postgres(shows_nothing_of_its_url).await;
}

async fn shows_nothing_of_its_url(base: Base) {
    let url = url::Url::parse(&base.url().unwrap()).unwrap();
    let (port, name) = (format!(":{}/", url.port().unwrap_or(5432)), url.path());
    let name = name.trim_start_matches('/').to_owned();
    let tries = |url: String| {
        let variables = [
            ("COUNTERSIGN_DATABASE_URL", url.as_str()),
            ("COUNTERSIGN_LOG", "trace"),
            ("RUST_LOG", "trace"),
        ];
        Person::new().tries_to_serve(&variables, &[])
    };
    let canary = "application_name=canary&options=-c%20countersign.note%3Dcanary&fallback_application_name=canary";
    let server = tries(format!("{url}?{canary}")).ok().unwrap();
    let said = server.stops_on(Signal::TERM);
    assert!(said.err.contains("database=\"Postgres\""), "{}", said.err);
    for part in ["canary", &name, &port, url.password().unwrap_or("canary")] {
        assert!(!said.err.contains(part), "{part}: {}", said.err);
    }

    let mut elsewhere = url.clone();
    elsewhere.set_path("canary");
    let mut as_another = url.clone();
    as_another.set_username("canary").unwrap();
    as_another.set_password(Some("canary")).unwrap();
    for (kind, url) in [
        ("a database", elsewhere.to_string()),
        ("a user and a password", as_another.to_string()),
        (
            "a host",
            "postgres://ann:canary@canary.invalid/canary".to_owned(),
        ),
        ("an option", format!("{url}?options=-c%20canary%3Dcanary")),
        (
            "an option's value",
            format!("{url}?options=-c%20work_mem%3Dcanary"),
        ),
        (
            "a file",
            format!("{url}?sslmode=verify-ca&sslrootcert=/canary"),
        ),
        (
            "a socket",
            "postgres://canary:canary@%2Fcanary/canary".to_owned(),
        ),
        ("a known parameter", format!("{url}?sslmode=canary")),
        ("an unknown parameter", format!("{url}?canary=canary")),
        ("an unsupported parameter", format!("{url}?passfile=canary")),
        (
            "what is not encoded",
            "postgres://ann:p@canary:canary/#canary@h/db".to_owned(),
        ),
        (
            "another engine",
            "sqlite:///canary.db?canary=canary".to_owned(),
        ),
    ] {
        let Err(said) = tries(url) else {
            panic!("{kind}: it serves");
        };
        assert!(!said.err.contains("canary"), "{kind}: {}", said.err);
        assert!(
            said.err.lines().last().unwrap().contains(" — "),
            "{kind}: {}",
            said.err
        );
    }
}

#[test]
fn what_a_server_writes_is_for_its_owner_alone() {
    let person = Person::new();
    let server = person.serves(&[]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&person.data_dir()), 0o700);
    for file in fs::read_dir(person.data_dir()).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    assert!(person.data_dir().join("master.key").exists());
    drop(server);
}

#[test]
fn a_data_folder_has_one_server() {
    let person = Person::new();
    let server = person.serves(&[]);
    for arguments in [&["serve"][..], &["migrate"]] {
        let refusal = person.cannot_serve(&[], arguments).refusal();
        assert!(refusal.contains(&shown(&person.data_dir())), "{refusal}");
        assert!(
            refusal.contains(&format!("process {}", server.child.id())),
            "{refusal}"
        );
        assert!(refusal.contains("--data-dir"), "{refusal}");
    }
}

#[test]
fn a_port_in_use_is_refused() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refusal = Person::new()
        .cannot_serve(&[], &["--listen", &address])
        .refusal();
    assert!(
        refusal.contains(&address) && refusal.contains("--listen"),
        "{refusal}"
    );
}

#[test]
fn a_folder_that_cannot_be_made_is_refused() {
    let person = Person::new();
    let below_a_file = shown(&person.file("file", "").join("data"));
    let refusal = person
        .cannot_serve(&[], &["--data-dir", &below_a_file])
        .refusal();
    assert!(
        refusal.contains(&below_a_file) && refusal.contains("must be a folder"),
        "{refusal}"
    );
}

#[test]
fn a_key_file_that_others_can_read_is_refused() {
    let person = Person::new();
    drop(person.serves(&[]));
    let key = person.data_dir().join("master.key");
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let refusal = person.cannot_serve(&[], &[]).refusal();
    assert!(
        refusal.contains(&shown(&key)) && refusal.contains("chmod 600"),
        "{refusal}"
    );
}

#[test]
fn a_file_that_holds_no_key_is_refused() {
    let person = Person::new();
    let key = person.file("other.key", "not a key");
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    let variables = [("COUNTERSIGN_KEYS_KEY_FILE", key.to_str().unwrap())];
    let refusal = person.cannot_serve(&variables, &["serve"]).refusal();
    assert!(
        refusal.contains(&shown(&key)) && refusal.contains("32 bytes"),
        "{refusal}"
    );
}

/// The database was sealed with another master key than the one that the server is given.
#[test]
fn a_wrong_master_key_is_refused() {
    let person = Person::new();
    drop(person.serves(&[]));
    let variables = [(
        "COUNTERSIGN_KEYS_MASTER_KEY",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    )];
    let refusal = person.cannot_serve(&variables, &["serve"]).refusal();
    assert!(refusal.contains("key"), "{refusal}");
    assert!(!refusal.contains("AAAA"), "{refusal}");
}

/// A new key would open nothing of what the lost one has sealed.
#[test]
fn a_missing_key_file_beside_its_database_is_told_and_not_replaced() {
    let person = Person::new();
    drop(person.serves(&[]));
    let key = person.data_dir().join("master.key");
    fs::remove_file(&key).unwrap();
    for arguments in [&["serve"][..], &["keys", "list"], &["keys", "rotate"]] {
        let refusal = person.cannot_serve(&[], arguments).refusal();
        let missing = format!("the key file {} is missing", shown(&key));
        assert!(refusal.contains(&missing), "{refusal}");
        assert!(refusal.contains("restore it"), "{refusal}");
        assert!(!key.exists());
    }
}
