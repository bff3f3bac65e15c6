//! Moving what was committed from SQLite's WAL into the data file, beside the writer and never inside a
//! commit.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement};
use tokio::{select, sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;

/// Commits are gathered for so long.
const INTERVAL: Duration = Duration::from_secs(1);
/// A WAL of more pages than this (64 MiB) is written from its start again, for which writers have to wait. The file
/// keeps its size until the stop: to cut it would take the file system ten times as long.
const LARGE: i64 = 16_384;

/// The task that makes checkpoints.
pub(super) struct Checkpointer {
    /// A connection of its own.
    pub(super) connection: DatabaseConnection,
    /// Closed at the end, so that the last checkpoint takes all and the WAL can go.
    pub(super) readers: DatabaseConnection,
    /// Tells that something was committed. Ends when the writer has ended.
    pub(super) commits: mpsc::Receiver<()>,
    /// Ends the gathering.
    pub(super) closing: CancellationToken,
}

impl Checkpointer {
    /// Makes checkpoints until the writer has ended, and then the last one.
    pub(super) async fn run(mut self) {
        while self.commits.recv().await.is_some() {
            select! {
                () = self.closing.cancelled() => {}
                () = sleep(INTERVAL) => {}
            }
            report(self.passive().await);
        }
        report(self.readers.close().await);
        report(checkpoint(&self.connection, "TRUNCATE").await.map(drop));
        report(self.connection.close().await);
    }

    async fn passive(&self) -> Result<(), DbErr> {
        if checkpoint(&self.connection, "PASSIVE").await? > LARGE {
            checkpoint(&self.connection, "RESTART").await?;
        }
        Ok(())
    }
}

/// Makes a checkpoint and tells how many pages it left in the WAL.
async fn checkpoint(connection: &DatabaseConnection, mode: &str) -> Result<i64, DbErr> {
    let pragma = format!("PRAGMA wal_checkpoint({mode})");
    let row = connection
        .query_one_raw(Statement::from_string(DbBackend::Sqlite, pragma))
        .await?;
    row.map_or(Ok(0), |row| row.try_get_by_index(1))
}

/// Nothing is lost when a checkpoint fails: the WAL grows until the next one.
fn report(result: Result<(), DbErr>) {
    if let Err(cause) = result {
        tracing::warn!(%cause, "the database's log was not moved into its file");
    }
}
