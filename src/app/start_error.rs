//! Why the program cannot start.

use crate::{config::ConfigError, env::RandomnessUnavailable};

/// Why the program cannot start, in one line that says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{what} — {advice}")]
pub struct StartError {
    what: String,
    advice: String,
}

impl StartError {
    /// What is wrong, and what to do about it. Neither may hold a secret.
    pub fn new(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            advice: advice.into(),
        }
    }

    /// What is wrong.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> &str {
        &self.advice
    }
}

impl From<ConfigError> for StartError {
    fn from(error: ConfigError) -> Self {
        Self::new(error.what(), error.advice())
    }
}

impl From<RandomnessUnavailable> for StartError {
    fn from(error: RandomnessUnavailable) -> Self {
        Self::new(error.to_string(), "check that /dev/urandom exists")
    }
}
