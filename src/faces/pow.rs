//! Proof of work in the body of a sign-up, in the form that Mail.td documents. The other faces take it as
//! an additional member, for servers that ask for it everywhere.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::pb::v1;

/// What the members are called in the contract, and here.
pub(super) const FIELD_NAMES: [(&str, &str); 2] = [
    ("proof_of_work.challenge_id", "pow.id"),
    ("proof_of_work.nonce", "pow.nonce"),
];

/// The solution of a challenge.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pow {
    /// The `id` of the challenge.
    #[schemars(extend("x-field" = "ProofOfWork.challenge_id"))]
    id: String,
    /// The text that solves it.
    #[schemars(extend("x-field" = "ProofOfWork.nonce"))]
    nonce: String,
}

impl From<Pow> for v1::ProofOfWork {
    fn from(sent: Pow) -> Self {
        Self {
            challenge_id: sent.id,
            nonce: sent.nonce,
        }
    }
}
