//! Who makes a call, and what with.

use crate::{
    env::Timestamp,
    model::{
        account::{Account, Plan},
        administration::Administrator,
        id::{AccountId, ApiKeyId, GrantId, OrganizationId, SessionId},
        scope::Scopes,
    },
};

/// What a call was made with.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum CredentialId {
    /// An access token of this grant.
    Grant(GrantId),
    /// An API key.
    ApiKey(ApiKeyId),
}

/// Which accounts a call may see and act on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// The caller's own.
    Account,
    /// Every account of the caller's organization.
    Organization,
}

/// Who makes a call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Caller {
    /// The account that the call acts as.
    pub account_id: AccountId,
    /// The organization of the account.
    pub organization_id: OrganizationId,
    /// The plan of the organization.
    pub plan: Plan,
    /// Whether the account owns an organization on the paid plan.
    owns_paid_organization: bool,
    /// The e-mail address of the account, as it was typed.
    pub email: String,
    /// Whether mail to the address has been shown to reach its owner.
    pub email_verified: bool,
    /// What to call the person; may be empty.
    pub display_name: String,
    /// Whether the account is an administrator; [`Self::administers`] says whether this call may act as one.
    administrator: bool,
    /// What the call was made with.
    pub credential: CredentialId,
    /// The session that the call was made in; none for an API key.
    pub session_id: Option<SessionId>,
    /// What it may do.
    pub scopes: Scopes,
    /// When the credential ends; absent for never.
    ends_at: Option<Timestamp>,
}

impl Caller {
    pub(super) fn new(
        account: &Account,
        credential: CredentialId,
        session_id: Option<SessionId>,
        scopes: Scopes,
        ends_at: Option<Timestamp>,
    ) -> Self {
        Self {
            account_id: account.id,
            organization_id: account.organization.id,
            plan: account.organization.plan,
            owns_paid_organization: account.owns_paid_organization(),
            email: account.email.as_str().to_owned(),
            email_verified: account.email_verified,
            display_name: account.display_name.clone(),
            administrator: account.administrator,
            credential,
            session_id,
            scopes,
            ends_at,
        }
    }

    /// The grant whose token the call was made with; none for an API key.
    #[must_use]
    pub fn grant_id(&self) -> Option<GrantId> {
        match self.credential {
            CredentialId::Grant(id) => Some(id),
            CredentialId::ApiKey(_) => None,
        }
    }

    /// Whether the call was made with an e-mail token, which is for one mailbox.
    #[must_use]
    pub fn is_mailbox(&self) -> bool {
        self.scopes.is_mailbox()
    }

    /// Whether the call may act as the whole account, as far as its own: with an e-mail token too.
    #[must_use]
    pub fn acts_as_account(&self) -> bool {
        self.scopes.is_full() || self.is_mailbox()
    }

    /// Which accounts the caller reaches: the owner of an organization on the paid plan all of it, unless
    /// the call was made with an e-mail token, and everybody else their own.
    #[must_use]
    pub fn reach(&self) -> Reach {
        if self.owns_paid_organization && !self.is_mailbox() {
            Reach::Organization
        } else {
            Reach::Account
        }
    }

    /// The administrator who makes the call: with any credential of an administrator's full account, but
    /// not with an e-mail token, which is for one mailbox.
    #[must_use]
    pub fn administers(&self) -> Option<Administrator> {
        let administers = self.administrator && self.scopes.is_full() && !self.is_mailbox();
        administers.then_some(Administrator::Account(self.account_id))
    }

    pub(super) fn is_live(&self, now: Timestamp) -> bool {
        self.ends_at.is_none_or(|end| now < end)
    }
}
