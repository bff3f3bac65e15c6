//! `countersign config`: the settings, looked at.

use clap::Subcommand;

use super::{Loaded, Sources, StartError, block_on, print, start_log};
use crate::{
    app,
    config::{show_defaults, show_effective},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check the settings and every file that they name, and print those in force with the source of each;
    /// secrets as ***
    ///
    /// It opens no database and listens nowhere.
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
    pub(super) fn run(&self, sources: &Sources) -> Result<(), StartError> {
        match self {
            Self::Check => {
                let loaded = Loaded::from_sources(sources)?;
                let (_, _written_at_the_end) = start_log(&loaded.config)?;
                block_on(app::check(&loaded))?;
                print(format!(
                    "{}\n# OK: these settings can be used\n",
                    show_effective(&loaded)
                ))
            }
            Self::ShowDefaults => print(show_defaults()),
        }
    }
}
