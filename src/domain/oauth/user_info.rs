//! A client asks who has let it in (OpenID Connect Core section 5.3). All of it is remembered with the caller, so that it costs no
//! read.

use crate::{
    domain::caller::Caller,
    model::{
        id::AccountId,
        scope::{EMAIL, PROFILE},
    },
};

/// What a caller may know of its account (OpenID Connect Core section 5.4).
pub struct UserInfo<'c> {
    /// The account.
    pub account_id: AccountId,
    /// Its e-mail address, if its scopes reach that.
    pub email: Option<&'c str>,
    /// Whether mail to the address has been shown to reach its owner; false without the address.
    pub email_verified: bool,
    /// What to call the person, if its scopes reach that; may be empty.
    pub name: Option<&'c str>,
}

impl<'c> UserInfo<'c> {
    /// What this caller may know. Whoever may use the full account can read all of it anyway.
    #[must_use]
    pub fn of(caller: &'c Caller) -> Self {
        let reaches = |scope| caller.scopes.is_full() || caller.scopes.has(scope);
        let email = reaches(EMAIL).then_some(caller.email.as_str());
        Self {
            account_id: caller.account_id,
            email_verified: email.is_some() && caller.email_verified,
            email,
            name: reaches(PROFILE).then_some(caller.display_name.as_str()),
        }
    }
}
