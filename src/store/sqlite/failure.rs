//! Errors of SQLite in the form in which sqlx gives those of Postgres, so that `store::error` judges both alike.

use std::{borrow::Cow, error::Error as StdError, ffi::c_int};

use rusqlite::ffi;
use sea_orm::{
    DbErr, RuntimeErr, SqlxError,
    sqlx::error::{DatabaseError, ErrorKind},
};

/// What SQLite says.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Failure {
    /// The extended result code, where it was SQLite itself.
    code: Option<c_int>,
    message: String,
}

pub(super) fn failed(cause: rusqlite::Error) -> DbErr {
    let failure = match cause.sqlite_error() {
        Some(error) => Failure {
            code: Some(error.extended_code),
            message: format!("(code: {}) {cause}", error.extended_code),
        },
        None => Failure {
            code: None,
            message: cause.to_string(),
        },
    };
    DbErr::Query(RuntimeErr::SqlxError(SqlxError::from(failure).into()))
}

/// An error that is no statement's.
pub(super) fn internal(cause: impl StdError) -> DbErr {
    DbErr::Query(RuntimeErr::Internal(cause.to_string()))
}

impl DatabaseError for Failure {
    fn message(&self) -> &str {
        &self.message
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        self.code.map(|code| code.to_string().into())
    }

    fn as_error(&self) -> &(dyn StdError + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn StdError + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn StdError + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> ErrorKind {
        match self.code {
            Some(ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY) => {
                ErrorKind::UniqueViolation
            }
            Some(ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => ErrorKind::ForeignKeyViolation,
            Some(ffi::SQLITE_CONSTRAINT_NOTNULL) => ErrorKind::NotNullViolation,
            Some(ffi::SQLITE_CONSTRAINT_CHECK) => ErrorKind::CheckViolation,
            _ => ErrorKind::Other,
        }
    }
}
