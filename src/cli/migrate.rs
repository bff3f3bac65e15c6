//! `countersign migrate`: the schema, brought up to date without serving.

use super::{Env, StartError, block_on, print};
use crate::{app, config::Config};

/// Brings the schema up to date, and says what was done.
pub(super) fn run(config: &Config) -> Result<(), StartError> {
    let report = block_on(app::migrate(config, Env::system()))?;
    if report.applied.is_empty() {
        return print("The schema is up to date.\n");
    }
    for name in &report.applied {
        print(format!("applied {name}\n"))?;
    }
    Ok(())
}
