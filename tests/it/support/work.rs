//! Proof of work, done as a client does it: from the words of the contract alone.

use countersign::pb::v1::{
    Challenge, ChallengeAlgorithm, CreateAccountRequest, CreateChallengeRequest, ProofOfWork,
};
use sha2::{Digest as _, Sha256};

use super::{PASSWORD, TestApp};

/// The zero bits that `sha256(salt ‖ nonce)` starts with.
pub(crate) fn zero_bits(salt: &str, nonce: &str) -> u32 {
    let hash = Sha256::digest(format!("{salt}{nonce}"));
    let bits = hash
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    u32::try_from(bits.take_while(|bit| *bit == 0).count()).unwrap()
}

/// The first number whose hash has a number of zero bits that is as wished.
pub(crate) fn nonce(challenge: &Challenge, wished: impl Fn(u32) -> bool) -> ProofOfWork {
    assert_eq!(challenge.algorithm(), ChallengeAlgorithm::Sha256);
    let nonce = (0_u64..)
        .map(|number| number.to_string())
        .find(|nonce| wished(zero_bits(&challenge.salt, nonce)))
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
