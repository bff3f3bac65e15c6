//! What to tell an operator when the database cannot be opened, and the locks that nodes on one Postgres share.

use std::{io, path::PathBuf};

use crate::model::postgres_url::PostgresUrlError;

/// Held while the schema is brought up to date, so that several nodes can start at once.
pub(super) const SCHEMA_LOCK: i64 = 0x0063_7363_6865_6d61;
/// Held while the first signing keys are made.
pub(super) const SIGNING_KEYS_LOCK: i64 = 0x0063_7369_676e_6b79;
/// Held while somebody changes who administers.
pub(super) const ADMINISTRATORS_LOCK: i64 = 0x0063_7361_646d_696e;

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
