//! The signing keys, for the command line.

use super::{StartError, data_dir::FolderLock, open_folder, parts};
use crate::{
    config::Config,
    domain::signing_keys::SigningKeys,
    env::{Env, Timestamp},
    model::signing_key::Phase,
    store::Store,
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

/// What a rotation did.
#[derive(Clone, Debug)]
pub struct RotateReport {
    /// Every key, the oldest first.
    pub keys: Vec<KeyLine>,
    /// Whether a key was published. None is while the next keys of an earlier rotation wait to sign.
    pub published: bool,
}

/// The signing keys, the oldest first. Makes neither a database nor a key.
///
/// # Errors
/// There is no database, it cannot be reached, or another process uses the data folder.
pub async fn list_keys(config: &Config, env: &Env) -> Result<Vec<KeyLine>, StartError> {
    with_store(
        config,
        env,
        async |store| match parts::existing_master_key(config, store).await? {
            Some(master) => lines(&parts::signing_keys(config, store, &master, env), env).await,
            None => Ok(Vec::new()),
        },
    )
    .await
}

/// Publishes a successor of each signing key.
///
/// # Errors
/// There is no database, it cannot be reached, or another process uses the data folder.
pub async fn rotate_keys(config: &Config, env: &Env) -> Result<RotateReport, StartError> {
    with_store(config, env, async |store| {
        let master = parts::master_key(config, store, env).await?;
        let keys = parts::signing_keys(config, store, &master, env);
        keys.ensure().await.map_err(parts::refused)?;
        let before = lines(&keys, env).await?;
        keys.rotate().await.map_err(parts::refused)?;
        let after = lines(&keys, env).await?;
        let is_new = |key: &KeyLine| before.iter().all(|old| old.kid != key.kid);
        Ok(RotateReport {
            published: after.iter().any(is_new),
            keys: after,
        })
    })
    .await
}

async fn with_store<T>(
    config: &Config,
    env: &Env,
    work: impl AsyncFnOnce(&Store) -> Result<T, StartError>,
) -> Result<T, StartError> {
    let _lock = open_existing(config)?;
    let store = parts::open_store(config, env.clone()).await?;
    let done = async {
        parts::bring_up_to_date(config, &store).await?;
        work(&store).await
    };
    let done = done.await;
    store.close().await;
    done
}

/// The lock of the data folder, unless there is no database in it, as in a folder whose name was
/// misspelt: that must not become one.
pub(super) fn open_existing(config: &Config) -> Result<Option<FolderLock>, StartError> {
    if config.database.is_postgres() {
        return Ok(None);
    }
    let file = parts::database_file(config);
    // Whatever else keeps the file from being read is told when it is opened.
    if let Ok(false) = file.try_exists() {
        return Err(StartError::new(
            format!(
                "there is no database in the data folder {}",
                config.data_dir.display()
            ),
            "name another folder with --data-dir, or start the server once to make a database",
        ));
    }
    open_folder(config)
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
