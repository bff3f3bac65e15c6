//! A moved database is the same one elsewhere.

use countersign::app;

use super::{Place, api_key, backup_with_contents_of, on_every_pair};
use crate::{store_contract::on_postgres, support::PASSWORD};

on_every_pair! {
    everybody_and_everything_moves,
    a_database_with_anything_in_it_is_left_alone,
}

async fn everybody_and_everything_moves(from: Place, to: Place) {
    let app = from.start().await;
    // More than one page of rows.
    for number in 0..210 {
        app.sign_up(&format!("p{number}")).await;
    }
    let ann = app.sign_up("ann").await;
    let here = ann.logs_in().await.tokens;
    let key = api_key(&app, &here.access_token).await;
    app.parts.store.close().await;
    to.takes_key_of(&app);
    let moved = app::move_to(&app.config, &to.config(&app), &app.env()).await;
    let moved = moved.unwrap();
    let rows = |name: &str| moved.tables.iter().find(|(table, _)| table == name);
    assert_eq!(rows("accounts").map(|(_, rows)| *rows), Some(211));

    let server = to.start_after(&app).await;
    let (_folder, _, contents) = backup_with_contents_of(&server).await;
    assert_eq!(contents, moved);
    assert!(server.opens(&here.access_token).await);
    assert!(server.opens(&key).await);
    let refreshed = server.try_refresh(&here.refresh_token).await.unwrap();
    assert!(server.opens(&refreshed.access_token).await);
    server.try_log_in(&ann.email, PASSWORD).await.unwrap();
    server.try_log_in("p7@example.com", PASSWORD).await.unwrap();
}

async fn a_database_with_anything_in_it_is_left_alone(from: Place, to: Place) {
    let app = from.start().await;
    app.sign_up("ann").await;
    to.takes_key_of(&app);
    let other = to.start_after(&app).await;
    other.sign_up("bob").await;
    let (_folder, _, before) = backup_with_contents_of(&other).await;
    let refused = app::move_to(&app.config, &other.config, &app.env()).await;
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains("not empty") || refused.contains("already"),
        "{refused}"
    );
    let (_folder, _, after) = backup_with_contents_of(&other).await;
    assert_eq!(before, after);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_does_not_move_away_from_its_key() {
    let (from, to) = (Place::sqlite(), Place::sqlite());
    let app = from.start().await;
    app.parts.store.close().await;
    let moving = app::move_to(&app.config, &to.config(&app), &app.env()).await;
    let refused = moving.unwrap_err().to_string();
    for said in ["another master key", "cp -p", "master.key"] {
        assert!(refused.contains(said), "{refused}");
    }
    assert!(to.files().is_empty(), "{:?}", to.files());
}

/// Has a move break after its first rows, and gives what it said.
async fn broken_move(from: &Place, to: &Place, damage: &str) -> String {
    let app = from.start().await;
    app.sign_up("ann").await;
    app.parts.store.close().await;
    let file = from.folder.path().join("countersign.db");
    let by_hand = rusqlite::Connection::open(file).unwrap();
    by_hand.execute_batch(damage).unwrap();
    drop(by_hand);
    to.takes_key_of(&app);
    let moved = app::move_to(&app.config, &to.config(&app), &app.env()).await;
    moved.unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_read_leaves_nothing_behind() {
    let (from, to) = (Place::sqlite(), Place::sqlite());
    let damage = "UPDATE accounts SET created_at = x'00'";
    let said = broken_move(&from, &to, damage).await;
    assert!(said.contains("cannot be read"), "{said}");
    assert_eq!(to.files(), ["countersign.lock", "master.key"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_written_leaves_nothing_behind() {
    on_postgres(|base| async move {
        let (from, to) = (Place::sqlite(), Place::on(&base));
        let damage = "UPDATE accounts SET display_name = 'a' || char(0)";
        let said = broken_move(&from, &to, damage).await;
        assert!(said.contains("nothing of it was kept"), "{said}");
        assert!(base.open_store().await.is_empty().await.unwrap());
    })
    .await;
}
