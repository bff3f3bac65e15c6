//! `countersign pow`: the work that signing up may need.

use std::io::{self, Read};

use clap::{Args, Subcommand, ValueEnum};

use super::{Env, StartError, print};
use crate::app::{self, Algorithm, GivenChallenge};

/// A challenge is a few hundred bytes.
const LONGEST_INPUT: u64 = 64 * 1024;

const EXAMPLES: &str = "\
Examples:
  curl -sS http://127.0.0.1:8080/v1/challenges -H 'content-type: application/json' -d '{}' | countersign pow solve
  countersign pow solve --salt 6f1d… --difficulty 20";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Solve a challenge on every core, and print the nonce
    ///
    /// The challenge comes as JSON on standard input, as `POST /v1/challenges` or Mail.td's
    /// `GET /api/challenge` answers it, or by options. Interrupt it (Ctrl-C) to give up.
    #[command(after_help = EXAMPLES)]
    Solve(Solve),
}

#[derive(Debug, Args)]
pub(super) struct Solve {
    /// The id of the challenge; only printed again, by --json
    #[arg(long, requires = "salt")]
    id: Option<String>,
    /// The salt of the challenge; without it the challenge is read from standard input
    #[arg(long, requires = "difficulty")]
    salt: Option<String>,
    /// The zero bits that the hash must start with, 0 to 255
    #[arg(long, requires = "salt", value_name = "BITS")]
    difficulty: Option<u8>,
    /// How the work is done
    #[arg(long, requires = "salt", value_enum, default_value_t = Name::Sha256)]
    algorithm: Name,
    /// Argon2id's memory
    #[arg(long, requires = "salt", value_name = "KIB", default_value_t = 4096)]
    memory_kib: u32,
    /// Argon2id's passes over the memory
    #[arg(long, requires = "salt", default_value_t = 1)]
    iterations: u32,
    /// Print `{"id":…,"nonce":…}`, which the faces take as `pow`
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Name {
    Sha256,
    Argon2id,
}

impl Command {
    /// Runs the command. Nothing is configured, served or kept.
    pub(super) fn run(self) -> Result<(), StartError> {
        let Self::Solve(solve) = self;
        let json = solve.json;
        let challenge = solve.challenge()?;
        if json && challenge.id.is_empty() {
            return Err(StartError::new(
                "the challenge has no id to print",
                "give --id",
            ));
        }
        let nonce = app::solve_challenge(&challenge, &Env::system())?;
        if !json {
            return print(format!("{nonce}\n"));
        }
        // The form of a solution that Mail.td documents.
        let solution = serde_json::json!({"id": challenge.id, "nonce": nonce});
        print(format!("{solution}\n"))
    }
}

impl Solve {
    fn challenge(self) -> Result<GivenChallenge, StartError> {
        let (Some(salt), Some(difficulty)) = (self.salt, self.difficulty) else {
            let mut text = String::new();
            io::stdin()
                .take(LONGEST_INPUT)
                .read_to_string(&mut text)
                .map_err(|error| {
                    StartError::new(
                        format!("cannot read the challenge from standard input: {error}"),
                        "send its JSON there, or give --salt and --difficulty",
                    )
                })?;
            return GivenChallenge::from_json(&text);
        };
        Ok(GivenChallenge {
            id: self.id.unwrap_or_default(),
            salt,
            difficulty,
            algorithm: match self.algorithm {
                Name::Sha256 => Algorithm::Sha256,
                Name::Argon2id => Algorithm::Argon2id,
            },
            memory_kib: self.memory_kib,
            iterations: self.iterations,
            ..GivenChallenge::default()
        })
    }
}
