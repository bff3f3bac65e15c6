//! The life of the keys that sign tokens: made at the first start, replaced by command and by age.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::{
    crypto::{
        keyring::{self, KeyRing, KeySet},
        seal::MasterKey,
    },
    env::{Env, Timestamp},
    error::{Error, Result},
    model::signing_key::{Algorithm, Phase, SigningKey},
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

/// Keeps the keys that a server signs and verifies with as the database and the time want them.
pub struct KeyTender {
    keys: SigningKeys,
    ring: KeyRing,
}

impl KeyTender {
    /// A tender of this ring.
    #[must_use]
    pub fn new(keys: SigningKeys, ring: KeyRing) -> Self {
        Self { keys, ring }
    }

    /// Rotates what is due, and takes over what other nodes or the command line have changed.
    ///
    /// # Errors
    /// The database does not answer, or a key cannot be made or opened.
    pub async fn tend(&self) -> Result<()> {
        self.keys.rotate_if_due().await?;
        self.ring.replace(self.keys.load().await?);
        Ok(())
    }
}

/// The signing keys in the database.
#[derive(Clone)]
pub struct SigningKeys {
    store: Store,
    master: MasterKey,
    env: Env,
    policy: KeyPolicy,
}

impl SigningKeys {
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

    /// Rotates the algorithms whose key will be too old by the time that a next one could sign, and
    /// removes the keys that have ended.
    ///
    /// # Errors
    /// The database does not answer, or a key could not be made.
    pub async fn rotate_if_due(&self) -> Result<()> {
        let now = self.env.now();
        let keys = self.store.read().signing_keys().await?;
        for algorithm in Algorithm::ALL {
            let newest = keys
                .iter()
                .filter(|key| key.algorithm == algorithm)
                .map(|key| key.active_at)
                .max();
            let due = newest.is_some_and(|since| {
                since.after(self.policy.rotation_age) <= now.after(self.policy.publish_before)
            });
            if due {
                self.rotate_algorithm(algorithm).await?;
            }
        }
        self.remove_ended(keys, now).await
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

    async fn remove_ended(&self, keys: Vec<SigningKey>, now: Timestamp) -> Result<()> {
        for key in keys
            .into_iter()
            .filter(|key| key.phase(now) == Phase::Ended)
        {
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
        let keys = self.list().await?;
        KeyRing::load(&self.master, &keys, self.env.now()).map_err(Error::internal)
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
