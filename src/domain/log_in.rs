//! Log-in with an e-mail address and a password, from top to bottom.

use std::time::Duration;

use uuid::Uuid;

use crate::{
    crypto::passwords::{Passwords, Verdict},
    domain::{
        sessions::Sessions,
        throttle::{Attempt, Guess},
        tokens::Tokens,
    },
    env::Timestamp,
    error::{Error, Reason, Result},
    metrics::LogIn,
    model::{
        account::Account,
        client::{Client, GrantType},
        email,
        id::AccountId,
        invalidation::Invalidation,
        password::Password,
        request::RequestOrigin,
        session::{PASSWORD, Session},
    },
    store::Tx,
};

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

impl Sessions {
    /// Logs in with an e-mail address and a password.
    ///
    /// # Errors
    /// `INVALID_CREDENTIALS`, whichever of the two is wrong; `RATE_LIMITED`, `OVERLOADED`.
    pub async fn log_in(
        &self,
        address: &str,
        password: &str,
        client: &Client,
        origin: RequestOrigin,
        request_id: Option<Uuid>,
    ) -> Result<LoggedIn> {
        let answer = self
            .try_log_in(address, password, client, origin, request_id)
            .await;
        self.metrics.log_in(outcome(&answer));
        answer
    }

    async fn try_log_in(
        &self,
        address: &str,
        password: &str,
        client: &Client,
        origin: RequestOrigin,
        request_id: Option<Uuid>,
    ) -> Result<LoggedIn> {
        if !client.may(GrantType::Password) {
            return Err(Error::new(Reason::PermissionDenied).on_field("client_id"));
        }
        let address = email::normalize(address);
        let guess = Guess {
            address: &address,
            origin: &origin,
            session: None,
        };
        // Before anything is looked up: a refusal is the same whether or not there is such an account.
        let attempt = self.throttle.admit(&guess).await?;
        let found = self.context.store.read().account_by_email(&address).await?;
        let rehashed = check_password(
            &self.passwords,
            found.as_ref(),
            password,
            attempt,
            guess.origin,
        )
        .await?;
        let device = self.throttle.know_device(&guess);
        let account = found.ok_or(Reason::InvalidCredentials)?;
        let opened = self
            .tokens
            .open_session(&account, client, PASSWORD, origin, request_id)?;
        let (session, tokens) = (opened.session.clone(), opened.tokens.clone());
        let (checked, now) = (account.clone(), self.context.env.now());
        let replaced_lifetime = replaced_lifetime(client);
        let is_new = self
            .context
            .store
            .write(move |tx| {
                Box::pin(async move {
                    keep_password(tx, &checked, rehashed.as_deref(), now).await?;
                    if opened.is_repeated(tx).await? {
                        return Ok(false);
                    }
                    opened.write_over(tx, replaced_lifetime).await?;
                    Ok(true)
                })
            })
            .await?;
        let (session, tokens) = if is_new {
            (session, tokens)
        } else {
            let reader = self.context.store.read();
            self.tokens
                .reopen_session(reader, &account, client, request_id)
                .await?
        };
        self.end_oldest_sessions(account.id).await?;
        Ok(LoggedIn {
            account,
            session,
            tokens,
            device,
        })
    }

    /// Opens a session of an account whose owner has shown otherwise who they are.
    ///
    /// # Errors
    /// `INVALID_CREDENTIALS` where nobody may sign in to the account.
    pub(super) async fn open(
        &self,
        account: &Account,
        client: &Client,
        method: &str,
        origin: RequestOrigin,
    ) -> Result<(Session, Tokens)> {
        let opened = self
            .tokens
            .open_session(account, client, method, origin, None)?;
        let (id, replaced_lifetime) = (account.id, replaced_lifetime(client));
        let write = self.context.store.write(move |tx| {
            Box::pin(async move {
                let account = tx.lock_account(id).await?;
                if account.is_none_or(|account| account.is_disabled()) {
                    return Err(Reason::InvalidCredentials.into());
                }
                opened.write_over(tx, replaced_lifetime).await?;
                Ok((opened.session, opened.tokens))
            })
        });
        let made = write.await?;
        self.end_oldest_sessions(account.id).await?;
        Ok(made)
    }

    /// Ends the oldest sessions of an account that has more than it may have.
    async fn end_oldest_sessions(&self, account: AccountId) -> Result<()> {
        let (most, now) = (self.most, self.context.env.now());
        let beyond = self
            .context
            .store
            .read()
            .session_beyond(account, most, now)
            .await?;
        let Some(newest) = beyond else {
            return Ok(());
        };
        self.context
            .credentials
            .end(move |tx| {
                Box::pin(async move {
                    let ended = tx.revoke_oldest_sessions(account, newest, now).await?;
                    Ok(((), ended.into_iter().map(Invalidation::Grant).collect()))
                })
            })
            .await
    }
}

/// Checks a password, at the same cost whether or not there is an account to check it against; that of
/// a disabled account is wrong whatever it is. Gives a new hash when the stored one is weaker than those of today.
pub(super) async fn check_password(
    passwords: &Passwords,
    account: Option<&Account>,
    text: &str,
    attempt: Attempt,
    origin: &RequestOrigin,
) -> Result<Option<String>> {
    let stored = account.and_then(|account| account.password_hash.as_deref());
    let Some(password) = Password::presented(text) else {
        attempt.failed();
        return Err(Reason::InvalidCredentials.into());
    };
    let is_disabled = account.is_some_and(Account::is_disabled);
    let rehash = match passwords
        .verify(&password, stored, Some(origin.address))
        .await?
    {
        // Before a rehash, which would tell by its time that the password is the right one.
        Verdict::Match { rehash } if !is_disabled => rehash,
        Verdict::Match { .. } | Verdict::Mismatch => {
            attempt.failed();
            return Err(Reason::InvalidCredentials.into());
        }
    };
    attempt.succeeded().await?;
    if rehash {
        Ok(Some(passwords.hash(&password, Some(origin.address)).await?))
    } else {
        Ok(None)
    }
}

/// How long access tokens live of grants that a new one replaces; none where they go on beside it.
fn replaced_lifetime(client: &Client) -> Option<Duration> {
    client
        .replaces_grants
        .then_some(client.access_token_lifetime)
}

/// What an answer is counted as.
pub(super) fn outcome<T>(answer: &Result<T>) -> LogIn {
    match answer.as_ref().map_err(Error::reason) {
        Ok(_) => LogIn::Succeeded,
        Err(
            Reason::InvalidCredentials
            | Reason::IdentityInvalid
            | Reason::IdentityProviderNotFound
            | Reason::EmailAlreadyExists
            | Reason::InvalidField,
        ) => LogIn::Refused,
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
