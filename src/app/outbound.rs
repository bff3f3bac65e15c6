//! What may be reached of servers that others name.

use super::{StartError, parts};
use crate::{
    config::Config,
    env::Env,
    outbound::{Options, Outbound},
};

/// The one thing that opens connections to servers that others name.
pub(super) async fn outbound(config: &Config, env: Env) -> Result<Outbound, StartError> {
    let settings = &config.outbound;
    let options = Options {
        trusted_roots_file: settings.trusted_roots_file.clone(),
        allow_networks: settings.allow_networks.clone(),
        // Somebody tries the server out on this machine, and their client with it.
        loopback: !config.issuer_at(config.listen).is_public(),
    };
    Outbound::new(options, env)
        .await
        .map_err(|error| parts::one_line(&error.to_string(), "correct the [outbound] section"))
}
