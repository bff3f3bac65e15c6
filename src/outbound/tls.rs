//! Whom this server believes to be who they say.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tokio_rustls::TlsConnector;

use super::error::SetupError;

/// HTTP/1.1 over TLS, every connection of which proves the name anew.
pub(super) async fn connector(roots_file: Option<&Path>) -> Result<TlsConnector, SetupError> {
    let mut config = client_config(roots_file).await?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config).into())
}

/// TLS 1.2 and 1.3, to servers whose certificate comes from a public authority or from one in this file.
///
/// # Errors
/// The file cannot be used.
pub async fn client_config(roots_file: Option<&Path>) -> Result<ClientConfig, SetupError> {
    let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(path) = roots_file {
        for root in read(path).await? {
            roots.add(root).map_err(|cause| SetupError::Unusable {
                path: path.to_owned(),
                cause,
            })?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(SetupError::Tls)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

async fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    let pem = tokio::fs::read(path)
        .await
        .map_err(|cause| SetupError::Unreadable {
            path: path.to_owned(),
            cause,
        })?;
    CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .ok()
        .filter(|roots| !roots.is_empty())
        .ok_or_else(|| SetupError::NoCertificate(path.to_owned()))
}
