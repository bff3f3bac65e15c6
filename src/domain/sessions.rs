//! Sessions: looked at, and ended. How they begin stands in [`log_in`](super::log_in), how they go on in
//! [`refresh`](super::refresh).

use std::sync::Arc;

use crate::{
    crypto::passwords::Passwords,
    domain::{
        Context, caller::Caller, refresh::RefreshTokens, throttle::Throttle, tokens::TokenIssuer,
    },
    error::{Reason, Result},
    metrics::Metrics,
    model::{
        client::Clients, id::SessionId, invalidation::Invalidation, page::Page, session::Session,
    },
};

const LIST: &str = "sessions";
/// The list of an e-mail token, which has one page.
const OWN_LIST: &str = "own session";

/// The sessions of accounts.
pub struct Sessions {
    pub(super) context: Context,
    pub(super) clients: Clients,
    pub(super) passwords: Arc<Passwords>,
    pub(super) throttle: Arc<Throttle>,
    pub(super) tokens: Arc<TokenIssuer>,
    pub(super) metrics: Metrics,
    /// The most live sessions of one account.
    pub(super) most: u64,
    pub(super) refresh_tokens: Arc<RefreshTokens>,
}

/// The session that the caller has logged in to. A key has none, and a client that registered itself must not let others in.
pub(super) async fn of_log_in(
    context: &Context,
    built_in: &Clients,
    caller: &Caller,
) -> Result<Option<Session>> {
    let (Some(grant), Some(session)) = (caller.grant_id(), caller.session_id) else {
        return Ok(None);
    };
    let reader = context.store.read();
    let grant = reader.grant(grant).await?;
    let is_built_in = grant.is_some_and(|grant| built_in.find(&grant.client_id).is_some());
    if !is_built_in || !caller.scopes.is_full() {
        return Ok(None);
    }
    let now = context.env.now();
    let session = reader.session(session).await?;
    Ok(session.filter(|session| session.is_live(now)))
}

impl Sessions {
    /// One of the caller's live sessions.
    ///
    /// # Errors
    /// `SESSION_NOT_FOUND`, also for a session of somebody else and, to an e-mail token, for any but its own.
    pub async fn get(&self, caller: &Caller, id: SessionId) -> Result<Session> {
        may_name(caller, id)?;
        let now = self.context.env.now();
        let session = self.context.store.read().session(id).await?;
        session
            .filter(|session| session.account_id == caller.account_id && session.is_live(now))
            .ok_or_else(|| Reason::SessionNotFound.into())
    }

    /// A page of the caller's live sessions, the newest first, and the token of the next page. An e-mail
    /// token sees its own alone.
    ///
    /// # Errors
    /// `INVALID_FIELD` for a page token that is not of this list.
    pub async fn list(
        &self,
        caller: &Caller,
        size: i32,
        token: &str,
    ) -> Result<(Vec<Session>, String)> {
        if let Some(own) = own_session_alone(caller) {
            self.context
                .pages
                .request(OWN_LIST, caller.account_id, size, token)?;
            return Ok((vec![self.get(caller, own).await?], String::new()));
        }
        let page = self
            .context
            .pages
            .request(LIST, caller.account_id, size, token)?;
        let Page { items, next } = self
            .context
            .store
            .read()
            .live_sessions(caller.account_id, page, self.context.env.now())
            .await?;
        Ok((
            items,
            self.context.pages.token(LIST, caller.account_id, next),
        ))
    }

    /// Logs one of the caller's sessions out: its access and refresh tokens are refused from then on.
    ///
    /// # Errors
    /// `SESSION_NOT_FOUND`, also for a session of somebody else and, to an e-mail token, for any but its own.
    pub async fn revoke(&self, caller: &Caller, id: SessionId) -> Result<()> {
        may_name(caller, id)?;
        let (account_id, now) = (caller.account_id, self.context.env.now());
        let own = caller.grant_id().filter(|_| caller.session_id == Some(id));
        self.context
            .credentials
            .end(move |tx| {
                Box::pin(async move {
                    let ended = tx.revoke_session(id, account_id, now).await?;
                    let mut ended = ended.ok_or(Reason::SessionNotFound)?;
                    // Whoever logs out is out, also where their grant would go on.
                    if let Some(grant) = own {
                        tx.end_grant(grant, now).await?;
                        ended.push(grant);
                    }
                    Ok(((), ended.into_iter().map(Invalidation::Grant).collect()))
                })
            })
            .await
    }
}

/// The one session that the caller sees and ends, where that is not every session of the account: an
/// e-mail token is for one mailbox, and the sessions of a Pro user are more than that.
fn own_session_alone(caller: &Caller) -> Option<SessionId> {
    caller.session_id.filter(|_| caller.is_mailbox())
}

fn may_name(caller: &Caller, id: SessionId) -> Result<()> {
    if own_session_alone(caller).is_some_and(|own| own != id) {
        Err(Reason::SessionNotFound.into())
    } else {
        Ok(())
    }
}
