//! The data folder: its lock, and the file of the master key.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::StartError;
use crate::{
    config::{Config, decode_master_key, encode_master_key},
    env::Env,
};

const LOCK_FILE: &str = "countersign.lock";
/// Read, write and search by the owner alone.
const FOLDER_MODE: u32 = 0o700;
/// Read and write by the owner alone.
const FILE_MODE: u32 = 0o600;
/// The rights of the group and of others.
const GROUP_AND_OTHERS: u32 = 0o077;
/// The rights of those who are not even in the group.
const OTHERS: u32 = 0o007;
/// The most that is read of a file that should hold a key, in bytes.
const KEY_FILE_LIMIT: u64 = 4_096;

/// The folder of everything that the program keeps on disk.
#[derive(Clone, Debug)]
pub struct DataDir {
    path: PathBuf,
}

/// The right to be the one process that uses a folder. The system takes it back when the process ends.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl DataDir {
    /// The folder at this path, made for the owner alone when it is missing.
    ///
    /// # Errors
    /// It cannot be made, or is not a folder.
    pub fn open(path: &Path) -> Result<Self, StartError> {
        let is_new = !path.exists();
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(FOLDER_MODE);
        let mut made = builder.create(path);
        if is_new {
            made = made.and_then(|()| sync_parent(path));
        }
        made.map_err(|error| unusable(path, &error))?;
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a process has taken the folder for itself. Changes nothing.
    #[must_use]
    pub fn is_in_use(path: &Path) -> bool {
        let lock = File::open(path.join(LOCK_FILE));
        lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Takes the folder for this process alone, which SQLite and its group commit rely on.
    ///
    /// # Errors
    /// Another process has it, or the folder cannot be written.
    pub fn lock(&self) -> Result<FolderLock, StartError> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(self.path.join(LOCK_FILE))
            .map_err(|error| unusable(&self.path, &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(self.taken(&mut file)),
            Err(TryLockError::Error(error)) => return Err(no_locks(&self.path, &error)),
        }
        note_owner(&mut file).map_err(|error| unusable(&self.path, &error))?;
        Ok(FolderLock { _file: file })
    }

    fn taken(&self, file: &mut File) -> StartError {
        let mut owner = String::new();
        let known = file.read_to_string(&mut owner).is_ok();
        let process = match owner.trim().parse::<u32>() {
            Ok(id) if known => format!("process {id}"),
            _ => "another process".to_owned(),
        };
        StartError::new(
            format!(
                "the data folder {} is in use by {process}",
                self.path.display()
            ),
            "stop that process, or choose another folder with --data-dir",
        )
    }
}

/// Who has the lock, for the error of whoever wants it next.
fn note_owner(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn unusable(path: &Path, error: &io::Error) -> StartError {
    let advice = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make space on its file system, or choose another with --data-dir or COUNTERSIGN_DATA_DIR"
        }
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            "it must be a folder: choose another with --data-dir or COUNTERSIGN_DATA_DIR"
        }
        _ => "let this user write to it, or choose another with --data-dir or COUNTERSIGN_DATA_DIR",
    };
    StartError::new(
        format!("cannot use the data folder {}: {error}", path.display()),
        advice,
    )
}

/// As on some network file systems. SQLite would fail in the same way.
fn no_locks(path: &Path, error: &io::Error) -> StartError {
    StartError::new(
        format!(
            "the file system of the data folder {} gives no locks, which SQLite needs: {error}",
            path.display()
        ),
        "choose a folder on a local disk with --data-dir, or keep the data in Postgres (COUNTERSIGN_DATABASE_URL)",
    )
}

/// Looks at who may read a file with a key. Others than its owner and group may not; where the platform sets
/// the mode, as a volume does at every mount, that is only told, and so is a group that may read it.
///
/// # Errors
/// Every user of the machine may use the file, and this one could change that.
pub fn check_key_file(path: &Path) -> Result<(), StartError> {
    let Ok(metadata) = fs::metadata(path) else {
        // Whoever reads it says what is wrong.
        return Ok(());
    };
    let mode = metadata.permissions().mode() & 0o7777;
    if !metadata.is_file() || mode & GROUP_AND_OTHERS == 0 {
        return Ok(());
    }
    // Setting the mode that it has changes nothing, and shows whether it can be set.
    let can_change = fs::set_permissions(path, metadata.permissions()).is_ok();
    if mode & OTHERS != 0 && can_change {
        let path = path.display();
        return Err(StartError::new(
            format!("other users may use the key file {path} (mode {mode:04o})"),
            format!(
                "run `chmod 600 {path}`, or mount its file system so that it keeps modes; if somebody may have \
                 read it, replace the key in it"
            ),
        ));
    }
    tracing::warn!(
        file = %path.display(),
        mode = format!("{mode:04o}"),
        "others than its owner may use this key file; mode 0600 keeps them out"
    );
    Ok(())
}

/// The master key: the configured one, or the one in the key file. None when there is no such file.
///
/// # Errors
/// The file cannot be read, or holds no key.
pub fn find_master_key(config: &Config) -> Result<Option<Zeroizing<[u8; 32]>>, StartError> {
    if let Some(key) = config.keys.given_master_key() {
        return Ok(Some(key));
    }
    let path = config.key_file();
    match read_key(&path) {
        Ok(key) => Ok(Some(key)),
        Err(KeyFileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.at(&path)),
    }
}

/// Makes the key file, unless another server was faster, and reads it.
///
/// # Errors
/// The file cannot be made or read.
pub fn make_master_key(config: &Config, env: &Env) -> Result<Zeroizing<[u8; 32]>, StartError> {
    let path = config.key_file();
    make_key(&path, env)?;
    read_key(&path).map_err(|error| error.at(&path))
}

/// The key file that this database needs does not exist.
#[must_use]
pub fn missing_master_key(config: &Config) -> StartError {
    StartError::new(
        format!(
            "the key file {} is missing, and the signing keys in the database were sealed with it",
            config.key_file().display()
        ),
        "restore it from a copy, or copy it from another server of this database, or name it with \
         COUNTERSIGN_KEYS_KEY_FILE",
    )
}

enum KeyFileError {
    Io(io::Error),
    NotMade(io::Error),
    NoKey,
}

impl From<io::Error> for KeyFileError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl KeyFileError {
    fn at(self, path: &Path) -> StartError {
        let path = path.display();
        match self {
            Self::Io(error) => StartError::new(
                format!("cannot use the key file {path}: {error}"),
                "let this user read it, or name another with COUNTERSIGN_KEYS_KEY_FILE",
            ),
            Self::NotMade(error) => StartError::new(
                format!("cannot make the key file {path}: {error}"),
                "let this user write to its folder, or name another file with COUNTERSIGN_KEYS_KEY_FILE",
            ),
            Self::NoKey => StartError::new(
                format!("the key file {path} does not hold a key of 32 bytes in base64"),
                "restore it from a copy; without it the signing keys in the database cannot be opened",
            ),
        }
    }
}

fn read_key(path: &Path) -> Result<Zeroizing<[u8; 32]>, KeyFileError> {
    let mut text = Zeroizing::new(String::new());
    File::open(path)?
        .take(KEY_FILE_LIMIT)
        .read_to_string(&mut text)
        .map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => KeyFileError::NoKey,
            _ => KeyFileError::Io(error),
        })?;
    decode_master_key(&text).ok_or(KeyFileError::NoKey)
}

/// Makes a key file whole or not at all: a start that is cut short leaves no half of one, and of two
/// servers that start at once on a shared folder, both use the file of the first.
fn make_key(path: &Path, env: &Env) -> Result<(), StartError> {
    let key = Zeroizing::new(env.random::<32>()?);
    let draft = path.with_extension(format!("{:016x}", u64::from_ne_bytes(env.random::<8>()?)));
    let written = write_new(&draft, encode_master_key(&key).as_bytes())
        .and_then(|()| give_name(&draft, path));
    // Where the draft was renamed it is gone.
    let _ = fs::remove_file(&draft);
    match written {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        written => written.map_err(|error| KeyFileError::NotMade(error).at(path)),
    }
}

/// Gives a file its name for good, unless another file has it. Its old name may be there still.
///
/// # Errors
/// The system refuses, with `AlreadyExists` when there is another file.
pub(super) fn give_name(draft: &Path, path: &Path) -> io::Result<()> {
    take_name(draft, path, |draft, path| fs::hard_link(draft, path))?;
    sync_parent(path)
}

fn take_name(
    draft: &Path,
    path: &Path,
    link: impl Fn(&Path, &Path) -> io::Result<()>,
) -> io::Result<()> {
    match link(draft, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {}
        linked => return linked,
    }
    // A file system without hard links, such as SMB. Whoever makes the empty file has the name.
    drop(
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(FILE_MODE)
            .open(path)?,
    );
    fs::rename(draft, path).inspect_err(|_| drop(fs::remove_file(path)))
}

fn write_new(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path)?;
    file.write_all(text)?;
    file.write_all(b"\n")?;
    file.sync_all()
}

/// Makes the new name last through a power cut.
fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    match File::open(parent.unwrap_or(Path::new(".")))?.sync_all() {
        // Some file systems do not sync folders.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        synced => synced,
    }
}

#[cfg(test)]
mod tests;
