//! Sessions: log in, refresh, read, list, log out.

use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use crate::{
    crypto::{passwords::Verdict, secrets},
    domain::{
        Domain,
        credentials::{Caller, CredentialId},
        throttle::{Attempt, Guess},
        tokens::{REFRESH_PREFIX, Tokens},
    },
    env::Timestamp,
    error::{Error, Reason, Result},
    metrics::LogIn,
    model::{
        account::Account,
        client, email,
        id::{AccountId, GrantId, SessionId},
        page::Page,
        password::Password,
        request::RequestOrigin,
        session::{Grant, RefreshToken, Session},
    },
    store::Tx,
};

const LIST: &str = "sessions";
/// The list of an e-mail token, which has one page.
const OWN_LIST: &str = "own session";
const SUCCESSOR: &str = "refresh token successor";

/// What came of offering a refresh token that rotates.
enum Rotation {
    /// The token was traded for its successor, now or a moment ago by the same client.
    Successor,
    /// The token was used before: somebody else has it. The grant is over.
    Reused,
    /// The token is not good for anything.
    Refused,
}

/// What a log-in made.
pub struct LoggedIn {
    /// The account.
    pub account: Account,
    /// The new session.
    pub session: Session,
    /// Its tokens.
    pub tokens: Tokens,
    /// What the device is known by from now on; see [`devices`](crate::domain::devices).
    pub device: String,
}

impl Domain {
    /// Logs in with an e-mail address and a password.
    ///
    /// # Errors
    /// `INVALID_CREDENTIALS`, whichever of the two is wrong; `RATE_LIMITED`, `OVERLOADED`.
    pub async fn log_in(
        &self,
        address: &str,
        password: &str,
        oauth: &client::Client,
        client: RequestOrigin,
    ) -> Result<LoggedIn> {
        let answer = self.try_log_in(address, password, oauth, client).await;
        self.metrics.log_in(outcome(&answer));
        answer
    }

    async fn try_log_in(
        &self,
        address: &str,
        password: &str,
        oauth: &client::Client,
        client: RequestOrigin,
    ) -> Result<LoggedIn> {
        let address = email::normalize(address);
        let guess = Guess {
            address: &address,
            client: &client,
            session: None,
        };
        // Before anything is looked up: a refusal is the same whether or not there is such an account.
        let attempt = self.admit(&guess).await?;
        let found = self.store.read().account_by_email(&address).await?;
        let rehashed = self
            .check_password(found.as_ref(), password, attempt, guess.client)
            .await?;
        let device = self.know_device(&guess);
        let account = found.ok_or(Reason::InvalidCredentials)?;
        let opened = self.open_session(&account, oauth, client)?;
        let (session, tokens) = (opened.session.clone(), opened.tokens.clone());
        let (checked, now) = (account.clone(), self.env.now());
        let replaces = oauth.replaces_grants;
        let access_lifetime = oauth.access_token_lifetime;
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    keep_password(tx, &checked, rehashed.as_deref(), now).await?;
                    if replaces {
                        let client_id = &opened.tokens.grant.client_id;
                        tx.expire_refresh_tokens(checked.id, client_id, access_lifetime)
                            .await?;
                    }
                    opened.write(tx).await
                })
            })
            .await?;
        self.end_oldest_sessions(account.id).await?;
        Ok(LoggedIn {
            account,
            session,
            tokens,
            device,
        })
    }

    /// Ends the oldest sessions of an account that has more than it may have.
    async fn end_oldest_sessions(&self, account: AccountId) -> Result<()> {
        let (most, now) = (self.settings.sessions, self.env.now());
        let beyond = self.store.read().session_beyond(account, most, now).await?;
        let Some(newest) = beyond else {
            return Ok(());
        };
        self.end_credentials(move |tx| {
            Box::pin(async move {
                let ended = tx.revoke_oldest_sessions(account, newest, now).await?;
                Ok(((), ended.into_iter().map(CredentialId::Grant).collect()))
            })
        })
        .await
    }

    /// Checks a password, at the same cost whether or not there is an account to check it against; that of
    /// a disabled account is wrong whatever it is. Gives a new hash when the stored one is weaker than those of today.
    pub(super) async fn check_password(
        &self,
        account: Option<&Account>,
        text: &str,
        attempt: Attempt,
        client: &RequestOrigin,
    ) -> Result<Option<String>> {
        let stored = account.and_then(|account| account.password_hash.as_deref());
        let Some(password) = Password::presented(text) else {
            attempt.was_wrong();
            return Err(Reason::InvalidCredentials.into());
        };
        let is_disabled = account.is_some_and(Account::is_disabled);
        let rehash = match self
            .passwords
            .verify(&password, stored, Some(client.address))
            .await?
        {
            // Before a rehash, which would tell by its time that the password is the right one.
            Verdict::Match { rehash } if !is_disabled => rehash,
            Verdict::Match { .. } | Verdict::Mismatch => {
                attempt.was_wrong();
                return Err(Reason::InvalidCredentials.into());
            }
        };
        attempt.was_right().await?;
        if rehash {
            Ok(Some(
                self.passwords.hash(&password, Some(client.address)).await?,
            ))
        } else {
            Ok(None)
        }
    }

    /// Trades a refresh token for new tokens. A caller that cannot take a new refresh token says
    /// `keep_token`, and is refused where it would get one.
    ///
    /// # Errors
    /// `REFRESH_TOKEN_INVALID`; a token that was already used also ends its grant.
    pub async fn refresh(&self, token: &str, keep_token: bool) -> Result<Tokens> {
        if !secrets::well_formed(token, REFRESH_PREFIX) {
            return Err(Reason::RefreshTokenInvalid.into());
        }
        let (hash, now) = (secrets::hash(token), self.env.now());
        let (stored, mut grant, account) = self
            .refreshable(&hash)
            .await?
            .ok_or(Reason::RefreshTokenInvalid)?;
        let client = self.settings.clients.find(&grant.client_id);
        let client = client.ok_or(Reason::RefreshTokenInvalid)?;
        let rotates = client.rotates_refresh_tokens;
        if account.is_disabled() || !grant.is_live(now) || (rotates && keep_token) {
            return Err(Reason::RefreshTokenInvalid.into());
        }
        let next = if rotates {
            self.rotate(&stored, &grant, now).await?
        } else {
            grant = self.keep(hash, grant.id, now).await?;
            Zeroizing::new(token.to_owned())
        };
        self.issue(&account, client, grant, Some(next), now)
    }

    /// Notes a refresh where the refresh token stays the same, and gives the grant as it is then: a new log-in may have
    /// ended its refreshing since the token was read.
    async fn keep(&self, hash: [u8; 32], id: GrantId, now: Timestamp) -> Result<Grant> {
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    // Touched first, which makes a log-in at the same time wait for this row.
                    let live = tx.touch_grant(id, now).await?;
                    let kept = live && tx.refresh_token(&hash).await?.is_some();
                    let grant = if kept { tx.grant(id).await? } else { None };
                    grant.ok_or_else(|| Reason::RefreshTokenInvalid.into())
                })
            })
            .await
    }

    async fn refreshable(&self, hash: &[u8; 32]) -> Result<Option<(RefreshToken, Grant, Account)>> {
        let reader = self.store.read();
        let Some(token) = reader.refresh_token(hash).await? else {
            return Ok(None);
        };
        let Some(grant) = reader.grant(token.grant_id).await? else {
            return Ok(None);
        };
        let account = reader.account(grant.account_id).await?;
        Ok(account.map(|account| (token, grant, account)))
    }

    /// Trades a rotating refresh token for its successor. The successor follows from the token by a
    /// key of ours, so that a retry gets the same one although only hashes are stored.
    async fn rotate(
        &self,
        token: &RefreshToken,
        grant: &Grant,
        now: Timestamp,
    ) -> Result<Zeroizing<String>> {
        let successor = secrets::derive(
            REFRESH_PREFIX,
            &self.keys.refresh_successor,
            SUCCESSOR,
            &token.hash,
        );
        let record = RefreshToken {
            hash: successor.hash,
            grant_id: grant.id,
            created_at: now,
            consumed_at: None,
        };
        let (old, grant, window) = (
            token.hash,
            grant.clone(),
            self.settings.refresh_retry_window,
        );
        let grant_id = grant.id;
        let rotation = self
            .end_credentials(move |tx| {
                Box::pin(async move {
                    if tx.rotate_refresh_token(&old, &record, now).await? {
                        return Ok((Rotation::Successor, Vec::new()));
                    }
                    let retried_since = now.before(window);
                    let rotation = replayed(tx, &old, &record, &grant, retried_since, now).await?;
                    let ended = match rotation {
                        Rotation::Reused => vec![CredentialId::Grant(grant.id)],
                        Rotation::Successor | Rotation::Refused => Vec::new(),
                    };
                    Ok((rotation, ended))
                })
            })
            .await?;
        match rotation {
            Rotation::Successor => Ok(Zeroizing::new(successor.text.expose_secret().to_owned())),
            Rotation::Refused => Err(Reason::RefreshTokenInvalid.into()),
            Rotation::Reused => {
                tracing::warn!(grant = %grant_id, "a refresh token was used twice; its grant is over");
                Err(Reason::RefreshTokenInvalid.into())
            }
        }
    }

    /// One of the caller's live sessions.
    ///
    /// # Errors
    /// `SESSION_NOT_FOUND`, also for a session of somebody else and, to an e-mail token, for any but its own.
    pub async fn session(&self, caller: &Caller, id: SessionId) -> Result<Session> {
        may_name(caller, id)?;
        let now = self.env.now();
        let session = self.store.read().session(id).await?;
        session
            .filter(|session| session.account_id == caller.account_id && session.is_live(now))
            .ok_or_else(|| Reason::SessionNotFound.into())
    }

    /// A page of the caller's live sessions, the newest first, and the token of the next page. An e-mail
    /// token sees its own alone.
    ///
    /// # Errors
    /// `INVALID_FIELD` for a page token that is not of this list.
    pub async fn sessions(
        &self,
        caller: &Caller,
        size: i32,
        token: &str,
    ) -> Result<(Vec<Session>, String)> {
        if let Some(own) = own_session_alone(caller) {
            self.page_request(OWN_LIST, caller.account_id, size, token)?;
            return Ok((vec![self.session(caller, own).await?], String::new()));
        }
        let page = self.page_request(LIST, caller.account_id, size, token)?;
        let Page { items, next } = self
            .store
            .read()
            .live_sessions(caller.account_id, page, self.env.now())
            .await?;
        Ok((items, self.page_token(LIST, caller.account_id, next)))
    }

    /// Logs one of the caller's sessions out: its access and refresh tokens are refused from then on.
    ///
    /// # Errors
    /// `SESSION_NOT_FOUND`, also for a session of somebody else and, to an e-mail token, for any but its own.
    pub async fn revoke_session(&self, caller: &Caller, id: SessionId) -> Result<()> {
        may_name(caller, id)?;
        let (account_id, now) = (caller.account_id, self.env.now());
        self.end_credentials(move |tx| {
            Box::pin(async move {
                let ended = tx.revoke_session(id, account_id, now).await?;
                let ended = ended.ok_or(Reason::SessionNotFound)?;
                Ok(((), ended.into_iter().map(CredentialId::Grant).collect()))
            })
        })
        .await
    }

    /// Logs out with the refresh token alone (RFC 7009 section 2.1 revokes the whole grant, too).
    ///
    /// # Errors
    /// `REFRESH_TOKEN_INVALID` when it is not good for anything any more.
    pub async fn revoke_refresh_token(&self, token: &str) -> Result<()> {
        if !secrets::well_formed(token, REFRESH_PREFIX) {
            return Err(Reason::RefreshTokenInvalid.into());
        }
        let found = self.refreshable(&secrets::hash(token)).await?;
        let (_, grant, _) = found.ok_or(Reason::RefreshTokenInvalid)?;
        self.end_grant(grant, Reason::RefreshTokenInvalid).await
    }
}

/// The one session that the caller sees and ends, where that is not every session of the account: an
/// e-mail token is for one mailbox, and the sessions of a Pro user are more than that.
fn own_session_alone(caller: &Caller) -> Option<SessionId> {
    caller.session_id.filter(|_| caller.is_mailbox())
}

fn may_name(caller: &Caller, id: SessionId) -> Result<()> {
    if own_session_alone(caller).is_some_and(|own| own != id) {
        Err(Reason::SessionNotFound.into())
    } else {
        Ok(())
    }
}

/// What an answer is counted as.
fn outcome<T>(answer: &Result<T>) -> LogIn {
    match answer.as_ref().map_err(Error::reason) {
        Ok(_) => LogIn::Succeeded,
        Err(Reason::InvalidCredentials) => LogIn::Refused,
        Err(Reason::RateLimited) => LogIn::Limited,
        Err(Reason::Overloaded) => LogIn::Overloaded,
        Err(_) => LogIn::Failed,
    }
}

/// Refuses a log-in whose account was deleted or disabled or got another password while its own was
/// checked, and stores the stronger hash when there is one.
async fn keep_password(
    tx: &Tx<'_>,
    checked: &Account,
    rehashed: Option<&str>,
    now: Timestamp,
) -> Result<()> {
    let stored = tx.lock_account(checked.id).await?;
    let unchanged = |account: &Account| {
        !account.is_disabled() && account.password_hash == checked.password_hash
    };
    if !stored.is_some_and(|account| unchanged(&account)) {
        return Err(Reason::InvalidCredentials.into());
    }
    if let Some(hash) = rehashed {
        tx.set_password_hash(checked.id, checked.password_hash.as_deref(), hash, now)
            .await?;
    }
    Ok(())
}

/// Decides about a token that could not be traded: a retry of the trade, or somebody else's.
async fn replayed(
    tx: &Tx<'_>,
    old: &[u8; 32],
    successor: &RefreshToken,
    grant: &Grant,
    retried_since: Timestamp,
    now: Timestamp,
) -> Result<Rotation> {
    let live = tx
        .grant(grant.id)
        .await?
        .is_some_and(|grant| grant.is_live(now));
    let consumed = tx
        .refresh_token(old)
        .await?
        .and_then(|token| token.consumed_at);
    let Some(consumed_at) = consumed.filter(|_| live) else {
        return Ok(Rotation::Refused);
    };
    let unused = tx
        .refresh_token(&successor.hash)
        .await?
        .is_some_and(|next| next.consumed_at.is_none());
    if unused && retried_since < consumed_at {
        return Ok(Rotation::Successor);
    }
    tx.revoke_grant(grant, now).await?;
    Ok(Rotation::Reused)
}
