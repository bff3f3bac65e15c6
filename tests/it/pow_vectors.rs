//! The solver in JavaScript and the server hash alike: `tests/e2e/hashes.test.mjs` reads the same vectors.

use countersign::{crypto::passwords::Argon2Salt, model::pow::Argon2Cost};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    argon2id: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    salt: String,
    nonce: u64,
    memory_kib: u32,
    iterations: u32,
    hash: String,
}

#[test]
fn the_vectors_of_argon2id_are_what_the_server_computes() {
    let vectors: Vectors = serde_json::from_str(include_str!("../e2e/vectors.json")).unwrap();
    assert!(!vectors.argon2id.is_empty());
    for vector in vectors.argon2id {
        let cost = Argon2Cost {
            memory_kib: vector.memory_kib,
            iterations: vector.iterations,
        };
        let hash = Argon2Salt::new(&vector.salt, cost)
            .hash(&vector.nonce.to_string())
            .unwrap();
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, vector.hash, "{}", vector.salt);
    }
}
