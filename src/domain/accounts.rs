//! Accounts: read, change, delete. How they begin stands in [`sign_up`](super::sign_up).

use std::sync::Arc;

use uuid::Uuid;

use crate::{
    crypto::passwords::Passwords,
    domain::{
        Context,
        administration::leave_an_administrator,
        api_keys::ApiKeys,
        caller::{Caller, Reach},
        challenges::Challenges,
        log_in::check_password,
        throttle::{Guess, Throttle},
        tokens::{MaybeSession, TokenIssuer},
    },
    error::{Error, FieldReason, Reason, Result},
    model::{
        account::{Account, Role},
        administration::Administrator,
        client::{Client, Clients},
        email::{Email, InvalidEmail},
        id::AccountId,
        invalidation::Invalidation,
        password::{Password, PasswordRefused},
        request::RequestOrigin,
    },
    store::{Store, Tx},
};

/// A change of an account.
#[derive(Debug, Default)]
pub struct AccountChange {
    /// What to call the person from now on.
    pub display_name: Option<String>,
    /// The version that the change was made on, when it matters.
    pub expected_version: Option<i64>,
}

/// The accounts of people and programs.
pub struct Accounts {
    pub(super) context: Context,
    pub(super) passwords: Arc<Passwords>,
    pub(super) throttle: Arc<Throttle>,
    pub(super) tokens: Arc<TokenIssuer>,
    pub(super) challenges: Arc<Challenges>,
    pub(super) api_keys: Arc<ApiKeys>,
    pub(super) clients: Clients,
    pub(super) issuer: String,
    /// Whether there is a way to send mail.
    pub(super) sends_mail: bool,
}

impl Accounts {
    /// An account that the caller reaches, under the id that the call names.
    ///
    /// # Errors
    /// `ACCOUNT_NOT_FOUND`, also for an account that the caller does not reach.
    pub async fn get(&self, caller: &Caller, id: AccountId) -> Result<Account> {
        if id != caller.account_id && caller.reach() == Reach::Account {
            return Err(Reason::AccountNotFound.into());
        }
        let account = self.context.store.read().account(id).await?;
        account
            .filter(|account| reaches(caller, account))
            .ok_or_else(|| Reason::AccountNotFound.into())
    }

    /// The caller's own account, under the id that the call names.
    ///
    /// # Errors
    /// `ACCOUNT_NOT_FOUND`, also for every other account.
    pub(super) async fn own(&self, caller: &Caller, id: AccountId) -> Result<Account> {
        if id != caller.account_id {
            return Err(Reason::AccountNotFound.into());
        }
        self.get(caller, id).await
    }

    /// The account that an earlier request with the same id has made with this address, and its session when a client is
    /// named; none when there was no such request. Whoever asks knows the password, as they did then.
    pub(super) async fn remade(
        &self,
        email: &str,
        password: &str,
        client: Option<&Client>,
        request_id: Option<Uuid>,
        origin: &RequestOrigin,
    ) -> Result<Option<(Account, MaybeSession)>> {
        let (Some(_), Ok(email)) = (request_id, chosen_email(email)) else {
            return Ok(None);
        };
        let reader = self.context.store.read();
        let found = reader.account_by_email(email.normalized()).await?;
        let is_same = |account: &Account| {
            account.request_hash == self.context.request_ids.hash(account.id, request_id)
        };
        let Some(account) = found.filter(is_same) else {
            return Ok(None);
        };
        let attempt = self.throttle.admit(&Guess::at(&email, origin)).await?;
        check_password(&self.passwords, Some(&account), password, attempt, origin).await?;
        let session = match client {
            Some(client) => {
                let reopened = self
                    .tokens
                    .reopen_session(reader, &account, client, request_id);
                Some(reopened.await?)
            }
            None => None,
        };
        Ok(Some((account, session)))
    }

    /// Changes an account that the caller reaches.
    ///
    /// # Errors
    /// `ACCOUNT_NOT_FOUND`, `ETAG_MISMATCH`.
    pub async fn update(
        &self,
        caller: &Caller,
        id: AccountId,
        change: AccountChange,
    ) -> Result<Account> {
        let account = self.get(caller, id).await?;
        let Some(display_name) = change.display_name else {
            let seen = change
                .expected_version
                .is_none_or(|version| version == account.version);
            return if seen {
                Ok(account)
            } else {
                Err(Reason::EtagMismatch.into())
            };
        };
        let now = self.context.env.now();
        // Its callers are remembered with the name.
        self.context
            .credentials
            .end(move |tx| {
                Box::pin(async move {
                    let name = display_name.trim();
                    if !tx
                        .update_display_name(id, name, change.expected_version, now)
                        .await?
                    {
                        return Err(gone_or_changed(tx, id).await?);
                    }
                    let account = tx.account(id).await?.ok_or(Reason::AccountNotFound)?;
                    Ok((account, vec![Invalidation::Account(id)]))
                })
            })
            .await
    }

    /// Deletes an account that the caller reaches with everything that belongs to it, and its organization
    /// with its last one.
    ///
    /// # Errors
    /// `ACCOUNT_NOT_FOUND`, `ETAG_MISMATCH`; `ORGANIZATION_NOT_EMPTY` for an owner whom others would lose;
    /// `PERMISSION_DENIED` for an administrator, whom only themselves and administration may delete, and for the last
    /// one of the server.
    pub async fn delete(&self, caller: &Caller, id: AccountId, version: Option<i64>) -> Result<()> {
        let administers = self.get(caller, id).await?.administrator;
        let (by_itself, now) = (id == caller.account_id, self.context.env.now());
        self.context
            .credentials
            .end(move |tx| {
                Box::pin(async move {
                    if administers {
                        tx.lock_administrators().await?;
                    }
                    // From here on nobody can log in between the look and the deletion.
                    let account = tx
                        .lock_account_to_delete(id)
                        .await?
                        .ok_or(Reason::AccountNotFound)?;
                    if account.administrator && !by_itself {
                        return Err(Reason::PermissionDenied.into());
                    }
                    if !tx.delete_account(id, version, now).await? {
                        return Err(gone_or_changed(tx, id).await?);
                    }
                    let emptied = tx
                        .delete_organization_if_empty(account.organization.id)
                        .await?;
                    if account.role == Role::Owner && !emptied {
                        return Err(Reason::OrganizationNotEmpty.into());
                    }
                    if account.administrator {
                        leave_an_administrator(tx, Administrator::Account(id)).await?;
                    }
                    Ok(((), vec![Invalidation::Account(id)]))
                })
            })
            .await
    }
}

/// Whether the caller may see an account and act on it.
pub(super) fn reaches(caller: &Caller, account: &Account) -> bool {
    account.id == caller.account_id
        || caller.reach() == Reach::Organization
            && account.organization.id == caller.organization_id
}

/// Whether somebody has an account with this address.
pub(super) async fn is_taken(store: &Store, email: &Email) -> Result<bool> {
    let account = store.read().account_by_email(email.normalized()).await?;
    Ok(account.is_some())
}

pub(super) fn chosen_email(text: &str) -> Result<Email> {
    text.parse().map_err(|refused: InvalidEmail| {
        Error::invalid_field("email", FieldReason::InvalidFormat, refused.to_string())
    })
}

pub(super) fn chosen_password(text: &str, field: &'static str) -> Result<Password> {
    Password::chosen(text).map_err(|refused| match refused {
        PasswordRefused::TooCommon => Error::new(Reason::PasswordTooCommon).on_field(field),
        refused => {
            let reason = match refused {
                PasswordRefused::TooShort => FieldReason::TooShort,
                PasswordRefused::TooLong => FieldReason::TooLong,
                _ => FieldReason::InvalidFormat,
            };
            Error::invalid_field(field, reason, refused.to_string())
        }
    })
}

async fn gone_or_changed(tx: &Tx<'_>, id: AccountId) -> Result<Error> {
    let reason = match tx.account(id).await? {
        Some(_) => Reason::EtagMismatch,
        None => Reason::AccountNotFound,
    };
    Ok(reason.into())
}
