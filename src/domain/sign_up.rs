//! Sign-up, from top to bottom.

use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    domain::{
        accounts::{Accounts, chosen_email, chosen_password, is_taken},
        api_keys::{self, NewApiKey, PreparedKey},
        challenges::{Candidate, ProofOfWork},
        throttle::Guess,
        tokens::{Opened, Tokens},
    },
    error::{Error, Reason, Result},
    model::{
        account::{Account, Organization, Plan, Role},
        api_key::{ApiKey, ApiKeyKind},
        client::Client,
        email::Email,
        id::AccountId,
        mail::OutboxMail,
        request::RequestOrigin,
        session::{PASSWORD, Session},
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
    pub session: Option<Client>,
    /// Also makes an API key of this kind.
    pub api_key: Option<ApiKeyKind>,
    /// The solution of a challenge.
    pub work: Option<ProofOfWork>,
    /// Tells a retry (AIP-155).
    pub request_id: Option<Uuid>,
}

impl SignUp {
    fn first_key(&self, kind: ApiKeyKind) -> NewApiKey {
        NewApiKey {
            request_id: self.request_id,
            ..NewApiKey::default_of(kind)
        }
    }
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

/// Everything that a sign-up writes, all or nothing.
#[derive(Clone)]
struct Prepared {
    organization: Organization,
    account: Account,
    session: Option<Opened>,
    api_key: Option<PreparedKey>,
    mail: Option<OutboxMail>,
    work: Option<Candidate>,
}

impl Accounts {
    /// Makes an account and its organization, and on request a session and an API key.
    ///
    /// # Errors
    /// `CHALLENGE_REQUIRED`, `CHALLENGE_INVALID`, `INVALID_FIELD`, `PASSWORD_TOO_COMMON`,
    /// `EMAIL_ALREADY_EXISTS`, `RATE_LIMITED`, `OVERLOADED`.
    pub async fn sign_up(&self, mut request: SignUp, origin: RequestOrigin) -> Result<SignedUp> {
        if let Some(signed_up) = self.repeat(&request, &origin).await? {
            return Ok(signed_up);
        }
        let strict = request
            .session
            .as_ref()
            .is_some_and(|client| client.strict_sign_up);
        let over_limit = self.challenges.over_limit(strict, origin.address)?;
        let sent = request.work.take();
        let work = self.challenges.examine(sent, strict, over_limit.as_ref())?;
        let email = chosen_email(&request.email)?;
        let password = chosen_password(&request.password, "password")?;
        api_keys::may_start_with(request.api_key)?;
        let work = self
            .admit_address(&email, work, over_limit.is_some(), strict, &origin)
            .await?;
        let address = origin.address;
        let password_hash = self.passwords.hash(&password, Some(address)).await?;
        let prepared = Prepared {
            work,
            ..self.prepare_sign_up(email, password_hash, &request, origin)?
        };
        let signed_up = self
            .context
            .store
            .write(move |tx| Box::pin(async move { prepared.write(tx).await }))
            .await?;
        self.challenges.count_sign_up(address);
        if let Some((key, _)) = &signed_up.api_key {
            self.context.credentials.remember_key(key);
        }
        Ok(signed_up)
    }

    /// What an earlier request with the same id has made; none when there was no such request.
    async fn repeat(&self, request: &SignUp, origin: &RequestOrigin) -> Result<Option<SignedUp>> {
        let (client, id) = (request.session.as_ref(), request.request_id);
        let made = self.remade(&request.email, &request.password, client, id, origin);
        let Some((account, session)) = made.await? else {
            return Ok(None);
        };
        let api_key = match request.api_key {
            Some(kind) => {
                let key = self.api_keys.remade(account.id, request.first_key(kind));
                Some(key.await?)
            }
            None => None,
        };
        Ok(Some(SignedUp {
            account,
            session,
            api_key,
        }))
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
        origin: &RequestOrigin,
    ) -> Result<Option<Candidate>> {
        let attempt = self.throttle.admit(&Guess::at(email, origin)).await?;
        if is_over_limit {
            // No limit on accounts slows a search for addresses down there, so each look at one takes work.
            if let Some(work) = work.take() {
                self.challenges.prove(&work, origin.address).await?;
                self.challenges.spend(work).await?;
            }
        }
        // Before the hash, which is the expensive part; the unique index decides in the end.
        let taken = is_taken(&self.context.store, email).await?;
        if let Some(work) = &work {
            self.challenges.prove(work, origin.address).await?;
        }
        // Told to those alone who have done the work.
        if taken {
            attempt.failed();
            return Err(Error::new(Reason::EmailAlreadyExists).on_field("email"));
        }
        if !is_over_limit
            && let Err(refusal) = self
                .throttle
                .spend_creation(Plan::Free, mail_td, origin.address)
                .await
            && let Err(refusal) = self.challenges.let_through(work.as_ref(), refusal)
        {
            // Others get here only with an address that is free, so this tells as much.
            attempt.failed();
            return Err(refusal);
        }
        attempt.release().await?;
        Ok(work)
    }

    fn prepare_sign_up(
        &self,
        email: Email,
        password_hash: String,
        request: &SignUp,
        origin: RequestOrigin,
    ) -> Result<Prepared> {
        let now = self.context.env.now();
        let account_id = AccountId::from(self.context.env.uuid()?);
        let organization = Organization {
            id: self.context.env.uuid()?.into(),
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
            request_hash: self
                .context
                .request_ids
                .hash(account_id, request.request_id),
        };
        let session = request
            .session
            .as_ref()
            .map(|client| {
                self.tokens
                    .open_session(&account, client, PASSWORD, origin, request.request_id)
            })
            .transpose()?;
        let api_key = request
            .api_key
            .map(|kind| self.api_keys.prepare(account_id, request.first_key(kind)))
            .transpose()?;
        let mail = match &request.session {
            Some(client) => self.welcome(&account, client)?,
            None => None,
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
    pub(super) fn welcome(&self, account: &Account, client: &Client) -> Result<Option<OutboxMail>> {
        if !client.welcomes || !self.sends_mail {
            return Ok(None);
        }
        let body = format!(
            "Welcome!\r\n\r\nYour account {} is ready at {}.\r\n\r\n\
             If you did not make it, you can ignore this mail.\r\n",
            account.email.as_str(),
            self.issuer,
        );
        Ok(Some(OutboxMail {
            id: self.context.env.uuid()?,
            recipient: account.email.as_str().to_owned(),
            subject: "Welcome".to_owned(),
            body,
            created_at: account.created_at,
            attempts: 0,
            due_at: account.created_at,
        }))
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
