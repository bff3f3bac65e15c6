//! TLS from a certificate file and a key file, read again when they change.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use sha2::{Digest as _, Sha256};
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

use super::options::TlsFiles;

/// Why a certificate and its key cannot be used, in one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {cause}; check the path and its permissions", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// The certificate file has no certificate in it.
    #[error("{} holds no certificate; give a PEM file, the server's certificate first", .0.display())]
    NoCertificate(PathBuf),
    /// The key file has no key in it.
    #[error("{} holds no private key; give a PEM file with an unencrypted key", .0.display())]
    NoKey(PathBuf),
    /// The key belongs to another certificate.
    #[error("the key in {} is not the key of the certificate in {}; name the two files that were made together as tls.cert and tls.key", key.display(), cert.display())]
    Mismatch {
        /// The certificate file.
        cert: PathBuf,
        /// The key file.
        key: PathBuf,
    },
    /// The pair is of a kind that is not supported.
    #[error("the key in {} cannot be used with the certificate in {}: {cause}; use a certificate with an RSA key of 2048 to 8192 bits, an ECDSA key on P-256 or P-384, or an Ed25519 key", key.display(), cert.display())]
    Unusable {
        /// The certificate file.
        cert: PathBuf,
        /// The key file.
        key: PathBuf,
        /// What is wrong.
        cause: rustls::Error,
    },
    /// The TLS library refuses its own defaults.
    #[error("TLS cannot be set up: {0}; report it, and start another build")]
    Setup(rustls::Error),
}

/// What came of looking at the files.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reload {
    /// They hold what they held.
    Unchanged,
    /// New connections are shown the new certificate.
    Replaced,
    /// They cannot be used as they are; the last good certificate stays.
    Kept,
}

/// The certificate that clients are shown.
pub struct Certificate {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    current: ArcSwap<CertifiedKey>,
    last: Mutex<LastLook>,
}

/// What the files were when they were last looked at, so that the log says a thing once.
struct LastLook {
    digest: Option<[u8; 32]>,
    failed: bool,
}

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// They cannot be read, or do not hold a certificate and its key.
    pub async fn load(files: TlsFiles) -> Result<Arc<Self>, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let pem = Pem::read(&files).await?;
        let certified = pem.certified(&files, &provider)?;
        Ok(Arc::new(Self {
            current: ArcSwap::from_pointee(certified),
            last: Mutex::new(LastLook {
                digest: Some(pem.digest()),
                failed: false,
            }),
            files,
            provider,
        }))
    }

    /// Reads the files again, and says in the log what came of it.
    pub async fn reload(&self) -> Reload {
        self.look(true).await
    }

    /// Reads the files again. A pair that is broken, or only half written yet, changes nothing.
    pub async fn reload_if_changed(&self) -> Reload {
        self.look(false).await
    }

    async fn look(&self, told_to: bool) -> Reload {
        let pem = Pem::read(&self.files).await;
        let digest = pem.as_ref().ok().map(Pem::digest);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if digest == last.digest && !told_to {
            return if last.failed {
                Reload::Kept
            } else {
                Reload::Unchanged
            };
        }
        last.digest = digest;
        match pem.and_then(|pem| pem.certified(&self.files, &self.provider)) {
            Ok(certified) => {
                self.current.store(Arc::new(certified));
                last.failed = false;
                tracing::info!("the TLS certificate was read again");
                Reload::Replaced
            }
            Err(cause) => {
                if !last.failed || told_to {
                    tracing::error!(%cause, "the new TLS certificate cannot be used; the old one stays");
                }
                last.failed = true;
                Reload::Kept
            }
        }
    }

    /// What turns connections into TLS connections: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN.
    pub(super) fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, TlsError> {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as _);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config).into())
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

/// The files as they are.
struct Pem {
    cert: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl Pem {
    async fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        Ok(Self {
            cert: read(&files.cert).await?,
            key: Zeroizing::new(read(&files.key).await?),
        })
    }

    fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(Sha256::digest(&self.cert));
        digest.update(Sha256::digest(&self.key));
        digest.finalize().into()
    }

    fn certified(
        &self,
        files: &TlsFiles,
        provider: &CryptoProvider,
    ) -> Result<CertifiedKey, TlsError> {
        let chain = CertificateDer::pem_slice_iter(&self.cert)
            .collect::<Result<Vec<_>, _>>()
            .ok()
            .filter(|chain| !chain.is_empty())
            .ok_or_else(|| TlsError::NoCertificate(files.cert.clone()))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|_| TlsError::NoKey(files.key.clone()))?;
        let (cert, key_file) = (files.cert.clone(), files.key.clone());
        CertifiedKey::from_der(chain, key, provider).map_err(|cause| match cause {
            rustls::Error::InconsistentKeys(_) => TlsError::Mismatch {
                cert,
                key: key_file,
            },
            cause => TlsError::Unusable {
                cert,
                key: key_file,
                cause,
            },
        })
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    tokio::fs::read(path)
        .await
        .map_err(|cause| TlsError::Unreadable {
            path: path.to_owned(),
            cause,
        })
}
