//! Opens sessions, and issues the tokens of the grants in them.

use std::time::Duration;

use serde_json::{Map, Value, json};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    crypto::keyring::{AccessClaims, ClientClaims, Expected, KeyRing, TokenType},
    domain::{
        credentials::{CLOCK_LEEWAY, Credentials},
        request_ids::{self, RequestIds},
    },
    env::{Env, Timestamp},
    error::Result,
    model::{
        account::Account,
        client::{Claims, Client, GrantType},
        request::RequestOrigin,
        scope::{self, Scopes},
        session::{Grant, RefreshToken, Session},
        signing_key::Algorithm,
    },
    store::{Reader, Tx},
};

/// What refresh tokens start with.
pub const REFRESH_PREFIX: &str = "cs_rt_";

/// What a program keeps to act as the account.
#[derive(Clone)]
pub struct Tokens {
    /// The grant that they belong to.
    pub grant: Grant,
    /// The credential of each call, a JWT; docs/TOKENS.md says what it claims.
    pub access_token: Zeroizing<String>,
    /// When it ends.
    pub access_expires_at: Timestamp,
    /// Gets the next one, for clients that refresh; ends with the grant.
    pub refresh: Option<Zeroizing<String>>,
}

/// What a client keeps to act as itself.
pub struct ClientToken {
    /// The credential of each call, a JWT (RFC 9068).
    pub access_token: Zeroizing<String>,
    /// When it ends.
    pub access_expires_at: Timestamp,
    /// What it may do.
    pub scopes: Scopes,
}

/// A session and its tokens, where one was asked for.
pub type MaybeSession = Option<(Session, Tokens)>;

/// A session that is about to be written, with its first grant and the tokens of that.
#[derive(Clone)]
pub(super) struct Opened {
    pub(super) session: Session,
    pub(super) refresh: Option<RefreshToken>,
    pub(super) tokens: Tokens,
}

impl Opened {
    /// Whether its request has opened a session before. Lock the account first: two requests with one id may come at once.
    pub(super) async fn is_repeated(&self, tx: &Tx<'_>) -> Result<bool> {
        Ok(match &self.session.request_hash {
            Some(hash) => tx.session_of_request(hash).await?.is_some(),
            None => false,
        })
    }

    /// Writes it; where a lifetime of access tokens is given, the client's earlier grants are refreshed no more.
    pub(super) async fn write_over(
        &self,
        tx: &Tx<'_>,
        replaced_lifetime: Option<Duration>,
    ) -> Result<()> {
        if let Some(lifetime) = replaced_lifetime {
            let grant = &self.tokens.grant;
            tx.expire_refresh_tokens(grant.account_id, &grant.client_id, lifetime)
                .await?;
        }
        self.write(tx).await
    }

    pub(super) async fn write(&self, tx: &Tx<'_>) -> Result<()> {
        tx.insert_session(&self.session).await?;
        tx.insert_grant(&self.tokens.grant).await?;
        match &self.refresh {
            Some(token) => tx.insert_refresh_token(token).await,
            None => Ok(()),
        }
    }
}

/// Issues tokens, and opens the sessions that they are of.
pub(super) struct TokenIssuer {
    pub(super) env: Env,
    pub(super) request_ids: RequestIds,
    pub(super) key_ring: KeyRing,
    pub(super) credentials: Credentials,
    pub(super) issuer: String,
    /// Who else the tokens are for.
    pub(super) audiences: Vec<String>,
}

impl TokenIssuer {
    /// Makes a session that was signed in to in this way (RFC 8176), with a grant to a client and its first tokens; nothing
    /// is written yet.
    pub(super) fn open_session(
        &self,
        account: &Account,
        client: &Client,
        method: &str,
        origin: RequestOrigin,
        request_id: Option<Uuid>,
    ) -> Result<Opened> {
        let now = self.env.now();
        let expires_at = now.after(client.grant_lifetime);
        let session = Session {
            id: self.env.uuid()?.into(),
            account_id: account.id,
            amr: vec![method.to_owned()],
            created_at: now,
            expires_at,
            revoked_at: None,
            client_address: origin.address.to_string(),
            user_agent: origin.user_agent,
            request_hash: self.request_ids.hash(account.id, request_id),
        };
        let grant = Grant {
            id: self.env.uuid()?.into(),
            session_id: session.id,
            account_id: account.id,
            client_id: client.id.clone(),
            scopes: client.scopes.clone(),
            audience: Vec::new(),
            outlives_session: client.grants_outlive_session,
            created_at: now,
            refreshed_at: now,
            expires_at,
            revoked_at: None,
        };
        let secret = if client.may(GrantType::RefreshToken) {
            let (ids, env) = (&self.request_ids, &self.env);
            Some(ids.secret(REFRESH_PREFIX, account.id, request_id, env)?)
        } else {
            None
        };
        let refresh = secret
            .as_ref()
            .map(|secret| RefreshToken::new(secret.hash, grant.id, now));
        let text = secret.map(|secret| secret.text);
        let tokens = self.issue(account, client, grant, text, now)?;
        Ok(Opened {
            session,
            refresh,
            tokens,
        })
    }

    /// The session that an earlier request with the same id has opened, with an access token of its grant and the same
    /// refresh token.
    ///
    /// # Errors
    /// `INVALID_FIELD` when there is none, or it was for another client, or was refreshed or ended since.
    pub(super) async fn reopen_session(
        &self,
        reader: Reader<'_>,
        account: &Account,
        client: &Client,
        request_id: Option<Uuid>,
    ) -> Result<(Session, Tokens)> {
        let hash = self.request_ids.hash(account.id, request_id);
        let hash = hash.ok_or_else(request_ids::used)?;
        let session = reader.session_of_request(&hash).await?;
        let session = session.ok_or_else(request_ids::used)?;
        let now = self.env.now();
        let grant = reader.first_grant(session.id).await?;
        let grant = grant.filter(|grant| grant.is_live(now) && grant.client_id == client.id);
        let grant = grant.ok_or_else(request_ids::used)?;
        let mut refresh = None;
        if client.may(GrantType::RefreshToken) {
            let (ids, env) = (&self.request_ids, &self.env);
            let secret = ids.secret(REFRESH_PREFIX, account.id, request_id, env)?;
            let stored = reader.refresh_token(&secret.hash).await?;
            if stored.is_none_or(|token| token.consumed_at.is_some()) {
                return Err(request_ids::used());
            }
            refresh = Some(secret.text);
        }
        let tokens = self.issue(account, client, grant, refresh, now)?;
        Ok((session, tokens))
    }

    /// Issues an access token of a grant, beside the refresh token that goes with it.
    pub(super) fn issue(
        &self,
        account: &Account,
        client: &Client,
        grant: Grant,
        refresh: Option<Zeroizing<String>>,
        now: Timestamp,
    ) -> Result<Tokens> {
        let access_expires_at = now
            .after(client.access_token_lifetime)
            .min(grant.expires_at);
        let claims = self.claims(account, client, &grant, access_expires_at, now)?;
        let access_token = Zeroizing::new(self.key_ring.sign(
            Algorithm::Es256,
            token_type(client.claims),
            &claims,
            now,
        )?);
        // A token for others alone is no credential here (RFC 9068 section 4).
        if grant.audience.is_empty() || grant.audience.contains(&self.issuer) {
            self.credentials
                .remember_token(&access_token, grant.id, access_expires_at);
        }
        Ok(Tokens {
            grant,
            access_token,
            access_expires_at,
            refresh,
        })
    }

    /// Issues a token of the client itself, for this audience, or the one of the settings where it names none. It belongs
    /// to no grant: no rpc takes it, and it lives until it ends.
    pub(super) fn issue_to_client(
        &self,
        client: &Client,
        scopes: Scopes,
        audience: Vec<String>,
    ) -> Result<ClientToken> {
        let now = self.env.now();
        let access_expires_at = now.after(client.access_token_lifetime);
        let own = self.own_audience();
        let audience = match (audience.as_slice(), own.as_slice()) {
            ([], [only]) => json!(only),
            ([], _) => json!(own),
            _ => json!(audience),
        };
        let claims = Map::from_iter([
            ("iss".to_owned(), json!(self.issuer)),
            ("aud".to_owned(), audience),
            ("iat".to_owned(), json!(now.seconds())),
            ("exp".to_owned(), json!(access_expires_at.seconds())),
            ("jti".to_owned(), json!(self.env.uuid()?)),
            ("sub".to_owned(), json!(client.id)),
            ("client_id".to_owned(), json!(client.id)),
            ("scope".to_owned(), json!(scopes.to_string())),
        ]);
        let typ = TokenType::AccessToken;
        let token = self.key_ring.sign(Algorithm::Es256, typ, &claims, now)?;
        Ok(ClientToken {
            access_token: Zeroizing::new(token),
            access_expires_at,
            scopes,
        })
    }

    /// What an access token of this server says, whomever it is for.
    ///
    /// # Errors
    /// `CREDENTIAL_INVALID` for any other text.
    pub(super) fn read(&self, token: &str, now: Timestamp) -> Result<AccessClaims> {
        self.key_ring.verify(token, &self.expected(now))
    }

    /// What a client's own token says, whomever it is for.
    ///
    /// # Errors
    /// `CREDENTIAL_INVALID` for any other text.
    pub(super) fn read_of_client(&self, token: &str, now: Timestamp) -> Result<ClientClaims> {
        self.key_ring.verify_of_client(token, &self.expected(now))
    }

    fn expected(&self, now: Timestamp) -> Expected<'_> {
        Expected {
            issuer: &self.issuer,
            audience: None,
            now,
            leeway: CLOCK_LEEWAY,
        }
    }

    /// The claims of an access token (RFC 9068 section 2.2), or the ones that SMTPD documents.
    fn claims(
        &self,
        account: &Account,
        client: &Client,
        grant: &Grant,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<Map<String, Value>> {
        let mut claims = Map::from_iter([
            ("iss".to_owned(), json!(self.issuer)),
            ("aud".to_owned(), aud(self.audience(grant), grant)),
            ("iat".to_owned(), json!(now.seconds())),
            ("exp".to_owned(), json!(expires_at.seconds())),
            ("jti".to_owned(), json!(self.env.uuid()?)),
            ("sid".to_owned(), json!(grant.session_id.uuid())),
            ("grant_id".to_owned(), json!(grant.id.uuid())),
        ]);
        let own = match client.claims {
            Claims::Smtpd => json!({
                "account_id": account.organization.id.uuid(),
                "id": account.id.uuid(),
                "is_account_verified": account.email_verified,
                "name": account.display_name,
                "scope": smtpd_scopes(&grant.scopes),
                "sub": account.email.as_str(),
                "subject": account.email.as_str(),
            }),
            Claims::Rfc9068 => json!({
                "sub": account.id.uuid(),
                "client_id": grant.client_id,
                "scope": grant.scopes.to_string(),
            }),
        };
        if let Value::Object(own) = own {
            claims.extend(own);
        }
        Ok(claims)
    }

    /// Whom the tokens of a grant are for: whom it names, or this server, alone or among others.
    pub(super) fn audience(&self, grant: &Grant) -> Vec<String> {
        if !grant.audience.is_empty() {
            return grant.audience.clone();
        }
        self.own_audience()
    }

    /// Whom tokens are for when nobody is named.
    pub(super) fn own_audience(&self) -> Vec<String> {
        std::iter::once(&self.issuer)
            .chain(&self.audiences)
            .cloned()
            .collect()
    }
}

/// SMTPD documents claims that are not those of RFC 9068: `scope` is a list of numbers, and there is no `client_id`.
fn token_type(claims: Claims) -> TokenType {
    match claims {
        Claims::Smtpd => TokenType::Jwt,
        Claims::Rfc9068 => TokenType::AccessToken,
    }
}

/// SMTPD writes scopes as numbers.
fn smtpd_scopes(scopes: &Scopes) -> Vec<u8> {
    let number = |scope: &String| match scope.as_str() {
        scope::ADMIN => Some(1),
        scope::MCP => Some(2),
        _ => None,
    };
    scopes.as_slice().iter().filter_map(number).collect()
}

/// The claim: one text for this server alone, else a list (RFC 7519 section 4.1.3).
fn aud(mut audience: Vec<String>, grant: &Grant) -> Value {
    match audience.pop() {
        Some(only) if audience.is_empty() && grant.audience.is_empty() => json!(only),
        Some(last) => {
            audience.push(last);
            json!(audience)
        }
        None => Value::Null,
    }
}
