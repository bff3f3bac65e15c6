//! The solver in JavaScript and the server hash alike: `tests/e2e/hashes.test.mjs` reads the same vectors.

use argon2::{Algorithm, Argon2, Params, Version};
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
        let params = Params::new(vector.memory_kib, vector.iterations, 1, Some(32)).unwrap();
        let mut hash = [0; 32];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(
                vector.nonce.to_string().as_bytes(),
                vector.salt.as_bytes(),
                &mut hash,
            )
            .unwrap();
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, vector.hash, "{}", vector.salt);
    }
}
