//! Verifies with the program of docs/TOKENS.md, which stands beside this file: of each line
//! "ISSUER AUDIENCE TOKEN" it says whether the token is good.

use std::{collections::HashMap, error::Error, io};

mod verifier;

use verifier::{Claims, Verifier};

fn main() -> Result<(), Box<dyn Error>> {
    let mut verifiers = HashMap::new();
    for line in io::stdin().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let [issuer, audience, token] = words[..] else {
            return Err("a line has three words".into());
        };
        let name = format!("{issuer} {audience}");
        if !verifiers.contains_key(&name) {
            verifiers.insert(name.clone(), Verifier::new(issuer, audience)?);
        }
        match verifiers[&name].verify(token) {
            Ok(Claims {
                sub,
                client_id,
                scope,
                iat,
                jti,
            }) => println!("good {sub} {client_id} {scope} {iat} {jti}"),
            Err(error) => println!("refused {:?}", error.to_string()),
        }
    }
    Ok(())
}
