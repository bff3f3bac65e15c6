//! A client redeems the code of an authorization (OAuth 2.1 section 4.1.3).

use super::{CODE_PREFIX, ClientCredentials, Issued, OAuth, id_token::SignIn, not_a_resource};
use crate::{
    crypto::secrets,
    domain::tokens::REFRESH_PREFIX,
    env::Timestamp,
    error::{Error, Reason, Result},
    model::{
        client::{Client, GrantType},
        invalidation::Invalidation,
        oauth::{
            authorization::{Approval, Authorization},
            pkce,
            registration::RegisteredClient,
        },
        session::{Grant, RefreshToken},
    },
    store::Tx,
};

/// What a client sends to redeem a code.
pub struct CodeExchange<'c> {
    /// The code.
    pub code: &'c str,
    /// Where the code was sent; empty when the client does not say.
    pub redirect_uri: &'c str,
    /// What the challenge was made of.
    pub verifier: &'c str,
    /// Whom the tokens are for; empty for all that was asked for.
    pub resources: &'c [String],
}

impl OAuth {
    /// Redeems a code: once, by its client, with the verifier of its challenge.
    ///
    /// # Errors
    /// `AUTHORIZATION_CODE_INVALID`; a code that was redeemed before also ends what it gave. `RESOURCE_INVALID`,
    /// `CLIENT_AUTHENTICATION_FAILED`, `PERMISSION_DENIED`.
    pub async fn redeem(
        &self,
        credentials: ClientCredentials<'_>,
        sent: CodeExchange<'_>,
    ) -> Result<Issued> {
        let client = self.authenticate(credentials).await?;
        Self::require(&client, GrantType::AuthorizationCode)?;
        let now = self.context.env.now();
        let (authorization, approval) = self.authorization_of(&client, sent.code).await?;
        check(&authorization, &approval, &sent, now)?;
        if authorization.grant_id.is_some() {
            return self.end_replayed(authorization, &client, now).await;
        }
        let granted = &authorization.request.audience;
        let audience = self.audience(granted, sent.resources)?;
        let account = self
            .context
            .store
            .read()
            .account(approval.account_id)
            .await?;
        let account = account.ok_or(Reason::AuthorizationCodeInvalid)?;
        let scopes = authorization.request.scopes();
        let signed_in_at = self.signed_in_at(&scopes, approval.session_id).await?;
        let grant = Grant {
            id: self.context.env.uuid()?.into(),
            session_id: approval.session_id,
            account_id: account.id,
            client_id: client.id.clone(),
            scopes,
            audience,
            outlives_session: client.grants_outlive_session,
            created_at: now,
            refreshed_at: now,
            expires_at: now.after(client.grant_lifetime),
            revoked_at: None,
        };
        let secret = if client.may(GrantType::RefreshToken) {
            Some(secrets::generate(REFRESH_PREFIX, &self.context.env)?)
        } else {
            None
        };
        let refresh = secret
            .as_ref()
            .map(|secret| RefreshToken::new(secret.hash, grant.id, now));
        let (row, id) = (grant.clone(), authorization.id);
        let is_redeemed = self
            .context
            .store
            .write(move |tx| {
                Box::pin(async move {
                    if !may_still_grant(tx, &row, now).await?
                        || !tx.redeem_code(id, row.id, now).await?
                    {
                        return Ok(false);
                    }
                    tx.insert_grant(&row).await?;
                    if let Some(refresh) = &refresh {
                        tx.insert_refresh_token(refresh).await?;
                    }
                    Ok(true)
                })
            })
            .await?;
        if !is_redeemed {
            // Somebody else was faster, or the code or whoever approved it has just ended.
            return self.end_replayed(authorization, &client, now).await;
        }
        let text = secret.map(|secret| secret.text);
        let tokens = self.tokens.issue(&account, &client, grant, text, now)?;
        let sign_in = SignIn {
            account: &account,
            at: signed_in_at,
            nonce: &authorization.request.nonce,
        };
        self.issued(&client, tokens, &sign_in, now)
    }

    /// Ends what a code gave that is redeemed again (OAuth 2.1 section 4.1.3), and refuses.
    async fn end_replayed(
        &self,
        authorization: Authorization,
        client: &Client,
        now: Timestamp,
    ) -> Result<Issued> {
        let ended = self
            .context
            .credentials
            .end(move |tx| {
                Box::pin(async move {
                    let stored = tx.authorization(authorization.id).await?;
                    let Some(id) = stored.and_then(|stored| stored.grant_id) else {
                        return Ok((false, Vec::new()));
                    };
                    if let Some(grant) = tx.grant(id).await? {
                        tx.revoke_grant(&grant, now).await?;
                    }
                    Ok((true, vec![Invalidation::Grant(id)]))
                })
            })
            .await?;
        if ended {
            tracing::warn!(
                client = client.id,
                "a code was redeemed twice; what it gave is over"
            );
        }
        Err(Reason::AuthorizationCodeInvalid.into())
    }

    /// The authorization of a code that was given to this client.
    async fn authorization_of(
        &self,
        client: &Client,
        code: &str,
    ) -> Result<(Authorization, Approval)> {
        if !secrets::well_formed(code, CODE_PREFIX) {
            return Err(Reason::AuthorizationCodeInvalid.into());
        }
        let hash = secrets::hash(code);
        let found = self
            .context
            .store
            .read()
            .authorization_by_code(&hash)
            .await?;
        let own = found.filter(|found| found.client_id == client.id);
        own.and_then(|mut own| own.approval.take().map(|approval| (own, approval)))
            .ok_or_else(|| Reason::AuthorizationCodeInvalid.into())
    }

    /// Whom the tokens are for: what was granted, or some of it (RFC 8707 section 2.2). An empty grant is for this server, and
    /// those that the settings put beside it.
    pub(super) fn audience(&self, granted: &[String], sent: &[String]) -> Result<Vec<String>> {
        let asked = self.settings.resources.audiences(sent);
        let asked = asked.map_err(|unknown| not_a_resource().with_message(unknown.to_string()))?;
        let own = self.tokens.own_audience();
        let all = if granted.is_empty() { &own } else { granted };
        if asked.is_empty() {
            return Ok(granted.to_vec());
        }
        let is_granted = asked.iter().all(|one| all.contains(one));
        is_granted.then_some(asked).ok_or_else(not_a_resource)
    }
}

/// Whether the grant may be given at this moment: its account, session and client are as they were when it was approved.
/// Whoever ends them waits for this, or this for them: the account and the client are locked.
async fn may_still_grant(tx: &Tx<'_>, grant: &Grant, now: Timestamp) -> Result<bool> {
    let account = tx.lock_account(grant.account_id).await?;
    if account.is_none_or(|account| account.is_disabled()) {
        return Ok(false);
    }
    let session = tx.session(grant.session_id).await?;
    if !session.is_some_and(|session| session.is_live(now)) {
        return Ok(false);
    }
    match RegisteredClient::parse_client_id(&grant.client_id) {
        Some(id) => tx.touch_client(id, now).await,
        None => Ok(true),
    }
}

/// Whether the code goes with what was sent beside it. A code that was redeemed before passes, to be found out where it
/// is redeemed.
fn check(
    authorization: &Authorization,
    approval: &Approval,
    sent: &CodeExchange<'_>,
    now: Timestamp,
) -> Result<()> {
    let invalid = |field| Error::new(Reason::AuthorizationCodeInvalid).on_field(field);
    if authorization.grant_id.is_none() && approval.code_expires_at <= now {
        return Err(invalid("code"));
    }
    // OAuth 2.1 section 10.2: clients need not send it, and what they send must be right.
    if !sent.redirect_uri.is_empty() && sent.redirect_uri != authorization.request.redirect_uri {
        return Err(invalid("redirect_uri"));
    }
    // RFC 9700 section 4.8.2: a verifier without a challenge shows that somebody took the challenge out of the request.
    let is_proved = match authorization.request.code_challenge.as_str() {
        "" => sent.verifier.is_empty(),
        challenge => pkce::verifies(sent.verifier, challenge),
    };
    if !is_proved {
        return Err(invalid("code_verifier"));
    }
    Ok(())
}
