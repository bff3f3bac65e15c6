//! What checking a solution costs, as a ratio to the one SHA-256 that it consists of, and how fast the
//! solver is, written to `docs/BENCHMARKS.md`: `cargo bench --bench pow`.

#![expect(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a measurement that cannot be made ends the run, and real time is what is measured"
)]

#[path = "figures/report.rs"]
mod report;

use std::{hint::black_box, num::NonZero, time::Instant};

use countersign::{
    crypto::{challenges, solver},
    env::Timestamp,
    model::pow::{self, Algorithm, Challenge, Purpose, Sha256Salt},
};
use sha2::{Digest as _, Sha256};

use self::report::{Report, median};

const HEAD: &str = "## Proof of work

Written by `cargo bench --bench pow`, in one process. A check opens the id of the challenge under its MAC, looks at its end and
hashes once; the solver runs on one core.

| what | measured | wanted |
|---|---|---|
";
const KEY: &[u8; 32] = &[7; 32];
const DIFFICULTY: u8 = 16;
const CHECKS: u32 = 200_000;
const ROUNDS: usize = 9;

fn main() {
    // `cargo test --benches` and `cargo bench -- --list` only want to see that this builds.
    if std::env::args().any(|argument| argument == "--test" || argument == "--list") {
        return;
    }
    let challenge = Challenge {
        purpose: Purpose::SignUp,
        algorithm: Algorithm::Sha256,
        difficulty: DIFFICULTY,
        expires_at: Timestamp::from_seconds(1_768_473_300),
        random: *b"0123456789abcdef",
    };
    let puzzle = challenge.puzzle();
    let one = NonZero::<usize>::MIN;
    let nonce = solver::solve(&puzzle, one, || false)
        .expect("SHA-256 has no costs to be wrong")
        .expect("nobody stops it");
    let id = challenges::seal(KEY, &challenge);
    let text = format!("{}{nonce}", puzzle.salt);

    let (mut bare, mut checks) = (Vec::new(), Vec::new());
    // In turn, so that a drift of the machine's speed falls on both.
    for _ in 0..ROUNDS {
        bare.push(nanoseconds(|| {
            black_box(Sha256::digest(black_box(&text)));
        }));
        checks.push(nanoseconds(|| {
            assert!(is_good(black_box(&id), black_box(&nonce)));
        }));
    }
    let (bare, check) = (median(&mut bare), median(&mut checks));
    let mut report = Report::default();
    report.absolute("a check of a solution, µs", check / 1000.0, "< 5");
    report.ratio(
        "a check over one bare SHA-256 of salt and nonce",
        &mut [check / bare],
        "",
    );
    let tries = tries_per_second();
    report.absolute("tries of the solver, millions/s", tries / 1e6, "");
    report.ratio(
        "tries/s over bare SHA-256/s",
        &mut [tries * bare / 1e9],
        ">= 0.7",
    );
    report.write(HEAD);
}

/// The checks that a sign-up does before anything else.
fn is_good(id: &str, nonce: &str) -> bool {
    challenges::open(KEY, id).is_some_and(|challenge| {
        let hash = Sha256Salt::new(&challenge.puzzle().salt).hash(nonce);
        challenge.expires_at > Timestamp::from_seconds(0)
            && pow::is_enough(&hash, challenge.difficulty)
    })
}

/// How long one of these takes.
fn nanoseconds(mut work: impl FnMut()) -> f64 {
    let begun = Instant::now();
    for _ in 0..CHECKS {
        work();
    }
    begun.elapsed().as_secs_f64() * 1e9 / f64::from(CHECKS)
}

/// Solves what is solved by the number of tries that the nonce tells.
fn tries_per_second() -> f64 {
    let (mut tries, mut seconds) = (0.0, 0.0);
    for number in 0..20_u8 {
        let puzzle = pow::Puzzle {
            algorithm: Algorithm::Sha256,
            salt: format!("{number:032}"),
            difficulty: 20,
        };
        let begun = Instant::now();
        let nonce = solver::solve(&puzzle, NonZero::<usize>::MIN, || false)
            .expect("SHA-256 has no costs to be wrong")
            .expect("nobody stops it");
        seconds += begun.elapsed().as_secs_f64();
        tries += nonce
            .parse::<f64>()
            .expect("the solver's nonces are numbers")
            + 1.0;
    }
    tries / seconds
}
