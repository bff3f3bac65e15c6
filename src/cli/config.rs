//! `countersign config`: the settings, looked at.

use std::error::Error;

use clap::Subcommand;

use super::{Loaded, Sources, print};
use crate::config::{show_defaults, show_effective};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check the settings, and print those in force with the source of each; secrets as ***
    #[command(
        after_help = "Example:\n  COUNTERSIGN_LISTEN=127.0.0.1:9000 countersign config check --config countersign.toml"
    )]
    Check,
    /// Print a configuration file with every setting, its explanation and its default
    #[command(after_help = "Example:\n  countersign config show-defaults > countersign.toml")]
    ShowDefaults,
}

impl Command {
    /// Runs the command on these sources.
    pub(super) fn run(&self, sources: &Sources) -> Result<(), Box<dyn Error>> {
        match self {
            Self::Check => print(show_effective(&Loaded::from_sources(sources)?)),
            Self::ShowDefaults => print(show_defaults()),
        }
    }
}
