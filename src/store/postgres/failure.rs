//! Why no connection came about, in our own words: those of Postgres and of its libraries repeat names,
//! addresses and files from the URL.

use std::io;

use rustls::{CertificateError, Error as TlsError};
use sea_orm::{DbErr, RuntimeErr, SqlxError};

use super::super::connect::ConnectError;

/// Why a server cannot be used, and what to do.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}")]
pub(super) struct Failure {
    what: String,
    advice: &'static str,
    /// The SQLSTATE, when the server has refused.
    code: Option<String>,
}

impl From<Failure> for ConnectError {
    fn from(failure: Failure) -> Self {
        Self::Postgres {
            what: failure.what,
            advice: failure.advice,
        }
    }
}

impl From<Failure> for DbErr {
    fn from(failure: Failure) -> Self {
        Self::Conn(RuntimeErr::Internal(failure.to_string()))
    }
}

impl From<&SqlxError> for Failure {
    fn from(cause: &SqlxError) -> Self {
        match cause {
            SqlxError::Database(cause) => Self::of_code(&cause.code().unwrap_or_default()),
            SqlxError::Io(cause) => Self::of_io(cause),
            SqlxError::Tls(_) | SqlxError::Configuration(_) => Self::of_tls(None),
            SqlxError::PoolTimedOut => Self::no_answer(),
            _ => Self::new(
                "what answers at its address does not speak as Postgres does, or asks for a way to log in that is \
                 not supported",
                "check host and port of the database URL, and that pg_hba.conf asks for scram-sha-256, md5 or password",
            ),
        }
    }
}

impl Failure {
    fn new(what: impl Into<String>, advice: &'static str) -> Self {
        Self {
            what: what.into(),
            advice,
            code: None,
        }
    }

    pub(super) fn no_answer() -> Self {
        Self::new(
            "it does not answer in time",
            "check that it runs, that no firewall is in the way, and host and port of the database URL",
        )
    }

    pub(super) fn no_server() -> Self {
        Self::new("there is none", "name a host in the database URL")
    }

    pub(super) fn not_heard() -> Self {
        Self::new(
            "notifications are not heard on this connection",
            "name Postgres itself, or a pooler in session mode, in the database URL",
        )
    }

    pub(super) fn read_only() -> Self {
        Self::new(
            "it takes no writes, being a standby or set to read only",
            "name the primary in the database URL",
        )
    }

    /// Whether whoever answers does not take the run-time parameters of a session's start: a pooler.
    pub(super) fn refuses_parameters(&self) -> bool {
        matches!(self.code.as_deref(), Some("08P01" | "0A000"))
    }

    /// What the server refused with (PostgreSQL manual, appendix A).
    fn of_code(code: &str) -> Self {
        let unknown = format!("it refuses the connection with SQLSTATE {code}");
        let (what, advice) = match code {
            "28P01" => (
                "it does not take the password",
                "correct user and password in the database URL, in which all but letters and digits is percent-encoded",
            ),
            "28000" => (
                "it does not let this user in from here",
                "correct the user in the database URL, or allow it in pg_hba.conf, with or without TLS as it comes",
            ),
            "3D000" => (
                "it has no such database",
                "create it (CREATE DATABASE … ENCODING 'UTF8'), or correct its name in the database URL",
            ),
            "42501" => (
                "this user may not connect to the database",
                "GRANT CONNECT ON DATABASE … TO the user of the database URL",
            ),
            "53300" => (
                "it has no connection left",
                "raise its max_connections, or lower database.connections",
            ),
            "57P03" => ("it is starting or stopping", "start again when it runs"),
            "22023" | "42704" | "55P02" => (
                "it does not take a parameter of the session",
                "correct `options` in the database URL",
            ),
            "08P01" | "0A000" => (
                "what answers, which may be a pooler, refuses how the session starts",
                "have it take the startup parameters client_encoding, DateStyle, TimeZone and application_name \
                 (PgBouncer: ignore_startup_parameters), and check user and database of the URL",
            ),
            _ => (
                unknown.as_str(),
                "see the log of Postgres, and correct the database URL",
            ),
        };
        Self {
            code: Some(code.to_owned()),
            ..Self::new(what, advice)
        }
    }

    fn of_io(cause: &io::Error) -> Self {
        if let Some(tls) = cause.get_ref().and_then(|cause| cause.downcast_ref()) {
            return Self::of_tls(Some(tls));
        }
        if matches!(
            cause.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
        ) {
            return Self::new(
                "its socket, or a file of certificates, is not there or not for this user",
                "check the folder and port of the socket, and sslrootcert, sslcert and sslkey in the database URL",
            );
        }
        match cause.raw_os_error() {
            // The system's own text, which knows no names.
            Some(code) => Self::new(
                format!("{}", io::Error::from_raw_os_error(code)),
                "check that it runs, and host and port of the database URL",
            ),
            None if cause.kind() == io::ErrorKind::UnexpectedEof => Self::new(
                "it closes the connection",
                "see its log, and that of a proxy in between",
            ),
            None => Self::new(
                "its address cannot be found",
                "correct the host in the database URL, or the name service of this machine",
            ),
        }
    }

    fn of_tls(cause: Option<&TlsError>) -> Self {
        let certificate = match cause {
            Some(TlsError::InvalidCertificate(certificate)) => certificate,
            _ => {
                return Self::new(
                    "TLS with it fails",
                    "check that it offers TLS, and sslmode, sslrootcert, sslcert and sslkey in the database URL",
                );
            }
        };
        match certificate {
            CertificateError::UnknownIssuer => Self::new(
                "its certificate is of an authority that is not trusted",
                "name the file of that authority as sslrootcert in the database URL",
            ),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::new(
                    "its certificate is for another host",
                    "name the host in the database URL as the certificate does",
                )
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                Self::new("its certificate has expired", "renew it")
            }
            _ => Self::new("its certificate is not valid", "renew it"),
        }
    }
}
