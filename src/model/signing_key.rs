//! The life of a key that signs tokens: published, signing, retired, gone.

use crate::env::Timestamp;

/// How a key signs (RFC 7518 section 3.1).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256: the default.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, for clients that know nothing else.
    Rs256,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 2] = [Self::Es256, Self::Rs256];

    /// The name in a token's header, and that the database keeps.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }

    /// The algorithm with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == name)
    }
}

/// A signing key as the database keeps it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SigningKey {
    /// The key id in token headers and in the published set.
    pub kid: String,
    /// How it signs.
    pub algorithm: Algorithm,
    /// The private key, sealed with the key file's key.
    pub sealed: Vec<u8>,
    /// When it was made and published.
    pub created_at: Timestamp,
    /// When it starts to sign.
    pub active_at: Timestamp,
    /// When it stops to sign, once a successor is known.
    pub retired_at: Option<Timestamp>,
    /// When it stops to verify and leaves the published set, once retired.
    pub expires_at: Option<Timestamp>,
}

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    /// Published, so that others learn of it before it signs.
    Next,
    /// Signs.
    Active,
    /// Verifies what it signed.
    Retired,
    /// Neither signs nor verifies.
    Ended,
}

impl SigningKey {
    /// Where the key is in its life at this moment.
    #[must_use]
    pub fn phase(&self, now: Timestamp) -> Phase {
        if self.expires_at.is_some_and(|end| end <= now) {
            Phase::Ended
        } else if self.retired_at.is_some_and(|end| end <= now) {
            Phase::Retired
        } else if self.active_at <= now {
            Phase::Active
        } else {
            Phase::Next
        }
    }
}
