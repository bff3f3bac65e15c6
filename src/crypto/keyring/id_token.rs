//! ID tokens that come back to this service.

use serde::Deserialize;
use serde_json::Value;

use super::{KeyRing, TokenType};
use crate::{crypto::jose::Compact, env::Timestamp};

/// Whom an ID token is about, and whom it is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IdTokenHint {
    /// Its `sub`: an account.
    pub subject: String,
    /// Its `aud`: a client.
    pub audience: String,
}

/// What is read of an ID token.
#[derive(Deserialize)]
struct IdClaims {
    iss: String,
    sub: String,
    /// One client: this service makes no list.
    aud: String,
    /// What every access token has, those of the type `JWT` too, and no ID token.
    grant_id: Option<Value>,
}

impl KeyRing {
    /// What an ID token says that this issuer has signed, expired or not (OpenID Connect Core section 3.1.2.1). None for any
    /// other text, access tokens among them, and once the key that signed it has ended.
    #[must_use]
    pub fn id_token_hint(&self, token: &str, issuer: &str, now: Timestamp) -> Option<IdTokenHint> {
        let token = Compact::parse(token).ok()?;
        if token.typ() != TokenType::Jwt {
            return None;
        }
        let keys = self.0.load();
        let key = keys.verifying(token.kid(), now)?;
        let claims = key.verifier.verify(&token).ok()?;
        let claims: IdClaims = serde_json::from_value(claims.into()).ok()?;
        (claims.iss == issuer && claims.grant_id.is_none()).then_some(IdTokenHint {
            subject: claims.sub,
            audience: claims.aud,
        })
    }
}
