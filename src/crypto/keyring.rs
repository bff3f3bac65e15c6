//! The keys that sign access tokens, and the checks that a token must pass.
//!
//! What a token says of the account and its scopes is for others to read. This service reads the session's
//! id and looks the rest up, so that a revocation counts at once, so nothing else is given out here.

mod id_token;

use std::{fmt, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub use self::id_token::IdTokenHint;
pub use crate::crypto::jose::{KeyError, TokenType};
use crate::{
    crypto::{
        jose::{Compact, PrivateKey, PublicKey, Signer, TokenError, Verifier},
        seal::{MasterKey, WrongKey},
    },
    env::{Env, Timestamp},
    error::{Error, Reason, Result},
    model::{
        audience::Audience,
        id::GrantId,
        signing_key::{Algorithm, Phase, SigningKey},
    },
    telemetry,
};

/// Why stored signing keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The key file does not belong to this database.
    #[error("signing key {kid} does not open: it was sealed with another master key")]
    WrongKey {
        /// The key at fault.
        kid: String,
        /// Why it does not open.
        source: WrongKey,
    },
    /// The key opens but does not work.
    #[error("signing key {kid} is broken: {source}")]
    Broken {
        /// The key at fault.
        kid: String,
        /// What is wrong with it.
        source: KeyError,
    },
    /// The row says that it holds another key than it does.
    #[error("signing key {kid} is not the key that its id names")]
    Mislabelled {
        /// The key at fault.
        kid: String,
    },
}

/// No key of the algorithm signs at this time.
#[derive(Debug, thiserror::Error)]
#[error("there is no active signing key for {}", .0.as_str())]
struct NoActiveKey(Algorithm);

/// What a token must say to be accepted.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'e> {
    /// The `iss` that it must carry.
    pub issuer: &'e str,
    /// The `aud` that it must carry, alone or among others; none where it may be for anybody.
    pub audience: Option<&'e str>,
    /// The time of day.
    pub now: Timestamp,
    /// How far ahead `iat` may be, when several machines issue. `exp` gets none: this service has set it
    /// and keeps it.
    pub leeway: Duration,
}

/// What a token that passed every check says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AccessClaims {
    /// The grant that it belongs to.
    pub grant_id: GrantId,
    /// The client that it was issued to; empty in SMTPD's tokens, which do not say it.
    pub client_id: String,
    /// Whom it is for.
    pub audience: Vec<String>,
    /// Its own id.
    pub jti: String,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// What a client's own token says that passed every check.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientClaims {
    /// The client.
    pub client_id: String,
    /// What it may do, separated by spaces.
    pub scope: String,
    /// Whom it is for.
    pub audience: Vec<String>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A new signing key, sealed. One of RSA takes up to a second: call it off the threads that serve.
///
/// # Errors
/// The system has no randomness to give.
pub fn make_key(
    algorithm: Algorithm,
    master: &MasterKey,
    env: &Env,
    created_at: Timestamp,
    active_at: Timestamp,
) -> Result<SigningKey> {
    let key = PrivateKey::generate(algorithm).map_err(Error::internal)?;
    let kid = key.public().kid;
    let sealed = master.seal(env, &seal_context(algorithm, &kid), &key.to_bytes())?;
    Ok(SigningKey {
        kid,
        algorithm,
        sealed,
        created_at,
        active_at,
        retired_at: None,
        expires_at: None,
    })
}

/// Binds a sealed key to its row, so that no row can pass another's key for its own.
fn seal_context(algorithm: Algorithm, kid: &str) -> String {
    format!("signing-key/{}/{kid}", algorithm.as_str())
}

/// A key ready for use.
struct Key {
    /// Its row, without the sealed bytes.
    record: SigningKey,
    public: PublicKey,
    signer: Signer,
    verifier: Verifier,
}

impl Key {
    fn load(master: &MasterKey, record: &SigningKey) -> std::result::Result<Self, LoadError> {
        let kid = || record.kid.clone();
        let broken = |source| LoadError::Broken { kid: kid(), source };
        let bytes = master
            .open(&seal_context(record.algorithm, &record.kid), &record.sealed)
            .map_err(|source| LoadError::WrongKey { kid: kid(), source })?;
        let private = PrivateKey::from_bytes(record.algorithm, &bytes).map_err(broken)?;
        let public = private.public();
        if public.kid != record.kid {
            return Err(LoadError::Mislabelled { kid: kid() });
        }
        Ok(Self {
            record: SigningKey {
                sealed: Vec::new(),
                ..record.clone()
            },
            public,
            signer: private.signer().map_err(broken)?,
            verifier: private.verifier().map_err(broken)?,
        })
    }

    fn phase(&self, now: Timestamp) -> Phase {
        self.record.phase(now)
    }
}

/// The keys of one moment, opened and ready.
pub struct KeySet {
    keys: Vec<Arc<Key>>,
    jwks: Bytes,
}

impl KeySet {
    /// Writes down for others the keys that have not ended. Those that have stay, unused: a clock that was
    /// wrong for an hour must not take a key away.
    fn at(keys: Vec<Arc<Key>>, now: Timestamp) -> Self {
        let published: Vec<&Value> = keys
            .iter()
            .filter(|key| key.phase(now) != Phase::Ended)
            .map(|key| &key.public.jwk)
            .collect();
        let jwks = json!({ "keys": published }).to_string().into();
        Self { keys, jwks }
    }

    /// The newest of the keys that sign.
    fn signing(&self, algorithm: Algorithm, now: Timestamp) -> Option<&Key> {
        self.keys
            .iter()
            .filter(|key| key.record.algorithm == algorithm && key.phase(now) == Phase::Active)
            .max_by_key(|key| (key.record.active_at, key.record.created_at))
            .map(Arc::as_ref)
    }

    /// The key with this id. The next one counts too: another server whose clock is ahead may already sign
    /// with it.
    fn verifying(&self, kid: &str, now: Timestamp) -> Option<&Key> {
        self.keys
            .iter()
            .find(|key| key.record.kid == kid && key.phase(now) != Phase::Ended)
            .map(Arc::as_ref)
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kids = self.keys.iter().map(|key| &key.record.kid);
        f.debug_list().entries(kids).finish()
    }
}

/// The keys in use, which can be replaced while others sign and verify. Clones share them.
#[derive(Clone)]
pub struct KeyRing(Arc<ArcSwap<KeySet>>);

impl KeyRing {
    /// Opens the stored keys.
    ///
    /// # Errors
    /// A key does not open with this master key, or is not what its row says.
    pub fn load(
        master: &MasterKey,
        stored: &[SigningKey],
        now: Timestamp,
    ) -> std::result::Result<KeySet, LoadError> {
        let keys: std::result::Result<_, _> = stored
            .iter()
            .map(|record| Key::load(master, record).map(Arc::new))
            .collect();
        Ok(KeySet::at(keys?, now))
    }

    /// A ring of these keys.
    #[must_use]
    pub fn new(keys: KeySet) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(keys)))
    }

    /// Uses these keys from now on; whether one that was used is not among them.
    pub fn replace(&self, keys: KeySet) -> bool {
        let kept: Vec<String> = keys.keys.iter().map(|key| key.record.kid.clone()).collect();
        let before = self.0.swap(Arc::new(keys));
        before
            .keys
            .iter()
            .any(|key| !kept.contains(&key.record.kid))
    }

    /// Whether the keys in use are these, with the same times.
    #[must_use]
    pub fn holds(&self, stored: &[SigningKey]) -> bool {
        let used = self.0.load();
        used.keys.len() == stored.len()
            && used.keys.iter().zip(stored).all(|(key, stored)| {
                let opened = &key.record;
                let times = |key: &SigningKey| (key.active_at, key.retired_at, key.expires_at);
                opened.kid == stored.kid && times(opened) == times(stored)
            })
    }

    /// Publishes no longer what has ended by now. Signing and verifying need no refresh: they look at the
    /// time themselves.
    pub fn refresh(&self, now: Timestamp) {
        self.0.rcu(|set| KeySet::at(set.keys.clone(), now));
    }

    /// The token of this type that makes these claims, signed with the newest active key.
    ///
    /// # Errors
    /// No key of this algorithm is active, or the token would be longer than is accepted back.
    pub fn sign(
        &self,
        algorithm: Algorithm,
        typ: TokenType,
        claims: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<String> {
        let _signing = telemetry::signature();
        let keys = self.0.load();
        let key = keys
            .signing(algorithm, now)
            .ok_or_else(|| Error::internal(NoActiveKey(algorithm)))?;
        key.signer.sign(typ, claims).map_err(Error::internal)
    }

    /// Checks all that makes a text a live access token of this service (RFC 9068 section 4), except
    /// whether its session still lives.
    ///
    /// # Errors
    /// `CREDENTIAL_INVALID`, whatever is wrong.
    pub fn verify(&self, token: &str, expected: &Expected<'_>) -> Result<AccessClaims> {
        self.check(token, expected)
            .and_then(Claims::of_grant)
            .map_err(invalid)
    }

    /// The same for a client's own token, which belongs to no grant.
    ///
    /// # Errors
    /// `CREDENTIAL_INVALID`, whatever is wrong.
    pub fn verify_of_client(&self, token: &str, expected: &Expected<'_>) -> Result<ClientClaims> {
        self.check(token, expected)
            .and_then(Claims::of_client)
            .map_err(invalid)
    }

    fn check(
        &self,
        token: &str,
        expected: &Expected<'_>,
    ) -> std::result::Result<Claims, TokenError> {
        let token = Compact::parse(token)?;
        let keys = self.0.load();
        let key = keys
            .verifying(token.kid(), expected.now)
            .ok_or(TokenError::UnknownKey)?;
        let claims = Claims::read(key.verifier.verify(&token)?)?;
        claims.check(token.typ(), expected)?;
        Ok(claims)
    }

    /// The published keys: a JWK set (RFC 7517 section 5) of all that sign, will sign or have signed.
    #[must_use]
    pub fn jwks(&self) -> Bytes {
        self.0.load().jwks.clone()
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyRing").field(&self.0.load()).finish()
    }
}

fn invalid(fault: TokenError) -> Error {
    Error::new(Reason::CredentialInvalid).because(fault)
}

/// The claims of the access tokens of ours. Times are whole seconds.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    iat: i64,
    exp: i64,
    jti: String,
    /// The grant that it belongs to; none for a client's own.
    grant_id: Option<String>,
    /// Whose it is, where it is a client's own.
    sub: Option<String>,
    client_id: Option<String>,
    scope: Option<Value>,
    /// What the tokens that SMTPD documents have beside that, and nothing else of the type `JWT`.
    account_id: Option<String>,
}

impl Claims {
    fn read(claims: Map<String, Value>) -> std::result::Result<Self, TokenError> {
        serde_json::from_value(claims.into()).map_err(|_| TokenError::Claims)
    }

    fn check(
        &self,
        typ: TokenType,
        expected: &Expected<'_>,
    ) -> std::result::Result<(), TokenError> {
        if typ == TokenType::Jwt && self.account_id.is_none() {
            return Err(TokenError::Header);
        }
        if self.iss != expected.issuer {
            return Err(TokenError::Issuer);
        }
        if !expected
            .audience
            .is_none_or(|name| self.aud.names().iter().any(|one| one == name))
        {
            return Err(TokenError::Audience);
        }
        if Timestamp::from_seconds(self.iat) > expected.now.after(expected.leeway) {
            return Err(TokenError::NotYet);
        }
        if Timestamp::from_seconds(self.exp) <= expected.now {
            return Err(TokenError::Expired);
        }
        if self.jti.is_empty() {
            return Err(TokenError::Claims);
        }
        Ok(())
    }

    fn of_grant(self) -> std::result::Result<AccessClaims, TokenError> {
        let grant_id = self.grant_id.ok_or(TokenError::Claims)?;
        Ok(AccessClaims {
            grant_id: grant_id.parse().map_err(|_| TokenError::Claims)?,
            client_id: self.client_id.unwrap_or_default(),
            audience: self.aud.into_names(),
            jti: self.jti,
            issued_at: Timestamp::from_seconds(self.iat),
            expires_at: Timestamp::from_seconds(self.exp),
        })
    }

    /// RFC 9068 section 2.2: the subject of a client's own token is the client.
    fn of_client(self) -> std::result::Result<ClientClaims, TokenError> {
        let (Some(client_id), None) = (self.client_id, self.grant_id) else {
            return Err(TokenError::Claims);
        };
        if self.sub.as_ref() != Some(&client_id) {
            return Err(TokenError::Claims);
        }
        let scope = self.scope.as_ref().and_then(Value::as_str);
        Ok(ClientClaims {
            scope: scope.unwrap_or_default().to_owned(),
            client_id,
            audience: self.aud.into_names(),
            issued_at: Timestamp::from_seconds(self.iat),
            expires_at: Timestamp::from_seconds(self.exp),
        })
    }
}

#[cfg(test)]
mod forgeries;
#[cfg(test)]
mod tests;
