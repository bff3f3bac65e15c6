//! Connections to the data file: how each is set up, and running statements on it.

use std::{
    ffi::OsString,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::{CachedStatement, OpenFlags, config::DbConfig};
use sea_orm::{DbErr, ProxyExecResult, ProxyRow, Statement};

use super::{failure::failed, rows};
use crate::store::connect::ConnectError;

/// The first release in which a checkpoint cannot corrupt a WAL that another connection writes
/// (sqlite.org/wal.html#walresetbug).
const OLDEST: [u32; 3] = [3, 51, 3];
/// How long a connection waits for the lock of another one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The same for checkpoints. They can be tried again, and one that waits for readers may hold writers up meanwhile.
const CHECKPOINT_BUSY_TIMEOUT: Duration = Duration::from_millis(50);
/// How many statements each connection keeps prepared: all that the program has, in the forms that they often take.
const STATEMENTS: usize = 200;

/// How many steps of SQLite's machine lie between two looks at the clock: a fraction of a millisecond.
const STEPS: i32 = 10_000;

const READING: &str = "PRAGMA trusted_schema = OFF";
/// `synchronous = NORMAL` would lose the last commits when the power goes. A checkpoint inside a commit would make
/// everybody in that commit wait for it.
const WRITING: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; \
     PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF";

/// Leaves a file that stands alone, with no log beside it.
const BUILDING: &str = "PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL; \
     PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF";

/// What a path in a URI may hold as it is (RFC 3986 section 3.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'.')
    .remove(b'-')
    .remove(b'_');

/// What a connection is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::store) enum Role {
    /// Reads a file that others write.
    Reader,
    /// Reads a file that nobody writes, as it is: no lock, and nothing beside it counts.
    Archive,
    Writer,
    /// Writes a file that nobody else has open.
    Builder,
    Checkpointer,
}

/// A connection, for one thread at a time.
#[derive(Debug)]
pub(in crate::store) struct Connection {
    raw: rusqlite::Connection,
}

impl Connection {
    /// Opens a file that is there.
    pub(super) fn open(path: &Path, role: Role) -> rusqlite::Result<Self> {
        let (access, settings, busy_timeout) = match role {
            Role::Reader => (OpenFlags::SQLITE_OPEN_READ_ONLY, READING, BUSY_TIMEOUT),
            Role::Archive => {
                let access = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
                (access, READING, BUSY_TIMEOUT)
            }
            Role::Writer => (OpenFlags::SQLITE_OPEN_READ_WRITE, WRITING, BUSY_TIMEOUT),
            Role::Builder => (OpenFlags::SQLITE_OPEN_READ_WRITE, BUILDING, BUSY_TIMEOUT),
            Role::Checkpointer => {
                let access = OpenFlags::SQLITE_OPEN_READ_WRITE;
                (access, WRITING, CHECKPOINT_BUSY_TIMEOUT)
            }
        };
        let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let raw = match role {
            Role::Archive => rusqlite::Connection::open_with_flags(immutable(path), flags)?,
            _ => rusqlite::Connection::open_with_flags(path, flags)?,
        };
        raw.busy_timeout(busy_timeout)?;
        raw.set_prepared_statement_cache_capacity(STATEMENTS);
        // Otherwise a prepared statement is parsed and planned again for each new value of its LIMIT, which all have.
        raw.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        raw.execute_batch(settings)?;
        Ok(Self { raw })
    }

    /// Runs a statement without values.
    pub(super) fn run(&self, sql: &str) -> Result<(), DbErr> {
        self.raw
            .prepare_cached(sql)
            .and_then(to_its_end)
            .map_err(failed)
    }

    /// Runs a statement whose rows, if it gives any, are of no interest.
    pub(super) fn execute(&self, statement: &Statement) -> Result<ProxyExecResult, DbErr> {
        to_its_end(self.prepare(statement)?).map_err(failed)?;
        let last = u64::try_from(self.raw.last_insert_rowid()).unwrap_or_default();
        Ok(ProxyExecResult::new(last, self.raw.changes()))
    }

    /// The rows of a statement.
    pub(super) fn rows(&self, statement: &Statement) -> Result<Vec<ProxyRow>, DbErr> {
        let mut prepared = self.prepare(statement)?;
        rows::all(prepared.raw_query())
    }

    fn prepare(&self, statement: &Statement) -> Result<CachedStatement<'_>, DbErr> {
        let mut prepared = self.raw.prepare_cached(&statement.sql).map_err(failed)?;
        let values = statement.values.iter().flat_map(|values| values.0.iter());
        for (index, value) in values.enumerate() {
            rows::bind(&mut prepared, index + 1, value).map_err(failed)?;
        }
        Ok(prepared)
    }

    /// Whether a transaction is open.
    pub(super) fn is_in_transaction(&self) -> bool {
        !self.raw.is_autocommit()
    }

    /// Interrupts what runs on this connection as soon as this says so, until it is replaced.
    pub(super) fn interrupt_when(
        &self,
        is_over: impl FnMut() -> bool + Send + 'static,
    ) -> Result<(), DbErr> {
        self.raw
            .progress_handler(STEPS, Some(is_over))
            .map_err(failed)
    }
}

/// A file that does not change while it is open (sqlite.org/uri.html).
fn immutable(path: &Path) -> PathBuf {
    let path = percent_encode(path.as_os_str().as_bytes(), ESCAPED);
    OsString::from(format!("file:{path}?immutable=1")).into()
}

fn to_its_end(mut statement: CachedStatement<'_>) -> rusqlite::Result<()> {
    let mut rows = statement.raw_query();
    while rows.next()?.is_some() {}
    Ok(())
}

/// Refuses a library that is known to corrupt databases.
pub(in crate::store) fn check_library() -> Result<(), ConnectError> {
    let found = rusqlite::version();
    if is_sound(found) {
        Ok(())
    } else {
        let found = found.to_owned();
        Err(ConnectError::SqliteTooOld { found })
    }
}

fn is_sound(version: &str) -> bool {
    let numbers: Option<Vec<u32>> = version.split('.').map(|part| part.parse().ok()).collect();
    numbers.is_some_and(|numbers| numbers.as_slice() >= OLDEST.as_slice())
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;
    use sea_orm::{
        DbBackend, EntityTrait as _, QueryResult, QuerySelect as _, QueryTrait as _, TryGetable,
    };
    use uuid::Uuid;

    use super::*;
    use crate::store::{
        accounts::at_home,
        entity::account,
        sqlite::{data_file::make_private, migrate},
    };

    #[test]
    fn sqlite_before_3_51_3_is_refused() {
        for version in ["3.51.3", "3.51.10", "3.52.0", "4.0.0"] {
            assert!(is_sound(version), "{version}");
        }
        for version in ["3.51.2", "3.50.99", "3.9.0", "2.99.99", "", "newest"] {
            assert!(!is_sound(version), "{version}");
        }
    }

    fn pragma<T: TryGetable>(database: &Connection, name: &str) -> T {
        let statement = Statement::from_string(DbBackend::Sqlite, format!("PRAGMA {name}"));
        let row = database.rows(&statement).unwrap().remove(0);
        QueryResult::from(row).try_get("", name).unwrap()
    }

    #[test]
    fn connections_are_durable_and_check_references() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.db");
        make_private(&path).unwrap();
        for role in [Role::Writer, Role::Checkpointer] {
            let database = Connection::open(&path, role).unwrap();
            assert_eq!(pragma::<String>(&database, "journal_mode"), "wal");
            assert_eq!(pragma::<i64>(&database, "synchronous"), 2);
            assert_eq!(pragma::<i64>(&database, "foreign_keys"), 1);
            assert_eq!(pragma::<i64>(&database, "wal_autocheckpoint"), 0);
        }
    }

    #[tokio::test]
    async fn a_prepared_statement_is_not_planned_again_for_another_value() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.db");
        make_private(&path).unwrap();
        migrate(&path).await.unwrap();
        for role in [Role::Reader, Role::Writer] {
            let database = Connection::open(&path, role).unwrap();
            let mut sql = String::new();
            for id in 1..=3 {
                let account = account::Entity::find_by_id(Uuid::from_u128(id));
                let question = at_home(account).limit(1).build(DbBackend::Sqlite);
                database.rows(&question).unwrap();
                sql = question.sql;
            }
            let prepared = database.raw.prepare_cached(&sql).unwrap();
            assert_eq!(prepared.get_status(StatementStatus::Run), 3);
            assert_eq!(prepared.get_status(StatementStatus::RePrepare), 0);
        }
    }

    #[test]
    fn a_reader_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.db");
        make_private(&path).unwrap();
        let writer = Connection::open(&path, Role::Writer).unwrap();
        writer.run("CREATE TABLE notes (text TEXT)").unwrap();
        let reader = Connection::open(&path, Role::Reader).unwrap();
        let refused = reader.run("INSERT INTO notes VALUES ('x')").unwrap_err();
        assert!(refused.to_string().contains("readonly"), "{refused}");
    }
}
