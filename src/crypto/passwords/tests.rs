use std::sync::Arc;

use super::*;
use crate::{crypto::test_env, error::Reason};

fn options() -> HashingOptions {
    HashingOptions {
        memory_kib: 8,
        iterations: 1,
        threads: 2,
        ..HashingOptions::default()
    }
}

fn start(options: HashingOptions) -> Passwords {
    Passwords::start(options, test_env::still()).unwrap()
}

fn password(text: &str) -> Password {
    Password::presented(text).unwrap()
}

#[tokio::test]
async fn a_password_matches_its_own_hash_alone() {
    let passwords = start(options());
    let stored = passwords
        .hash(&password("correct horse"), None)
        .await
        .unwrap();
    let verify = async |text| {
        let verdict = passwords.verify(&password(text), Some(&stored), None).await;
        verdict.unwrap()
    };
    assert_eq!(
        verify("correct horse").await,
        Verdict::Match { rehash: false }
    );
    for wrong in ["correct hors", "correct horse ", "Correct horse", ""] {
        assert_eq!(verify(wrong).await, Verdict::Mismatch, "{wrong:?}");
    }
}

#[tokio::test]
async fn hashes_are_phc_strings_with_a_salt_each() {
    let passwords = start(HashingOptions {
        parallelism: 2,
        memory_kib: 16,
        ..options()
    });
    let first = passwords
        .hash(&password("correct horse"), None)
        .await
        .unwrap();
    assert!(first.starts_with("$argon2id$v=19$m=16,t=1,p=2$"), "{first}");
    assert_ne!(
        first,
        passwords
            .hash(&password("correct horse"), None)
            .await
            .unwrap()
    );
}

/// A published test vector of the reference implementation: 64 MiB, 2 passes, "password", "somesalt".
#[tokio::test]
async fn a_hash_made_elsewhere_is_checked_with_its_own_parameters() {
    let stored =
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let passwords = start(options());
    let verify = async |text| {
        let verdict = passwords.verify(&password(text), Some(stored), None).await;
        verdict.unwrap()
    };
    assert_eq!(verify("password").await, Verdict::Match { rehash: true });
    assert_eq!(verify("passwore").await, Verdict::Mismatch);
}

#[tokio::test]
async fn a_hash_of_other_parameters_asks_to_be_replaced() {
    let stored = start(options())
        .hash(&password("correct horse"), None)
        .await
        .unwrap();
    for (other, rehash) in [
        (options(), false),
        (
            HashingOptions {
                memory_kib: 16,
                ..options()
            },
            true,
        ),
        (
            HashingOptions {
                iterations: 2,
                ..options()
            },
            true,
        ),
        (
            HashingOptions {
                memory_kib: 16,
                parallelism: 2,
                ..options()
            },
            true,
        ),
    ] {
        let verdict = start(other)
            .verify(&password("correct horse"), Some(&stored), None)
            .await;
        assert_eq!(verdict.unwrap(), Verdict::Match { rehash });
    }
}

#[tokio::test]
async fn without_a_stored_hash_the_same_work_is_done_for_a_mismatch() {
    let passwords = start(HashingOptions {
        memory_kib: 24,
        ..options()
    });
    let (dummy, _) = Recipe::read(&passwords.dummy).unwrap();
    assert!(dummy.is_current(&passwords.params));
    let verdict = passwords
        .verify(&password("correct horse"), None, None)
        .await;
    assert_eq!(verdict.unwrap(), Verdict::Mismatch);
    // The memory of a hash with these parameters was used: the work was done.
    assert_eq!(passwords.load().arena_kib, 24);
}

#[tokio::test]
async fn even_the_dummy_hash_itself_matches_nobody() {
    let mut passwords = start(options());
    passwords.dummy = passwords
        .hash(&password("correct horse"), None)
        .await
        .unwrap();
    let verdict = passwords
        .verify(&password("correct horse"), None, None)
        .await;
    assert_eq!(verdict.unwrap(), Verdict::Mismatch);
}

#[tokio::test]
async fn a_stored_hash_that_is_none_or_costs_too_much_is_refused_unhashed() {
    let passwords = start(options());
    let tail = "$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    for head in [
        "",
        "$2b$12",
        "$argon2id$v=20$m=8,t=1,p=1",
        "$argon2id$v=19$m=4294967295,t=1,p=1",
        "$argon2id$v=19$m=262145,t=1,p=1",
        "$argon2id$v=19$m=8,t=33,p=1",
        "$argon2id$v=19$m=1024,t=1,p=17",
        "$argon2id$v=19$m=8,t=0,p=1",
    ] {
        let stored = format!("{head}{tail}");
        let refused = passwords
            .verify(&password("x"), Some(&stored), None)
            .await
            .unwrap_err();
        assert_eq!(refused.reason(), Reason::Internal, "{stored}");
        assert!(!format!("{refused:?}").contains("CTFhF"), "{refused:?}");
    }
    assert_eq!(passwords.load(), GateLoad::default());
}

#[test]
fn options_that_make_no_sense_are_refused() {
    for options in [
        HashingOptions {
            threads: 0,
            ..options()
        },
        HashingOptions {
            queue: 0,
            ..options()
        },
        HashingOptions {
            memory_kib: 7,
            ..options()
        },
        HashingOptions {
            memory_kib: 8,
            parallelism: 2,
            ..options()
        },
        HashingOptions {
            iterations: 0,
            ..options()
        },
        HashingOptions {
            iterations: 33,
            ..options()
        },
        HashingOptions {
            memory_kib: 300_000,
            ..options()
        },
    ] {
        assert!(
            Passwords::start(options.clone(), test_env::still()).is_err(),
            "{options:?}"
        );
    }
}

#[tokio::test]
async fn many_at_once_are_each_answered_right() {
    let passwords = Arc::new(start(options()));
    let tasks: Vec<_> = (0..50)
        .map(|number| {
            let passwords = Arc::clone(&passwords);
            tokio::spawn(async move {
                let own = password(&format!("correct horse {number}"));
                let stored = passwords.hash(&own, None).await.unwrap();
                let other = password(&format!("correct horse {}", number + 1));
                let right = passwords.verify(&own, Some(&stored), None).await.unwrap();
                (
                    right,
                    passwords.verify(&other, Some(&stored), None).await.unwrap(),
                )
            })
        })
        .collect();
    for task in tasks {
        let expected = (Verdict::Match { rehash: false }, Verdict::Mismatch);
        assert_eq!(task.await.unwrap(), expected);
    }
}
