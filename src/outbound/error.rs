//! Why a request to somebody else's server came to nothing.

use std::{io, path::PathBuf, time::Duration};

use http::StatusCode;

/// Why nothing usable came from a server, in words for the log of an operator. It never holds what the server sent
/// as a body, nor an address that its name resolves to.
#[derive(Debug, thiserror::Error)]
#[error("{host}: {kind}")]
pub struct FetchError {
    /// The host, as the URL names it.
    pub host: String,
    /// What went wrong.
    pub kind: FetchErrorKind,
}

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum FetchErrorKind {
    /// The URL is not https, and not plain HTTP to this machine where that is allowed either.
    #[error("its URL is not https")]
    NotHttps,
    /// The URL holds what a URL to fetch may not.
    #[error("its URL has a user, a fragment, or a host that is no name and no address")]
    InvalidUrl,
    /// The name has no address.
    #[error("its name does not resolve: {0}")]
    Unresolved(io::Error),
    /// Not every address is public or allowed.
    #[error("its address is not public; `outbound.allow_networks` allows private ones")]
    NotPublic,
    /// No address takes connections.
    #[error("it takes no connection: {0}")]
    Unreachable(io::Error),
    /// It does not prove its name to be its own, or does not speak TLS.
    #[error("TLS failed: {0}")]
    Tls(io::Error),
    /// It does not speak HTTP/1.1, or went away before the end of its answer.
    #[error("its answer is broken HTTP: {0}")]
    Http(hyper::Error),
    /// It answered with another status than 200.
    #[error("it answered with status {}", .0.as_u16())]
    Status(StatusCode),
    /// Head or body are too large.
    #[error("its answer is too large")]
    TooLarge,
    /// It took too long.
    #[error("it did not answer within {0:?}")]
    TooSlow(Duration),
    /// Too many requests wait already.
    #[error("too many requests to other servers wait already")]
    Busy,
}

impl FetchErrorKind {
    /// What it is called where nothing of the other server may be repeated.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::NotHttps => "not_https",
            Self::InvalidUrl => "invalid_url",
            Self::Unresolved(_) => "unresolved",
            Self::NotPublic => "not_public",
            Self::Unreachable(_) => "unreachable",
            Self::Tls(_) => "tls",
            Self::Http(_) => "http",
            Self::Status(_) => "status",
            Self::TooLarge => "too_large",
            Self::TooSlow(_) => "timeout",
            Self::Busy => "busy",
        }
    }
}

/// Why nothing can be fetched at all, in one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The file of authorities cannot be read.
    #[error("cannot read {}: {cause}; check outbound.trusted_roots_file and the permissions of the file", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// The file has no certificate in it.
    #[error("{} holds no certificate; give a PEM file of authorities as outbound.trusted_roots_file", .0.display())]
    NoCertificate(PathBuf),
    /// A certificate in the file cannot be trusted.
    #[error("a certificate in {} cannot be trusted: {cause}; take it out of outbound.trusted_roots_file", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: rustls::Error,
    },
    /// The TLS library refuses its own defaults.
    #[error("TLS cannot be set up: {0}; report it, and start another build")]
    Tls(rustls::Error),
}
