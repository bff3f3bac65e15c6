//! Where traces go.

use super::StartError;
use crate::{
    config::Config,
    env::Env,
    telemetry::{Options, Telemetry},
};

/// The traces that the settings ask for.
pub(super) fn telemetry(config: &Config, env: &Env) -> Result<Telemetry, StartError> {
    let settings = &config.otel;
    if !settings.is_enabled() {
        return Ok(Telemetry::off());
    }
    let options = Options {
        endpoint: settings.endpoint.clone(),
        headers: settings.header_map().unwrap_or_default(),
        sample_ratio: settings.sample_ratio.get(),
    };
    let telemetry = Telemetry::start(&options, env.clone())
        .map_err(|cause| StartError::new(cause.to_string(), "correct the [otel] section"))?;
    tracing::info!(collector = settings.endpoint, "traces are sent");
    Ok(telemetry)
}
