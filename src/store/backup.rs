//! Backups: a file of SQLite with everything that is in a database, and a row that says what it must hold.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, DbErr, QueryResult, Statement};

use super::{
    Database, SchemaState,
    connect::{Cause, ConnectError},
    contents::{self, Contents, declared_tables},
    schema,
    sqlite::{self, Role},
    transfer::{TransferError, transfer},
};
use crate::env::Timestamp;

/// Tells a backup from a database that is in use, and what is in it from what came later. A restore removes it.
const NOTE: &str = "CREATE TABLE backup (created_at INTEGER NOT NULL, hash BLOB NOT NULL)";
/// What a backup has none of, and would act by itself.
const STRANGE: &str = "SELECT name FROM sqlite_master WHERE type NOT IN ('table', 'index') LIMIT 1";

/// A backup that is whole.
#[derive(Clone, Debug)]
pub struct Backup {
    /// When it was made.
    pub created_at: Timestamp,
    /// What is in it.
    pub contents: Contents,
}

/// What is not as it was when the backup was made.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Damage {
    #[error("it does not hold what it held when it was made")]
    Changed,
    #[error("SQLite finds faults in it")]
    Faulty,
    #[error("a row refers to one that is not there")]
    Torn,
}

/// Copies everything in a database, as it is at one moment, into a new file. Servers may use the database meanwhile.
///
/// # Errors
/// As [`transfer`].
pub async fn back_up(
    from: &Database,
    path: &Path,
    now: Timestamp,
) -> Result<Contents, TransferError> {
    let to = Database::Sqlite {
        path: path.to_owned(),
        readers: 1,
    };
    let contents = transfer(from, &to).await?;
    let noted = note(path, &contents, now).await;
    noted.map_err(TransferError::Write)?;
    Ok(contents)
}

async fn note(path: &Path, contents: &Contents, now: Timestamp) -> Result<(), DbErr> {
    let file = sqlite::open_alone(path, Role::Builder).await?;
    file.execute_unprepared(NOTE).await?;
    let insert = Statement::from_sql_and_values(
        DbBackend::Sqlite,
        "INSERT INTO backup VALUES (?, ?)",
        [now.millis().into(), contents.hash.to_vec().into()],
    );
    file.execute_raw(insert).await.map(drop)
}

/// Takes from a backup what makes it one, so that the file is a database again, and makes it stand alone.
///
/// # Errors
/// It cannot be written.
pub async fn make_live(path: &Path) -> Result<(), TransferError> {
    let changed = async {
        let file = sqlite::open_alone(path, Role::Builder).await?;
        file.execute_unprepared("DROP TABLE IF EXISTS backup").await
    };
    changed.await.map(drop).map_err(TransferError::Write)
}

/// Reads a backup to its end, and holds what is in it against what was noted when it was made. Changes nothing.
///
/// # Errors
/// It is not a backup, is damaged, or was made by a newer version.
pub async fn verify(path: &Path) -> Result<Backup, TransferError> {
    sqlite::check_library()?;
    if !is_sqlite(path).map_err(|cause| failed(path, cause))? {
        return Err(not_a_backup(path));
    }
    let damaged = |cause: Cause| TransferError::Damaged {
        path: path.to_owned(),
        cause,
    };
    let file = sqlite::open_alone(path, Role::Archive).await;
    let file = file.map_err(|cause| damaged(cause.into()))?;
    let noted = read_note(&file).await;
    let Some((created_at, hash)) = noted.map_err(|cause| damaged(cause.into()))? else {
        return Err(not_a_backup(path));
    };
    let applied = countersign_migrations::applied(&file).await;
    let applied = applied.map_err(|cause| damaged(cause.into()))?;
    let state = schema::compare(applied, countersign_migrations::known())?;
    if let SchemaState::Newer(change) = state {
        return Err(ConnectError::NewerSchema { change }.into());
    }
    let contents = read_whole(&file).await.map_err(damaged)?;
    if contents.hash[..] != hash {
        return Err(damaged(Damage::Changed.into()));
    }
    Ok(Backup {
        created_at,
        contents,
    })
}

fn is_sqlite(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    let magic = b"SQLite format 3\0";
    let mut file = File::open(path)?.take(magic.len() as u64);
    file.read_to_end(&mut start)?;
    Ok(start == magic)
}

/// When the backup was made, and what its hash was then. None when the file is no backup.
async fn read_note(file: &DatabaseConnection) -> Result<Option<(Timestamp, Vec<u8>)>, DbErr> {
    let is_there = "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'backup'";
    if first(file, STRANGE).await?.is_some() || first(file, is_there).await?.is_none() {
        return Ok(None);
    }
    let note = first(file, "SELECT created_at, hash FROM backup").await?;
    note.map(|note| {
        let created_at = Timestamp::from_millis(note.try_get("", "created_at")?);
        Ok((created_at, note.try_get("", "hash")?))
    })
    .transpose()
}

/// Everything in the file, once SQLite has found no fault in it.
async fn read_whole(file: &DatabaseConnection) -> Result<Contents, Cause> {
    let checked = first(file, "PRAGMA integrity_check(1)").await?;
    let checked = checked.map(|row| row.try_get::<String>("", "integrity_check"));
    if checked.transpose()?.as_deref() != Some("ok") {
        return Err(Damage::Faulty.into());
    }
    if first(file, "PRAGMA foreign_key_check").await?.is_some() {
        return Err(Damage::Torn.into());
    }
    let tables = contents::copied(declared_tables(file).await?);
    Ok(contents::read(file, &tables).await?)
}

async fn first(file: &DatabaseConnection, question: &str) -> Result<Option<QueryResult>, DbErr> {
    let question = Statement::from_string(DbBackend::Sqlite, question);
    file.query_one_raw(question).await
}

fn not_a_backup(path: &Path) -> TransferError {
    TransferError::NotABackup {
        path: path.to_owned(),
    }
}

fn failed(path: &Path, cause: io::Error) -> TransferError {
    TransferError::File {
        path: path.to_owned(),
        cause,
    }
}
