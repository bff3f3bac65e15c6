//! What SQLite itself can do on this disk: the statements of a rotation, on one thread and without anything around them.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use rusqlite::Connection;

const TIME: Duration = Duration::from_secs(1);
const SCHEMA: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;
    CREATE TABLE grants (id BLOB PRIMARY KEY, account BLOB NOT NULL, refreshed_at INTEGER, expires_at INTEGER, scopes TEXT) WITHOUT ROWID;
    CREATE TABLE tokens (hash BLOB PRIMARY KEY, grant_id BLOB NOT NULL, created_at INTEGER, consumed_at INTEGER) WITHOUT ROWID;
    CREATE INDEX tokens_grant ON tokens (grant_id);";

/// Rotations in a second.
pub(crate) struct Rates {
    pub(crate) one_to_a_commit: f64,
    pub(crate) sixty_four_to_a_commit: f64,
}

/// Measures with new files in this folder, which is on the disk that the server writes to.
pub(crate) fn rotations(folder: &Path) -> Rates {
    let folder = tempfile::tempdir_in(folder).expect("a folder");
    Rates {
        one_to_a_commit: rotations_per_second(folder.path(), 1),
        sixty_four_to_a_commit: rotations_per_second(folder.path(), 64),
    }
}

fn rotations_per_second(folder: &Path, to_a_commit: usize) -> f64 {
    let path = folder.join(format!("raw-{to_a_commit}.db"));
    let database = Connection::open(path).expect("a database");
    database.execute_batch(SCHEMA).expect("a schema");
    let grants: Vec<[u8; 16]> = (0..64_u8).map(|number| [number; 16]).collect();
    for grant in &grants {
        let insert = "INSERT INTO grants VALUES (?1, ?1, 0, 0, 'account')";
        database.execute(insert, [grant]).expect("a grant");
        insert_token(&database, &token(grant, 0), grant);
    }
    let (end, mut turn) = (Instant::now() + TIME, 0_u64);
    while Instant::now() < end {
        database.execute_batch("BEGIN IMMEDIATE").expect("a begin");
        for _ in 0..to_a_commit {
            let grant = &grants[(turn % 64) as usize];
            rotate(&database, grant, turn / 64);
            turn += 1;
        }
        database.execute_batch("COMMIT").expect("a commit");
    }
    turn as f64 / TIME.as_secs_f64()
}

fn token(grant: &[u8; 16], turn: u64) -> Vec<u8> {
    [grant, &turn.to_be_bytes()[..], &turn.to_le_bytes()[..]].concat()
}

fn insert_token(database: &Connection, hash: &[u8], grant: &[u8; 16]) {
    let mut insert = database
        .prepare_cached("INSERT INTO tokens VALUES (?1, ?2, 1, NULL)")
        .expect("an insert");
    insert.execute((hash, grant)).expect("a token");
}

fn rotate(database: &Connection, grant: &[u8; 16], turn: u64) {
    let mut find = database
        .prepare_cached("SELECT grant_id, consumed_at FROM tokens WHERE hash = ?1")
        .expect("a select");
    let consumed: Option<i64> = find
        .query_row([token(grant, turn)], |row| row.get(1))
        .expect("the token");
    assert!(consumed.is_none());
    let mut consume = database
        .prepare_cached("UPDATE tokens SET consumed_at = 1 WHERE hash = ?1 AND consumed_at IS NULL")
        .expect("an update");
    consume.execute([token(grant, turn)]).expect("a change");
    let mut refresh = database
        .prepare_cached("UPDATE grants SET refreshed_at = 1 WHERE id = ?1")
        .expect("an update");
    refresh.execute([grant]).expect("a change");
    insert_token(database, &token(grant, turn + 1), grant);
}
