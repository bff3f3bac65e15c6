//! `countersign keys`: the keys that sign tokens.

use std::io::{self, Write};

use clap::Subcommand;

use super::{Env, StartError, block_on, print, table::table};
use crate::{
    app::{self, KeyLine},
    config::Config,
    env::Timestamp,
};

const HEADER: [&str; 7] = [
    "KEY",
    "ALGORITHM",
    "PHASE",
    "CREATED",
    "SIGNS FROM",
    "SIGNS UNTIL",
    "VERIFIES UNTIL",
];

/// What a second rotation says while the first still waits.
const NOTHING_TO_ROTATE: &str = "countersign: the next keys are already published, so nothing was changed; they sign from the time below";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the keys, and where each is in its life
    List,
    /// Publish a successor of each key now; it signs once `keys.publish_before` has passed
    ///
    /// The key it follows verifies until the last token that it signed has ended. A server rotates its
    /// keys by age on its own (`keys.rotation_age`). On Postgres this can be run beside servers, which
    /// read the keys again from time to time; on SQLite the server must be stopped for it. While the
    /// successors of an earlier rotation are published and do not sign yet, it says so and changes nothing.
    Rotate,
}

impl Command {
    /// Runs the command, and prints the keys.
    pub(super) fn run(&self, config: &Config) -> Result<(), StartError> {
        let env = Env::system();
        let (keys, published) = block_on(async {
            Ok(match self {
                Self::List => (app::list_keys(config, &env).await?, true),
                Self::Rotate => {
                    let report = app::rotate_keys(config, &env).await?;
                    (report.keys, report.published)
                }
            })
        })?;
        if !published {
            // There is nowhere left to say it when standard error is closed.
            let _ = writeln!(io::stderr(), "{NOTHING_TO_ROTATE}");
        }
        print(table(HEADER, keys.iter().map(cells)))
    }
}

fn cells(key: &KeyLine) -> [String; HEADER.len()] {
    let optional = |moment: Option<Timestamp>| moment.map_or("-".to_owned(), Timestamp::to_rfc3339);
    [
        key.kid.clone(),
        key.algorithm.to_owned(),
        key.phase.to_owned(),
        key.created_at.to_rfc3339(),
        key.active_at.to_rfc3339(),
        optional(key.retired_at),
        optional(key.expires_at),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let key = KeyLine {
            kid: "a-rather-long-key-id".to_owned(),
            algorithm: "ES256",
            phase: "active",
            created_at: Timestamp::from_seconds(0),
            active_at: Timestamp::from_seconds(0),
            retired_at: None,
            expires_at: None,
        };
        let text = table(HEADER, [cells(&key)]);
        let (header, line) = text.split_once('\n').unwrap();
        assert_eq!(header.find("ALGORITHM"), line.find("ES256"));
        assert_eq!(header.find("PHASE"), line.find("active"));
        assert_eq!(header.find("SIGNS UNTIL"), line.find(" -").map(|at| at + 1));
    }
}
