//! The file of SQLite, watched: whoever has it open goes on writing to it after it was removed or replaced,
//! and nobody would find again what is written.

use std::{
    fs::{self, Metadata, OpenOptions, Permissions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use crate::{
    error::{Error, Reason},
    store::connect::ConnectError,
};

/// The data file that was opened is not the one that stands at its path.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the data file was removed or replaced under the server")]
pub(super) struct Lost;

impl From<Lost> for Error {
    fn from(cause: Lost) -> Self {
        Self::new(Reason::StorageUnavailable).because(cause)
    }
}

/// An open data file.
#[derive(Debug)]
pub(super) struct DataFile {
    path: PathBuf,
    identity: Identity,
    /// So that it is logged once and not with every write.
    lost: AtomicBool,
}

/// Device and inode: what a path names, whatever it is called.
type Identity = (u64, u64);

fn identity(file: &Metadata) -> Identity {
    (file.dev(), file.ino())
}

impl DataFile {
    /// The file that stands at this path now.
    pub(super) fn at(path: PathBuf) -> io::Result<Self> {
        Ok(Self {
            identity: identity(&fs::metadata(&path)?),
            path,
            lost: AtomicBool::new(false),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file is still the one that was opened. Costs one look at the folder.
    pub(super) fn check(&self) -> Result<(), Lost> {
        let found = fs::metadata(&self.path).map(|file| identity(&file));
        let lost = !matches!(found, Ok(found) if found == self.identity);
        if self.lost.swap(lost, Ordering::Relaxed) != lost {
            self.report(lost);
        }
        if lost { Err(Lost) } else { Ok(()) }
    }

    fn report(&self, lost: bool) {
        let file = self.path.display();
        if lost {
            tracing::error!(
                %file,
                "the data file was removed or replaced under the server, which refuses all writes now: \
                 stop the server, put the file in place, and start again"
            );
        } else {
            tracing::warn!(%file, "the data file is back in its place");
        }
    }
}

/// Makes the data file if there is none. It and the files beside it are for this user alone; SQLite
/// gives its `-wal` and `-shm` the mode of the data file.
pub(in crate::store) fn make_private(path: &Path) -> Result<(), ConnectError> {
    let failed = |cause| ConnectError::DataFile {
        path: path.to_owned(),
        cause,
    };
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    for suffix in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        // Where a file system keeps no modes, there is nothing to set.
        if let Err(cause) = fs::set_permissions(&file, Permissions::from_mode(0o600))
            && cause.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(file = %path.display(), %cause, "the mode of a data file cannot be set");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_lost_when_it_is_gone_or_another_and_found_when_it_is_back() {
        let folder = tempfile::tempdir().unwrap();
        let (path, aside) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&path, "").unwrap();
        let file = DataFile::at(path.clone()).unwrap();
        fs::write(&path, "changed").unwrap();
        file.check().unwrap();
        fs::rename(&path, &aside).unwrap();
        file.check().unwrap_err();
        fs::write(&path, "changed").unwrap();
        file.check().unwrap_err();
        fs::rename(&aside, &path).unwrap();
        file.check().unwrap();
    }
}
