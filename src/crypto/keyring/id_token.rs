//! ID tokens that come back to this service.

use serde::Deserialize;
use serde_json::Value;

use super::{KeyRing, TokenType, invalid};
use crate::{
    crypto::jose::{Compact, TokenError},
    env::Timestamp,
    error::Result,
};

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
    /// What an ID token says that this issuer has signed, expired or not (OpenID Connect Core section 3.1.2.1). None where
    /// nobody can tell: the key that it names has ended, or never was.
    ///
    /// # Errors
    /// `CREDENTIAL_INVALID` for any other text, access tokens among them.
    pub fn id_token_hint(
        &self,
        token: &str,
        issuer: &str,
        now: Timestamp,
    ) -> Result<Option<IdTokenHint>> {
        match self.read_id_token(token, issuer, now) {
            Err(TokenError::UnknownKey) => Ok(None),
            read => read.map(Some).map_err(invalid),
        }
    }

    fn read_id_token(
        &self,
        token: &str,
        issuer: &str,
        now: Timestamp,
    ) -> std::result::Result<IdTokenHint, TokenError> {
        let token = Compact::parse(token)?;
        if token.typ() != TokenType::Jwt {
            return Err(TokenError::Header);
        }
        let keys = self.0.load();
        let key = keys.verifying(token.kid(), now);
        let claims = key.ok_or(TokenError::UnknownKey)?.verifier.verify(&token)?;
        let claims: IdClaims =
            serde_json::from_value(claims.into()).map_err(|_| TokenError::Claims)?;
        if claims.grant_id.is_some() {
            return Err(TokenError::Claims);
        }
        if claims.iss != issuer {
            return Err(TokenError::Issuer);
        }
        Ok(IdTokenHint {
            subject: claims.sub,
            audience: claims.aud,
        })
    }
}
