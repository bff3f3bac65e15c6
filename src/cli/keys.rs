//! `countersign keys`: the keys that sign tokens.

use std::io::{self, Write};

use clap::{Args, Subcommand};

use super::{Env, StartError, block_on, print, print_json, table::table};
use crate::{
    app::{Console, KeyLine},
    config::Config,
};

const HEADER: [&str; 5] = ["KEY", "ALGORITHM", "PHASE", "SIGNS FROM", "VERIFIES UNTIL"];
/// A moment to the minute, of RFC 3339.
const MINUTES: usize = "2026-11-26T20:15".len();

/// What a second rotation says while the first still waits.
const NOTHING_TO_ROTATE: &str = "countersign: the next keys are already published, so nothing was changed; they sign from the time below";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the keys, and where each is in its life
    List(Output),
    /// Publish a successor of each key now; it signs once `keys.publish_before` has passed
    ///
    /// The key it follows verifies until the last token that it signed has ended. A server rotates its
    /// keys by age on its own (`keys.rotation_age`). While the successors of an earlier rotation are
    /// published and do not sign yet, it says so and changes nothing. A key that may have leaked is revoked.
    Rotate(Output),
    /// End a key at once, as when it may have leaked: the tokens that it signed are refused from now on
    ///
    /// Where it signed or was to sign, a new key signs from now on. Sessions stay: whoever has a refresh token gets
    /// a new access token; MailKite's and Mail.td's users log in again.
    Revoke {
        /// The key id, as `countersign keys list` shows it
        #[arg(value_name = "KEY", allow_hyphen_values = true)]
        kid: String,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Args, Debug)]
pub(super) struct Output {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Command {
    /// Runs the command, and prints the keys.
    pub(super) fn run(&self, config: &Config) -> Result<(), StartError> {
        let (keys, published) = block_on(async {
            let mut console = Console::open(config, Env::system()).await?;
            let done = match self {
                Self::List(_) => console.signing_keys().await.map(|keys| (keys, true)),
                Self::Rotate(_) => console.rotate_signing_keys().await,
                Self::Revoke { kid, .. } => {
                    let left = console.revoke_signing_key(kid).await;
                    left.map(|keys| (keys, true))
                }
            };
            console.close().await;
            done
        })?;
        if !published {
            // There is nowhere left to say it when standard error is closed.
            let _ = writeln!(io::stderr(), "{NOTHING_TO_ROTATE}");
        }
        match self {
            Self::List(output) | Self::Rotate(output) | Self::Revoke { output, .. }
                if output.json =>
            {
                print_json(&keys)
            }
            _ => print(table(HEADER, keys.iter().map(cells))),
        }
    }
}

fn cells(key: &KeyLine) -> [String; HEADER.len()] {
    let to_the_minute = |moment: &str| moment.get(..MINUTES).unwrap_or(moment).replace('T', " ");
    let end = key.expire_time.as_deref();
    [
        key.kid.clone(),
        key.algorithm.clone(),
        key.phase.to_owned(),
        to_the_minute(&key.active_time),
        end.map_or("-".to_owned(), to_the_minute),
    ]
}
