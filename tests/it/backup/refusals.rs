//! What is not a whole backup, or does not belong where it is to go, is refused, and nothing is changed.

use std::{fs, path::Path};

use countersign::app;

use super::{Place, backup_of, backup_with_contents_of};
use crate::{store_contract::on_postgres, support::TestApp};

/// What a restore of a file into a place says, which it must not do.
async fn refusal(place: &Place, app: &TestApp, file: &Path) -> String {
    let config = place.config(app);
    let restored = app::restore(&config, file, false, &app.env()).await;
    restored.unwrap_err().to_string()
}

fn change(file: &Path, statements: &str) {
    let file = rusqlite::Connection::open(file).unwrap();
    file.execute_batch(statements).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_a_backup_of_this_version_is_refused() {
    let from = Place::sqlite();
    let app = from.start().await;
    app.sign_up("ann").await;
    let (folder, good) = backup_of(&app).await;
    app.parts.store.close().await;
    let place = Place::sqlite();
    place.takes_key_of(&app);
    let file = folder.path().join("other.db");

    let not_a_backup = "is not a backup that `countersign backup` made";
    for content in [&b""[..], b"SQLite format", &[b'x'; 5000]] {
        fs::write(&file, content).unwrap();
        let refused = refusal(&place, &app, &file).await;
        assert!(refused.contains(not_a_backup), "{refused}");
    }
    // A database that is in use is another thing: what is in its log would be missing.
    fs::copy(app.config.data_dir.join("countersign.db"), &file).unwrap();
    let refused = refusal(&place, &app, &file).await;
    assert!(refused.contains(not_a_backup), "{refused}");

    for (statements, said) in [
        ("DROP TABLE backup", not_a_backup),
        (
            "CREATE TRIGGER t AFTER INSERT ON accounts BEGIN SELECT 1; END",
            not_a_backup,
        ),
        ("CREATE VIEW v AS SELECT 1", not_a_backup),
        ("DELETE FROM backup", not_a_backup),
        (
            "INSERT INTO seaql_migrations VALUES ('m29991231_000001_later', 0)",
            "start the newer version",
        ),
        // A server works beside what a newer version has added, but would leave it out of a copy.
        (
            "INSERT INTO seaql_migrations VALUES ('m29991231_000001_expand_accounts', 0)",
            "start the newer version",
        ),
        (
            "UPDATE seaql_migrations SET version = 'm20200101_000001_shop'",
            "belongs to another program",
        ),
        ("UPDATE accounts SET email_verified = 1", "is damaged"),
        ("DELETE FROM memberships", "is damaged"),
        ("CREATE TABLE things (id INTEGER PRIMARY KEY)", "is damaged"),
        ("CREATE TABLE things (id REAL)", "is damaged"),
        (
            "PRAGMA foreign_keys = OFF; DELETE FROM organizations",
            "is damaged",
        ),
    ] {
        fs::copy(&good, &file).unwrap();
        change(&file, statements);
        let refused = refusal(&place, &app, &file).await;
        assert!(refused.contains(said), "{statements}: {refused}");
    }
    let absent = refusal(&place, &app, &folder.path().join("absent.db")).await;
    assert!(absent.contains("absent.db"), "{absent}");
    assert_eq!(place.files(), ["master.key"]);

    // None of that was the fault of the place.
    place.restores(&app, &good).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_backup_is_refused() {
    let from = Place::sqlite();
    let app = from.start().await;
    for name in ["ann", "bob"] {
        app.sign_up(name).await.logs_in().await;
    }
    let (folder, file, contents) = backup_with_contents_of(&app).await;
    let good = fs::read(&file).unwrap();
    let damaged = folder.path().join("damaged.db");
    let pages = (0..good.len()).step_by(4096);
    for length in pages.chain([1, 15, 16, 99, 100, 4095, good.len() - 1]) {
        fs::write(&damaged, &good[..length]).unwrap();
        let refused = app::verify(&damaged).await.unwrap_err().to_string();
        assert!(refused.contains("damaged.db"), "{length}: {refused}");
    }
    let mut noticed = 0;
    for place in (0..good.len()).step_by(509) {
        let mut bytes = good.clone();
        bytes[place] ^= 0x55;
        fs::write(&damaged, &bytes).unwrap();
        match app::verify(&damaged).await {
            // What no row and no index uses.
            Ok(backup) => assert_eq!(backup.contents, contents, "{place}"),
            Err(_) => noticed += 1,
        }
    }
    assert!(noticed > 0);
}

/// What stands beside a backup is none of it, and is left alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_beside_a_backup_is_not_taken_for_its_own() {
    let from = Place::sqlite();
    let app = from.start().await;
    app.sign_up("ann").await;
    let (folder, file, contents) = backup_with_contents_of(&app).await;
    for name in ["backup.db-wal", "backup.db-journal"] {
        fs::write(folder.path().join(name), "what was there before").unwrap();
    }
    let place = Place::sqlite();
    let restored = place.restores(&app, &file).await;
    assert_eq!(restored.backup.contents, contents);
    for name in ["backup.db-wal", "backup.db-journal"] {
        let left = fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(left, "what was there before");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_does_not_open_the_backup_is_told() {
    let (from, other, place) = (Place::sqlite(), Place::sqlite(), Place::sqlite());
    let app = from.start().await;
    let (_folder, file) = backup_of(&app).await;
    let missing = refusal(&place, &app, &file).await;
    assert!(missing.contains("master.key is missing"), "{missing}");
    let others = app.beside(|config| other.configure(config)).await;
    place.takes_key_of(&others);
    let wrong = refusal(&place, &app, &file).await;
    assert!(wrong.contains("sealed with another master key"), "{wrong}");
    assert_eq!(place.files(), ["countersign.lock", "master.key"]);
    place.restores(&app, &file).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_over() {
    let (from, place) = (Place::sqlite(), Place::sqlite());
    let app = from.start().await;
    let (_folder, file) = backup_of(&app).await;
    let before = fs::read(&file).unwrap();
    let again = app::back_up(&app.config, &file, &app.env()).await;
    let again = again.unwrap_err().to_string();
    assert!(again.contains("backup.db already"), "{again}");
    assert_eq!(fs::read(&file).unwrap(), before);

    place.takes_key_of(&app);
    for name in ["countersign.db", "countersign.db-wal"] {
        let there = place.folder.path().join(name);
        fs::write(&there, "mine").unwrap();
        let refused = refusal(&place, &app, &file).await;
        assert!(refused.contains(&format!("{name} already")), "{refused}");
        assert_eq!(fs::read_to_string(&there).unwrap(), "mine");
        fs::remove_file(there).unwrap();
    }
    let absent = Path::new("/nowhere/at/all.db");
    let refused = app::back_up(&app.config, absent, &app.env()).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("/nowhere/at/all.db"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_database_that_is_in_use_is_left_alone() {
    on_postgres(|base| async move {
        let from = Place::on(&base);
        let app = from.start().await;
        let ann = app.sign_up("ann").await.logs_in().await;
        let (_folder, file, before) = backup_with_contents_of(&app).await;
        let refused = refusal(&from, &app, &file).await;
        assert!(refused.contains("is not empty"), "{refused}");
        assert_eq!(from.files(), ["master.key"]);
        let (_folder, _, after) = backup_with_contents_of(&app).await;
        assert_eq!(before, after);
        assert!(ann.is_in().await);
    })
    .await;
}
