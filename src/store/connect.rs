//! Opening the database: how each engine is set up, and what to tell an operator when it cannot be.

use std::{
    fs::{self, OpenOptions, Permissions},
    io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use sea_orm::{
    ConnectOptions, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement,
    sqlx::{
        ConnectOptions as _,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
    },
};

use crate::model::postgres_url::PostgresUrlError;

/// Held while the schema is brought up to date, so that several nodes can start at once.
pub(super) const SCHEMA_LOCK: i64 = 0x0063_7363_6865_6d61;
/// Held while the first signing keys are made.
pub(super) const SIGNING_KEYS_LOCK: i64 = 0x0063_7369_676e_6b79;
/// Held while somebody changes who administers.
pub(super) const ADMINISTRATORS_LOCK: i64 = 0x0063_7361_646d_696e;

/// The first release in which a checkpoint cannot corrupt a WAL that another connection writes
/// (sqlite.org/wal.html#walresetbug).
const OLDEST_SQLITE: [u32; 3] = [3, 51, 3];
/// How long a connection to SQLite waits for the lock of another one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The same for checkpoints. They can be tried again, and one that waits for readers may hold writers up meanwhile.
const CHECKPOINT_BUSY_TIMEOUT: Duration = Duration::from_millis(50);
/// How long to wait for a connection from a pool, including the time to make it.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// How many statements each connection keeps prepared.
const STATEMENTS: usize = 200;

/// Why the database cannot be used. Shown to an operator as one line that says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The data file cannot be made or opened.
    #[error("cannot open the data file {}: {cause}; let this user read and write it and its folder", path.display())]
    DataFile {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// SQLite does not accept the file.
    #[error("cannot use the data file {} as a database: {cause}; restore it from a backup, or choose a folder on a local disk with --data-dir where its file system lacks the locks or shared memory that SQLite needs", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        cause: Cause,
    },
    /// The SQLite library can corrupt a database.
    #[error("SQLite {found} can corrupt its database under load; build with 3.51.3 or newer")]
    SqliteTooOld {
        /// The library's version.
        found: String,
    },
    /// The URL cannot be used.
    #[error(
        "the database URL cannot be used: {0}; write it as postgres://USER:PASSWORD@HOST:5432/DATABASE"
    )]
    InvalidUrl(#[from] PostgresUrlError),
    /// sqlx would add to what the URL says.
    #[error(
        "the environment variable PGOPTIONS is set; unset it, and write `options` into the database URL"
    )]
    StrayOptions,
    /// Postgres cannot be reached or does not let us in.
    #[error("cannot connect to the Postgres server of the database URL: {what}; {advice}")]
    Postgres {
        /// What went wrong.
        what: String,
        /// What to do.
        advice: &'static str,
    },
    /// The database is not one on which this program works.
    #[error("cannot use the Postgres database: {what}; {advice}")]
    Unsuitable {
        /// What is wrong with it.
        what: String,
        /// What to do.
        advice: &'static str,
    },
    /// A newer version of this program has changed the schema.
    #[error(
        "the database has the change {change:?}, which this version does not know; start the newer version that made it, or restore an older backup"
    )]
    NewerSchema {
        /// The newest change that is not known.
        change: String,
    },
    /// Another program has its tables where ours would be.
    #[error(
        "the schema of the database belongs to another program; name a database or a schema of its own for this one"
    )]
    ForeignSchema,
    /// The schema says of itself what is not so.
    #[error("the schema of the database is damaged: {cause}; restore the database from a backup")]
    DamagedSchema {
        /// What is wrong.
        cause: Cause,
    },
    /// The schema cannot be read or brought up to date; nothing of it was changed.
    #[error(
        "cannot bring the database's schema up to date: {cause}; nothing was changed, so mend the cause and start again"
    )]
    Schema {
        /// What went wrong.
        cause: Cause,
    },
}

/// What a database says.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What a connection to SQLite is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Role {
    Reader,
    Writer,
    Checkpointer,
}

/// Makes the data file if there is none. It and the files beside it are for this user alone; SQLite
/// gives its `-wal` and `-shm` the mode of the data file.
pub(super) fn make_private(path: &Path) -> Result<(), ConnectError> {
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

pub(super) async fn sqlite(
    path: &Path,
    role: Role,
    connections: u32,
) -> Result<DatabaseConnection, DbErr> {
    let settings = sqlite_settings(path, role);
    // The settings below replace what this says; sea-orm takes the engine from it.
    let mut options = ConnectOptions::new("sqlite:countersign");
    options
        .map_sqlx_sqlite_opts(move |_| settings.clone())
        .max_connections(connections)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .sqlx_logging(false)
        .record_stmt_in_spans(false);
    sea_orm::Database::connect(options).await
}

fn sqlite_settings(path: &Path, role: Role) -> SqliteConnectOptions {
    let settings = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(true)
        .statement_cache_capacity(STATEMENTS)
        .disable_statement_logging()
        .pragma("trusted_schema", "OFF");
    match role {
        Role::Reader => settings
            .read_only(true)
            .pragma("query_only", "ON")
            .busy_timeout(BUSY_TIMEOUT),
        // A checkpoint inside a commit would make everybody in that commit wait for it.
        Role::Writer => writing(settings).busy_timeout(BUSY_TIMEOUT),
        Role::Checkpointer => writing(settings).busy_timeout(CHECKPOINT_BUSY_TIMEOUT),
    }
}

fn writing(settings: SqliteConnectOptions) -> SqliteConnectOptions {
    settings
        .journal_mode(SqliteJournalMode::Wal)
        // NORMAL would lose the last commits when the power goes.
        .synchronous(SqliteSynchronous::Full)
        .pragma("wal_autocheckpoint", "0")
}

/// Refuses a library that is known to corrupt databases.
pub(super) async fn check_library(database: &DatabaseConnection) -> Result<(), ConnectError> {
    let schema = |cause: DbErr| ConnectError::Schema {
        cause: cause.into(),
    };
    let version = Statement::from_string(DbBackend::Sqlite, "SELECT sqlite_version()");
    let row = database.query_one_raw(version).await.map_err(schema)?;
    let found: String = row
        .map(|row| row.try_get_by_index(0))
        .transpose()
        .map_err(schema)?
        .unwrap_or_default();
    if is_sound(&found) {
        Ok(())
    } else {
        Err(ConnectError::SqliteTooOld { found })
    }
}

fn is_sound(version: &str) -> bool {
    let numbers: Option<Vec<u32>> = version.split('.').map(|part| part.parse().ok()).collect();
    numbers.is_some_and(|numbers| numbers.as_slice() >= OLDEST_SQLITE.as_slice())
}

#[cfg(test)]
mod tests {
    use sea_orm::TryGetable;

    use super::*;

    #[test]
    fn sqlite_before_3_51_3_is_refused() {
        for version in ["3.51.3", "3.51.10", "3.52.0", "4.0.0"] {
            assert!(is_sound(version), "{version}");
        }
        for version in ["3.51.2", "3.50.99", "3.9.0", "2.99.99", "", "newest"] {
            assert!(!is_sound(version), "{version}");
        }
    }

    async fn pragma<T: TryGetable>(database: &DatabaseConnection, name: &str) -> T {
        let statement = Statement::from_string(DbBackend::Sqlite, format!("PRAGMA {name}"));
        let row = database.query_one_raw(statement).await.unwrap().unwrap();
        row.try_get_by_index(0).unwrap()
    }

    #[tokio::test]
    async fn connections_to_sqlite_are_durable_and_check_references() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.db");
        make_private(&path).unwrap();
        for role in [Role::Writer, Role::Checkpointer] {
            let database = sqlite(&path, role, 1).await.unwrap();
            assert_eq!(pragma::<String>(&database, "journal_mode").await, "wal");
            assert_eq!(pragma::<i32>(&database, "synchronous").await, 2);
            assert_eq!(pragma::<i32>(&database, "foreign_keys").await, 1);
            assert_eq!(pragma::<i32>(&database, "wal_autocheckpoint").await, 0);
        }
    }

    #[tokio::test]
    async fn a_reader_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.db");
        make_private(&path).unwrap();
        let writer = sqlite(&path, Role::Writer, 1).await.unwrap();
        writer
            .execute_unprepared("CREATE TABLE notes (text TEXT)")
            .await
            .unwrap();
        let reader = sqlite(&path, Role::Reader, 1).await.unwrap();
        let refused = reader
            .execute_unprepared("INSERT INTO notes VALUES ('x')")
            .await
            .unwrap_err();
        assert!(refused.to_string().contains("readonly"), "{refused}");
    }
}
