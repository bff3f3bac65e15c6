//! The signing keys, for the command line.

use super::{StartError, open_folder, parts};
use crate::{
    config::Config,
    domain::signing_keys::SigningKeys,
    env::{Env, Timestamp},
    model::signing_key::Phase,
};

/// A signing key, to be shown.
#[derive(Clone, Debug)]
pub struct KeyLine {
    /// The key id.
    pub kid: String,
    /// How it signs.
    pub algorithm: &'static str,
    /// Where it is in its life: `next`, `active` or `retired`.
    pub phase: &'static str,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it starts to sign.
    pub active_at: Timestamp,
    /// When it stops to sign.
    pub retired_at: Option<Timestamp>,
    /// When it stops to verify.
    pub expires_at: Option<Timestamp>,
}

/// The signing keys, the oldest first.
///
/// # Errors
/// The database cannot be reached, or another process uses the data folder.
pub async fn list_keys(config: &Config, env: &Env) -> Result<Vec<KeyLine>, StartError> {
    with_keys(config, env, async |keys| lines(&keys, env).await).await
}

/// Publishes a successor of each signing key.
///
/// # Errors
/// The database cannot be reached, or another process uses the data folder.
pub async fn rotate_keys(config: &Config, env: &Env) -> Result<Vec<KeyLine>, StartError> {
    with_keys(config, env, async |keys| {
        keys.ensure().await.map_err(parts::refused)?;
        keys.rotate().await.map_err(parts::refused)?;
        lines(&keys, env).await
    })
    .await
}

async fn with_keys(
    config: &Config,
    env: &Env,
    work: impl AsyncFnOnce(SigningKeys) -> Result<Vec<KeyLine>, StartError>,
) -> Result<Vec<KeyLine>, StartError> {
    let _lock = open_folder(config)?;
    let master = parts::master_key(config, env)?;
    let store = parts::open_store(config, env.clone()).await?;
    parts::bring_up_to_date(config, &store).await?;
    let keys = parts::signing_keys(config, &store, &master, env);
    let lines = work(keys).await;
    store.close().await;
    lines
}

async fn lines(keys: &SigningKeys, env: &Env) -> Result<Vec<KeyLine>, StartError> {
    // Opening them tells a wrong key file here, and not at the next start.
    keys.load().await.map_err(parts::wrong_key)?;
    let now = env.now();
    let keys = keys.list().await.map_err(parts::refused)?;
    Ok(keys
        .into_iter()
        .map(|key| KeyLine {
            phase: match key.phase(now) {
                Phase::Next => "next",
                Phase::Active => "active",
                Phase::Retired => "retired",
                Phase::Ended => "ended",
            },
            kid: key.kid,
            algorithm: key.algorithm.as_str(),
            created_at: key.created_at,
            active_at: key.active_at,
            retired_at: key.retired_at,
            expires_at: key.expires_at,
        })
        .collect())
}
