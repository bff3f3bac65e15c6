//! TLS on the listener.

use std::path::{Path, PathBuf};

use super::{
    rule::{Broken, require},
    setting::settings,
};

settings! {
    /// TLS on the listener. The files are read again when they change.
    pub struct Tls {
        /// The file of the certificate chain in PEM, the server's own first. Empty: no TLS.
        cert: Option<PathBuf> = None,
        /// The file of the certificate's private key in PEM.
        key: Option<PathBuf> = None,
    }
}

impl Tls {
    /// Whether the listener speaks TLS.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.files().is_some()
    }

    /// The files of the certificate and of its key.
    #[must_use]
    pub fn files(&self) -> Option<(&Path, &Path)> {
        self.cert.as_deref().zip(self.key.as_deref())
    }

    pub(super) fn check(&self) -> Result<(), Broken> {
        require(
            self.cert.is_some() || self.key.is_none(),
            "tls.cert",
            "it must be set together with `tls.key`",
        )?;
        require(
            self.key.is_some() || self.cert.is_none(),
            "tls.key",
            "it must be set together with `tls.cert`",
        )
    }
}
