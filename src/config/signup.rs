//! What signing up takes.

use std::time::Duration;

use super::{
    duration::hours,
    rule::{Broken, require, within},
    setting::{Scalar, settings},
};

/// Whose sign-ups need proof of work.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ProofOfWork {
    /// Those that open a Mail.td session, as its document says.
    MailTd,
    /// All.
    All,
    /// Those of networks over their limit on sign-ups.
    Adaptive,
}

impl Scalar for ProofOfWork {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "mailtd" => Ok(Self::MailTd),
            "all" => Ok(Self::All),
            "adaptive" => Ok(Self::Adaptive),
            _ => Err("it must be mailtd, all or adaptive".to_owned()),
        }
    }

    fn print(&self) -> String {
        match self {
            Self::MailTd => "mailtd",
            Self::All => "all",
            Self::Adaptive => "adaptive",
        }
        .to_owned()
    }
}

/// How the work of new challenges is done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ChallengeAlgorithm {
    /// SHA-256.
    Sha256,
    /// Argon2id.
    Argon2id,
}

impl Scalar for ChallengeAlgorithm {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "sha256" => Ok(Self::Sha256),
            "argon2id" => Ok(Self::Argon2id),
            _ => Err("it must be sha256 or argon2id".to_owned()),
        }
    }

    fn print(&self) -> String {
        match self {
            Self::Sha256 => "sha256",
            Self::Argon2id => "argon2id",
        }
        .to_owned()
    }
}

settings! {
    /// What signing up takes besides an address and a password: proof of work, which one person hardly
    /// notices and whoever wants very many accounts does. docs/SECURITY.md says how hard it is when.
    pub struct Signup {
        /// Whose sign-ups must bring the solution of a challenge. `mailtd`: those that open a Mail.td
        /// session, as its document says. `all`: all, through every face. `adaptive`: those of networks
        /// over `limits.creation_interval`, as a way through instead of a refusal.
        proof_of_work: ProofOfWork = ProofOfWork::MailTd,
        /// How the work is done: `sha256`, which Mail.td documents, or `argon2id`, which graphics cards
        /// are no good at, and whose check costs the server as much as a try costs the client.
        algorithm: ChallengeAlgorithm = ChallengeAlgorithm::Sha256,
        /// The zero bits that a SHA-256 must start with, 1 to 32; each one more doubles the work.
        difficulty: u32 = 20,
        /// The most that it rises to while many sign up, from `difficulty` to 32. With 22 a phone takes
        /// about two seconds on average.
        difficulty_ceiling: u32 = 22,
        /// The memory of one Argon2id hash in KiB, 64 to 65536.
        argon2_memory_kib: u32 = 4096,
        /// The zero bits that an Argon2id hash must start with, 1 to 16.
        argon2_difficulty: u32 = 4,
        /// The most that it rises to while many sign up, from `argon2_difficulty` to 16.
        argon2_difficulty_ceiling: u32 = 6,
        /// The sign-ups of one network, an IPv4 address or an IPv6 /64, from which on it gets harder for
        /// that network: one bit there, and one more at each doubling. A sign-up counts half after ten
        /// minutes, a quarter after twenty. 1 to 1000000.
        network_threshold: u32 = 4,
        /// The same for all sign-ups together, 1 to 1000000.
        server_threshold: u32 = 1000,
        /// The time in which a challenge must be solved, 10s to 1h.
        challenge_lifetime: Duration = Duration::from_secs(300),
    }
}

impl Signup {
    pub(super) fn check(&self) -> Result<(), Broken> {
        within("signup.difficulty", &self.difficulty, 1..=32)?;
        within(
            "signup.difficulty_ceiling",
            &self.difficulty_ceiling,
            1..=32,
        )?;
        require(
            self.difficulty_ceiling >= self.difficulty,
            "signup.difficulty_ceiling",
            "it must not be less than `signup.difficulty`",
        )?;
        self.check_argon2()?;
        let sign_ups = 1..=1_000_000;
        within(
            "signup.network_threshold",
            &self.network_threshold,
            sign_ups.clone(),
        )?;
        within("signup.server_threshold", &self.server_threshold, sign_ups)?;
        let shortest = Duration::from_secs(10);
        within(
            "signup.challenge_lifetime",
            &self.challenge_lifetime,
            shortest..=hours(1),
        )
    }

    fn check_argon2(&self) -> Result<(), Broken> {
        within(
            "signup.argon2_memory_kib",
            &self.argon2_memory_kib,
            64..=65_536,
        )?;
        within("signup.argon2_difficulty", &self.argon2_difficulty, 1..=16)?;
        within(
            "signup.argon2_difficulty_ceiling",
            &self.argon2_difficulty_ceiling,
            1..=16,
        )?;
        require(
            self.argon2_difficulty_ceiling >= self.argon2_difficulty,
            "signup.argon2_difficulty_ceiling",
            "it must not be less than `signup.argon2_difficulty`",
        )
    }
}
