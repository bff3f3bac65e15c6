//! A new password for an account, which ends what the old one opened.

use zeroize::Zeroizing;

use crate::{
    domain::{
        accounts::{Accounts, chosen_password},
        caller::Caller,
        log_in::check_password,
        throttle::Guess,
        tokens::Tokens,
    },
    env::Timestamp,
    error::{Reason, Result},
    model::{
        id::AccountId,
        invalidation::Invalidation,
        request::RequestOrigin,
        session::{PASSWORD, Session},
    },
    store::Tx,
};

/// What somebody changes a password with.
pub struct PasswordChange {
    /// The password as it is now.
    pub current: Zeroizing<String>,
    /// The new one.
    pub new: Zeroizing<String>,
    /// Leaves API keys alive.
    pub keep_api_keys: bool,
}

impl Accounts {
    /// Sets a new password of the caller's own account after checking the current one, ends every other credential, and opens a
    /// new session for the caller.
    ///
    /// # Errors
    /// `ACCOUNT_NOT_FOUND`, `CREDENTIAL_INVALID`, `INVALID_CREDENTIALS`, `INVALID_FIELD`,
    /// `PASSWORD_TOO_COMMON`, `RATE_LIMITED`, `OVERLOADED`.
    pub async fn change_password(
        &self,
        caller: &Caller,
        id: AccountId,
        change: PasswordChange,
        origin: RequestOrigin,
    ) -> Result<(Session, Tokens)> {
        let account = self.own(caller, id).await?;
        let chosen = chosen_password(&change.new, "new_password")?;
        let guess = Guess {
            address: account.email.normalized(),
            origin: &origin,
            // An API key has none: whoever holds one can make more of them, to guess with each.
            session: caller.session_id,
        };
        let attempt = self.throttle.admit(&guess).await?;
        check_password(
            &self.passwords,
            Some(&account),
            &change.current,
            attempt,
            &origin,
        )
        .await?;
        let hash = self.passwords.hash(&chosen, Some(origin.address)).await?;
        let opened =
            self.tokens
                .open_session(&account, self.clients.own(), PASSWORD, origin, None)?;
        let now = self.context.env.now();
        self.context
            .credentials
            .end(move |tx| {
                Box::pin(async move {
                    // An administrator may have disabled the account since the password was checked.
                    if tx.lock_account(id).await?.is_none_or(|it| it.is_disabled()) {
                        return Err(Reason::CredentialInvalid.into());
                    }
                    if !tx
                        .set_password_hash(id, account.password_hash.as_deref(), &hash, now)
                        .await?
                    {
                        return Err(Reason::InvalidCredentials.into());
                    }
                    let ended = revoke_all(tx, id, change.keep_api_keys, now).await?;
                    opened.write(tx).await?;
                    Ok(((opened.session, opened.tokens), ended))
                })
            })
            .await
    }
}

pub(super) async fn revoke_all(
    tx: &Tx<'_>,
    id: AccountId,
    keep_api_keys: bool,
    now: Timestamp,
) -> Result<Vec<Invalidation>> {
    let grants = tx.revoke_sessions_and_grants(id, now).await?;
    let mut ended: Vec<_> = grants.into_iter().map(Invalidation::Grant).collect();
    if !keep_api_keys {
        ended.extend(
            tx.revoke_api_keys(id, now)
                .await?
                .into_iter()
                .map(Invalidation::ApiKey),
        );
    }
    Ok(ended)
}
