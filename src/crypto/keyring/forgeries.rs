//! Tokens that are none, each refused with the same answer. Those that the attacker could not sign are
//! signed with the real key all the same, so that each check is tried alone.

mod claims;
mod headers;
mod id_tokens;
mod signatures;

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD},
};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{
    KeyRing, TokenType,
    tests::{AUDIENCE, GRANT, HOUR, ISSUER, both, claims, expected},
};
use crate::{
    crypto::{jose::PrivateKey, test_env::START},
    error::Reason,
    model::signing_key::Algorithm,
};

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// What an attacker has: the ring's answers, and one good token.
struct Lab {
    ring: KeyRing,
    token: String,
}

impl Lab {
    fn new() -> Self {
        let ring = both();
        let token = ring
            .sign(Algorithm::Es256, TokenType::AccessToken, &claims(), START)
            .unwrap();
        Self { ring, token }
    }

    fn kid(&self) -> Value {
        self.ring.key(Algorithm::Es256).jwk()["kid"].clone()
    }

    fn header(&self) -> Value {
        json!({"alg": "ES256", "typ": "at+jwt", "kid": self.kid()})
    }

    fn parts(&self) -> [&str; 3] {
        let parts: Vec<&str> = self.token.split('.').collect();
        parts.try_into().unwrap()
    }

    /// Any header and claims, signed with the real key.
    fn signed(&self, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
        let input = format!("{}.{}", encode(header), encode(claims));
        let key = self.ring.key(Algorithm::Es256);
        key.signer().sign_input(input).unwrap()
    }

    fn with_header(&self, header: impl AsRef<[u8]>) -> String {
        self.signed(header, json!(claims()).to_string())
    }

    fn with_claims(&self, claims: impl AsRef<[u8]>) -> String {
        self.signed(self.header().to_string(), claims)
    }

    /// The good token's header or claims with one member changed, or taken away.
    fn header_but(&self, name: &str, value: impl Into<Option<Value>>) -> String {
        self.with_header(changed(self.header(), name, value.into()))
    }

    fn claims_but(&self, name: &str, value: impl Into<Option<Value>>) -> String {
        self.with_claims(changed(json!(claims()), name, value.into()))
    }

    fn with_signature(&self, signature: impl AsRef<[u8]>) -> String {
        let [header, claims, _] = self.parts();
        format!("{header}.{claims}.{}", encode(signature))
    }

    /// Refused, and with the answer that all others get.
    fn refuses(&self, what: &str, token: &str) {
        let refused = self.ring.verify(token, &expected());
        let refused = refused.expect_err(&format!("{what}: {token}"));
        assert_eq!(refused.reason(), Reason::CredentialInvalid, "{what}");
        assert_eq!(
            refused.to_string(),
            Reason::CredentialInvalid.meaning().message,
            "{what}"
        );
        assert!(
            refused.violations().is_empty() && refused.retry_delay().is_none(),
            "{what}"
        );
        // Not even the log learns what was sent.
        let logged = format!("{refused:?}");
        assert!(
            !logged.contains("eyJ") && !logged.contains("example"),
            "{logged}"
        );
    }

    fn refuses_all<'a>(&self, forgeries: impl IntoIterator<Item = (&'a str, String)>) -> usize {
        let tried = forgeries
            .into_iter()
            .map(|(what, token)| self.refuses(what, &token));
        tried.count()
    }
}

fn changed(mut object: Value, name: &str, value: Option<Value>) -> String {
    let members = object.as_object_mut().unwrap();
    match value {
        Some(value) => members.insert(name.to_owned(), value),
        None => members.remove(name),
    };
    object.to_string()
}

fn hs256(key: &[u8], header: &Value, claims: &Value) -> String {
    let input = format!(
        "{}.{}",
        encode(header.to_string()),
        encode(claims.to_string())
    );
    let mac = Hmac::<Sha256>::new_from_slice(key)
        .unwrap()
        .chain_update(&input);
    format!("{input}.{}", encode(mac.finalize().into_bytes()))
}

#[test]
fn the_lab_makes_good_tokens_when_it_changes_nothing() {
    let lab = Lab::new();
    for token in [
        lab.token.clone(),
        lab.with_header(lab.header().to_string()),
        lab.header_but("typ", json!("application/AT+JWT")),
        lab.claims_but("anything", json!({"else": [null]})),
        lab.claims_but("aud", json!([AUDIENCE])),
        lab.with_signature(BASE64_URL_SAFE_NO_PAD.decode(lab.parts()[2]).unwrap()),
    ] {
        lab.ring.verify(&token, &expected()).unwrap();
    }
}
