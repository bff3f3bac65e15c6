//! Proof of work: what a challenge is, and when a nonce solves it.

use sha2::{Digest, Sha256};

use crate::env::Timestamp;

/// The size of the hashes, in bytes.
pub const HASH_BYTES: usize = 32;
/// What the bytes of a challenge start with, so that another form can follow one day.
const VERSION: u8 = 1;
/// The size of a challenge in bytes: version, purpose, algorithm, difficulty, memory, iterations, end, salt.
const BYTES: usize = 1 + 1 + 1 + 1 + 4 + 4 + 8 + 16;

/// What a solution is good for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Purpose {
    /// One sign-up.
    SignUp,
}

/// How the work is done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Algorithm {
    /// SHA-256 of the salt with the nonce right behind it.
    Sha256,
    /// Argon2id of the nonce under the salt, with one lane.
    Argon2id(Argon2Cost),
}

/// What one Argon2id hash costs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Argon2Cost {
    /// The memory, in KiB.
    pub memory_kib: u32,
    /// The passes over it.
    pub iterations: u32,
}

/// What is hashed, and how many zero bits the hash must start with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Puzzle {
    /// How the work is done.
    pub algorithm: Algorithm,
    /// What goes into each hash beside the nonce.
    pub salt: String,
    /// The least number of leading zero bits.
    pub difficulty: u8,
}

/// All that a challenge says. It is kept nowhere but in its own id.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Challenge {
    /// What a solution is good for.
    pub purpose: Purpose,
    /// How the work is done.
    pub algorithm: Algorithm,
    /// The least number of leading zero bits.
    pub difficulty: u8,
    /// When the challenge ends.
    pub expires_at: Timestamp,
    /// What makes it differ from every other: random.
    pub random: [u8; 16],
}

impl Challenge {
    /// The puzzle to solve.
    #[must_use]
    pub fn puzzle(&self) -> Puzzle {
        Puzzle {
            algorithm: self.algorithm,
            salt: self.salt(),
            difficulty: self.difficulty,
        }
    }

    /// The salt: 32 hexadecimal digits, so that salt, nonce and padding fit one block of SHA-256.
    fn salt(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let halves = self.random.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        halves
            .map(|half| char::from(DIGITS[usize::from(half)]))
            .collect()
    }

    /// What tells its redemption from every other. It starts with the time, so that the rows of one
    /// hour stand side by side.
    #[must_use]
    pub fn key(&self) -> [u8; 24] {
        let mut key = [0; 24];
        key[..8].copy_from_slice(&self.expires_at.millis().to_be_bytes());
        key[8..].copy_from_slice(&self.random);
        key
    }

    /// The challenge as bytes, to be sealed.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let (algorithm, cost) = match self.algorithm {
            Algorithm::Sha256 => (1, None),
            Algorithm::Argon2id(cost) => (2, Some(cost)),
        };
        let purpose = match self.purpose {
            Purpose::SignUp => 1,
        };
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.extend([VERSION, purpose, algorithm, self.difficulty]);
        bytes.extend(cost.map_or(0, |cost| cost.memory_kib).to_be_bytes());
        bytes.extend(cost.map_or(0, |cost| cost.iterations).to_be_bytes());
        bytes.extend(self.expires_at.millis().to_be_bytes());
        bytes.extend(self.random);
        bytes
    }

    /// The challenge in these bytes; none when they hold no challenge of this version.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let ([version, purpose, algorithm, difficulty], rest) = bytes.split_first_chunk()?;
        let (memory_kib, rest) = rest.split_first_chunk()?;
        let (iterations, rest) = rest.split_first_chunk()?;
        let (expires_at, random) = rest.split_first_chunk()?;
        let cost = Argon2Cost {
            memory_kib: u32::from_be_bytes(*memory_kib),
            iterations: u32::from_be_bytes(*iterations),
        };
        Some(Self {
            purpose: match (*version, *purpose) {
                (VERSION, 1) => Purpose::SignUp,
                _ => return None,
            },
            algorithm: match algorithm {
                1 => Algorithm::Sha256,
                2 => Algorithm::Argon2id(cost),
                _ => return None,
            },
            difficulty: *difficulty,
            expires_at: Timestamp::from_millis(i64::from_be_bytes(*expires_at)),
            random: random.try_into().ok()?,
        })
    }
}

/// Whether a hash starts with at least so many zero bits, the most significant bit of a byte first.
#[must_use]
pub fn is_enough(hash: &[u8; HASH_BYTES], difficulty: u8) -> bool {
    leading_zero_bits(hash) >= u32::from(difficulty)
}

fn leading_zero_bits(hash: &[u8; HASH_BYTES]) -> u32 {
    let mut bits = 0;
    for byte in hash {
        bits += byte.leading_zeros();
        if *byte != 0 {
            break;
        }
    }
    bits
}

/// Hashes one salt with many nonces.
pub struct Sha256Salt(Sha256);

impl Sha256Salt {
    /// The hashes with this salt.
    #[must_use]
    pub fn new(salt: &str) -> Self {
        Self(Sha256::new_with_prefix(salt))
    }

    /// `sha256(salt ‖ nonce)`.
    #[must_use]
    pub fn hash(&self, nonce: &str) -> [u8; HASH_BYTES] {
        self.0.clone().chain_update(nonce).finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn challenge(algorithm: Algorithm) -> Challenge {
        Challenge {
            purpose: Purpose::SignUp,
            algorithm,
            difficulty: 20,
            expires_at: Timestamp::from_millis(1_768_473_300_000),
            random: *b"0123456789abcdef",
        }
    }

    const ARGON2ID: Algorithm = Algorithm::Argon2id(Argon2Cost {
        memory_kib: 4096,
        iterations: 1,
    });

    #[test]
    fn the_hash_is_that_of_salt_and_nonce_in_a_row() {
        // printf 'abc' | sha256sum
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        for (salt, nonce) in [("abc", ""), ("ab", "c"), ("", "abc")] {
            let hash = Sha256Salt::new(salt).hash(nonce);
            let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, expected);
        }
    }

    #[test]
    fn zero_bits_are_counted_from_the_first_bit_on() {
        for (start, bits) in [
            (&[0x80][..], 0),
            (&[0x7f], 1),
            (&[0x01], 7),
            (&[0x00, 0x80], 8),
            (&[0x00, 0x00, 0x0f], 20),
            (&[0x00; 32], 256),
        ] {
            let mut hash = [0xff; HASH_BYTES];
            hash[..start.len()].copy_from_slice(start);
            assert_eq!(leading_zero_bits(&hash), bits, "{start:?}");
            assert!(is_enough(&hash, 0));
            assert_eq!(is_enough(&hash, 20), bits >= 20);
        }
    }

    #[test]
    fn a_challenge_comes_back_from_its_bytes() {
        for algorithm in [Algorithm::Sha256, ARGON2ID] {
            let challenge = challenge(algorithm);
            let bytes = challenge.to_bytes();
            assert_eq!(bytes.len(), BYTES);
            assert_eq!(Challenge::from_bytes(&bytes), Some(challenge));
        }
    }

    #[test]
    fn bytes_of_another_kind_hold_no_challenge() {
        let bytes = challenge(Algorithm::Sha256).to_bytes();
        for end in 0..bytes.len() {
            assert_eq!(Challenge::from_bytes(&bytes[..end]), None, "{end} bytes");
        }
        assert_eq!(Challenge::from_bytes(&[&bytes[..], &[0]].concat()), None);
        // A later version, an unknown purpose, an unknown algorithm.
        for place in 0..3 {
            let mut other = bytes.clone();
            other[place] = 9;
            assert_eq!(Challenge::from_bytes(&other), None, "byte {place}");
        }
    }

    #[test]
    fn the_salt_is_the_random_part_in_digits() {
        let puzzle = challenge(Algorithm::Sha256).puzzle();
        assert_eq!(puzzle.salt, "30313233343536373839616263646566");
    }

    #[test]
    fn keys_differ_when_challenges_do_and_sort_by_time() {
        let first = challenge(Algorithm::Sha256);
        let later = Challenge {
            expires_at: Timestamp::from_millis(first.expires_at.millis() + 1),
            random: [0; 16],
            ..first
        };
        assert!(first.key() < later.key());
        let other = Challenge {
            random: [7; 16],
            ..first
        };
        assert_ne!(first.key(), other.key());
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(bytes: Vec<u8>) {
            if let Some(challenge) = Challenge::from_bytes(&bytes) {
                prop_assert_eq!(challenge.difficulty, bytes[3]);
            }
        }
    }
}
