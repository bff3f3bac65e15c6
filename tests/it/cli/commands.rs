//! The commands, and how they explain themselves.

use rustix::process::Signal;

use super::Person;

#[test]
fn help_names_every_command_and_setting_source() {
    let help = Person::new().runs(&["--help"]).text();
    for word in [
        "serve",
        "migrate",
        "config",
        "keys",
        "pow",
        "admin",
        "backup",
        "restore",
        "move",
        "completions",
        "--config",
        "--data-dir",
        "--listen",
        "COUNTERSIGN_<SECTION>_<FIELD>",
        "Exit codes:",
        "Examples:",
    ] {
        assert!(help.contains(word), "{word}");
    }
}

#[test]
fn every_command_explains_itself() {
    let person = Person::new();
    for command in [
        &["serve"][..],
        &["migrate"],
        &["config"],
        &["config", "check"],
        &["config", "show-defaults"],
        &["keys"],
        &["keys", "list"],
        &["keys", "rotate"],
        &["keys", "revoke"],
        &["pow"],
        &["pow", "solve"],
        &["admin"],
        &["admin", "grant"],
        &["admin", "revoke"],
        &["admin", "accounts"],
        &["admin", "organizations"],
        &["admin", "set-plan"],
        &["admin", "disable"],
        &["admin", "enable"],
        &["admin", "delete"],
        &["backup"],
        &["restore"],
        &["move"],
        &["completions"],
    ] {
        let help = person.runs(&[command, &["--help"]].concat()).text();
        assert!(help.contains("Usage: countersign "), "{command:?}");
    }
}

/// As with `countersign --help | head -1`.
#[test]
fn a_reader_who_has_seen_enough_is_no_error() {
    let person = Person::new();
    drop(person.serves(&[]));
    for arguments in [
        &["--help"][..],
        &["-h"],
        &["--version"],
        &["help", "serve"],
        &["admin", "grant", "--help"],
        &["completions", "bash"],
        &["config", "show-defaults"],
        &["config", "check"],
        &["migrate"],
        &["keys", "list"],
        &["admin", "accounts"],
        &["admin", "accounts", "--json"],
        &["pow", "solve", "--salt", "a", "--difficulty", "0"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let said = person.command(arguments).stdout(writer).output().unwrap();
        let said = super::Said::from(said);
        assert_eq!(said.text(), "", "{arguments:?}");
        assert_eq!(
            person.command(arguments).output().unwrap().stderr,
            b"",
            "{arguments:?}"
        );
    }
}

#[test]
fn output_that_cannot_be_written_is_told() {
    for arguments in [&["--help"][..], &["config", "show-defaults"]] {
        let full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let said = Person::new()
            .command(arguments)
            .stdout(full)
            .output()
            .unwrap();
        let refusal = super::Said::from(said).refusal();
        assert!(
            refusal.contains("disk that it goes to is full"),
            "{refusal}"
        );
    }
}

#[test]
fn the_version_is_printed() {
    let version = Person::new().runs(&["--version"]).text();
    assert_eq!(
        version,
        format!("countersign {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn a_command_line_that_cannot_be_read_exits_with_2() {
    for arguments in [
        &["sreve"][..],
        &["--nope"],
        &["keys"],
        &["completions", "cobol"],
    ] {
        let said = Person::new().runs(arguments);
        assert_eq!(said.code, Some(2), "{arguments:?}");
        assert_eq!(said.out, "");
    }
}

#[test]
fn shells_get_completions() {
    let person = Person::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = person.runs(&["completions", shell]).text();
        assert!(script.contains("show-defaults"), "{shell}");
    }
}

/// As `admin` does: through the server while it runs, and on the database when none does.
#[test]
fn keys_are_listed_rotated_and_revoked_beside_the_running_server_and_without_one() {
    let person = Person::new();
    let server = person.serves(&[]);
    let listed = person.runs(&["keys", "list"]).text();
    assert!(listed.starts_with("KEY "), "{listed}");
    assert!(
        listed.lines().all(|line| line.chars().count() <= 100),
        "{listed}"
    );
    let rotated = person.runs(&["keys", "rotate"]);
    assert_eq!(rotated.err, "");
    let rotated = rotated.text();
    assert!(
        rotated.lines().count() > listed.lines().count(),
        "{rotated}"
    );
    let again = person.runs(&["keys", "rotate"]);
    assert!(again.err.contains("already published"), "{}", again.err);
    assert_eq!(again.text(), rotated);
    let said = server.stops_on(Signal::TERM);
    assert_eq!(
        said.err.matches("keys were published").count(),
        1,
        "{}",
        said.err
    );

    assert_eq!(person.runs(&["keys", "list"]).text(), rotated);
    let json = person.runs(&["keys", "list", "--json"]).text();
    let keys: serde_json::Value = serde_json::from_str(&json).unwrap();
    let kid = keys[0]["kid"].as_str().unwrap();
    assert_eq!(keys[0]["phase"], "active");
    let left = person.runs(&["keys", "revoke", kid, "--json"]).text();
    assert!(!left.contains(kid), "{left}");
    assert!(
        person
            .runs(&["keys", "revoke", kid])
            .refusal()
            .contains("`countersign keys list`")
    );
}

#[test]
fn keys_of_a_folder_without_a_database_are_refused_and_nothing_is_made() {
    let person = Person::new();
    let typo = person.home.path().join("typo");
    // One key id in 64 begins with a hyphen.
    for command in [
        &["list"][..],
        &["rotate"],
        &["revoke", "x"],
        &["revoke", "-Dx", "--json"],
    ] {
        let refusal = person
            .runs(&[&["keys", "--data-dir", "typo"], command].concat())
            .refusal();
        assert!(refusal.contains("no database"), "{refusal}");
        assert!(refusal.contains("typo"), "{refusal}");
        assert!(!typo.exists());
    }
}
