//! ID tokens, which tell a client who logged in (OpenID Connect Core section 2).

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::OAuth;
use crate::{
    crypto::{keyring::TokenType, secrets},
    domain::tokens::Tokens,
    env::Timestamp,
    error::Result,
    model::{
        account::Account,
        client::Client,
        id::SessionId,
        oauth::authorization::ACR,
        scope::{EMAIL, OPENID, PROFILE, Scopes},
        signing_key::Algorithm,
    },
};

/// Tokens for a client, with an ID token where one was asked for.
pub struct Issued {
    /// The tokens.
    pub tokens: Tokens,
    /// The ID token, for the client itself.
    pub id_token: Option<Zeroizing<String>>,
}

/// Who logged in, when, and for what.
pub(super) struct SignIn<'s> {
    pub(super) account: &'s Account,
    /// None where no ID token is to say it.
    pub(super) at: Option<Timestamp>,
    /// What the client sent with its authorization request; empty for none.
    pub(super) nonce: &'s str,
}

impl OAuth {
    /// When whoever gives these scopes has logged in, if an ID token is to say it. The session is there for as long as its grants
    /// are, even when it is over.
    ///
    /// # Errors
    /// The database does not answer.
    pub(super) async fn signed_in_at(
        &self,
        scopes: &Scopes,
        session: SessionId,
    ) -> Result<Option<Timestamp>> {
        if !scopes.has(OPENID) {
            return Ok(None);
        }
        let session = self.context.store.read().session(session).await?;
        Ok(session.map(|session| session.created_at))
    }

    /// The tokens with an ID token, where one was asked for.
    ///
    /// # Errors
    /// No key of the client's algorithm is active.
    pub(super) fn issued(
        &self,
        client: &Client,
        tokens: Tokens,
        sign_in: &SignIn<'_>,
        now: Timestamp,
    ) -> Result<Issued> {
        let id_token = match sign_in.at {
            Some(at) => Some(self.id_token(client, &tokens, sign_in, at, now)?),
            None => None,
        };
        Ok(Issued { tokens, id_token })
    }

    fn id_token(
        &self,
        client: &Client,
        tokens: &Tokens,
        sign_in: &SignIn<'_>,
        signed_in_at: Timestamp,
        now: Timestamp,
    ) -> Result<Zeroizing<String>> {
        let account = sign_in.account;
        let mut claims = Map::from_iter([
            ("iss".to_owned(), json!(self.settings.resources.issuer)),
            ("sub".to_owned(), json!(account.id.uuid())),
            ("aud".to_owned(), json!(client.id)),
            // Its key is published for no longer than access tokens live.
            ("exp".to_owned(), json!(tokens.access_expires_at.seconds())),
            ("iat".to_owned(), json!(now.seconds())),
            ("auth_time".to_owned(), json!(signed_in_at.seconds())),
            ("acr".to_owned(), json!(ACR)),
            ("at_hash".to_owned(), json!(at_hash(&tokens.access_token))),
        ]);
        let mut add = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        if !sign_in.nonce.is_empty() {
            add("nonce", json!(sign_in.nonce));
        }
        let scopes = &tokens.grant.scopes;
        if scopes.has(EMAIL) {
            add("email", json!(account.email.as_str()));
            add("email_verified", json!(account.email_verified));
        }
        if scopes.has(PROFILE) && !account.display_name.is_empty() {
            add("name", json!(account.display_name));
        }
        // What is registered has an algorithm that is known.
        let algorithm = client.metadata.id_token_algorithm();
        let algorithm = algorithm.unwrap_or(Algorithm::Rs256);
        let token = self
            .tokens
            .key_ring
            .sign(algorithm, TokenType::Jwt, &claims, now)?;
        Ok(Zeroizing::new(token))
    }
}

/// Binds the access token to the ID token: the left half of its hash, by the SHA-256 of both algorithms (OpenID Connect Core
/// section 3.1.3.6).
fn at_hash(access_token: &str) -> String {
    let hash = secrets::hash(access_token);
    BASE64_URL_SAFE_NO_PAD.encode(&hash[..hash.len() / 2])
}
