//! `countersign completions`: commands completed by the shell.

use clap_complete::{Shell, generate};

use super::{Cli, CommandFactory, StartError, print};

/// Prints the script for a shell.
pub(super) fn run(shell: Shell) -> Result<(), StartError> {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "countersign", &mut script);
    print(String::from_utf8_lossy(&script))
}
