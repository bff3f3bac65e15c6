//! Proof of work, done as a client does it: from the words of the contract alone.

use countersign::pb::v1::{
    Challenge, ChallengeAlgorithm, CreateAccountRequest, CreateChallengeRequest, ProofOfWork,
};
use sha2::{Digest as _, Sha256};

use super::{PASSWORD, TestApp};

/// The zero bits that `sha256(salt ‖ nonce)` starts with.
pub(crate) fn zero_bits(salt: &str, nonce: &str) -> u32 {
    leading_zeros(&Sha256::digest(format!("{salt}{nonce}")))
}

fn leading_zeros(hash: &[u8]) -> u32 {
    let bits = hash
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    u32::try_from(bits.take_while(|bit| *bit == 0).count()).unwrap()
}

/// The hash of a nonce, by the crates alone.
fn hash(challenge: &Challenge, nonce: &str) -> Vec<u8> {
    if challenge.algorithm() == ChallengeAlgorithm::Sha256 {
        return Sha256::digest(format!("{}{nonce}", challenge.salt)).to_vec();
    }
    let [memory, passes] =
        [challenge.memory_kib, challenge.iterations].map(|cost| cost.try_into().unwrap());
    let params = argon2::Params::new(memory, passes, 1, Some(32)).unwrap();
    let argon2id = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let mut hash = vec![0; 32];
    let salt = challenge.salt.as_bytes();
    argon2id
        .hash_password_into(nonce.as_bytes(), salt, &mut hash)
        .unwrap();
    hash
}

/// Whether a nonce solves a challenge.
pub(crate) fn solves(challenge: &Challenge, nonce: &str) -> bool {
    leading_zeros(&hash(challenge, nonce)) >= u32::try_from(challenge.difficulty).unwrap()
}

/// The first number whose hash has a number of zero bits that is as wished.
pub(crate) fn nonce(challenge: &Challenge, wished: impl Fn(u32) -> bool) -> ProofOfWork {
    let nonce = (0_u64..)
        .map(|number| number.to_string())
        .find(|nonce| wished(leading_zeros(&hash(challenge, nonce))))
        .unwrap();
    ProofOfWork {
        challenge_id: challenge.id.clone(),
        nonce,
    }
}

/// The solution of a challenge.
pub(crate) fn solved(challenge: &Challenge) -> ProofOfWork {
    let difficulty = u32::try_from(challenge.difficulty).unwrap();
    nonce(challenge, |bits| bits >= difficulty)
}

/// A sign-up with this work, or without any.
pub(crate) fn sign_up_with(name: &str, work: Option<ProofOfWork>) -> CreateAccountRequest {
    CreateAccountRequest {
        email: format!("{name}@example.com"),
        password: PASSWORD.to_owned(),
        proof_of_work: work,
        ..CreateAccountRequest::default()
    }
}

impl TestApp {
    /// A new challenge.
    pub(crate) async fn challenge(&self) -> Challenge {
        let answer = self
            .challenges()
            .create_challenge(CreateChallengeRequest::default())
            .await;
        answer.unwrap().into_inner().challenge.unwrap()
    }
}
