//! Keys of others, and what was signed with them: the assertions by which clients say who they are (RFC 7523 section 3).
//!
//! A set is read into what can check ES256 and RS256 signatures (RFC 7518 section 3.1), and whatever else is in it is left
//! alone. The algorithm is that of the key: a token that names another one is refused, so that no public key ever
//! becomes the secret of a MAC.

use josekit::{
    jwk::Jwk,
    jws::{ES256, JwsVerifier, RS256},
};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{decode, object};
use crate::model::signing_key::Algorithm;

/// The longest set that is read, in bytes.
pub const MOST_BYTES: usize = 32 * 1024;
/// The most keys of a set.
pub const MOST_KEYS: usize = 16;
/// The longest token that is read, in bytes.
const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// The lengths of an RSA modulus, in bytes: shorter ones are weak (RFC 7518 section 3.3), and longer ones slow to check.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;
/// The longest public exponent, in bytes: a longer one is slow to check.
const EXPONENT: usize = 4;
/// The length of a coordinate on P-256 (RFC 7518 section 6.2.1.2).
const COORDINATE: usize = 32;
/// The types that an assertion may say it has (RFC 7519 section 5.1, RFC 7523bis): a token of another kind, signed with the
/// same key, is none.
const TYPES: [&str; 2] = ["jwt", "client-authentication+jwt"];
/// Members that only a private or secret key has (RFC 7518 section 6).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Why a set of keys is not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum JwksError {
    /// It is no JWK set (RFC 7517 section 5), or too large.
    #[error("it is not a JWK set of at most 16 keys and 32 KiB")]
    NoSet,
    /// A token could choose between two keys of one name.
    #[error("two of its keys have the same kid")]
    SameId,
    /// Anybody could sign with it.
    #[error("it has a private or secret key")]
    Private,
    /// Nothing in it can be used.
    #[error("it has no key for ES256 or RS256")]
    NoKey,
}

/// Why a token is not one of the keys' owner, for the log alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ForeignTokenError {
    /// It is no JWS in compact form, or too long.
    #[error("it is not a signed token")]
    Malformed,
    /// Its header says what is not accepted.
    #[error("its header is not that of an assertion")]
    Header,
    /// No key of this name and algorithm is known, or more than one could have signed.
    #[error("it is signed with an unknown key")]
    UnknownKey,
    /// The key has not signed it.
    #[error("its signature is wrong")]
    Signature,
}

/// The public keys of somebody else.
pub struct ForeignKeys(Vec<ForeignKey>);

struct ForeignKey {
    kid: Option<String>,
    algorithm: Algorithm,
    verifier: Box<dyn JwsVerifier>,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Map<String, Value>>,
}

impl ForeignKeys {
    /// Reads a JWK set (RFC 7517 section 5). Keys for other uses and of other kinds are left out.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn parse(text: &[u8]) -> Result<Self, JwksError> {
        if text.len() > MOST_BYTES {
            return Err(JwksError::NoSet);
        }
        let set: Set = serde_json::from_slice(text).map_err(|_| JwksError::NoSet)?;
        if set.keys.len() > MOST_KEYS {
            return Err(JwksError::NoSet);
        }
        let is_private = |jwk: &Map<_, _>| PRIVATE.iter().any(|name| jwk.contains_key(*name));
        if set.keys.iter().any(is_private) {
            return Err(JwksError::Private);
        }
        let mut keys: Vec<ForeignKey> = Vec::new();
        for key in set.keys.into_iter().filter_map(ForeignKey::of) {
            let same = |other: &ForeignKey| {
                key.kid.is_some() && other.kid == key.kid && other.algorithm == key.algorithm
            };
            if keys.iter().any(same) {
                return Err(JwksError::SameId);
            }
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(JwksError::NoKey);
        }
        Ok(Self(keys))
    }

    /// Whether one of these keys has signed a token.
    ///
    /// # Errors
    /// Why it is none.
    pub fn verify(&self, token: &ForeignToken<'_>) -> Result<(), ForeignTokenError> {
        let mut fitting = self.0.iter().filter(|key| {
            key.algorithm.as_str() == token.header.alg
                && token
                    .header
                    .kid
                    .as_ref()
                    .is_none_or(|kid| key.kid.as_ref() == Some(kid))
        });
        let (Some(key), None) = (fitting.next(), fitting.next()) else {
            return Err(ForeignTokenError::UnknownKey);
        };
        key.verifier
            .verify(token.signed.as_bytes(), &token.signature)
            .map_err(|_| ForeignTokenError::Signature)
    }
}

impl ForeignKey {
    /// The key, if it is a public one that checks signatures of an algorithm that is accepted.
    fn of(jwk: Map<String, Value>) -> Option<Self> {
        let text = |name| jwk.get(name).and_then(Value::as_str);
        let bytes = |name| text(name).and_then(decode);
        let algorithm = match (text("kty")?, text("crv")) {
            ("EC", Some("P-256")) => Algorithm::Es256,
            ("RSA", _) => Algorithm::Rs256,
            _ => return None,
        };
        let is_for_it = text("use").is_none_or(|name| name == "sig")
            && text("alg").is_none_or(|name| name == algorithm.as_str());
        let is_sound = match algorithm {
            Algorithm::Es256 => ["x", "y"]
                .into_iter()
                .all(|name| bytes(name).is_some_and(|number| number.len() == COORDINATE)),
            Algorithm::Rs256 => {
                let significant =
                    |number: Vec<u8>| number.into_iter().skip_while(|byte| *byte == 0).count();
                bytes("n").is_some_and(|n| MODULUS.contains(&significant(n)))
                    && bytes("e").is_some_and(|e| e.len() <= EXPONENT)
            }
        };
        if !is_for_it || !is_sound {
            return None;
        }
        let kid = text("kid").map(str::to_owned);
        let jwk = Jwk::from_map(jwk).ok()?;
        let verifier: Box<dyn JwsVerifier> = match algorithm {
            Algorithm::Es256 => Box::new(ES256.verifier_from_jwk(&jwk).ok()?),
            Algorithm::Rs256 => Box::new(RS256.verifier_from_jwk(&jwk).ok()?),
        };
        Some(Self {
            kid,
            algorithm,
            verifier,
        })
    }
}

/// A token of somebody else in its parts, of which nothing is proved yet.
pub struct ForeignToken<'t> {
    header: Header,
    signed: &'t str,
    claims: Map<String, Value>,
    signature: Vec<u8>,
}

/// What is read of a header. `jwk`, `jku` and `x5u`, which would have us trust a key from the token itself, are not.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    /// RFC 7515 section 4.1.11: what must be understood, and is not.
    crit: Option<Value>,
}

impl<'t> ForeignToken<'t> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(token: &'t str) -> Result<Self, ForeignTokenError> {
        use ForeignTokenError::{Header as InHeader, Malformed};
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Malformed)?;
        let read = |part| decode(part).and_then(|json| object(&json)).ok_or(Malformed);
        let header: Header = serde_json::from_value(read(header)?.into()).map_err(|_| InHeader)?;
        let is_typed = header.typ.as_ref().is_none_or(|typ| {
            let typ = typ.to_ascii_lowercase();
            TYPES.contains(&typ.strip_prefix("application/").unwrap_or(&typ))
        });
        if header.crit.is_some() || !is_typed {
            return Err(InHeader);
        }
        Ok(Self {
            header,
            signed,
            claims: read(claims)?,
            signature: decode(signature).ok_or(Malformed)?,
        })
    }

    /// What it says, of which nothing is proved before [`ForeignKeys::verify`].
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// Whom it says it is about.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.claims.get("sub").and_then(Value::as_str)
    }
}

#[cfg(test)]
mod tests;
