//! Moving what was committed from SQLite's WAL into the data file, beside the writer and never inside a
//! commit.

use std::{
    sync::{Arc, mpsc::Receiver},
    time::Duration,
};

use sea_orm::{DbBackend, DbErr, QueryResult, Statement};

use super::{connection::Connection, readers::Readers};

/// Commits are gathered for so long.
const INTERVAL: Duration = Duration::from_secs(1);
/// A WAL of more pages than this (64 MiB) is written from its start again, for which writers have to wait. The file
/// keeps its size until the stop: to cut it would take the file system ten times as long.
const LARGE: i64 = 16_384;

/// Makes the checkpoints, on a thread of its own.
pub(super) struct Checkpointer {
    /// A connection of its own.
    pub(super) connection: Connection,
    /// Closed at the end, so that the last checkpoint takes all and the WAL can go.
    pub(super) readers: Arc<Readers>,
    /// Tells that something was committed. Ends when the writer and all scans have ended.
    pub(super) commits: Receiver<()>,
    /// Ends when the store is closed, and with it the gathering.
    pub(super) closing: Receiver<()>,
}

impl Checkpointer {
    /// Makes checkpoints until nobody reads or writes any more, and then the last one.
    pub(super) fn run(self) {
        while self.commits.recv().is_ok() {
            // Comes back at once when the store is closed.
            let _ = self.closing.recv_timeout(INTERVAL);
            report(self.passive());
        }
        self.readers.close();
        report(checkpoint(&self.connection, "TRUNCATE").map(drop));
    }

    fn passive(&self) -> Result<(), DbErr> {
        if checkpoint(&self.connection, "PASSIVE")? > LARGE {
            checkpoint(&self.connection, "RESTART")?;
        }
        Ok(())
    }
}

/// Makes a checkpoint and tells how many pages it left in the WAL.
fn checkpoint(connection: &Connection, mode: &str) -> Result<i64, DbErr> {
    let pragma = format!("PRAGMA wal_checkpoint({mode})");
    let row = connection
        .rows(&Statement::from_string(DbBackend::Sqlite, pragma))?
        .pop();
    row.map_or(Ok(0), |row| QueryResult::from(row).try_get("", "log"))
}

/// Nothing is lost when a checkpoint fails: the WAL grows until the next one.
fn report(result: Result<(), DbErr>) {
    if let Err(cause) = result {
        tracing::warn!(%cause, "the database's log was not moved into its file");
    }
}
