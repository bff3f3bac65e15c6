//! `countersign restore`: a database from a backup.

use std::path::PathBuf;

use clap::Args;

use super::{Env, StartError, backup::show, block_on, print};
use crate::{
    app::{self, Restored},
    config::Config,
};

#[derive(Args, Debug)]
pub(super) struct Restore {
    /// What `countersign backup` made
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Read the file to its end and say what is in it; restore nothing
    #[arg(long, conflicts_with = "keep_api_keys")]
    verify: bool,
    /// Let API keys work on: say so only when none was revoked since the backup
    #[arg(long)]
    keep_api_keys: bool,
}

impl Restore {
    /// Restores the backup, or looks at it, and says what is in it.
    pub(super) fn run(&self, config: &Config) -> Result<(), StartError> {
        if self.verify {
            let backup = block_on(app::verify(&self.file))?;
            show(&backup.contents)?;
            let made = backup.created_at.to_rfc3339();
            return print(format!("This backup of {made} is whole.\n"));
        }
        let env = Env::system();
        let restored = app::restore(config, &self.file, self.keep_api_keys, &env);
        let Restored { backup, ended } = block_on(restored)?;
        show(&backup.contents)?;
        print(format!(
            "Restored the backup of {}. Whatever may have been revoked or spent since is over: {} sessions, {} grants, \
             {} API keys, {} consents, {} signing keys, {} mails.\n",
            backup.created_at.to_rfc3339(),
            ended.sessions,
            ended.grants,
            ended.api_keys,
            ended.consents,
            ended.signing_keys,
            ended.mails,
        ))
    }
}
