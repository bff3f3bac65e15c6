//! The listener of `/metrics`, apart from the main port, where only who operates the server can reach it.

use std::sync::Arc;

use super::{StartError, errors};
use crate::{
    config::Config,
    layers::{HttpService, request_head},
    metrics::Exposition,
    server::{BindError, Server, options::ServerOptions},
};

/// Scrapers are few.
const MAX_CONNECTIONS: usize = 32;

/// The listener, where the settings ask for one. When nobody chose its address and another program has it,
/// as a second server on the machine, the server goes without.
pub(super) async fn listen(config: &Config) -> Result<Option<Server>, StartError> {
    let Some(listen) = config.metrics.listen_at() else {
        return Ok(None);
    };
    let options = ServerOptions {
        listen,
        max_connections: MAX_CONNECTIONS,
        drain_timeout: config.server.drain_timeout,
        ..ServerOptions::default()
    };
    match Server::bind(options).await {
        Ok(server) => {
            let address = server.local_addr();
            tracing::info!("metrics can be read at http://{address}/metrics");
            Ok(Some(server))
        }
        Err(BindError::PortInUse(address)) if config.metrics.listen.is_none() => {
            tracing::warn!(
                "another program listens on {address}, so metrics cannot be read; set metrics.listen, or metrics.enabled to false"
            );
            Ok(None)
        }
        Err(cause) => Err(refusal(&cause)),
    }
}

/// The advice for the main port would not help here.
fn refusal(cause: &BindError) -> StartError {
    let text = cause.to_string();
    let what = text.split_once("; ").map_or(&*text, |(what, _)| what);
    StartError::new(
        format!("{what}, for metrics"),
        "choose another metrics.listen, or set metrics.enabled to false",
    )
}

/// What it serves.
pub(super) fn service(exposition: Arc<Exposition>) -> HttpService {
    errors::rendered(request_head::wrap(HttpService::new(exposition.router())))
}
