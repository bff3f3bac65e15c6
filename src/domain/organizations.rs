//! The accounts of an organization: who reaches them, and how its owner makes more.

use std::sync::Arc;

use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    crypto::passwords::Passwords,
    domain::{
        Context,
        accounts::{Accounts, chosen_email, chosen_password, is_taken},
        api_keys::is_live,
        caller::{Caller, CredentialId, Reach},
        throttle::{Guess, Throttle},
        tokens::{MaybeSession, Opened, TokenIssuer},
    },
    env::Timestamp,
    error::{Error, Reason, Result},
    model::{
        account::{Account, Organization, Plan, Role},
        administration::AccountFilter,
        client::Client,
        email::Email,
        id::{AccountId, OrganizationId},
        page::Page,
        request::RequestOrigin,
        session::PASSWORD,
    },
    store::Tx,
};

const MEMBERS: &str = "members";

/// What an account is made with by the owner of its organization.
pub struct NewMember {
    /// The e-mail address, as typed.
    pub email: String,
    /// The password, as typed.
    pub password: Zeroizing<String>,
    /// What to call the person; may be empty.
    pub display_name: String,
    /// Also signs the account in, with this client.
    pub session: Option<Client>,
    /// Tells a retry (AIP-155).
    pub request_id: Option<Uuid>,
}

/// Everything that the making of an account writes, all or nothing.
#[derive(Clone)]
struct Prepared {
    account: Account,
    session: Option<Opened>,
    /// Who makes it, and with what.
    owner: AccountId,
    credential: CredentialId,
    most: u64,
}

/// The organizations of accounts, and who is a member of them.
pub struct Organizations {
    pub(super) context: Context,
    pub(super) accounts: Arc<Accounts>,
    pub(super) passwords: Arc<Passwords>,
    pub(super) throttle: Arc<Throttle>,
    pub(super) tokens: Arc<TokenIssuer>,
    /// The most accounts of one organization.
    pub(super) most: u64,
}

impl Organizations {
    /// An organization that the caller is a member of.
    ///
    /// # Errors
    /// `ORGANIZATION_NOT_FOUND`, also for an organization of somebody else.
    pub async fn get(&self, caller: &Caller, id: OrganizationId) -> Result<Organization> {
        require_member(caller, id)?;
        let found = self.context.store.read().organization(id).await?;
        found.ok_or_else(|| Reason::OrganizationNotFound.into())
    }

    /// A page of the accounts of an organization that the caller reaches, the newest first, and the token of the next
    /// page.
    ///
    /// # Errors
    /// `ORGANIZATION_NOT_FOUND`, also for an organization of somebody else; `INVALID_FIELD` for a page token that is
    /// not of this list.
    pub async fn members(
        &self,
        caller: &Caller,
        id: OrganizationId,
        size: i32,
        token: &str,
    ) -> Result<(Vec<Account>, String)> {
        require_member(caller, id)?;
        let page = self
            .context
            .pages
            .request(MEMBERS, caller.account_id, size, token)?;
        if caller.reach() == Reach::Account {
            let own = self.accounts.get(caller, caller.account_id).await?;
            return Ok((vec![own], String::new()));
        }
        let filter = AccountFilter {
            organization: Some(id),
            ..AccountFilter::default()
        };
        let Page { items, next } = self
            .context
            .store
            .scan()
            .search_accounts(&filter, page)
            .await?;
        Ok((
            items,
            self.context.pages.token(MEMBERS, caller.account_id, next),
        ))
    }

    /// Makes an account in the caller's organization, and on request a session of it.
    ///
    /// # Errors
    /// `ORGANIZATION_NOT_FOUND` for an organization of somebody else, `PERMISSION_DENIED` when the caller
    /// does not reach all of it, `INVALID_FIELD`, `PASSWORD_TOO_COMMON`, `QUOTA_EXCEEDED`,
    /// `EMAIL_ALREADY_EXISTS`, `RATE_LIMITED`, `OVERLOADED`.
    pub async fn provision_account(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        request: NewMember,
        origin: RequestOrigin,
    ) -> Result<(Account, MaybeSession)> {
        require_member(caller, organization)?;
        if caller.reach() == Reach::Account {
            return Err(Reason::PermissionDenied.into());
        }
        let (client, id) = (request.session.as_ref(), request.request_id);
        let accounts = &self.accounts;
        let remade = accounts.remade(&request.email, &request.password, client, id, &origin);
        if let Some((account, session)) = remade.await?
            && account.organization.id == organization
        {
            return Ok((account, session));
        }
        let email = chosen_email(&request.email)?;
        let password = chosen_password(&request.password, "password")?;
        // Before the hash, which is the expensive part; the transaction decides in the end.
        let (store, most) = (&self.context.store, self.most);
        let home = store.read().organization(organization).await?;
        let home = home.ok_or(Reason::OrganizationNotFound)?;
        if store.read().count_accounts(organization).await? >= most {
            return Err(Reason::QuotaExceeded.into());
        }
        self.admit_member(&email, caller.plan, &origin).await?;
        let now = self.context.env.now();
        let id = self.context.env.uuid()?.into();
        let account = Account {
            id,
            request_hash: self.context.request_ids.hash(id, request.request_id),
            organization: home,
            role: Role::Member,
            administrator: false,
            disabled_at: None,
            email,
            email_verified: false,
            display_name: request.display_name.trim().to_owned(),
            password_hash: Some(self.passwords.hash(&password, Some(origin.address)).await?),
            created_at: now,
            updated_at: now,
            version: 1,
        };
        let session = request
            .session
            .as_ref()
            .map(|client| {
                self.tokens
                    .open_session(&account, client, PASSWORD, origin, request.request_id)
            })
            .transpose()?;
        let prepared = Prepared {
            account,
            session,
            owner: caller.account_id,
            credential: caller.credential,
            most,
        };
        self.context
            .store
            .write(move |tx| Box::pin(async move { prepared.write(tx, now).await }))
            .await
    }
}

impl Organizations {
    /// Refuses an address that is taken, as a sign-up does, and spends the limits on new accounts.
    async fn admit_member(&self, email: &Email, plan: Plan, origin: &RequestOrigin) -> Result<()> {
        let attempt = self.throttle.admit(&Guess::at(email, origin)).await?;
        let admitted = if is_taken(&self.context.store, email).await? {
            Err(Error::new(Reason::EmailAlreadyExists).on_field("email"))
        } else {
            self.throttle
                .spend_creation(plan, false, origin.address)
                .await
        };
        if admitted.is_ok() {
            return attempt.release().await;
        }
        attempt.failed();
        admitted
    }
}

/// An organization of somebody else looks as if it did not exist.
fn require_member(caller: &Caller, organization: OrganizationId) -> Result<()> {
    if organization == caller.organization_id {
        Ok(())
    } else {
        Err(Reason::OrganizationNotFound.into())
    }
}

impl Prepared {
    async fn write(self, tx: &Tx<'_>, now: Timestamp) -> Result<(Account, MaybeSession)> {
        // Two at once must not pass the quota, the organization must not go with its owner meanwhile, and
        // what allowed this must still do so.
        let owner = tx.lock_account(self.owner).await?;
        let owner = owner.ok_or(Reason::CredentialInvalid)?;
        if owner.is_disabled() || !is_live(tx, self.credential, now).await? {
            return Err(Reason::CredentialInvalid.into());
        }
        if !owner.owns_paid_organization() {
            return Err(Reason::PermissionDenied.into());
        }
        if tx.count_accounts(owner.organization.id).await? >= self.most {
            return Err(Reason::QuotaExceeded.into());
        }
        if !tx.insert_account(&self.account).await? {
            return Err(Error::new(Reason::EmailAlreadyExists).on_field("email"));
        }
        if let Some(opened) = &self.session {
            opened.write(tx).await?;
        }
        let session = self.session.map(|opened| (opened.session, opened.tokens));
        Ok((self.account, session))
    }
}
