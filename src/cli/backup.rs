//! `countersign backup`: everything in the database, in one file.

use std::path::PathBuf;

use clap::Args;

use super::{Env, StartError, block_on, print, table::table};
use crate::{
    app::{self, Contents},
    config::Config,
};

#[derive(Args, Debug)]
pub(super) struct Backup {
    /// The file to make. It must not be there yet
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Backup {
    /// Makes the backup, and says what is in it.
    pub(super) fn run(&self, config: &Config) -> Result<(), StartError> {
        let contents = block_on(app::back_up(config, &self.file, &Env::system()))?;
        show(&contents)
    }
}

/// The rows of each table, and the hash over all of them.
pub(super) fn show(contents: &Contents) -> Result<(), StartError> {
    let rows = contents.tables.iter();
    let rows = rows.map(|(name, rows)| [name.clone(), rows.to_string()]);
    print(table(["TABLE", "ROWS"], rows))?;
    print(format!("SHA-256 of the rows: {contents}\n"))
}
