//! A client asks for an authorization, and a person decides (OAuth 2.1 section 4.1).

use std::net::IpAddr;

use super::{CODE_PREFIX, OAuth};
use crate::{
    crypto::secrets,
    domain::{caller::Caller, sessions},
    error::{Error, FieldReason, Reason, Result},
    model::{
        client::Client,
        consent::Consent,
        id::{AccountId, AuthorizationId},
        oauth::{
            authorization::{
                self, Approval, Authorization, AuthorizationRequest, Parameters, Prompt,
                RedirectError, Step,
            },
            redirect,
            registration::RegisteredClient,
        },
        scope::Scopes,
        session::Session,
    },
};

/// What became of an authorization request.
pub enum Started {
    /// It waits for a decision.
    Pending(Box<Pending>),
    /// Something is wrong with it that the client is to know: where the person goes, and what is wrong.
    Redirect(String, String),
}

/// An authorization that waits for a decision.
pub struct Pending {
    /// The authorization.
    pub authorization: Authorization,
    /// Who asks.
    pub client: Client,
    /// What the caller has not allowed this client before.
    pub new_scopes: Scopes,
    /// What is missing for an approval by the caller.
    pub next_step: Step,
}

impl OAuth {
    /// Starts an authorization.
    ///
    /// # Errors
    /// `CLIENT_NOT_FOUND`, also for a document that cannot be fetched, and `INVALID_FIELD` for a redirect URI that is not
    /// the client's: nobody is sent anywhere then (OAuth 2.1 section 4.1.2.1). `RATE_LIMITED` where too many documents
    /// are to be fetched for this address.
    pub async fn start(
        &self,
        client_id: &str,
        redirect_uri: &str,
        parameters: Parameters,
        address: IpAddr,
    ) -> Result<Started> {
        let client = match self.client_of_document(client_id, address).await? {
            Some(client) => Some(client),
            None => self.client(client_id).await?,
        };
        let client =
            client.ok_or_else(|| Error::from(Reason::ClientNotFound).on_field("client_id"))?;
        let redirect_uri = client.redirect_uri(redirect_uri).ok_or_else(|| {
            let rule = "must be one that the client has registered";
            Error::invalid_field("redirect_uri", FieldReason::InvalidValue, rule)
        })?;
        let (state, resources) = (parameters.state.clone(), &self.settings.resources);
        let hint = parameters.id_token_hint.clone();
        let read = AuthorizationRequest::read(parameters, redirect_uri.clone(), &client, resources);
        let request = match read.and_then(|request| self.expecting(request, &hint)) {
            Ok(request) => request,
            Err(wrong) => {
                let parameters = [
                    ("error", wrong.error),
                    ("error_description", &*wrong.description),
                ];
                let issuer = &resources.issuer;
                let answer = authorization::answer(&redirect_uri, &state, issuer, &parameters);
                return Ok(Started::Redirect(answer, wrong.description.into_owned()));
            }
        };
        let now = self.context.env.now();
        let authorization = Authorization {
            id: self.context.env.uuid()?.into(),
            client_id: client.id.clone(),
            request,
            created_at: now,
            expires_at: now.after(self.settings.authorization_lifetime),
            decided_at: None,
            approval: None,
            grant_id: None,
        };
        let row = authorization.clone();
        self.context
            .store
            .write(move |tx| Box::pin(async move { tx.insert_authorization(&row).await }))
            .await?;
        Ok(Started::Pending(Box::new(Pending {
            new_scopes: authorization.request.scopes(),
            authorization,
            client,
            next_step: Step::LogIn,
        })))
    }

    /// The request of somebody whom an ID token of ours names (OpenID Connect Core section 3.1.2.1). Where the key that signed it
    /// has gone, whoever is logged in may be another than the one who is expected: somebody logs in, or gets `login_required`
    /// where nobody is to be asked.
    fn expecting(
        &self,
        mut request: AuthorizationRequest,
        hint: &str,
    ) -> std::result::Result<AuthorizationRequest, RedirectError> {
        if hint.is_empty() {
            return Ok(request);
        }
        let expected = self.hint(hint).map_err(|_| RedirectError {
            error: "invalid_request",
            description: "id_token_hint is no ID token of this server".into(),
        })?;
        match expected {
            Some((account, _)) => request.expected_account = Some(account.uuid()),
            None => request.prompts.push(Prompt::Login),
        }
        Ok(request)
    }

    /// The account that an ID token of ours names, and the client that it is for. None where the key that signed it has gone.
    ///
    /// # Errors
    /// `CREDENTIAL_INVALID` for any other text.
    pub(super) fn hint(&self, token: &str) -> Result<Option<(AccountId, String)>> {
        let (keys, issuer) = (&self.tokens.key_ring, &self.settings.resources.issuer);
        let Some(hint) = keys.id_token_hint(token, issuer, self.context.env.now())? else {
            return Ok(None);
        };
        let subject = hint.subject.parse();
        let account = subject.map_err(|_| Error::from(Reason::CredentialInvalid))?;
        Ok(Some((account, hint.audience)))
    }

    /// An authorization that nobody has decided, as the caller would decide it.
    ///
    /// # Errors
    /// `AUTHORIZATION_NOT_FOUND`, also when somebody has decided or it is too late.
    pub async fn pending(&self, caller: Option<&Caller>, id: AuthorizationId) -> Result<Pending> {
        let (pending, ..) = self.pending_for(caller, id).await?;
        Ok(pending)
    }

    /// The same, with the session that the caller has logged in to, and the destination that consents name.
    async fn pending_for(
        &self,
        caller: Option<&Caller>,
        id: AuthorizationId,
    ) -> Result<(Pending, Option<Session>, String)> {
        let now = self.context.env.now();
        let reader = self.context.store.read();
        let found = reader.authorization(id).await?;
        let authorization = found.filter(|found| found.is_pending(now));
        let authorization = authorization.ok_or(Reason::AuthorizationNotFound)?;
        let client = self.client(&authorization.client_id).await?;
        let client = client.ok_or(Reason::AuthorizationNotFound)?;
        let audience = &authorization.request.audience;
        let destination = redirect::destination(&authorization.request.redirect_uri);
        let (session, consented) = match caller {
            Some(caller) => (
                sessions::of_log_in(&self.context, &self.built_in, caller).await?,
                reader
                    .consented_scopes(caller.account_id, &client.id, audience, &destination)
                    .await?,
            ),
            None => (None, Scopes::default()),
        };
        let pending = Pending {
            new_scopes: authorization.request.scopes().without(&consented),
            next_step: authorization.next_step(&client, session.as_ref(), &consented, now),
            authorization,
            client,
        };
        Ok((pending, session, destination))
    }

    /// Approves an authorization in the name of the caller, and tells where the person goes with the code.
    ///
    /// # Errors
    /// `AUTHORIZATION_NOT_FOUND`; `PERMISSION_DENIED` for a caller who has not logged in, such as a key or another
    /// client's token; `LOG_IN_REQUIRED` when the client wants a newer log-in.
    pub async fn approve(&self, caller: &Caller, id: AuthorizationId) -> Result<String> {
        let now = self.context.env.now();
        let (pending, session, destination) = self.pending_for(Some(caller), id).await?;
        let session = session.ok_or(Reason::PermissionDenied)?;
        let Pending {
            authorization,
            new_scopes,
            next_step,
            client,
        } = pending;
        if next_step == Step::LogIn {
            return Err(Reason::LogInRequired.into());
        }
        let code = secrets::generate(CODE_PREFIX, &self.context.env)?;
        let approval = Approval {
            account_id: caller.account_id,
            session_id: session.id,
            code_hash: code.hash,
            code_expires_at: now.after(self.settings.code_lifetime),
        };
        let used = RegisteredClient::parse_client_id(&client.id);
        let mut consent = Consent {
            id: self.context.env.uuid()?.into(),
            account_id: caller.account_id,
            client_id: client.id,
            client_name: client.metadata.client_name,
            audience: authorization.request.audience.clone(),
            destination,
            scopes: Scopes::default(),
            created_at: now,
            updated_at: now,
        };
        self.context
            .store
            .write(move |tx| {
                Box::pin(async move {
                    // Whoever takes everything back waits for this, or this for them.
                    tx.lock_account(consent.account_id).await?;
                    if !tx.approve_authorization(id, &approval, now).await? {
                        return Err(Reason::AuthorizationNotFound.into());
                    }
                    if let Some(used) = used {
                        tx.touch_client(used, now).await?;
                    }
                    let before = tx
                        .consented_scopes(
                            consent.account_id,
                            &consent.client_id,
                            &consent.audience,
                            &consent.destination,
                        )
                        .await?;
                    consent.scopes = before.with(&new_scopes);
                    tx.keep_consent(&consent).await
                })
            })
            .await?;
        let issuer = &self.settings.resources.issuer;
        Ok(authorization
            .request
            .answer(issuer, &[("code", &code.text)]))
    }

    /// Denies an authorization with this error, and tells where the person goes.
    ///
    /// # Errors
    /// `AUTHORIZATION_NOT_FOUND`.
    pub async fn deny(&self, id: AuthorizationId, error: &str) -> Result<String> {
        let now = self.context.env.now();
        let found = self.context.store.read().authorization(id).await?;
        let authorization = found.ok_or(Reason::AuthorizationNotFound)?;
        let denied = self
            .context
            .store
            .write(move |tx| Box::pin(async move { tx.deny_authorization(id, now).await }))
            .await?;
        if !denied {
            return Err(Reason::AuthorizationNotFound.into());
        }
        let issuer = &self.settings.resources.issuer;
        Ok(authorization.request.answer(issuer, &[("error", error)]))
    }
}
