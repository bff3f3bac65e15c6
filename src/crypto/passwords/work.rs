//! Argon2id as proof of work: the work of the client, and its check.

use std::{net::IpAddr, sync::Arc};

use argon2::{Algorithm, Argon2, Params, Version, password_hash::phc::Output};

use super::{HashFailed, Passwords, arena::Arena};
use crate::{
    error::{Error, Result},
    model::pow::{Argon2Cost, HASH_BYTES},
};

/// These costs or this salt are none that Argon2id takes, or there is no memory for them.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct WorkFailed(#[from] HashFailed);

impl Passwords {
    /// The hash of a nonce under a salt, admitted like that of a password.
    ///
    /// # Errors
    /// `OVERLOADED`, at once, with the time after which to come back; `INTERNAL` when hashing fails.
    pub async fn work(
        &self,
        nonce: &str,
        salt: &str,
        cost: Argon2Cost,
        client: Option<IpAddr>,
    ) -> Result<[u8; HASH_BYTES]> {
        let (nonce, salt) = (nonce.to_owned(), salt.to_owned());
        let output = self
            .gate
            .run(client, move |arena| {
                let hash = compute(cost, &salt, &nonce, arena)?;
                Output::new(&hash).map_err(|_| HashFailed::Encoding)
            })
            .await?
            .map_err(Error::internal)?;
        output.as_bytes().try_into().map_err(Error::internal)
    }
}

/// Hashes one salt with many nonces, on the thread that calls.
pub struct Argon2Salt<'a> {
    salt: &'a str,
    cost: Argon2Cost,
    arena: Arena,
}

impl<'a> Argon2Salt<'a> {
    /// The hashes with this salt, at this cost each.
    #[must_use]
    pub fn new(salt: &'a str, cost: Argon2Cost) -> Self {
        let arena = Arena::new(Arc::default());
        Self { salt, cost, arena }
    }

    /// The hash of a nonce.
    ///
    /// # Errors
    /// Argon2id knows no such cost or salt, or there is no memory.
    pub fn hash(&mut self, nonce: &str) -> std::result::Result<[u8; HASH_BYTES], WorkFailed> {
        Ok(compute(self.cost, self.salt, nonce, &mut self.arena)?)
    }
}

fn compute(
    cost: Argon2Cost,
    salt: &str,
    nonce: &str,
    arena: &mut Arena,
) -> std::result::Result<[u8; HASH_BYTES], HashFailed> {
    let params = Params::new(cost.memory_kib, cost.iterations, 1, Some(HASH_BYTES))
        .map_err(HashFailed::Argon2)?;
    let blocks = arena
        .for_work(params.block_count())
        .map_err(|_| HashFailed::OutOfMemory)?;
    let mut hash = [0; HASH_BYTES];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(nonce.as_bytes(), salt.as_bytes(), &mut hash, blocks)
        .map_err(HashFailed::Argon2)?;
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{passwords::HashingOptions, test_env};

    const COST: Argon2Cost = Argon2Cost {
        memory_kib: 64,
        iterations: 1,
    };

    #[tokio::test]
    async fn the_check_and_the_work_are_one_hash() {
        let passwords = Passwords::start(HashingOptions::default(), test_env::still()).unwrap();
        let mut salt = Argon2Salt::new("0123456789abcdef", COST);
        for nonce in ["0", "1", "é"] {
            let checked = passwords
                .work(nonce, "0123456789abcdef", COST, None)
                .await
                .unwrap();
            assert_eq!(salt.hash(nonce).unwrap(), checked, "{nonce}");
        }
        assert_ne!(salt.hash("0").unwrap(), salt.hash("1").unwrap());
    }

    #[test]
    fn costs_that_do_not_exist_are_an_error() {
        let cost = Argon2Cost {
            memory_kib: 0,
            ..COST
        };
        assert!(Argon2Salt::new("0123456789abcdef", cost).hash("0").is_err());
        assert!(Argon2Salt::new("short", COST).hash("0").is_err());
    }
}
