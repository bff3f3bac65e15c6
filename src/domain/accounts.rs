//! Accounts: sign up, read, change, delete.

use zeroize::Zeroizing;

use crate::{
    domain::{
        Domain,
        administration::leave_an_administrator,
        api_keys::{self, NewApiKey, PreparedKey},
        challenges::{Candidate, ProofOfWork},
        credentials::{Caller, CredentialId},
        throttle::Guess,
        tokens::{Opened, Tokens},
    },
    env::Timestamp,
    error::{Error, FieldReason, Reason, Result},
    model::{
        account::{Account, Organization, Plan, Role},
        administration::Administrator,
        api_key::{ApiKey, ApiKeyKind},
        client,
        email::{Email, InvalidEmail},
        id::AccountId,
        mail::OutboxMail,
        password::{Password, PasswordRefused},
        request::RequestOrigin,
        session::Session,
    },
    store::Tx,
};

/// What somebody signs up with.
pub struct SignUp {
    /// The e-mail address, as typed.
    pub email: String,
    /// The password, as typed.
    pub password: Zeroizing<String>,
    /// What to call the person; may be empty.
    pub display_name: String,
    /// Also signs in, with this client.
    pub session: Option<client::Client>,
    /// Also makes an API key of this kind.
    pub api_key: Option<ApiKeyKind>,
    /// The solution of a challenge.
    pub work: Option<ProofOfWork>,
}

/// What a sign-up made.
pub struct SignedUp {
    /// The account.
    pub account: Account,
    /// The session and its tokens, when one was asked for.
    pub session: Option<(Session, Tokens)>,
    /// The API key and its secret, when one was asked for.
    pub api_key: Option<(ApiKey, Zeroizing<String>)>,
}

/// A change of an account.
#[derive(Debug, Default)]
pub struct AccountChange {
    /// What to call the person from now on.
    pub display_name: Option<String>,
    /// The version that the change was made on, when it matters.
    pub expected_version: Option<i64>,
}

/// Everything that a sign-up writes, all or nothing.
struct Prepared {
    organization: Organization,
    account: Account,
    session: Option<Opened>,
    api_key: Option<PreparedKey>,
    mail: Option<OutboxMail>,
    work: Option<Candidate>,
}

impl Domain {
    /// Makes an account and its organization, and on request a session and an API key.
    ///
    /// # Errors
    /// `CHALLENGE_REQUIRED`, `CHALLENGE_INVALID`, `INVALID_FIELD`, `PASSWORD_TOO_COMMON`,
    /// `EMAIL_ALREADY_EXISTS`, `RATE_LIMITED`, `OVERLOADED`.
    pub async fn sign_up(&self, mut request: SignUp, client: RequestOrigin) -> Result<SignedUp> {
        let strict = request
            .session
            .as_ref()
            .is_some_and(|client| client.strict_sign_up);
        let over_limit = self.over_limit(strict, client.address)?;
        let sent = request.work.take();
        let work = self.examine_work(sent, strict, over_limit.as_ref())?;
        let email = chosen_email(&request.email)?;
        let password = chosen_password(&request.password, "password")?;
        api_keys::may_start_with(request.api_key)?;
        let work = self
            .admit_address(&email, work, over_limit.is_some(), strict, &client)
            .await?;
        let address = client.address;
        let password_hash = self.passwords.hash(&password, Some(address)).await?;
        let prepared = Prepared {
            work,
            ..self.prepare_sign_up(email, password_hash, &request, client)?
        };
        let signed_up = self
            .store
            .write(move |tx| Box::pin(async move { prepared.write(tx).await }))
            .await?;
        self.sign_up_rate.count(address);
        Ok(signed_up)
    }

    /// Refuses an address that is taken, and spends the limits on new accounts for one that is not. Gives the work
    /// that is still to be used.
    ///
    /// Whoever is told that an address is taken has tried its account, and that counts as a wrong password does. It
    /// counts before the address is looked up, so that a refusal says nothing about it.
    async fn admit_address(
        &self,
        email: &Email,
        mut work: Option<Candidate>,
        is_over_limit: bool,
        mail_td: bool,
        client: &RequestOrigin,
    ) -> Result<Option<Candidate>> {
        let attempt = self.admit(&Guess::at(email, client)).await?;
        if is_over_limit {
            // No limit on accounts slows a search for addresses down there, so each look at one takes work.
            if let Some(work) = work.take() {
                self.prove_work(&work, client.address).await?;
                self.spend_work(work).await?;
            }
        }
        // Before the hash, which is the expensive part; the unique index decides in the end.
        let taken = self.is_taken(email).await?;
        if let Some(work) = &work {
            self.prove_work(work, client.address).await?;
        }
        // Told to those alone who have done the work.
        if taken {
            attempt.was_wrong();
            return Err(Error::new(Reason::EmailAlreadyExists).on_field("email"));
        }
        if !is_over_limit
            && let Err(refusal) = self
                .spend_creation(Plan::Free, mail_td, client.address)
                .await
            && let Err(refusal) = self.let_work_through(work.as_ref(), refusal)
        {
            // Others get here only with an address that is free, so this tells as much.
            attempt.was_wrong();
            return Err(refusal);
        }
        attempt.was_none().await?;
        Ok(work)
    }

    /// Whether somebody has an account with this address.
    pub(super) async fn is_taken(&self, email: &Email) -> Result<bool> {
        let account = self
            .store
            .read()
            .account_by_email(email.normalized())
            .await?;
        Ok(account.is_some())
    }

    fn prepare_sign_up(
        &self,
        email: Email,
        password_hash: String,
        request: &SignUp,
        client: RequestOrigin,
    ) -> Result<Prepared> {
        let now = self.env.now();
        let account_id = AccountId::from(self.env.uuid()?);
        let organization = Organization {
            id: self.env.uuid()?.into(),
            plan: Plan::Free,
            created_at: now,
            disabled_at: None,
        };
        let account = Account {
            id: account_id,
            organization: organization.clone(),
            role: Role::Owner,
            email,
            email_verified: false,
            display_name: request.display_name.trim().to_owned(),
            password_hash: Some(password_hash),
            created_at: now,
            updated_at: now,
            version: 1,
            disabled_at: None,
            administrator: false,
        };
        let session = request
            .session
            .as_ref()
            .map(|oauth| self.open_session(&account, oauth, client))
            .transpose()?;
        let api_key = request
            .api_key
            .map(|kind| self.prepare_key(account_id, NewApiKey::default_of(kind)))
            .transpose()?;
        let welcomes = request
            .session
            .as_ref()
            .is_some_and(|client| client.welcomes);
        let mail = if welcomes && self.settings.sends_mail {
            Some(self.welcome(&account, now)?)
        } else {
            None
        };
        Ok(Prepared {
            organization,
            account,
            session,
            api_key,
            mail,
            work: None,
        })
    }

    /// MailKite promises a welcome e-mail.
    fn welcome(&self, account: &Account, now: Timestamp) -> Result<OutboxMail> {
        let body = format!(
            "Welcome!\r\n\r\nYour account {} is ready at {}.\r\n\r\n\
             If you did not make it, you can ignore this mail.\r\n",
            account.email.as_str(),
            self.settings.issuer,
        );
        Ok(OutboxMail {
            id: self.env.uuid()?,
            recipient: account.email.as_str().to_owned(),
            subject: "Welcome".to_owned(),
            body,
            created_at: now,
            attempts: 0,
            due_at: now,
        })
    }

    /// Changes an account that the caller reaches.
    ///
    /// # Errors
    /// `ACCOUNT_NOT_FOUND`, `ETAG_MISMATCH`.
    pub async fn update_account(
        &self,
        caller: &Caller,
        id: AccountId,
        change: AccountChange,
    ) -> Result<Account> {
        let account = self.account(caller, id).await?;
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
        let now = self.env.now();
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let name = display_name.trim();
                    if !tx
                        .update_display_name(id, name, change.expected_version, now)
                        .await?
                    {
                        return Err(gone_or_changed(tx, id).await?);
                    }
                    tx.account(id)
                        .await?
                        .ok_or_else(|| Reason::AccountNotFound.into())
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
    pub async fn delete_account(
        &self,
        caller: &Caller,
        id: AccountId,
        version: Option<i64>,
    ) -> Result<()> {
        let administers = self.account(caller, id).await?.administrator;
        let (by_itself, now) = (id == caller.account_id, self.env.now());
        let gone = move |caller: &Caller| caller.account_id == id;
        self.delete_accounts(gone, move |tx| {
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
                Ok(())
            })
        })
        .await
    }
}

impl Prepared {
    async fn write(self, tx: &Tx<'_>) -> Result<SignedUp> {
        if let Some(work) = &self.work {
            work.redeem(tx).await?;
        }
        tx.insert_organization(&self.organization).await?;
        if !tx.insert_account(&self.account).await? {
            return Err(Error::new(Reason::EmailAlreadyExists).on_field("email"));
        }
        if let Some(opened) = &self.session {
            opened.write(tx).await?;
        }
        if let Some(prepared) = &self.api_key {
            tx.insert_api_key(&prepared.key).await?;
        }
        if let Some(mail) = &self.mail {
            tx.push_mail(mail).await?;
        }
        Ok(SignedUp {
            account: self.account,
            session: self.session.map(|opened| (opened.session, opened.tokens)),
            api_key: self.api_key.map(|prepared| (prepared.key, prepared.secret)),
        })
    }
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

pub(super) async fn credentials_of(tx: &Tx<'_>, id: AccountId) -> Result<Vec<CredentialId>> {
    let grants = tx.unrevoked_grants(id).await?;
    let keys = tx.live_api_key_ids(id).await?;
    let grants = grants.into_iter().map(CredentialId::Grant);
    let keys = keys.into_iter().map(CredentialId::ApiKey);
    Ok(grants.chain(keys).collect())
}
