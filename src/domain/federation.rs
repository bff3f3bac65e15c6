//! Federated sign-in: with an account at another provider, from top to bottom. How a provider is talked to stands in
//! [`provider`].

mod linked;
mod provider;

use std::sync::Arc;

use self::provider::Provider;
use crate::{
    domain::{
        Context,
        accounts::Accounts,
        log_in::outcome,
        sessions::Sessions,
        throttle::{Guess, Throttle},
        tokens::Tokens,
    },
    error::{Error, Reason, Result},
    metrics::Metrics,
    model::{
        account::{Account, Organization, Plan, Role},
        client::{Client, GrantType},
        email::Email,
        id::AccountId,
        identity::{Identity, IdentityProvider, LinkedIdentity},
        mail::OutboxMail,
        request::RequestOrigin,
        session::{FEDERATED, Session},
        text::is_unseen,
    },
    outbound::Outbound,
    store::Tx,
};

/// The longest name of a person that is taken over, in characters.
const LONGEST_NAME: usize = 200;

/// What a sign-in is started with. The provider gives `state` and `nonce` back.
#[derive(Clone, Copy)]
pub struct Start<'s> {
    /// Where the browser comes back to.
    pub redirect_uri: &'s str,
    /// Comes back beside the code.
    pub state: &'s str,
    /// Comes back in the ID token; may be empty.
    pub nonce: &'s str,
    /// The challenge of PKCE, by S256.
    pub code_challenge: &'s str,
}

/// What a provider has given: an ID token or a code. What is empty was not said.
#[derive(Clone, Copy)]
pub struct Proof<'p> {
    /// The ID token.
    pub id_token: &'p str,
    /// The code.
    pub code: &'p str,
    /// Where the browser came back to with it.
    pub redirect_uri: &'p str,
    /// The verifier of PKCE.
    pub code_verifier: &'p str,
    /// What the ID token must hold, if it is known.
    pub nonce: &'p str,
}

/// What a federated sign-in made.
pub struct FederatedSignIn {
    /// The account.
    pub account: Account,
    /// Whether it is new.
    pub is_new: bool,
    /// The new session.
    pub session: Session,
    /// Its tokens.
    pub tokens: Tokens,
}

/// Signs people in with accounts at other providers.
pub struct Federation {
    context: Context,
    providers: Vec<Provider>,
    outbound: Arc<Outbound>,
    accounts: Arc<Accounts>,
    sessions: Arc<Sessions>,
    throttle: Arc<Throttle>,
    metrics: Metrics,
}

impl Federation {
    pub(super) fn new(
        (context, metrics, outbound): (Context, Metrics, Arc<Outbound>),
        (accounts, sessions): (Arc<Accounts>, Arc<Sessions>),
        throttle: Arc<Throttle>,
        providers: Vec<IdentityProvider>,
    ) -> Self {
        Self {
            context,
            providers: providers.into_iter().map(Provider::new).collect(),
            outbound,
            accounts,
            sessions,
            throttle,
            metrics,
        }
    }

    /// The providers, in the order of the settings.
    pub fn providers(&self) -> impl Iterator<Item = &IdentityProvider> {
        self.providers.iter().map(|provider| &provider.settings)
    }

    /// Where a browser signs in.
    ///
    /// # Errors
    /// `IDENTITY_PROVIDER_NOT_FOUND`, `IDENTITY_PROVIDER_UNAVAILABLE`.
    pub async fn start(&self, provider: &str, start: Start<'_>) -> Result<String> {
        let provider = self.provider(provider)?;
        let now = self.context.env.now();
        provider.authorization_uri(start, &self.outbound, now).await
    }

    /// Signs in with what a provider has given, to an account that is made on the way if there is none.
    ///
    /// # Errors
    /// `IDENTITY_PROVIDER_NOT_FOUND`, `IDENTITY_PROVIDER_UNAVAILABLE`, `IDENTITY_INVALID`; `EMAIL_ALREADY_EXISTS` for an
    /// address whose account is not known to be theirs; `INVALID_CREDENTIALS` for an account that is disabled.
    pub async fn finish(
        &self,
        provider: &str,
        proof: Proof<'_>,
        client: &Client,
        origin: RequestOrigin,
    ) -> Result<FederatedSignIn> {
        let answer = self.try_finish(provider, proof, client, origin).await;
        self.metrics.log_in(outcome(&answer));
        answer
    }

    async fn try_finish(
        &self,
        provider: &str,
        proof: Proof<'_>,
        client: &Client,
        origin: RequestOrigin,
    ) -> Result<FederatedSignIn> {
        if !client.may(GrantType::Password) {
            return Err(Error::new(Reason::PermissionDenied).on_field("client_id"));
        }
        let now = self.context.env.now();
        let provider = self.provider(provider)?;
        let found = provider.identify(proof, &self.outbound, now).await?;
        let (account, is_new) = match self.linked_account(&found.identity).await? {
            Some(account) => (account, false),
            None => {
                let identity = provider.complete(found, &self.outbound, now).await?;
                self.first_sign_in(&identity, client, &origin).await?
            }
        };
        let (session, tokens) = self
            .sessions
            .open(&account, client, FEDERATED, origin)
            .await?;
        Ok(FederatedSignIn {
            account,
            is_new,
            session,
            tokens,
        })
    }

    fn provider(&self, id: &str) -> Result<&Provider> {
        let mut providers = self.providers.iter();
        let found = providers.find(|provider| provider.settings.id == id);
        found.ok_or_else(|| Reason::IdentityProviderNotFound.into())
    }

    async fn identify(&self, provider: &str, proof: Proof<'_>) -> Result<Identity> {
        let now = self.context.env.now();
        let provider = self.provider(provider)?;
        let found = provider.identify(proof, &self.outbound, now).await?;
        provider.complete(found, &self.outbound, now).await
    }

    /// The account that somebody who was not here before signs in to from now on, and whether it is new.
    async fn first_sign_in(
        &self,
        identity: &Identity,
        client: &Client,
        origin: &RequestOrigin,
    ) -> Result<(Account, bool)> {
        let email = address_of(identity)?;
        let found = self.link_or_create(identity, &email, client, origin).await;
        if let Err(error) = &found
            && error.reason() == Reason::EmailAlreadyExists
            // Another call of theirs may have been first.
            && let Some(account) = self.linked_account(identity).await?
        {
            return Ok((account, false));
        }
        found
    }

    async fn linked_account(&self, identity: &Identity) -> Result<Option<Account>> {
        let reader = self.context.store.read();
        let (issuer, subject) = (&identity.issuer, &identity.subject);
        reader.account_of_identity(issuer, subject).await
    }

    async fn link_or_create(
        &self,
        identity: &Identity,
        email: &Email,
        client: &Client,
        origin: &RequestOrigin,
    ) -> Result<(Account, bool)> {
        // Whoever is told that an address is taken has tried its account, as at a sign-up.
        let attempt = self.throttle.admit(&Guess::at(email, origin)).await?;
        let reader = self.context.store.read();
        let account = match reader.account_by_email(email.normalized()).await? {
            None => None,
            // Both must know the owner of the address: else whoever made up one of the two accounts would share it with
            // the owner.
            Some(account)
                if identity.email_verified
                    && account.email_verified
                    && is_same_address(&account, email) =>
            {
                Some(account)
            }
            Some(_) => {
                attempt.failed();
                return Err(is_taken());
            }
        };
        if account.is_none()
            && let Err(refusal) = self
                .throttle
                .spend_creation(Plan::Free, client.strict_sign_up, origin.address)
                .await
        {
            // Others get here only with an address that is free, so this tells as much.
            attempt.failed();
            return Err(refusal);
        }
        attempt.release().await?;
        match account {
            Some(account) => self.link(identity, account).await,
            None => self.create(identity, email, client).await,
        }
    }

    async fn link(&self, identity: &Identity, account: Account) -> Result<(Account, bool)> {
        let linked = self.new_link(identity, account.id)?;
        let write = self.context.store.write(move |tx| {
            Box::pin(async move {
                let unchanged = |now: &Account| {
                    now.email == account.email && now.email_verified && !now.is_disabled()
                };
                match tx.lock_account(account.id).await? {
                    Some(now) if unchanged(&now) => {}
                    _ => return Err(is_taken()),
                }
                // It may be linked since, to this account or another.
                if !tx.link_identity(&linked).await? {
                    return Err(is_taken());
                }
                Ok((account, false))
            })
        });
        write.await
    }

    async fn create(
        &self,
        identity: &Identity,
        email: &Email,
        client: &Client,
    ) -> Result<(Account, bool)> {
        let account = self.new_account(identity, email.clone())?;
        let linked = self.new_link(identity, account.id)?;
        let mail = self.accounts.welcome(&account, client)?;
        self.context
            .store
            .write(move |tx| Box::pin(write_account(tx, account, linked, mail)))
            .await
    }

    fn new_account(&self, identity: &Identity, email: Email) -> Result<Account> {
        let now = self.context.env.now();
        let name = identity.display_name.trim().chars();
        let name = name.filter(|character| !is_unseen(*character));
        Ok(Account {
            id: AccountId::from(self.context.env.uuid()?),
            organization: Organization {
                id: self.context.env.uuid()?.into(),
                plan: Plan::Free,
                created_at: now,
                disabled_at: None,
            },
            role: Role::Owner,
            email,
            email_verified: identity.email_verified,
            display_name: name.take(LONGEST_NAME).collect(),
            password_hash: None,
            created_at: now,
            updated_at: now,
            version: 1,
            disabled_at: None,
            administrator: false,
            request_hash: None,
        })
    }

    fn new_link(&self, identity: &Identity, account_id: AccountId) -> Result<LinkedIdentity> {
        Ok(LinkedIdentity {
            id: self.context.env.uuid()?.into(),
            account_id,
            provider: identity.provider.clone(),
            issuer: identity.issuer.clone(),
            subject: identity.subject.clone(),
            email: shown_address(identity),
            created_at: self.context.env.now(),
        })
    }
}

async fn write_account(
    tx: &Tx<'_>,
    account: Account,
    linked: LinkedIdentity,
    mail: Option<OutboxMail>,
) -> Result<(Account, bool)> {
    tx.insert_organization(&account.organization).await?;
    if !tx.insert_account(&account).await? || !tx.link_identity(&linked).await? {
        return Err(is_taken());
    }
    if let Some(mail) = &mail {
        tx.push_mail(mail).await?;
    }
    Ok((account, true))
}

/// What one mailbox is to people may be two to its server: `s` and `ſ` are one here, and need not be one there.
fn is_same_address(account: &Account, email: &Email) -> bool {
    account.email.as_str().eq_ignore_ascii_case(email.as_str())
}

/// The address of an identity, if it is one.
fn shown_address(identity: &Identity) -> String {
    let address = identity.email.parse::<Email>();
    address.map_or_else(|_| String::new(), |address| address.as_str().to_owned())
}

/// The address that a new account is made with.
fn address_of(identity: &Identity) -> Result<Email> {
    identity.email.parse().map_err(|_| {
        let message =
            "The identity provider tells no e-mail address: allow it to, and sign in there again.";
        Error::new(Reason::IdentityInvalid).with_message(message)
    })
}

fn is_taken() -> Error {
    let message =
        "An account with this e-mail address exists: sign in to it, and link the identity to it.";
    Error::new(Reason::EmailAlreadyExists)
        .with_message(message)
        .on_field("email")
}
