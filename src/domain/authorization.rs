//! Deciding for services behind a proxy.

use crate::{
    domain::{
        accounts,
        caller::{Caller, Reach},
    },
    error::{Error, Reason, Result},
    model::{
        access::{self, Access, RequestPath},
        account::Plan,
        id::AccountId,
    },
    store::Store,
};

/// Decides for services behind a proxy.
pub struct Authorization {
    pub(super) store: Store,
    pub(super) rules: access::Rules,
}

impl Authorization {
    /// Lets a request to a service behind a proxy pass, made with this method to this path as the client spelt it, by
    /// this caller or without a credential. Reads the database only where the caller's organization is asked about.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` when no rule lets it pass, whatever the account in the path is; `CREDENTIAL_MISSING` when
    /// one could, with a credential.
    pub async fn check_access(
        &self,
        caller: Option<&Caller>,
        method: &str,
        path: &str,
    ) -> Result<()> {
        let path = RequestPath::parse(path).map_err(denied)?;
        let rule = self
            .rules
            .find(method, &path)
            .ok_or_else(|| denied("no rule is about this method and path"))?;
        match rule.access {
            Access::Anyone => return Ok(()),
            Access::Nobody => return Err(denied("the rule lets nobody pass")),
            Access::Authenticated | Access::Pro | Access::Account => {}
        }
        let caller = caller.ok_or(Reason::CredentialMissing)?;
        if !caller.acts_as_account() && !caller.scopes.covers(&rule.scopes) {
            return Err(denied("the credential lacks the scope of the rule").for_want_of_scope());
        }
        let passes = match (rule.access, rule.account(&path)) {
            // An e-mail token is for one mailbox, whatever its organization has paid for.
            (Access::Pro, _) => caller.plan == Plan::Pro && !caller.is_mailbox(),
            (Access::Account, Some(id)) => self.reaches(caller, id).await?,
            (access, _) => access == Access::Authenticated,
        };
        if passes {
            Ok(())
        } else {
            Err(denied("the rule lets others pass"))
        }
    }

    /// Whether the caller reaches the account with this id, in its one canonical spelling. An account of somebody else
    /// costs what one that does not exist costs.
    async fn reaches(&self, caller: &Caller, id: &str) -> Result<bool> {
        let Some(id) = canonical(id) else {
            return Ok(false);
        };
        if id == caller.account_id || caller.reach() == Reach::Account {
            return Ok(id == caller.account_id);
        }
        let account = self.store.read().account(id).await?;
        Ok(account.is_some_and(|account| accounts::reaches(caller, &account)))
    }
}

/// The service behind the proxy may compare ids as texts, so one account has one spelling.
fn canonical(text: &str) -> Option<AccountId> {
    let id: AccountId = text.parse().ok()?;
    (id.to_string() == text).then_some(id)
}

fn denied(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(Reason::PermissionDenied).because(cause)
}
