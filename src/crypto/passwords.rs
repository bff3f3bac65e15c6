//! Password hashes: Argon2id behind a gate. The only user of argon2.
//!
//! A hash takes 15 to 30 ms of a core and 19 MiB, on purpose, so anyone who may log in could keep the whole
//! machine busy. Therefore hashes are admitted, not spawned: a fixed number of threads of low priority, each with
//! memory of its own; a bounded queue; and a refusal at once, with the time to come back at, for whoever
//! could not be served soon.

mod arena;
mod gate;
mod work;

use std::{io, net::IpAddr, num::NonZero, thread, time::Duration};

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, Version,
    password_hash::phc::{Output, ParamsString, Salt},
};
use subtle::ConstantTimeEq;

use self::{
    arena::Arena,
    gate::{Gate, Settings},
};
pub use self::{
    gate::GateLoad,
    work::{Argon2Salt, WorkFailed},
};
use crate::{
    env::Env,
    error::{Error, Result},
    model::password::Password,
};

const SALT_BYTES: usize = 16;
const OUTPUT_BYTES: usize = 32;
/// Bounds on what a hash may cost, the configured ones and those found in the database: 256 MiB, a few
/// seconds of one core.
const MAX_MEMORY_KIB: u32 = 256 * 1024;
const MAX_ITERATIONS: u32 = 32;
const MAX_PARALLELISM: u32 = 16;
/// What one block of 1 KiB takes in one pass, until the first hash was measured.
const EXPECTED_PER_BLOCK: Duration = Duration::from_nanos(500);

/// What a hash costs, and how many are computed at once.
#[derive(Clone, Debug)]
pub struct HashingOptions {
    /// Argon2's memory, in KiB.
    pub memory_kib: u32,
    /// Argon2's passes over the memory.
    pub iterations: u32,
    /// Argon2's lanes, computed one after the other here.
    pub parallelism: u32,
    /// How many hashes are computed at once.
    pub threads: usize,
    /// How many hashes wait at most.
    pub queue: usize,
    /// How long a hash may be expected to wait; whoever would wait longer is refused.
    pub max_wait: Duration,
    /// How long an idle thread keeps its memory.
    pub idle_release: Duration,
}

impl Default for HashingOptions {
    /// The second of OWASP's equivalent choices for Argon2id, and one thread per core.
    fn default() -> Self {
        Self {
            memory_kib: 19_456,
            iterations: 2,
            parallelism: 1,
            threads: thread::available_parallelism().map_or(1, NonZero::get),
            queue: 256,
            max_wait: Duration::from_secs(1),
            idle_release: Duration::from_secs(30),
        }
    }
}

/// Why no password can be hashed.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Argon2 knows no such parameters.
    #[error("these hashing parameters do not exist: {0}")]
    Parameters(argon2::Error),
    /// The parameters cost more than a server should spend on a log-in.
    #[error(
        "hashing would cost too much: at most {MAX_MEMORY_KIB} KiB, {MAX_ITERATIONS} iterations and {MAX_PARALLELISM} lanes"
    )]
    TooCostly,
    /// There must be a thread and a place to wait.
    #[error("hashing needs at least one thread and a queue of at least one")]
    NoRoom,
    /// The system gives no thread.
    #[error("a hashing thread did not start: {0}")]
    Thread(#[from] io::Error),
}

/// A stored hash that cannot be checked. It never quotes the hash.
#[derive(Debug, thiserror::Error)]
enum BadHash {
    #[error("a stored password hash cannot be read")]
    Unreadable,
    #[error("a stored password hash costs more than this server spends on a log-in")]
    TooCostly,
}

/// Why a computation failed.
#[derive(Debug, thiserror::Error)]
enum HashFailed {
    #[error("there is no memory to hash a password in")]
    OutOfMemory,
    #[error("argon2 failed: {0}")]
    Argon2(argon2::Error),
    #[error("a hash cannot be written down")]
    Encoding,
}

/// What became of a password check.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It is the password.
    Match {
        /// The stored hash was made with other parameters; hash the password anew and store that.
        rehash: bool,
    },
    /// It is not.
    Mismatch,
}

/// Hashes and checks passwords on threads of its own. Dropping it waits for the hashes that have started.
pub struct Passwords {
    gate: Gate<std::result::Result<Output, HashFailed>>,
    params: Params,
    dummy: String,
    env: Env,
}

impl Passwords {
    /// Starts the threads.
    ///
    /// # Errors
    /// The options make no sense, or the system gives no thread.
    pub fn start(options: HashingOptions, env: Env) -> std::result::Result<Self, StartError> {
        let params = checked(&options)?;
        let settings = Settings {
            threads: options.threads,
            queue: options.queue,
            max_wait: options.max_wait,
            idle_release: options.idle_release,
            expected: EXPECTED_PER_BLOCK
                .saturating_mul(options.memory_kib)
                .saturating_mul(options.iterations),
        };
        let dummy = dummy(&params).map_err(|_| StartError::TooCostly)?;
        Ok(Self {
            gate: Gate::start(settings, env.clone())?,
            params,
            dummy,
            env,
        })
    }

    /// The hash of a password to store, as a PHC string with a salt of its own, for a client at this address.
    ///
    /// # Errors
    /// `OVERLOADED`, at once, with the time after which to come back; `INTERNAL` when hashing fails.
    pub async fn hash(&self, password: &Password, client: Option<IpAddr>) -> Result<String> {
        let salt = Salt::new(&self.env.random::<SALT_BYTES>()?).map_err(Error::internal)?;
        let recipe = Recipe::current(&self.params, salt);
        let output = self.compute(recipe.clone(), password, client).await?;
        recipe.write(output).map_err(Error::internal)
    }

    /// Checks a password against the stored hash, in constant time. Without one the same work is done as
    /// for a hash of the current parameters, so that the time does not tell whether there is one.
    ///
    /// # Errors
    /// `OVERLOADED`, at once, with the time after which to come back; `INTERNAL` when hashing fails or the
    /// stored hash is none.
    pub async fn verify(
        &self,
        password: &Password,
        stored: Option<&str>,
        client: Option<IpAddr>,
    ) -> Result<Verdict> {
        let (recipe, expected) =
            Recipe::read(stored.unwrap_or(&self.dummy)).map_err(Error::internal)?;
        let rehash = !recipe.is_current(&self.params);
        let output = self.compute(recipe, password, client).await?;
        let equal = bool::from(output.as_bytes().ct_eq(expected.as_bytes()));
        Ok(if equal && stored.is_some() {
            Verdict::Match { rehash }
        } else {
            Verdict::Mismatch
        })
    }

    /// How busy hashing is.
    #[must_use]
    pub fn load(&self) -> GateLoad {
        self.gate.load()
    }

    /// How many hashes were refused since the start, because they would have waited too long.
    #[must_use]
    pub fn shed(&self) -> u64 {
        self.gate.shed()
    }

    /// How many hashes are computed at once.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.gate.threads()
    }

    async fn compute(
        &self,
        recipe: Recipe,
        password: &Password,
        client: Option<IpAddr>,
    ) -> Result<Output> {
        // The copy is wiped with the job, whether it runs or not.
        let password = password.clone();
        self.gate
            .run(client, move |arena| recipe.compute(&password, arena))
            .await?
            .map_err(Error::internal)
    }
}

fn checked(options: &HashingOptions) -> std::result::Result<Params, StartError> {
    if options.threads == 0 || options.queue == 0 {
        return Err(StartError::NoRoom);
    }
    let params = Params::new(
        options.memory_kib,
        options.iterations,
        options.parallelism,
        Some(OUTPUT_BYTES),
    )
    .map_err(StartError::Parameters)?;
    if is_affordable(&params) {
        Ok(params)
    } else {
        Err(StartError::TooCostly)
    }
}

fn is_affordable(params: &Params) -> bool {
    params.m_cost() <= MAX_MEMORY_KIB
        && params.t_cost() <= MAX_ITERATIONS
        && params.p_cost() <= MAX_PARALLELISM
}

/// A hash that is read and computed like any other, but belongs to nobody.
fn dummy(params: &Params) -> std::result::Result<String, HashFailed> {
    let salt = Salt::new(&[0; SALT_BYTES]).map_err(|_| HashFailed::Encoding)?;
    let output = Output::new(&[0; OUTPUT_BYTES]).map_err(|_| HashFailed::Encoding)?;
    Recipe::current(params, salt).write(output)
}

/// All that a hash depends on but the password.
#[derive(Clone)]
struct Recipe {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Salt,
}

impl Recipe {
    fn current(params: &Params, salt: Salt) -> Self {
        Self {
            algorithm: Algorithm::Argon2id,
            version: Version::V0x13,
            params: params.clone(),
            salt,
        }
    }

    fn is_current(&self, params: &Params) -> bool {
        self.algorithm == Algorithm::Argon2id
            && self.version == Version::V0x13
            && self.params == *params
            && self.salt.len() == SALT_BYTES
    }

    /// The recipe in a PHC string, and what it must give. Errors of the parser are not passed on: they
    /// could quote it.
    fn read(stored: &str) -> std::result::Result<(Self, Output), BadHash> {
        let parsed = PasswordHash::new(stored).map_err(|_| BadHash::Unreadable)?;
        let recipe = Self {
            algorithm: Algorithm::try_from(parsed.algorithm.as_str())
                .map_err(|_| BadHash::Unreadable)?,
            // A hash without a version was made before versions were written: 0x10.
            version: Version::try_from(parsed.version.unwrap_or(0x10))
                .map_err(|_| BadHash::Unreadable)?,
            params: Params::try_from(&parsed).map_err(|_| BadHash::Unreadable)?,
            salt: parsed.salt.ok_or(BadHash::Unreadable)?,
        };
        let output = parsed.hash.ok_or(BadHash::Unreadable)?;
        if is_affordable(&recipe.params) {
            Ok((recipe, output))
        } else {
            Err(BadHash::TooCostly)
        }
    }

    fn write(&self, output: Output) -> std::result::Result<String, HashFailed> {
        let params = ParamsString::try_from(&self.params).map_err(|_| HashFailed::Encoding)?;
        Ok(PasswordHash {
            algorithm: self.algorithm.ident(),
            version: Some(self.version.into()),
            params,
            salt: Some(self.salt),
            hash: Some(output),
        }
        .to_string())
    }

    fn compute(
        &self,
        password: &Password,
        arena: &mut Arena,
    ) -> std::result::Result<Output, HashFailed> {
        let blocks = arena
            .for_password(self.params.block_count())
            .map_err(|_| HashFailed::OutOfMemory)?;
        let mut bytes = [0; Output::MAX_LENGTH];
        let length = self.params.output_len().unwrap_or(OUTPUT_BYTES);
        let output = bytes.get_mut(..length).ok_or(HashFailed::Encoding)?;
        Argon2::new(self.algorithm, self.version, self.params.clone())
            .hash_password_into_with_memory(password.as_bytes(), &self.salt, output, blocks)
            .map_err(HashFailed::Argon2)?;
        Output::new(output).map_err(|_| HashFailed::Encoding)
    }
}

#[cfg(test)]
mod tests;
