//! How passwords are hashed.

use super::{
    rule::{Broken, require, within},
    setting::settings,
};

/// The least product of memory and iterations: the weakest of the equal settings that OWASP's password
/// storage cheat sheet names for Argon2id.
const LEAST_WORK: u64 = 35_840;

settings! {
    /// How passwords are hashed (Argon2id, RFC 9106, one lane). Higher values apply to a stored password
    /// when its owner next logs in.
    pub struct Passwords {
        /// The memory of one hash in KiB, 8192 to 1048576; memory times iterations is at least 35840.
        memory_kib: u32 = 19_456,
        /// The passes over that memory, 1 to 16.
        iterations: u32 = 2,
        /// The threads that hash, 0 to 256. 0: one per core.
        threads: u32 = 0,
        /// The log-ins that wait for a thread, 1 to 10000; more are told to come back later.
        queue: u32 = 64,
    }
}

impl Passwords {
    pub(super) fn check(&self) -> Result<(), Broken> {
        within("passwords.memory_kib", &self.memory_kib, 8_192..=1_048_576)?;
        within("passwords.iterations", &self.iterations, 1..=16)?;
        within("passwords.threads", &self.threads, 0..=256)?;
        within("passwords.queue", &self.queue, 1..=10_000)?;
        require(
            u64::from(self.memory_kib) * u64::from(self.iterations) >= LEAST_WORK,
            "passwords.iterations",
            format!(
                "it must be more: times `passwords.memory_kib` it must give at least {LEAST_WORK}"
            ),
        )
    }
}
