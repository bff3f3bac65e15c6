//! JSON Web Signatures in the one form that this service speaks (RFC 7515 section 7.1), with ES256 and
//! RS256 (RFC 7518 section 3.1) and nothing else. The only user of josekit, of which only the signatures
//! themselves are used: its readers of tokens accept more than should be accepted.
//!
//! Keys and ECDSA nonces come from OpenSSL's own random source and not from `Env`: josekit takes no other,
//! and a nonce that a test could choose is a private key that a test could leak.

pub mod foreign;

use std::{error::Error as StdError, fmt};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use josekit::{
    JoseError,
    jwk::{
        Jwk, KeyPair,
        alg::{ec::EcKeyPair, rsa::RsaKeyPair},
    },
    jws::{ES256, JwsSigner, JwsVerifier, RS256},
};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::model::signing_key::Algorithm;

/// The longest token that is read or made, in bytes. Ours take some 600.
pub(super) const MAX_TOKEN_BYTES: usize = 4096;
const RSA_BITS: u32 = 2048;

/// The `typ` of a token, so that no other signed text passes for one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenType {
    /// `at+jwt`, an access token with the claims of RFC 9068 section 2.2.
    AccessToken,
    /// `JWT` (RFC 7519 section 5.1), a token with other claims.
    Jwt,
}

impl TokenType {
    const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "at+jwt",
            Self::Jwt => "JWT",
        }
    }

    /// RFC 9068 section 4: `at+jwt` or `application/at+jwt`; a media type has no case (RFC 7515 section 4.1.9).
    fn named(typ: &str) -> Option<Self> {
        if typ == Self::Jwt.as_str() {
            return Some(Self::Jwt);
        }
        let typ = typ.to_ascii_lowercase();
        let name = typ.strip_prefix("application/").unwrap_or(&typ);
        (name == Self::AccessToken.as_str()).then_some(Self::AccessToken)
    }
}

/// A signing key cannot be made, read or used.
#[derive(Debug, thiserror::Error)]
#[error("a signing key does not work: {0}")]
pub struct KeyError(Box<dyn StdError + Send + Sync>);

impl From<JoseError> for KeyError {
    fn from(cause: JoseError) -> Self {
        Self(Box::new(cause))
    }
}

/// What is wrong with a token, for the log alone: callers learn only that it is invalid.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum TokenError {
    #[error("the token is too long")]
    TooLong,
    #[error("the token is not three parts of base64url")]
    Malformed,
    #[error("the token's header is not that of an access token")]
    Header,
    #[error("the token is signed with an unknown key")]
    UnknownKey,
    #[error("the token's signature is wrong")]
    Signature,
    #[error("the token's claims are incomplete")]
    Claims,
    #[error("the token is from another issuer")]
    Issuer,
    #[error("the token is for another audience")]
    Audience,
    #[error("the token was issued in the future")]
    NotYet,
    #[error("the token has expired")]
    Expired,
}

/// A private key. Never shown; OpenSSL wipes its numbers when it is dropped.
pub(super) struct PrivateKey(Pair);

enum Pair {
    Es256(EcKeyPair),
    Rs256(RsaKeyPair),
}

impl PrivateKey {
    /// A new key. One of RSA takes up to a second: call it off the threads that serve.
    pub(super) fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        Ok(Self(match algorithm {
            Algorithm::Es256 => Pair::Es256(ES256.generate_key_pair()?),
            Algorithm::Rs256 => Pair::Rs256(RS256.generate_key_pair(RSA_BITS)?),
        }))
    }

    /// Reads what `to_bytes` wrote.
    pub(super) fn from_bytes(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, KeyError> {
        Ok(Self(match algorithm {
            Algorithm::Es256 => Pair::Es256(ES256.key_pair_from_der(bytes)?),
            Algorithm::Rs256 => Pair::Rs256(RS256.key_pair_from_der(bytes)?),
        }))
    }

    /// The private key, to be sealed: DER, since the strings of a private JWK could not be wiped.
    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.pair().to_der_private_key())
    }

    /// The public part.
    pub(super) fn public(&self) -> PublicKey {
        PublicKey::new(self.algorithm(), &self.pair().to_jwk_public_key())
    }

    /// What signs with this key. Made once per key: making it costs far more than signing.
    pub(super) fn signer(&self) -> Result<Signer, KeyError> {
        let der = self.to_bytes();
        let signer: Box<dyn JwsSigner> = match self.0 {
            Pair::Es256(_) => Box::new(ES256.signer_from_der(&*der)?),
            Pair::Rs256(_) => Box::new(RS256.signer_from_der(&*der)?),
        };
        let kid = self.public().kid;
        let header = |typ: TokenType| {
            let header = json!({"alg": self.algorithm().as_str(), "typ": typ.as_str(), "kid": kid});
            BASE64_URL_SAFE_NO_PAD.encode(header.to_string())
        };
        Ok(Signer {
            access_token_header: header(TokenType::AccessToken),
            jwt_header: header(TokenType::Jwt),
            signer,
        })
    }

    /// What checks signatures of this key. Made once per key, as above.
    pub(super) fn verifier(&self) -> Result<Verifier, KeyError> {
        let der = self.pair().to_der_public_key();
        Ok(Verifier {
            algorithm: self.algorithm(),
            verifier: match self.0 {
                Pair::Es256(_) => Box::new(ES256.verifier_from_der(der)?),
                Pair::Rs256(_) => Box::new(RS256.verifier_from_der(der)?),
            },
        })
    }

    fn algorithm(&self) -> Algorithm {
        match self.0 {
            Pair::Es256(_) => Algorithm::Es256,
            Pair::Rs256(_) => Algorithm::Rs256,
        }
    }

    fn pair(&self) -> &dyn KeyPair {
        match &self.0 {
            Pair::Es256(pair) => pair,
            Pair::Rs256(pair) => pair,
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(…)")
    }
}

/// The part of a key that everyone may know.
#[derive(Clone, Debug)]
pub(super) struct PublicKey {
    /// Its id: the thumbprint of RFC 7638, so that it names this key and no other.
    pub(super) kid: String,
    /// The key as a member of a JWK set (RFC 7517 section 5).
    pub(super) jwk: Value,
}

impl PublicKey {
    /// Only the members named here are taken over, so that no private one can slip out.
    fn new(algorithm: Algorithm, jwk: &Jwk) -> Self {
        // RFC 7638 section 3.2: the required members alone, in the order of the alphabet.
        let required = match algorithm {
            Algorithm::Es256 => ["crv", "kty", "x", "y"].as_slice(),
            Algorithm::Rs256 => &["e", "kty", "n"],
        };
        let mut members: Map<String, Value> = required
            .iter()
            .filter_map(|&name| Some((name.to_owned(), jwk.parameter(name)?.clone())))
            .collect();
        let thumbprint = Sha256::digest(json!(members).to_string());
        let kid = BASE64_URL_SAFE_NO_PAD.encode(thumbprint);
        members.insert("use".to_owned(), "sig".into());
        members.insert("alg".to_owned(), algorithm.as_str().into());
        members.insert("kid".to_owned(), kid.clone().into());
        Self {
            kid,
            jwk: members.into(),
        }
    }
}

/// Signs access tokens with one key.
pub(super) struct Signer {
    access_token_header: String,
    jwt_header: String,
    signer: Box<dyn JwsSigner>,
}

impl Signer {
    /// The token of this type that makes these claims.
    pub(super) fn sign(
        &self,
        typ: TokenType,
        claims: &Map<String, Value>,
    ) -> Result<String, KeyError> {
        let header = match typ {
            TokenType::AccessToken => &self.access_token_header,
            TokenType::Jwt => &self.jwt_header,
        };
        let claims = serde_json::to_vec(claims).map_err(|cause| KeyError(cause.into()))?;
        let claims = BASE64_URL_SAFE_NO_PAD.encode(claims);
        let token = self.sign_input(format!("{header}.{claims}"))?;
        if token.len() > MAX_TOKEN_BYTES {
            return Err(KeyError(TokenError::TooLong.into()));
        }
        Ok(token)
    }

    /// A text with its signature (RFC 7515 section 5.1).
    pub(super) fn sign_input(&self, mut input: String) -> Result<String, KeyError> {
        let signature = self.signer.sign(input.as_bytes())?;
        input.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut input);
        Ok(input)
    }
}

/// Checks the signatures of one key, whose algorithm no token can choose.
pub(super) struct Verifier {
    algorithm: Algorithm,
    verifier: Box<dyn JwsVerifier>,
}

impl Verifier {
    /// The claims of a token that this key signed. ECDSA lets anyone who has a token make a second text
    /// of it (`n - s` for `s`), so what is revoked must be the token's session or id, never its text.
    pub(super) fn verify(&self, token: &Compact<'_>) -> Result<Map<String, Value>, TokenError> {
        if token.header.alg != self.algorithm.as_str() {
            return Err(TokenError::Header);
        }
        self.verifier
            .verify(token.signed.as_bytes(), &token.signature)
            .map_err(|_| TokenError::Signature)?;
        let claims = decode(token.claims).ok_or(TokenError::Malformed)?;
        object(&claims).ok_or(TokenError::Claims)
    }
}

/// A token in its three parts, of which nothing is proved yet.
pub(super) struct Compact<'t> {
    header: Header,
    typ: TokenType,
    signed: &'t str,
    claims: &'t str,
    signature: Vec<u8>,
}

/// All that a header of ours says. One that says more is refused: `jwk`, `jku`, `x5u` and their like
/// would have us trust a key from the token itself, and `crit`, `b64` or `zip` would change what is signed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

impl<'t> Compact<'t> {
    /// Takes a token apart. An encrypted token has five parts, and is none.
    pub(super) fn parse(token: &'t str) -> Result<Self, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        let header = decode(header).ok_or(TokenError::Malformed)?;
        let header = object(&header).ok_or(TokenError::Header)?;
        let header: Header =
            serde_json::from_value(header.into()).map_err(|_| TokenError::Header)?;
        let typ = TokenType::named(&header.typ).ok_or(TokenError::Header)?;
        Ok(Self {
            header,
            typ,
            signed,
            claims,
            signature: decode(signature).ok_or(TokenError::Malformed)?,
        })
    }

    /// Its type.
    pub(super) fn typ(&self) -> TokenType {
        self.typ
    }

    /// The id of the key that is said to have signed it.
    pub(super) fn kid(&self) -> &str {
        &self.header.kid
    }
}

/// Base64url without padding, line breaks or stray bits: each text has one reading and each reading one text.
fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}

/// A JSON object that names no member twice (RFC 7515 section 4). Objects inside it are not looked into: none
/// of what is read from a token is in one.
fn object(json: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice::<Members>(json)
        .ok()
        .map(|members| members.0)
}

struct Members(Map<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor).map(Self)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, value)) = members.next_entry::<String, Value>()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a member comes twice"));
            }
        }
        Ok(object)
    }
}

#[cfg(test)]
mod tests;
