//! A backup is made while others write.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use countersign::app;
use tokio::task::JoinSet;

use super::Place;
use crate::{
    store_contract::{Base, on_both_engines},
    support::{PASSWORD, TestApp, sign_up_with},
};

/// How many backups are made.
const BACKUPS: usize = 12;
/// How many write meanwhile.
const WRITERS: usize = 3;

on_both_engines! {
    a_backup_under_writes_holds_what_was_acknowledged_before,
}

/// The addresses of the accounts in a backup.
fn addresses(file: &Path) -> BTreeSet<String> {
    let file = rusqlite::Connection::open(file).unwrap();
    let mut question = file.prepare("SELECT email FROM accounts").unwrap();
    let rows = question.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

async fn a_backup_under_writes_holds_what_was_acknowledged_before(base: Base) {
    let place = match base.url() {
        Some(_) => Place::on(&base),
        None => Place::sqlite(),
    };
    let app = place.start().await;
    let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let mut accounts = app.accounts();
        let (acknowledged, stop) = (acknowledged.clone(), stop.clone());
        writers.spawn(async move {
            for number in 0.. {
                let request = sign_up_with(&format!("p{writer}-{number}"), None);
                let email = request.email.clone();
                accounts.create_account(request).await.unwrap();
                acknowledged.lock().unwrap().insert(email);
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
    }
    let folder = tempfile::tempdir().unwrap();
    let file = |number: usize| folder.path().join(format!("{number}.db"));
    for number in 0..BACKUPS {
        let before = acknowledged.lock().unwrap().clone();
        let file = file(number);
        let contents = app::back_up(&app.config, &file, &app.env()).await.unwrap();
        assert_eq!(app::verify(&file).await.unwrap().contents, contents);
        let held = addresses(&file);
        assert!(before.is_subset(&held), "{before:?} {held:?}");
    }
    let held = addresses(&file(BACKUPS - 1));
    stop.store(true, Ordering::Relaxed);
    writers.join_all().await;
    let (first, last) = (addresses(&file(0)).len(), held.len());
    assert!(first < last, "nobody wrote meanwhile: {first} {last}");

    let new = Place::sqlite();
    new.restores(&app, &file(BACKUPS - 1)).await;
    let server: TestApp = new.start_after(&app).await;
    for email in held {
        server.try_log_in(&email, PASSWORD).await.unwrap();
    }
}
