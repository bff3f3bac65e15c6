//! The identities that sign in to an account: linked, listed, unlinked.

use super::{Federation, Proof};
use crate::{
    domain::{caller::Caller, sessions},
    error::{Error, Reason, Result},
    model::{id::LinkedIdentityId, identity::LinkedIdentity, page::Page},
};

const LIST: &str = "linked identities";
/// The most identities that sign in to one account.
const MOST: u64 = 32;

impl Federation {
    /// Lets whoever a provider has given this sign in to the caller's account from now on. What is linked already is told
    /// as it is.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` for whoever has not logged in; `IDENTITY_PROVIDER_NOT_FOUND`, `IDENTITY_PROVIDER_UNAVAILABLE`,
    /// `IDENTITY_INVALID`, also for one without the address that is expected; `IDENTITY_ALREADY_LINKED` where it signs in to
    /// another account; `QUOTA_EXCEEDED`.
    pub async fn create_linked(
        &self,
        caller: &Caller,
        provider: &str,
        proof: Proof<'_>,
        expected_email: &str,
    ) -> Result<LinkedIdentity> {
        self.require_log_in(caller).await?;
        let identity = self.identify(provider, proof).await?;
        if !expected_email.is_empty() && !identity.email.eq_ignore_ascii_case(expected_email) {
            let message = "The identity provider tells another e-mail address.";
            return Err(Error::new(Reason::IdentityInvalid).with_message(message));
        }
        let linked = self.new_link(&identity, caller.account_id)?;
        let write = self.context.store.write(move |tx| {
            Box::pin(async move {
                let account = tx.lock_account(linked.account_id).await?;
                let account = account.filter(|account| !account.is_disabled());
                account.ok_or(Reason::AccountNotFound)?;
                let (account, subject) = (linked.account_id, &linked.subject);
                let before = tx.identity_of_account(account, &linked.issuer, subject);
                if let Some(before) = before.await? {
                    return Ok(before);
                }
                if tx.count_linked_identities(account).await? >= MOST {
                    return Err(Reason::QuotaExceeded.into());
                }
                if tx.link_identity(&linked).await? {
                    Ok(linked)
                } else {
                    Err(Reason::IdentityAlreadyLinked.into())
                }
            })
        });
        write.await
    }

    /// A page of who signs in to the caller's account, the newest first, and the token of the next page.
    ///
    /// # Errors
    /// `INVALID_FIELD` for a page token that is not of this list.
    pub async fn linked(
        &self,
        caller: &Caller,
        size: i32,
        token: &str,
    ) -> Result<(Vec<LinkedIdentity>, String)> {
        let (pages, account) = (&self.context.pages, caller.account_id);
        let page = pages.request(LIST, account, size, token)?;
        let reader = self.context.store.read();
        let Page { items, next } = reader.linked_identities(account, page).await?;
        Ok((items, pages.token(LIST, account, next)))
    }

    /// Lets an identity sign in to the caller's account no more.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` for whoever has not logged in; `LINKED_IDENTITY_NOT_FOUND`, also for one of somebody else; `LAST_SIGN_IN_METHOD`.
    pub async fn delete_linked(&self, caller: &Caller, id: LinkedIdentityId) -> Result<()> {
        self.require_log_in(caller).await?;
        let account_id = caller.account_id;
        let write = self.context.store.write(move |tx| {
            Box::pin(async move {
                // Two that unlink the last two wait for each other.
                let account = tx.lock_account(account_id).await?;
                let linked = tx.linked_identity(id).await?;
                let is_own = linked.is_some_and(|linked| linked.account_id == account_id);
                let account = account.filter(|_| is_own);
                let account = account.ok_or(Reason::LinkedIdentityNotFound)?;
                let others = tx.count_linked_identities(account_id).await? - 1;
                if account.password_hash.is_none() && others == 0 {
                    return Err(Reason::LastSignInMethod.into());
                }
                tx.unlink_identity(id).await?;
                Ok(())
            })
        });
        write.await
    }

    /// A key, or a program that somebody let in, must not make a way into the account that stays when it is taken back.
    async fn require_log_in(&self, caller: &Caller) -> Result<()> {
        match sessions::of_log_in(&self.context, &self.sessions.clients, caller).await? {
            Some(_) => Ok(()),
            None => Err(Reason::PermissionDenied.into()),
        }
    }
}
