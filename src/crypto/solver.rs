//! Solves challenges, as a client does: on every core, until one has found a nonce.

use std::{
    fmt::Write as _,
    num::NonZero,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
};

use crate::{
    crypto::passwords::{Argon2Salt, WorkFailed},
    model::pow::{Algorithm, HASH_BYTES, Puzzle, Sha256Salt, is_enough},
};

/// How many SHA-256 are tried before somebody may stop the work.
const TRIES_AT_ONCE: usize = 1 << 16;
/// Bounds on what a challenge may ask of each core, since it may be anybody's: the most memory that a
/// server of ours can be set to, and far more passes than any asks for.
const MAX_MEMORY_KIB: u32 = 64 * 1024;
const MAX_ITERATIONS: u32 = 16;

/// Why a puzzle cannot be solved.
#[derive(Debug, thiserror::Error)]
pub enum Unsolvable {
    /// It asks for more than a client should give.
    #[error("it costs too much: at most {MAX_MEMORY_KIB} KiB and {MAX_ITERATIONS} iterations")]
    TooCostly,
    /// It asks for an Argon2id that does not exist or for which there is no memory.
    #[error(transparent)]
    Work(#[from] WorkFailed),
}

/// A nonce that solves the puzzle; none when the work was stopped first. The nonces that are tried are
/// numbers, each by one thread.
///
/// # Errors
/// The puzzle asks for an Argon2id that costs too much, before anything is computed; that does not exist;
/// or for which there is no memory.
pub fn solve(
    puzzle: &Puzzle,
    threads: NonZero<usize>,
    stop: impl Fn() -> bool + Sync,
) -> Result<Option<String>, Unsolvable> {
    if !is_affordable(puzzle) {
        return Err(Unsolvable::TooCostly);
    }
    let search = Search {
        puzzle,
        threads: threads.get(),
        stop: &stop,
        ended: AtomicBool::new(false),
        outcome: Mutex::new(Ok(None)),
    };
    thread::scope(|scope| {
        for thread in 0..search.threads {
            let search = &search;
            scope.spawn(move || search.run(thread));
        }
    });
    let outcome = search.outcome.into_inner();
    Ok(outcome.unwrap_or_else(PoisonError::into_inner)?)
}

fn is_affordable(puzzle: &Puzzle) -> bool {
    match puzzle.algorithm {
        Algorithm::Sha256 => true,
        Algorithm::Argon2id(cost) => {
            cost.memory_kib <= MAX_MEMORY_KIB && cost.iterations <= MAX_ITERATIONS
        }
    }
}

struct Search<'a> {
    puzzle: &'a Puzzle,
    threads: usize,
    stop: &'a (dyn Fn() -> bool + Sync),
    ended: AtomicBool,
    outcome: Mutex<Result<Option<String>, WorkFailed>>,
}

impl Search<'_> {
    /// What one of the threads does.
    fn run(&self, thread: usize) {
        let found = match self.puzzle.algorithm {
            Algorithm::Sha256 => {
                let salt = Sha256Salt::new(&self.puzzle.salt);
                self.try_all(thread, TRIES_AT_ONCE, |nonce| Ok(salt.hash(nonce)))
            }
            Algorithm::Argon2id(cost) => {
                let mut salt = Argon2Salt::new(&self.puzzle.salt, cost);
                self.try_all(thread, 1, |nonce| salt.hash(nonce))
            }
        };
        // Neither a thread that was stopped nor one that came second has anything to say.
        if !matches!(found, Ok(None)) && !self.ended.swap(true, Relaxed) {
            let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
            *outcome = found;
        }
    }

    fn try_all(
        &self,
        thread: usize,
        at_once: usize,
        mut hash: impl FnMut(&str) -> Result<[u8; HASH_BYTES], WorkFailed>,
    ) -> Result<Option<String>, WorkFailed> {
        let mut nonces = (thread as u64..).step_by(self.threads);
        let mut nonce = String::new();
        while !self.ended.load(Relaxed) && !(self.stop)() {
            for number in nonces.by_ref().take(at_once) {
                nonce.clear();
                // A string takes everything.
                let _ = write!(nonce, "{number}");
                if is_enough(&hash(&nonce)?, self.puzzle.difficulty) {
                    return Ok(Some(nonce));
                }
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::pow::Argon2Cost;

    const TWO: NonZero<usize> = NonZero::new(2).unwrap();

    fn puzzle(algorithm: Algorithm, difficulty: u8) -> Puzzle {
        Puzzle {
            algorithm,
            salt: "0123456789abcdef0123456789abcdef".to_owned(),
            difficulty,
        }
    }

    #[test]
    fn a_solution_solves() {
        let puzzle = puzzle(Algorithm::Sha256, 10);
        let nonce = solve(&puzzle, TWO, || false).unwrap().unwrap();
        let hash = Sha256Salt::new(&puzzle.salt).hash(&nonce);
        assert!(is_enough(&hash, 10), "{nonce}");
    }

    #[test]
    fn argon2id_is_solved_too() {
        let cost = Argon2Cost {
            memory_kib: 64,
            iterations: 1,
        };
        let puzzle = puzzle(Algorithm::Argon2id(cost), 3);
        let nonce = solve(&puzzle, TWO, || false).unwrap().unwrap();
        let hash = Argon2Salt::new(&puzzle.salt, cost).hash(&nonce).unwrap();
        assert!(is_enough(&hash, 3), "{nonce}");
    }

    #[test]
    fn work_that_is_stopped_ends() {
        let never = puzzle(Algorithm::Sha256, 255);
        assert_eq!(solve(&never, TWO, || true).unwrap(), None);
    }

    #[test]
    fn what_argon2id_cannot_do_is_an_error() {
        let cost = Argon2Cost {
            memory_kib: 0,
            iterations: 0,
        };
        let refused = solve(&puzzle(Algorithm::Argon2id(cost), 1), TWO, || false);
        assert!(matches!(refused, Err(Unsolvable::Work(_))));
    }

    #[test]
    fn what_costs_too_much_is_refused_before_any_work() {
        let most = Argon2Cost {
            memory_kib: 65_536,
            iterations: 16,
        };
        // A thread would ask this before its first hash.
        let solve = |cost, stop: fn() -> bool| {
            let puzzle = puzzle(Algorithm::Argon2id(cost), 255);
            solve(&puzzle, TWO, stop)
        };
        assert!(matches!(solve(most, || true), Ok(None)));
        for cost in [
            Argon2Cost {
                memory_kib: 65_537,
                ..most
            },
            Argon2Cost {
                iterations: 17,
                ..most
            },
            Argon2Cost {
                memory_kib: u32::MAX,
                iterations: u32::MAX,
            },
        ] {
            let refused = solve(cost, || panic!("a thread was started"));
            assert!(matches!(refused, Err(Unsolvable::TooCostly)), "{cost:?}");
        }
    }
}
