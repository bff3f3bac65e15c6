//! The life of the keys that sign tokens: made at the first start, replaced by command and by age.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::{
    crypto::{
        keyring::{self, KeyRing, KeySet},
        seal::MasterKey,
    },
    domain::credentials::Credentials,
    env::{Env, Timestamp},
    error::{Error, FieldReason, Result},
    model::{
        administration::Administrator,
        signing_key::{Algorithm, Phase, SigningKey},
    },
    store::{Store, Tx},
};

/// When keys change.
#[derive(Clone, Copy, Debug)]
pub struct KeyPolicy {
    /// How old a signing key gets before the next one takes over.
    pub rotation_age: Duration,
    /// How long a key is published before it signs, so that every verifier has it by then.
    pub publish_before: Duration,
    /// How long a key verifies after it stopped to sign: the longest life of a token.
    pub retired_for: Duration,
}

/// The signing keys of this server: those in the database, and those that it uses.
pub struct SigningKeys {
    pub(super) env: Env,
    pub(super) stored: StoredKeys,
    pub(super) key_ring: KeyRing,
    pub(super) credentials: Credentials,
}

impl SigningKeys {
    /// The public keys, as JSON (RFC 7517 section 5).
    #[must_use]
    pub fn jwks(&self) -> Bytes {
        self.key_ring.jwks()
    }

    /// The signing keys that have not ended, the oldest first, with the phase that each is in.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn list(&self) -> Result<Vec<(SigningKey, Phase)>> {
        let now = self.env.now();
        let keys = self.stored.list().await?;
        let with_phase = |key: SigningKey| {
            let phase = key.phase(now);
            (key, phase)
        };
        Ok(keys.into_iter().map(with_phase).collect())
    }

    /// Publishes the next key of every algorithm; whether there was one to publish.
    ///
    /// # Errors
    /// The database does not answer, or a key could not be made.
    pub async fn rotate(&self, who: Administrator) -> Result<bool> {
        let before = self.stored.list().await?;
        self.stored.rotate().await?;
        let after = self.stored.list().await?;
        self.replace(&after)?;
        let published = after
            .iter()
            .any(|key| before.iter().all(|old| old.kid != key.kid));
        if published {
            tracing::info!(administrator = %who, "the next signing keys were published");
        }
        Ok(published)
    }

    /// Ends a signing key at once: no token that it signed is accepted from now on.
    ///
    /// # Errors
    /// `INVALID_FIELD` when there is no such key; the database does not answer, or a key could not be made.
    pub async fn revoke(&self, who: Administrator, kid: &str) -> Result<()> {
        self.stored.revoke(kid).await?;
        self.replace(&self.stored.list().await?)?;
        tracing::info!(administrator = %who, kid, "a signing key was revoked");
        Ok(())
    }

    /// Rotates what is due, and takes over what other nodes or the command line have changed.
    ///
    /// # Errors
    /// The database does not answer, or a key cannot be made or opened.
    pub async fn refresh(&self) -> Result<()> {
        let keys = self.stored.maintain().await?;
        if self.key_ring.holds(&keys) {
            return Ok(());
        }
        self.replace(&keys)
    }

    fn replace(&self, keys: &[SigningKey]) -> Result<()> {
        if self.key_ring.replace(self.stored.open(keys)?) {
            // Tokens of a key that is gone may be remembered as good.
            self.credentials.forget_tokens();
        }
        Ok(())
    }
}

/// The signing keys in the database.
#[derive(Clone)]
pub struct StoredKeys {
    store: Store,
    master: MasterKey,
    env: Env,
    policy: KeyPolicy,
}

impl StoredKeys {
    /// The keys of this database, sealed with this master key.
    #[must_use]
    pub fn new(store: Store, master: MasterKey, env: Env, policy: KeyPolicy) -> Self {
        Self {
            store,
            master,
            env,
            policy,
        }
    }

    /// Every key that has not ended, the oldest first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn list(&self) -> Result<Vec<SigningKey>> {
        let now = self.env.now();
        let keys = self.store.read().signing_keys().await?;
        Ok(keys
            .into_iter()
            .filter(|key| key.phase(now) != Phase::Ended)
            .collect())
    }

    /// Makes a key for every algorithm that has none yet.
    ///
    /// # Errors
    /// The database does not answer, or a key could not be made.
    pub async fn ensure(&self) -> Result<()> {
        let present = self.list().await?;
        for algorithm in Algorithm::ALL {
            if !has_current(&present, algorithm, self.env.now()) {
                let now = self.env.now();
                let key = self.make(algorithm, now).await?;
                self.store
                    .write(move |tx| Box::pin(async move { insert_first(tx, key, now).await }))
                    .await?;
            }
        }
        Ok(())
    }

    /// Publishes the next key of every algorithm; it takes over when every verifier has had time to
    /// see it. Does nothing for an algorithm whose next key is already published.
    ///
    /// # Errors
    /// The database does not answer, or a key could not be made.
    pub async fn rotate(&self) -> Result<()> {
        for algorithm in Algorithm::ALL {
            self.rotate_algorithm(algorithm).await?;
        }
        Ok(())
    }

    /// Ends a key now. Where it signed or was to sign, a key that is made now signs from now on, and the others of
    /// its algorithm only verify: what is known of a leak may not be all of it.
    ///
    /// # Errors
    /// `INVALID_FIELD` when there is no such key; the database does not answer, or a key could not be made.
    pub async fn revoke(&self, kid: &str) -> Result<()> {
        let (now, kid) = (self.env.now(), kid.to_owned());
        let keys = self.list().await?;
        let key = keys.into_iter().find(|key| key.kid == kid);
        let key = key.ok_or_else(|| {
            Error::invalid_field(
                "name",
                FieldReason::InvalidValue,
                "must name a signing key that has not ended",
            )
        })?;
        let successor = match key.phase(now) {
            Phase::Next | Phase::Active => Some(self.make(key.algorithm, now).await?),
            Phase::Retired | Phase::Ended => None,
        };
        let retired_for = self.policy.retired_for;
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    tx.lock_signing_keys().await?;
                    if let Some(successor) = successor {
                        for other in tx.signing_keys().await? {
                            let signs = matches!(other.phase(now), Phase::Next | Phase::Active);
                            if signs && other.algorithm == successor.algorithm {
                                tx.retire_signing_key(&other.kid, now, now.after(retired_for))
                                    .await?;
                            }
                        }
                        tx.insert_signing_key(&successor).await?;
                    }
                    tx.retire_signing_key(&kid, now, now).await?;
                    Ok(())
                })
            })
            .await
    }

    /// Rotates the algorithms whose key will be too old by the time that a next one could sign, and
    /// removes the keys that have ended. Gives those that have not, like [`Self::list`]: one read, unless a key
    /// was due.
    ///
    /// # Errors
    /// The database does not answer, or a key could not be made.
    pub async fn maintain(&self) -> Result<Vec<SigningKey>> {
        let now = self.env.now();
        let keys = self.store.read().signing_keys().await?;
        let mut rotated = false;
        for algorithm in Algorithm::ALL {
            if self.is_due(&keys, algorithm, now) {
                self.rotate_algorithm(algorithm).await?;
                rotated = true;
            }
        }
        let (ended, keys) = keys
            .into_iter()
            .partition(|key| key.phase(now) == Phase::Ended);
        self.remove(ended).await?;
        if rotated { self.list().await } else { Ok(keys) }
    }

    fn is_due(&self, keys: &[SigningKey], algorithm: Algorithm, now: Timestamp) -> bool {
        let same = keys.iter().filter(|key| key.algorithm == algorithm);
        same.map(|key| key.active_at).max().is_some_and(|since| {
            since.after(self.policy.rotation_age) <= now.after(self.policy.publish_before)
        })
    }

    async fn rotate_algorithm(&self, algorithm: Algorithm) -> Result<()> {
        let now = self.env.now();
        let next = self
            .make(algorithm, now.after(self.policy.publish_before))
            .await?;
        let retired_for = self.policy.retired_for;
        self.store
            .write(move |tx| Box::pin(async move { succeed(tx, next, now, retired_for).await }))
            .await
    }

    async fn remove(&self, keys: Vec<SigningKey>) -> Result<()> {
        for key in keys {
            self.store
                .write(move |tx| Box::pin(async move { tx.delete_signing_key(&key.kid).await }))
                .await?;
        }
        Ok(())
    }

    /// Opens the keys as they are in the database now.
    ///
    /// # Errors
    /// The master key is not the one that sealed them, or the database does not answer.
    pub async fn load(&self) -> Result<KeySet> {
        self.open(&self.list().await?)
    }

    fn open(&self, keys: &[SigningKey]) -> Result<KeySet> {
        KeyRing::load(&self.master, keys, self.env.now()).map_err(Error::internal)
    }

    /// Makes a key on a thread of its own: an RSA key takes up to a second.
    async fn make(&self, algorithm: Algorithm, active_at: Timestamp) -> Result<SigningKey> {
        let (master, env) = (self.master.clone(), self.env.clone());
        let (answer, made) = oneshot::channel();
        std::thread::Builder::new()
            .name("key-maker".to_owned())
            .spawn(move || {
                let now = env.now();
                // A caller that has gone away needs no key.
                let _ = answer.send(keyring::make_key(algorithm, &master, &env, now, active_at));
            })
            .map_err(Error::internal)?;
        made.await.map_err(Error::internal)?
    }
}

fn has_current(keys: &[SigningKey], algorithm: Algorithm, now: Timestamp) -> bool {
    keys.iter().any(|key| {
        key.algorithm == algorithm && matches!(key.phase(now), Phase::Active | Phase::Next)
    })
}

/// Another node may have been faster; then its key is the one.
async fn insert_first(tx: &Tx<'_>, key: SigningKey, now: Timestamp) -> Result<()> {
    tx.lock_signing_keys().await?;
    if has_current(&tx.signing_keys().await?, key.algorithm, now) {
        return Ok(());
    }
    tx.insert_signing_key(&key).await
}

async fn succeed(
    tx: &Tx<'_>,
    next: SigningKey,
    now: Timestamp,
    retired_for: Duration,
) -> Result<()> {
    tx.lock_signing_keys().await?;
    let keys = tx.signing_keys().await?;
    let same = || keys.iter().filter(|key| key.algorithm == next.algorithm);
    if same().any(|key| key.phase(now) == Phase::Next) {
        return Ok(());
    }
    for key in same().filter(|key| key.retired_at.is_none()) {
        tx.retire_signing_key(&key.kid, next.active_at, next.active_at.after(retired_for))
            .await?;
    }
    tx.insert_signing_key(&next).await
}
