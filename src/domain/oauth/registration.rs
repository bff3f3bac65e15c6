//! Clients register themselves (RFC 7591), and look after their registrations (RFC 7592).

use serde_json::Value;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{CLIENT_SECRET_PREFIX, OAuth, REGISTRATION_TOKEN_PREFIX};
use crate::{
    crypto::{
        foreign::ForeignKeys,
        secrets::{self, SecretToken},
    },
    error::{Error, FieldReason, Reason, Result},
    model::{
        invalidation::Invalidation,
        oauth::{
            metadata::{AuthMethod, Metadata},
            registration::RegisteredClient,
        },
    },
};

/// A registration, with the secrets that were made just now.
pub struct NewRegistration {
    /// What is registered.
    pub client: RegisteredClient,
    /// The client's secret, where it has got one.
    pub secret: Option<Zeroizing<String>>,
    /// What reads and changes the registration, where it has got it.
    pub registration_token: Option<Zeroizing<String>>,
}

impl OAuth {
    /// Registers a client.
    ///
    /// # Errors
    /// `INVALID_FIELD` for what cannot be registered; `PERMISSION_DENIED` where nobody may register.
    pub async fn register(&self, metadata: Metadata) -> Result<NewRegistration> {
        if !self.settings.open_registration {
            let closed = "This server takes no registrations; ask its operator for a client.";
            return Err(Error::new(Reason::PermissionDenied).with_message(closed));
        }
        let metadata = registered(metadata)?;
        let env = &self.context.env;
        let secret = self.new_secret(&metadata)?;
        let token = secrets::generate(REGISTRATION_TOKEN_PREFIX, env)?;
        let now = env.now();
        let client = RegisteredClient {
            id: env.uuid()?,
            metadata,
            secret_hash: secret.as_ref().map(|secret| secret.hash),
            registration_token_hash: token.hash,
            created_at: now,
            used_at: now,
        };
        let row = client.clone();
        self.context
            .store
            .write(move |tx| Box::pin(async move { tx.insert_client(&row).await }))
            .await?;
        Ok(NewRegistration {
            client,
            secret: secret.map(|secret| secret.text),
            registration_token: Some(token.text),
        })
    }

    /// What a client has registered.
    ///
    /// # Errors
    /// `CREDENTIAL_INVALID` for a token that is not the client's, whether or not there is such a client.
    pub async fn registration(&self, client_id: &str, token: &str) -> Result<RegisteredClient> {
        let id = RegisteredClient::parse_client_id(client_id);
        let found = match id {
            Some(id) => self.context.store.read().client(id).await?,
            None => None,
        };
        let hash = secrets::hash(token);
        found
            .filter(|client| client.registration_token_hash.ct_eq(&hash).into())
            .ok_or_else(|| Reason::CredentialInvalid.into())
    }

    /// Replaces what a client has registered. One that is confidential from now on gets a secret, and one that is public
    /// loses it.
    ///
    /// # Errors
    /// As [`Self::registration`] and [`Self::register`].
    pub async fn update_registration(
        &self,
        client_id: &str,
        token: &str,
        metadata: Metadata,
    ) -> Result<NewRegistration> {
        let stored = self.registration(client_id, token).await?;
        let metadata = registered(metadata)?;
        let secret = match stored.secret_hash {
            None => self.new_secret(&metadata)?,
            Some(_) => None,
        };
        let kept = stored.secret_hash.filter(|_| has_secret(&metadata));
        let client = RegisteredClient {
            metadata,
            secret_hash: secret.as_ref().map(|secret| secret.hash).or(kept),
            ..stored
        };
        let row = client.clone();
        self.context
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let changed = tx.update_client(&row).await?;
                    changed
                        .then_some(())
                        .ok_or_else(|| Reason::CredentialInvalid.into())
                })
            })
            .await?;
        Ok(NewRegistration {
            client,
            secret: secret.map(|secret| secret.text),
            registration_token: None,
        })
    }

    /// Deletes a registration: the client is not known any more, and what was granted to it is over.
    ///
    /// # Errors
    /// As [`Self::registration`].
    pub async fn delete_registration(&self, client_id: &str, token: &str) -> Result<()> {
        let client = self.registration(client_id, token).await?;
        let now = self.context.env.now();
        self.context
            .credentials
            .end(move |tx| {
                Box::pin(async move {
                    let ended = tx.delete_client(&client, now).await?;
                    Ok(((), ended.into_iter().map(Invalidation::Grant).collect()))
                })
            })
            .await
    }

    fn new_secret(&self, metadata: &Metadata) -> Result<Option<SecretToken>> {
        if !has_secret(metadata) {
            return Ok(None);
        }
        Ok(Some(secrets::generate(
            CLIENT_SECRET_PREFIX,
            &self.context.env,
        )?))
    }
}

/// What is registered. Keys that cannot be used are told now, and not when the client comes with a token request.
fn registered(metadata: Metadata) -> Result<Metadata> {
    let metadata = metadata.registered()?;
    if let Some(jwks) = &metadata.jwks {
        let text = Value::Object(jwks.clone()).to_string();
        ForeignKeys::parse(text.as_bytes()).map_err(|cause| {
            let rule = "must be a JWK set of public keys, one of them for ES256 or RS256";
            Error::invalid_field("metadata.jwks", FieldReason::InvalidValue, rule).because(cause)
        })?;
    }
    Ok(metadata)
}

fn has_secret(metadata: &Metadata) -> bool {
    metadata.method().is_some_and(AuthMethod::has_secret)
}
