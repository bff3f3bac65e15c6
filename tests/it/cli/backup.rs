//! `countersign backup`, `restore` and `move`, as an operator types them.

use std::{fs, os::unix::fs::PermissionsExt as _};

use rustix::process::Signal;
use serde_json::json;

use super::{Person, Server, shown};

impl Server {
    /// Ada signs up and makes an API key, which is good wherever the database is served.
    fn key_of_ada(&self) -> String {
        self.signs_up("ada@example.com");
        let token = self.logs_in("ada@example.com").unwrap();
        let (_, made) = self.call(
            "POST /v1/apiKeys",
            &token,
            &json!({"displayName": "laptop"}),
        );
        made["secret"].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_server_is_backed_up_while_it_runs_and_comes_back_from_the_file() {
    let person = Person::new();
    let server = person.serves_freely(&[]);
    let key = server.key_of_ada();
    let made = person.runs(&["backup", "ada.db"]).text();
    assert!(made.contains("\naccounts             1\n"), "{made}");
    let file = person.home.path().join("ada.db");
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let verified = person.runs(&["restore", "--verify", "ada.db"]).text();
    assert!(verified.starts_with(&made), "{verified}");
    assert!(verified.ends_with("is whole.\n"), "{verified}");

    // Where a server runs, nothing is restored.
    let refused = person.runs(&["restore", "ada.db"]).refusal();
    assert!(refused.contains("countersign.db already"), "{refused}");
    server.signs_up("bob@example.com");
    server.stops_on(Signal::TERM);
    let refused = person.runs(&["restore", "ada.db"]).refusal();
    assert!(refused.contains("countersign.db already"), "{refused}");

    fs::remove_file(person.data_dir().join("countersign.db")).unwrap();
    let restored = person.runs(&["restore", "ada.db"]).text();
    assert!(restored.starts_with(&made), "{restored}");
    assert!(
        restored.contains(" 1 sessions, 1 grants, 1 API keys, "),
        "{restored}"
    );
    let server = person.serves_freely(&[]);
    assert_eq!(server.status("GET /v1/accounts/me", &key), 401);
    assert!(server.logs_in("ada@example.com").is_some());
    assert!(server.logs_in("bob@example.com").is_none());
    let home = fs::read_dir(person.home.path()).unwrap();
    let drafts = home.chain(fs::read_dir(person.data_dir()).unwrap());
    for file in drafts {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(!name.ends_with(".part"), "{name}");
    }
}

#[test]
fn a_database_moves_to_the_settings_of_a_file() {
    let person = Person::new();
    let server = person.serves_freely(&[]);
    let key = server.key_of_ada();
    let folder = person.home.path().join("new");
    let settings = format!("data_dir = {:?}\n", shown(&folder));
    person.file("new.toml", &settings);
    let moving = ["move", "--to-config", "new.toml"];

    fs::create_dir(&folder).unwrap();
    let master = person.data_dir().join("master.key");
    fs::copy(&master, folder.join("master.key")).unwrap();
    let refused = person.runs(&moving).refusal();
    assert!(refused.contains("in use by process"), "{refused}");
    server.stops_on(Signal::TERM);
    // A variable is of this server's settings, not of the other's.
    let here = shown(&person.data_dir());
    let moved = person.runs_with(&[("COUNTERSIGN_DATA_DIR", &here)], &moving);
    let moved = moved.text();
    assert!(moved.contains("\naccounts             1\n"), "{moved}");

    let there = [("COUNTERSIGN_CONFIG", "new.toml")];
    let server = person.serves_freely(&there);
    assert_eq!(server.status("GET /v1/accounts/me", &key), 200);
    assert!(server.logs_in("ada@example.com").is_some());
    let again = person.runs(&moving).refusal();
    assert!(again.contains("countersign.db already"), "{again}");
}

#[test]
fn where_there_is_no_database_none_is_backed_up() {
    let person = Person::new();
    let refused = person.runs(&["backup", "ada.db"]).refusal();
    assert!(refused.contains("there is no database"), "{refused}");
    assert!(!person.home.path().join("ada.db").exists());
    let refused = person.runs(&["restore", "--verify", "ada.db"]).refusal();
    assert!(refused.contains("ada.db"), "{refused}");
}
