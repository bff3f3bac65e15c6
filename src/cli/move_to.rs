//! `countersign move`: everything in the database, in another one.

use std::{ffi::OsString, path::PathBuf};

use clap::Args;

use super::{Env, Loaded, Sources, StartError, backup::show, block_on, print};
use crate::{app, config::Config};

/// What the variables begin with that are settings.
const SETTING: &[u8] = b"COUNTERSIGN_";

#[derive(Args, Debug)]
pub(super) struct Move {
    /// The settings of the server that is to use the other database
    ///
    /// They are read from this file alone: no variable and no other option counts for them.
    #[arg(long, value_name = "FILE")]
    to_config: PathBuf,
}

impl Move {
    /// Moves the database, and says what was in it.
    pub(super) fn run(
        &self,
        config: &Config,
        variables: &[(OsString, OsString)],
    ) -> Result<(), StartError> {
        let others = variables.iter().filter(|(name, _)| {
            let name = name.as_encoded_bytes();
            !name.starts_with(SETTING)
        });
        let sources = Sources::environment(others.cloned()).file(Some(self.to_config.clone()));
        let to = Loaded::from_sources(&sources)?.config;
        let contents = block_on(app::move_to(config, &to, &Env::system()))?;
        show(&contents)?;
        print(
            "Both databases hold these rows. Start the server with the other settings, and this one no more.\n",
        )
    }
}
