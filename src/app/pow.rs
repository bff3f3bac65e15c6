//! Proof of work, for the command line: what a client does with a challenge.

use std::{num::NonZero, thread};

use serde::Deserialize;
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::StartError;
use crate::{
    crypto::solver,
    env::{Env, Timestamp},
    model::pow::{self, Argon2Cost, Puzzle},
};

/// How the work of a challenge is done.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
pub enum Algorithm {
    /// SHA-256, also of a challenge that names no algorithm.
    #[default]
    #[serde(rename = "sha256", alias = "CHALLENGE_ALGORITHM_SHA256")]
    Sha256,
    /// Argon2id.
    #[serde(rename = "argon2id", alias = "CHALLENGE_ALGORITHM_ARGON2ID")]
    Argon2id,
}

/// A challenge, in the contract's JSON or in Mail.td's.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct GivenChallenge {
    /// Its id; solving needs none.
    #[serde(default)]
    pub id: String,
    /// What is hashed with the nonce.
    pub salt: String,
    /// How many zero bits the hash must start with.
    pub difficulty: u8,
    /// How the work is done.
    #[serde(default)]
    pub algorithm: Algorithm,
    /// Argon2id's memory, in KiB.
    #[serde(default, alias = "memoryKib")]
    pub memory_kib: u32,
    /// Argon2id's passes over it.
    #[serde(default)]
    pub iterations: u32,
    /// When it ends, in milliseconds, as Mail.td says it.
    #[serde(default)]
    pub expires_at: Option<i64>,
    /// When it ends, in RFC 3339, as the contract says it.
    #[serde(default, alias = "expireTime")]
    pub expire_time: Option<String>,
}

impl GivenChallenge {
    /// The challenge in a JSON text, or in the answer of the contract that holds one.
    ///
    /// # Errors
    /// The text holds no challenge.
    pub fn from_json(text: &str) -> Result<Self, StartError> {
        let none = |cause: serde_json::Error| {
            StartError::new(
                format!("this is no challenge: {cause}"),
                "give the JSON that POST /v1/challenges or GET /api/challenge answers",
            )
        };
        let mut value: Value = serde_json::from_str(text).map_err(none)?;
        if let Some(inner) = value.get_mut("challenge") {
            value = inner.take();
        }
        Self::deserialize(value).map_err(none)
    }

    /// When it ends, where it says so.
    fn end(&self) -> Option<Timestamp> {
        if let Some(millis) = self.expires_at {
            return Some(Timestamp::from_millis(millis));
        }
        let moment = OffsetDateTime::parse(self.expire_time.as_deref()?, &Rfc3339).ok()?;
        let millis = moment.unix_timestamp_nanos() / 1_000_000;
        Some(Timestamp::from_millis(i64::try_from(millis).ok()?))
    }

    fn puzzle(&self) -> Puzzle {
        let algorithm = match self.algorithm {
            Algorithm::Sha256 => pow::Algorithm::Sha256,
            Algorithm::Argon2id => pow::Algorithm::Argon2id(Argon2Cost {
                memory_kib: self.memory_kib,
                iterations: self.iterations,
            }),
        };
        Puzzle {
            algorithm,
            salt: self.salt.clone(),
            difficulty: self.difficulty,
        }
    }
}

/// A nonce that solves a challenge, found on every core.
///
/// # Errors
/// The challenge has ended before a nonce was found, or it is none that can be solved.
pub fn solve_challenge(challenge: &GivenChallenge, env: &Env) -> Result<String, StartError> {
    let end = challenge.end();
    let has_ended = || end.is_some_and(|end| env.now() >= end);
    let cores = thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    solver::solve(&challenge.puzzle(), cores, has_ended)
        .map_err(|cause| {
            StartError::new(
                format!("this challenge cannot be solved: {cause}"),
                "check --memory-kib, --iterations and --salt, or what the JSON says of them",
            )
        })?
        .ok_or_else(|| StartError::new("the challenge has expired", "ask for a new one"))
}
