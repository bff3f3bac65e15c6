//! Copies of the database: a backup beside running servers, a restore of one, and a move to another database.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::{
    StartError,
    data_dir::{find_master_key, give_name},
    open_existing, open_folder,
    parts::{self, database, database_file, existing_master_key, signing_keys},
    require_database,
};
use crate::{
    config::Config,
    env::Env,
    store::{self, Backup, Contents, Database, Ended, Options, Store, TransferError},
};

/// What SQLite may put beside a database, and the database itself.
const FILES: [&str; 4] = ["", "-journal", "-wal", "-shm"];

/// What a restore did.
#[derive(Clone, Debug)]
pub struct Restored {
    /// What was restored.
    pub backup: Backup,
    /// What is over because of it.
    pub ended: Ended,
}

/// Writes everything in the database to a new file, beside servers that use it.
///
/// # Errors
/// There is no database, it cannot be read, or the file is there already or cannot be written.
pub async fn back_up(config: &Config, file: &Path, env: &Env) -> Result<Contents, StartError> {
    require_database(config)?;
    let draft = Draft::of(file, env)?;
    let made = store::back_up(&database(config), &draft.path, env.now()).await;
    let contents = made.map_err(|cause| failed(&cause))?;
    draft.take_name(file)?;
    Ok(contents)
}

/// Whether a file is a backup that can be restored, and what is in it. Whether the key file opens it, a restore tells.
///
/// # Errors
/// It is not a backup, is damaged, or was made by a newer version.
pub async fn verify(file: &Path) -> Result<Backup, StartError> {
    store::verify(file).await.map_err(|cause| failed(&cause))
}

/// Makes the database from a backup, and ends all that may have been revoked or spent since: all of it, or nothing.
///
/// # Errors
/// The file is not a backup that this version and this key file open, there is a database already, or it cannot be
/// written.
pub async fn restore(
    config: &Config,
    file: &Path,
    keep_api_keys: bool,
    env: &Env,
) -> Result<Restored, StartError> {
    let backup = verify(file).await?;
    let target = database_file(config);
    let is_postgres = config.database.is_postgres();
    if !is_postgres {
        refuse_existing(&target)?;
    }
    let _lock = open_folder(config)?;
    let draft = Draft::of(&target.with_extension("restored"), env)?;
    copy_file(file, &draft.path).map_err(|cause| unusable(&draft.path, &cause))?;
    let ended = end_what_was_given(config, &draft.path, keep_api_keys, env).await?;
    let live = store::make_live(&draft.path).await;
    live.map_err(|cause| failed(&cause))?;
    if is_postgres {
        let copied = store::transfer(&sqlite(&draft.path), &database(config)).await;
        copied.map_err(|cause| failed(&cause))?;
    } else {
        draft.take_name(&target)?;
    }
    Ok(Restored { backup, ended })
}

/// Copies everything in the database to the empty one of other settings. Both have the same master key. No server
/// may use the first one from now on.
///
/// # Errors
/// A server uses one of the two, the second is not empty, the keys differ, or it cannot be read or written.
pub async fn move_to(config: &Config, to: &Config, env: &Env) -> Result<Contents, StartError> {
    let _lock = open_existing(config)?;
    require_same_key(config, to)?;
    if to.database.is_postgres() {
        let copied = store::transfer(&database(config), &database(to)).await;
        return copied.map_err(|cause| failed(&cause));
    }
    let target = database_file(to);
    refuse_existing(&target)?;
    let _other_lock = open_folder(to)?;
    let draft = Draft::of(&target, env)?;
    let copied = store::transfer(&database(config), &sqlite(&draft.path)).await;
    let contents = copied.map_err(|cause| failed(&cause))?;
    draft.take_name(&target)?;
    Ok(contents)
}

/// Brings a copy of a backup up to date, looks whether the key opens what is sealed in it, and ends what may be over.
async fn end_what_was_given(
    config: &Config,
    path: &Path,
    keep_api_keys: bool,
    env: &Env,
) -> Result<Ended, StartError> {
    let options = Options {
        database: sqlite(path),
    };
    let store = Store::connect(options, env.clone()).await;
    let store = store.map_err(parts::storage)?;
    let ended = async {
        store.migrate().await.map_err(parts::storage)?;
        if let Some(master) = existing_master_key(config, &store).await? {
            let opened = signing_keys(config, &store, &master, env).load().await;
            opened.map_err(parts::wrong_key)?;
        }
        let now = env.now();
        let challenges_until = now.after(config.signup.challenge_lifetime);
        let ended = store
            .write(move |tx| Box::pin(tx.end_what_was_given(now, challenges_until, keep_api_keys)));
        ended.await.map_err(parts::refused)
    };
    let ended = ended.await;
    store.close().await;
    ended
}

/// A file that has a name of its own until it is whole. Dropped before, it is removed.
struct Draft {
    path: PathBuf,
}

impl Draft {
    /// A draft of a file that does not exist yet.
    fn of(target: &Path, env: &Env) -> Result<Self, StartError> {
        refuse_existing(target)?;
        let number = u64::from_ne_bytes(env.random::<8>()?);
        let path = beside(target, &format!(".{number:016x}.part"));
        Ok(Self { path })
    }

    fn take_name(self, target: &Path) -> Result<(), StartError> {
        give_name(&self.path, target).map_err(|cause| match cause.kind() {
            io::ErrorKind::AlreadyExists => exists(target),
            _ => unusable(target, &cause),
        })
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        for suffix in FILES {
            // Most of them are not there.
            let _ = fs::remove_file(beside(&self.path, suffix));
        }
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn sqlite(path: &Path) -> Database {
    Database::Sqlite {
        path: path.to_owned(),
        readers: 1,
    }
}

/// Copies the bytes of a file to a new one that is for this user alone.
fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut to = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)?;
    io::copy(&mut File::open(from)?, &mut to).map(drop)
}

/// Refuses a name that a database has, or had: what is left of its log would be taken for that of another one.
fn refuse_existing(path: &Path) -> Result<(), StartError> {
    for suffix in FILES {
        let file = beside(path, suffix);
        if fs::symlink_metadata(&file).is_ok() {
            return Err(exists(&file));
        }
    }
    Ok(())
}

fn exists(path: &Path) -> StartError {
    StartError::new(
        format!("there is a file {} already", path.display()),
        "nothing was changed; move it away, or name another place",
    )
}

fn unusable(path: &Path, cause: &io::Error) -> StartError {
    StartError::new(
        format!("cannot write the file {}: {cause}", path.display()),
        "let this user write to its folder, and see whether the disk is full",
    )
}

fn failed(cause: &TransferError) -> StartError {
    parts::one_line(&cause.to_string(), "see the [database] section")
}

/// Both databases are opened with the same master key, so that what is sealed and signed stays good.
fn require_same_key(from: &Config, to: &Config) -> Result<(), StartError> {
    if find_master_key(from)? == find_master_key(to)? {
        return Ok(());
    }
    let (ours, theirs) = (from.key_file(), to.key_file());
    Err(StartError::new(
        format!(
            "the other settings have another master key than this database was sealed with ({})",
            theirs.display()
        ),
        format!(
            "copy it first: `cp -p {} {}`, or set `keys.key_file` or `keys.master_key` in them as here",
            ours.display(),
            theirs.display()
        ),
    ))
}
