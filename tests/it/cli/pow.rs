//! `countersign pow solve`, as a person and a script use it.

use std::{
    io::Write,
    os::unix::process::ExitStatusExt as _,
    process::{Child, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{Person, Said};
use crate::support::zero_bits;

const SALT: &str = "000102030405060708090a0b0c0d0e0f";

impl Person {
    fn solves(&self, challenge: &str, arguments: &[&str]) -> Said {
        let mut child = self.starts_solving(arguments);
        let mut input = child.stdin.take().unwrap();
        // A program that has seen enough closes its end.
        let _ = input.write_all(challenge.as_bytes());
        drop(input);
        Said::from(child.wait_with_output().unwrap())
    }

    fn starts_solving(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(&[&["pow", "solve"], arguments].concat());
        let piped = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        piped.spawn().unwrap()
    }
}

fn contracts() -> Value {
    json!({
        "id": "abc", "salt": SALT, "difficulty": 9, "algorithm": "CHALLENGE_ALGORITHM_SHA256",
        "expireTime": "2999-01-15T10:30:00Z",
    })
}

fn mailtds() -> Value {
    json!({"id": "abc", "salt": SALT, "difficulty": 9, "expires_at": 32_000_000_000_000_i64})
}

#[test]
fn a_challenge_is_solved_in_both_forms() {
    let person = Person::new();
    for challenge in [contracts(), json!({"challenge": contracts()}), mailtds()] {
        let nonce = person.solves(&challenge.to_string(), &[]).text();
        assert!(zero_bits(SALT, nonce.trim_end()) >= 9, "{nonce}");
        let solution = person.solves(&challenge.to_string(), &["--json"]).text();
        let solution: Value = serde_json::from_str(&solution).unwrap();
        let nonce = solution["nonce"].as_str().unwrap();
        assert_eq!(solution, json!({"id": "abc", "nonce": nonce}));
        assert!(zero_bits(SALT, nonce) >= 9, "{nonce}");
    }
}

#[test]
fn a_challenge_is_solved_from_options() {
    let person = Person::new();
    let options = ["--salt", SALT, "--difficulty", "9"];
    let nonce = person.solves("", &options).text();
    assert!(zero_bits(SALT, nonce.trim_end()) >= 9, "{nonce}");
    let argon2id = [
        "--algorithm",
        "argon2id",
        "--memory-kib",
        "64",
        "--id",
        "abc",
        "--json",
    ];
    let options = [&["--salt", SALT, "--difficulty", "3"], &argon2id[..]].concat();
    let solution: Value = serde_json::from_str(&person.solves("", &options).text()).unwrap();
    assert_eq!(solution["id"], "abc");
}

#[test]
fn what_is_no_challenge_or_too_late_is_refused() {
    let person = Person::new();
    let mut late = mailtds();
    late["expires_at"] = json!(1);
    let mut late_too = contracts();
    late_too["expireTime"] = json!("2001-01-15T10:30:00.5Z");
    let mut unknown = contracts();
    unknown["algorithm"] = json!("md5");
    let mut without_memory = contracts();
    without_memory["algorithm"] = json!("CHALLENGE_ALGORITHM_ARGON2ID");
    let mut huge = without_memory.clone();
    huge["memoryKib"] = json!(65_537);
    huge["iterations"] = json!(1);
    for (input, arguments, words) in [
        ("".to_owned(), &[][..], "no challenge"),
        ("[]".to_owned(), &[], "no challenge"),
        ("{\"salt\": \"x\"}".to_owned(), &[], "no challenge"),
        (unknown.to_string(), &[], "no challenge"),
        (late.to_string(), &[], "expired"),
        (late_too.to_string(), &[], "expired"),
        (without_memory.to_string(), &[], "cannot be solved"),
        (huge.to_string(), &[], "at most 65536 KiB and 16 iterations"),
        (
            "".to_owned(),
            &["--salt", SALT, "--difficulty", "1", "--json"],
            "no id",
        ),
    ] {
        let refusal = person.solves(&input, arguments).refusal();
        assert!(refusal.contains(words), "{refusal}");
    }
    for arguments in [
        &["--salt", SALT][..],
        &["--difficulty", "9"],
        &["--id", "abc"],
    ] {
        assert_eq!(person.solves("", arguments).code, Some(2), "{arguments:?}");
    }
}

/// Not SIGINT, which a shell's background job has inherited as ignored, and so would the solver.
#[test]
fn a_signal_gives_up() {
    let mut solving = Person::new().starts_solving(&["--salt", SALT, "--difficulty", "255"]);
    let id = Pid::from_raw(i32::try_from(solving.id()).unwrap()).unwrap();
    kill_process(id, Signal::TERM).unwrap();
    assert_eq!(solving.wait().unwrap().signal(), Some(15));
}
