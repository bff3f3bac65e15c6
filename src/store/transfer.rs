//! Copying a database as a whole: out of one snapshot, into an empty one, all of it or nothing.

use std::{
    io,
    path::{Path, PathBuf},
};

use sea_orm::{
    ConnectionTrait as _, DatabaseConnection, DatabaseExecutor, DatabaseTransaction, DbErr,
    TransactionTrait as _,
};
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    Database, SchemaState,
    connect::{Cause, ConnectError, SCHEMA_LOCK},
    contents::{self, Contents, CopyError},
    entity,
    postgres::Postgres,
    schema,
    sqlite::{self, Role},
};
use crate::model::postgres_url::PostgresUrl;

/// Why a database was not copied. Shown to an operator as one line that says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// One of the two databases cannot be used.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The database to copy from is of an older version.
    #[error("the database lacks {0} changes of its schema; run `countersign migrate` first")]
    OldSchema(usize),
    /// The database to copy to has been used.
    #[error("the database to copy to is not empty; name an empty one")]
    NotEmpty,
    /// The database to copy from gave an error.
    #[error(
        "the database cannot be read: {0}; nothing was written, so mend the cause and try again"
    )]
    Read(DbErr),
    /// The database to copy to gave an error.
    #[error(
        "the copy cannot be written: {0}; nothing of it was kept, so mend the cause and try again"
    )]
    Write(DbErr),
    /// What was written is not what was read.
    #[error(
        "the copy has the hash {to}, and what was copied {from}; nothing of it was kept, so report it"
    )]
    Differs {
        /// What was read.
        from: Contents,
        /// What was written.
        to: Contents,
    },
    /// A file cannot be read or written.
    #[error("cannot use the file {}: {cause}; let this user read and write it and its folder", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// The file is not what `countersign backup` makes.
    #[error("{} is not a backup that `countersign backup` made; name one", path.display())]
    NotABackup {
        /// The file.
        path: PathBuf,
    },
    /// The file was a backup, and has changed since.
    #[error("the backup {} is damaged: {cause}; use another one", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: Cause,
    },
}

impl From<CopyError> for TransferError {
    fn from(cause: CopyError) -> Self {
        match cause {
            CopyError::Read(cause) => Self::Read(cause),
            CopyError::Write(cause) => Self::Write(cause),
        }
    }
}

/// Copies everything in a database, as it is at one moment, into one that is empty: a file of SQLite that does not exist,
/// or a database of Postgres without a schema. All of it comes to pass or nothing, but for an empty file. Servers may use the
/// first one meanwhile; of the second they see nothing before the end.
///
/// # Errors
/// One of the two cannot be used, the first is not of this version, or the second is not empty.
pub async fn transfer(from: &Database, to: &Database) -> Result<Contents, TransferError> {
    let from = Whole::snapshot(from).await?;
    let to = Whole::empty(to).await?;
    let tables = contents::copied(entity::tables());
    let copied = contents::copy(&from.executor(), &to.executor(), &tables).await?;
    let written = contents::read(&to.executor(), &tables).await;
    let written = written.map_err(TransferError::Write)?;
    if written != copied {
        return Err(TransferError::Differs {
            from: copied,
            to: written,
        });
    }
    to.commit().await.map_err(TransferError::Write)?;
    Ok(copied)
}

/// A database in a single transaction, which may take as long as it likes. Dropped, it is rolled back.
struct Whole {
    connection: DatabaseConnection,
    /// None on SQLite, where the connection itself is in the transaction.
    transaction: Option<DatabaseTransaction>,
    /// To be run before the commit.
    end: Vec<String>,
}

impl Whole {
    /// To be read, as it is at one moment.
    async fn snapshot(database: &Database) -> Result<Self, TransferError> {
        let whole = match database {
            Database::Sqlite { path, .. } => {
                sqlite::check_library()?;
                Self::in_file(path, Role::Reader, "BEGIN").await?
            }
            Database::Postgres { url, .. } => {
                let begin = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";
                let whole = Self::on_postgres(url, begin).await?;
                whole.map_err(TransferError::Read)?
            }
        };
        let applied = countersign_migrations::applied(&whole.executor()).await;
        let applied = applied.map_err(TransferError::Read)?;
        match schema::compare(applied, countersign_migrations::known())? {
            SchemaState::Current => {}
            SchemaState::Pending(changes) => return Err(TransferError::OldSchema(changes.len())),
            SchemaState::Newer(change) => return Err(ConnectError::NewerSchema { change }.into()),
        }
        let checked = entity::check(&whole.executor()).await;
        checked.map_err(|cause| ConnectError::DamagedSchema {
            cause: cause.into(),
        })?;
        Ok(whole)
    }

    /// To be filled: with the schema of this version, and no rows.
    async fn empty(database: &Database) -> Result<Self, TransferError> {
        let whole = match database {
            Database::Sqlite { path, .. } => {
                sqlite::check_library()?;
                sqlite::make_private(path)?;
                Self::in_file(path, Role::Builder, "BEGIN IMMEDIATE").await?
            }
            Database::Postgres { url, .. } => {
                let begin = format!("SELECT pg_advisory_xact_lock({SCHEMA_LOCK})");
                let whole = Self::on_postgres(url, &begin).await?;
                whole.map_err(TransferError::Write)?
            }
        };
        let applied = countersign_migrations::applied(&whole.executor()).await;
        if !applied.map_err(TransferError::Write)?.is_empty() {
            return Err(TransferError::NotEmpty);
        }
        let made = match &whole.transaction {
            Some(transaction) => countersign_migrations::apply(transaction).await,
            None => countersign_migrations::apply(&whole.connection).await,
        };
        made.map_err(TransferError::Write)?;
        Ok(whole)
    }

    async fn in_file(path: &Path, role: Role, begin: &str) -> Result<Self, ConnectError> {
        let opened = async {
            let connection = sqlite::open_alone(path, role).await?;
            connection.execute_unprepared(begin).await?;
            Ok(connection)
        };
        let connection = opened.await.map_err(|cause: DbErr| ConnectError::Sqlite {
            path: path.to_owned(),
            cause: cause.into(),
        })?;
        Ok(Self {
            connection,
            transaction: None,
            end: Vec::new(),
        })
    }

    async fn on_postgres(
        url: &SecretString,
        begin: &str,
    ) -> Result<Result<Self, DbErr>, ConnectError> {
        let url = PostgresUrl::parse(url.expose_secret())?;
        let postgres = Postgres::connect(&url, 1).await?;
        let migration = postgres.for_migration().await?;
        postgres.close();
        let begun = async {
            let transaction = migration.connection.begin().await?;
            // How it is isolated is said before anything else.
            transaction.execute_unprepared(begin).await?;
            for statement in &migration.begin {
                transaction.execute_unprepared(statement).await?;
            }
            Ok(transaction)
        };
        Ok(begun.await.map(|transaction| Self {
            transaction: Some(transaction),
            end: migration.end,
            connection: migration.connection,
        }))
    }

    fn executor(&self) -> DatabaseExecutor<'_> {
        match &self.transaction {
            Some(transaction) => transaction.into(),
            None => (&self.connection).into(),
        }
    }

    async fn commit(self) -> Result<(), DbErr> {
        for statement in &self.end {
            self.executor().execute_unprepared(statement).await?;
        }
        match self.transaction {
            Some(transaction) => transaction.commit().await,
            None => self.connection.execute_unprepared("COMMIT").await.map(drop),
        }
    }
}
