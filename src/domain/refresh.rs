//! Refresh tokens: traded for new tokens, or revoked.

use std::{sync::Arc, time::Duration};

use zeroize::Zeroizing;

use crate::{
    crypto::secrets,
    domain::{
        Context, grants,
        sessions::Sessions,
        tokens::{REFRESH_PREFIX, TokenIssuer, Tokens},
    },
    env::Timestamp,
    error::{Reason, Result},
    model::{
        account::Account,
        client::Client,
        id::GrantId,
        invalidation::Invalidation,
        session::{Grant, RefreshToken},
    },
    store::Tx,
};

const SUCCESSOR: &str = "refresh token successor";

/// What came of offering a refresh token that rotates.
enum Rotation {
    /// The token was traded for its successor, now or a moment ago by the same client.
    Successor,
    /// The token was used before: somebody else has it. The grant is over.
    Reused,
    /// The token is not good for anything.
    Refused,
}

/// A refresh token that was found, with its grant and the account of that.
pub(super) struct Found {
    token: RefreshToken,
    pub(super) grant: Grant,
    pub(super) account: Account,
}

/// Trades refresh tokens.
pub(super) struct RefreshTokens {
    pub(super) context: Context,
    pub(super) tokens: Arc<TokenIssuer>,
    /// How long a rotated refresh token may be sent again by a client that lost the answer.
    pub(super) retry_window: Duration,
    /// Makes the successor of a refresh token, so that a retry gets the same one.
    pub(super) successor_key: [u8; 32],
}

impl Sessions {
    /// Trades a refresh token of a built-in client for new tokens. A caller that cannot take a new refresh token says
    /// `keep_token`, and is refused where it would get one.
    ///
    /// # Errors
    /// `REFRESH_TOKEN_INVALID`; a token that was already used also ends its grant.
    pub async fn refresh(&self, token: &str, keep_token: bool) -> Result<Tokens> {
        let found = self.refresh_tokens.find(token).await?;
        // Other clients say who they are.
        let client = self.clients.find(&found.grant.client_id);
        let client = client.ok_or(Reason::RefreshTokenInvalid)?;
        self.refresh_tokens
            .trade(found, token, client, keep_token)
            .await
    }

    /// Logs out with the refresh token alone (RFC 7009 section 2.1 revokes the whole grant, too).
    ///
    /// # Errors
    /// `REFRESH_TOKEN_INVALID` when it is not good for anything any more.
    pub async fn revoke_refresh_token(&self, token: &str) -> Result<()> {
        let found = self.refresh_tokens.find(token).await?;
        // Other clients say who they are.
        if self.clients.find(&found.grant.client_id).is_none() {
            return Err(Reason::RefreshTokenInvalid.into());
        }
        grants::end(&self.context, found.grant, Reason::RefreshTokenInvalid).await
    }
}

impl RefreshTokens {
    /// The refresh token with this text.
    ///
    /// # Errors
    /// `REFRESH_TOKEN_INVALID` when there is none.
    pub(super) async fn find(&self, token: &str) -> Result<Found> {
        if !secrets::well_formed(token, REFRESH_PREFIX) {
            return Err(Reason::RefreshTokenInvalid.into());
        }
        let reader = self.context.store.read();
        let token = reader.refresh_token(&secrets::hash(token)).await?;
        let token = token.ok_or(Reason::RefreshTokenInvalid)?;
        let grant = reader.grant(token.grant_id).await?;
        let grant = grant.ok_or(Reason::RefreshTokenInvalid)?;
        let account = reader.account(grant.account_id).await?;
        let account = account.ok_or(Reason::RefreshTokenInvalid)?;
        Ok(Found {
            token,
            grant,
            account,
        })
    }

    /// Trades a refresh token of this client for new tokens, as [`Sessions::refresh`] says.
    ///
    /// # Errors
    /// `REFRESH_TOKEN_INVALID`; a token that was already used also ends its grant.
    pub(super) async fn trade(
        &self,
        found: Found,
        text: &str,
        client: &Client,
        keep_token: bool,
    ) -> Result<Tokens> {
        let now = self.context.env.now();
        let Found {
            token,
            mut grant,
            account,
        } = found;
        let rotates = client.rotates_refresh_tokens;
        if account.is_disabled() || !grant.is_live(now) || (rotates && keep_token) {
            return Err(Reason::RefreshTokenInvalid.into());
        }
        let next = if rotates {
            self.rotate(&token, &grant, now).await?
        } else {
            grant = self.keep(token.hash, grant.id, now).await?;
            Zeroizing::new(text.to_owned())
        };
        self.tokens.issue(&account, client, grant, Some(next), now)
    }

    /// Notes a refresh where the refresh token stays the same, and gives the grant as it is then: a new log-in may have
    /// ended its refreshing since the token was read.
    async fn keep(&self, hash: [u8; 32], id: GrantId, now: Timestamp) -> Result<Grant> {
        self.context
            .store
            .write(move |tx| {
                Box::pin(async move {
                    // Touched first, which makes a log-in at the same time wait for this row.
                    let live = tx.touch_grant(id, now).await?;
                    let kept = live && tx.refresh_token(&hash).await?.is_some();
                    let grant = if kept { tx.grant(id).await? } else { None };
                    grant.ok_or_else(|| Reason::RefreshTokenInvalid.into())
                })
            })
            .await
    }

    /// Trades a rotating refresh token for its successor. The successor follows from the token by a
    /// key of ours, so that a retry gets the same one although only hashes are stored.
    async fn rotate(
        &self,
        token: &RefreshToken,
        grant: &Grant,
        now: Timestamp,
    ) -> Result<Zeroizing<String>> {
        let successor =
            secrets::derive(REFRESH_PREFIX, &self.successor_key, SUCCESSOR, &token.hash);
        let record = RefreshToken::new(successor.hash, grant.id, now);
        let (old, grant, window) = (token.hash, grant.clone(), self.retry_window);
        let grant_id = grant.id;
        let rotation = self
            .context
            .credentials
            .end(move |tx| {
                Box::pin(async move {
                    if tx.rotate_refresh_token(&old, &record, now).await? {
                        return Ok((Rotation::Successor, Vec::new()));
                    }
                    let retried_since = now.before(window);
                    let rotation = replayed(tx, &old, &record, &grant, retried_since, now).await?;
                    let ended = match rotation {
                        Rotation::Reused => vec![Invalidation::Grant(grant.id)],
                        Rotation::Successor | Rotation::Refused => Vec::new(),
                    };
                    Ok((rotation, ended))
                })
            })
            .await?;
        match rotation {
            Rotation::Successor => Ok(successor.text),
            Rotation::Refused => Err(Reason::RefreshTokenInvalid.into()),
            Rotation::Reused => {
                tracing::warn!(grant = %grant_id, "a refresh token was used twice; its grant is over");
                Err(Reason::RefreshTokenInvalid.into())
            }
        }
    }
}

/// Decides about a token that could not be traded: a retry of the trade, or somebody else's.
async fn replayed(
    tx: &Tx<'_>,
    old: &[u8; 32],
    successor: &RefreshToken,
    grant: &Grant,
    retried_since: Timestamp,
    now: Timestamp,
) -> Result<Rotation> {
    let live = tx
        .grant(grant.id)
        .await?
        .is_some_and(|grant| grant.is_live(now));
    let consumed = tx
        .refresh_token(old)
        .await?
        .and_then(|token| token.consumed_at);
    let Some(consumed_at) = consumed.filter(|_| live) else {
        return Ok(Rotation::Refused);
    };
    let unused = tx
        .refresh_token(&successor.hash)
        .await?
        .is_some_and(|next| next.consumed_at.is_none());
    if unused && retried_since < consumed_at {
        return Ok(Rotation::Successor);
    }
    tx.revoke_grant(grant, now).await?;
    Ok(Rotation::Reused)
}
