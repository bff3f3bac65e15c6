//! What a database's error means: it cannot be reached or used just now, or we have made a mistake.

use std::time::Duration;

use sea_orm::{DbErr, RuntimeErr, SqlxError};

use crate::error::{Error, Reason};

/// Primary result codes of SQLite that come from its surroundings and not from the statement: PERM,
/// BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, CORRUPT, FULL, CANTOPEN, PROTOCOL, NOTADB.
const SQLITE: [i32; 12] = [3, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 26];

/// Classes of SQLSTATE of the same sort (Postgres, appendix A): connection exception, transaction
/// rollback, insufficient resources, operator intervention (also a statement's timeout), system error.
const POSTGRES_CLASSES: [&str; 5] = ["08", "40", "53", "57", "58"];
/// And single ones: a server that has become a standby, and a lock that was not to be had.
const POSTGRES: [&str; 2] = ["25006", "55P03"];

/// What Postgres says of text that it cannot hold, which is any with a NUL: `character_not_in_repertoire` and
/// `untranslatable_character`. SQLite holds every text.
const UNSTORABLE: [&str; 2] = ["22021", "22P05"];

/// When to ask again after too many have asked at once.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

impl From<DbErr> for Error {
    fn from(cause: DbErr) -> Self {
        let reason = reason(&cause);
        let error = Self::new(reason).because(cause);
        match reason {
            Reason::Overloaded => error.retry_after(RETRY_AFTER),
            _ => error,
        }
    }
}

/// This reason for a row whose owner has just been deleted by somebody else, and the usual one for
/// every other error.
pub(super) fn foreign_key_violation(cause: DbErr, reason: Reason) -> Error {
    let of_database = of_driver(&cause).and_then(SqlxError::as_database_error);
    if of_database.is_some_and(|cause| cause.is_foreign_key_violation()) {
        Error::new(reason).because(cause)
    } else {
        cause.into()
    }
}

fn reason(cause: &DbErr) -> Reason {
    match cause {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => Reason::StorageUnavailable,
        _ => of_driver(cause).map_or(Reason::Internal, reason_of_driver),
    }
}

/// What sqlx says of Postgres, and `store::sqlite` in the same form.
fn of_driver(cause: &DbErr) -> Option<&SqlxError> {
    match cause {
        DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) => {
            Some(cause)
        }
        _ => None,
    }
}

fn reason_of_driver(cause: &SqlxError) -> Reason {
    match cause {
        SqlxError::Io(_)
        | SqlxError::Tls(_)
        | SqlxError::Protocol(_)
        | SqlxError::PoolClosed
        | SqlxError::WorkerCrashed
        | SqlxError::BeginFailed => Reason::StorageUnavailable,
        // As `store::sqlite` says of its queue of scans.
        SqlxError::PoolTimedOut => Reason::Overloaded,
        SqlxError::Database(cause) => match cause.code() {
            Some(code) if comes_from_outside(&code) => Reason::StorageUnavailable,
            Some(code) if UNSTORABLE.contains(&&*code) => Reason::MalformedRequest,
            _ => Reason::Internal,
        },
        _ => Reason::Internal,
    }
}

/// SQLSTATEs have five characters, SQLite's extended result codes at most four.
fn comes_from_outside(code: &str) -> bool {
    if code.len() == 5 {
        POSTGRES.contains(&code) || POSTGRES_CLASSES.iter().any(|class| code.starts_with(class))
    } else {
        code.parse::<i32>()
            .is_ok_and(|code| SQLITE.contains(&(code & 0xff)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surroundings_are_told_from_mistakes() {
        for code in [
            "5", "517", "13", "778", "8", "08006", "57014", "57P01", "53300", "40P01", "25006",
        ] {
            assert!(comes_from_outside(code), "{code}");
        }
        for code in [
            "1", "787", "1555", "2067", "23505", "23503", "42601", "22001", "",
        ] {
            assert!(!comes_from_outside(code), "{code}");
        }
    }

    #[test]
    fn a_pool_without_a_free_connection_is_unavailable() {
        let cause = DbErr::ConnectionAcquire(sea_orm::ConnAcquireErr::Timeout);
        assert_eq!(Error::from(cause).reason(), Reason::StorageUnavailable);
        assert_eq!(
            Error::from(DbErr::RecordNotInserted).reason(),
            Reason::Internal
        );
    }
}
