//! Commits, rollbacks, and what happens to those who do it wrong.

use std::{fs, sync::Arc, time::Duration};

use countersign::{
    error::{Error, Reason},
    store::Store,
};
use tokio::{
    sync::{Mutex, Notify},
    task::JoinSet,
};

use super::{Base, ann, on_both_engines, organization, sign_up};

on_both_engines! {
    a_refused_use_case_leaves_nothing,
    a_panicking_use_case_leaves_nothing_and_hurts_nobody,
    every_use_case_of_many_is_answered_and_only_the_good_ones_are_kept,
    a_reader_sees_a_commit_at_once,
    a_transaction_sees_its_own_writes_and_others_do_not,
    a_write_inside_a_write_is_refused,
    a_caller_who_goes_away_breaks_nothing,
    reading_before_writing_loses_no_update,
    closing_keeps_what_was_queued_and_refuses_the_rest,
    a_store_answers_a_ping,
}

async fn a_refused_use_case_leaves_nothing(base: Base) {
    let store = base.store().await;
    let organization = organization();
    let id = organization.id;
    let refused = store
        .write(move |tx| {
            Box::pin(async move {
                tx.insert_organization(&organization).await?;
                Err::<(), _>(Reason::QuotaExceeded.into())
            })
        })
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::QuotaExceeded);
    assert_eq!(store.read().organization(id).await.unwrap(), None);
}

async fn a_panicking_use_case_leaves_nothing_and_hurts_nobody(base: Base) {
    let store = base.store().await;
    let organization = organization();
    let id = organization.id;
    let panicking = store.write(move |tx| {
        Box::pin(async move {
            tx.insert_organization(&organization).await?;
            if tx.organization(id).await?.is_some() {
                panic!("meant to happen in this test");
            }
            Ok(())
        })
    });
    let (panicked, signed_up) = tokio::join!(panicking, sign_up(&store, "ann@example.com"));
    assert_eq!(panicked.unwrap_err().reason(), Reason::Internal);
    assert!(signed_up.unwrap().1);
    assert_eq!(store.read().organization(id).await.unwrap(), None);
    assert!(sign_up(&store, "bob@example.com").await.unwrap().1);
}

async fn every_use_case_of_many_is_answered_and_only_the_good_ones_are_kept(base: Base) {
    let store = base.store().await;
    let mut writers = JoinSet::new();
    for number in 0..200 {
        let (store, organization) = (store.clone(), organization());
        writers.spawn(async move {
            let id = organization.id;
            let written = store
                .write(move |tx| {
                    Box::pin(async move {
                        tx.insert_organization(&organization).await?;
                        if number % 3 == 0 {
                            return Err(Error::new(Reason::QuotaExceeded));
                        }
                        Ok(())
                    })
                })
                .await;
            (id, number, written)
        });
    }
    let outcomes = writers.join_all().await;
    assert_eq!(outcomes.len(), 200);
    for (id, number, written) in outcomes {
        let kept = store.read().organization(id).await.unwrap().is_some();
        assert_eq!(kept, number % 3 != 0);
        assert_eq!(written.is_ok(), kept, "{written:?}");
    }
}

async fn a_reader_sees_a_commit_at_once(base: Base) {
    let store = base.store().await;
    for number in 0..50 {
        let (account, _) = sign_up(&store, &format!("a{number}@example.com"))
            .await
            .unwrap();
        let seen = store.read().account(account.id).await.unwrap();
        assert_eq!(seen, Some(account));
    }
}

async fn a_transaction_sees_its_own_writes_and_others_do_not(base: Base) {
    let store = base.store().await;
    let organization = organization();
    let id = organization.id;
    let onlooker = store.clone();
    store
        .write(move |tx| {
            Box::pin(async move {
                tx.insert_organization(&organization).await?;
                assert!(tx.organization(id).await?.is_some());
                assert_eq!(onlooker.read().organization(id).await?, None);
                Ok(())
            })
        })
        .await
        .unwrap();
}

async fn a_write_inside_a_write_is_refused(base: Base) {
    let store = base.store().await;
    let again = store.clone();
    let refused = store
        .write(move |_| Box::pin(async move { sign_up(&again, "ann@example.com").await }))
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::Internal);
}

async fn a_caller_who_goes_away_breaks_nothing(base: Base) {
    let store = base.store().await;
    let on_postgres = store.is_multi_node();
    for number in 0..20 {
        let begun = Arc::new(Notify::new());
        let has_begun = Arc::clone(&begun);
        let may_go_on = Arc::new(Mutex::new(()));
        let going_on = Arc::clone(&may_go_on).lock_owned().await;
        let (writer, organization) = (store.clone(), organization());
        let caller = tokio::spawn(async move {
            writer
                .write(move |tx| {
                    Box::pin(async move {
                        tx.insert_organization(&organization).await?;
                        begun.notify_one();
                        // On SQLite a use case may block its thread, but may not await anything else.
                        match on_postgres {
                            true => drop(may_go_on.lock().await),
                            false => drop(may_go_on.blocking_lock()),
                        }
                        tx.organization(organization.id).await
                    })
                })
                .await
        });
        has_begun.notified().await;
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        drop(going_on);
        let email = format!("a{number}@example.com");
        assert!(sign_up(&store, &email).await.unwrap().1);
    }
}

/// On SQLite a transaction that began as deferred would fail here as soon as another connection, that
/// of the second store, has written between its read and its write.
async fn reading_before_writing_loses_no_update(base: Base) {
    let stores = [base.store().await, base.open().await];
    let account = ann(&stores[0]).await;
    let mut writers = JoinSet::new();
    for number in 0..50 {
        let (store, id) = (stores[number % 2].clone(), account.id);
        writers.spawn(async move {
            store
                .write(move |tx| {
                    Box::pin(async move {
                        let read = tx.lock_account(id).await?.unwrap();
                        let name = format!("{}.", read.display_name);
                        tx.update_display_name(id, &name, Some(read.version), read.updated_at)
                            .await
                    })
                })
                .await
        });
    }
    for written in writers.join_all().await {
        assert!(written.unwrap());
    }
    let read = stores[0].read().account(account.id).await.unwrap().unwrap();
    assert_eq!(read.version, account.version + 50);
    assert_eq!(read.display_name.len(), account.display_name.len() + 50);
}

async fn closing_keeps_what_was_queued_and_refuses_the_rest(base: Base) {
    let store = base.store().await;
    let mut writers = JoinSet::new();
    for number in 0..100 {
        let store = store.clone();
        writers.spawn(async move { sign_up(&store, &format!("a{number}@example.com")).await });
    }
    let first = writers.join_next().await.unwrap().unwrap();
    store.close().await;
    store.close().await;
    let late = sign_up(&store, "late@example.com").await.unwrap_err();
    assert_eq!(late.reason(), Reason::StorageUnavailable);
    let gone = store.ping().await.unwrap_err();
    assert_eq!(gone.reason(), Reason::StorageUnavailable);

    let reopened = base.open().await;
    for written in writers.join_all().await.into_iter().chain([first]) {
        match written {
            Ok((account, _)) => {
                let read = reopened.read().account(account.id).await.unwrap();
                assert_eq!(read, Some(account));
            }
            Err(refused) => assert_eq!(refused.reason(), Reason::StorageUnavailable),
        }
    }
}

async fn a_store_answers_a_ping(base: Base) {
    base.store().await.ping().await.unwrap();
}

/// Only SQLite queues: it has one writer.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_sheds_what_comes_next() {
    let base = Base::sqlite();
    let store = base.store().await;
    let begun = Arc::new(Notify::new());
    let has_begun = Arc::clone(&begun);
    let may_go_on = Arc::new(Mutex::new(()));
    let going_on = Arc::clone(&may_go_on).lock_owned().await;
    let blocked = store.clone();
    let blocker = tokio::spawn(async move {
        blocked
            .write(move |_| {
                Box::pin(async move {
                    begun.notify_one();
                    drop(may_go_on.blocking_lock());
                    Ok(())
                })
            })
            .await
    });
    has_begun.notified().await;
    let mut writers = JoinSet::new();
    for _ in 0..1100 {
        writers.spawn(insert_organization(store.clone()));
    }
    for _ in 0..76 {
        let shed = writers.join_next().await.unwrap().unwrap().unwrap_err();
        assert_eq!(shed.reason(), Reason::Overloaded);
        assert_eq!(shed.retry_delay(), Some(Duration::from_secs(1)));
    }
    drop(going_on);
    blocker.await.unwrap().unwrap();
    for written in writers.join_all().await {
        written.unwrap();
    }
}

/// All others would wait with it, and for as long.
#[tokio::test]
async fn a_use_case_on_sqlite_that_waits_for_something_else_is_refused_and_leaves_nothing() {
    let base = Base::sqlite();
    let store = base.store().await;
    let organization = organization();
    let id = organization.id;
    let waiting = store.write(move |tx| {
        Box::pin(async move {
            tx.insert_organization(&organization).await?;
            tokio::task::yield_now().await;
            Ok(())
        })
    });
    let (refused, other) = tokio::join!(waiting, insert_organization(store.clone()));
    assert_eq!(refused.unwrap_err().reason(), Reason::Internal);
    other.unwrap();
    assert_eq!(store.read().organization(id).await.unwrap(), None);
}

async fn insert_organization(store: Store) -> countersign::error::Result<()> {
    let organization = organization();
    store
        .write(move |tx| Box::pin(async move { tx.insert_organization(&organization).await }))
        .await
}

/// SQLite would go on writing into a file that has no name any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_data_file_that_is_replaced_takes_no_writes_until_it_is_back() {
    let base = Base::sqlite();
    let store = base.store().await;
    let (file, aside) = (base.file(), base.file().with_extension("aside"));
    let refused = async || {
        let write = insert_organization(store.clone()).await.unwrap_err();
        assert_eq!(write.reason(), Reason::StorageUnavailable);
        let ping = store.ping().await.unwrap_err();
        assert_eq!(ping.reason(), Reason::StorageUnavailable);
    };
    fs::rename(&file, &aside).unwrap();
    refused().await;
    fs::write(&file, "").unwrap();
    refused().await;
    assert_eq!(fs::read(&file).unwrap(), b"");

    fs::rename(&aside, &file).unwrap();
    insert_organization(store.clone()).await.unwrap();
    store.ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_during_which_the_data_file_goes_is_not_acknowledged() {
    let base = Base::sqlite();
    let store = base.store().await;
    let file = base.file();
    let written = store.write(move |_| {
        Box::pin(async move {
            fs::remove_file(file).unwrap();
            Ok(())
        })
    });
    let refused = written.await.unwrap_err();
    assert_eq!(refused.reason(), Reason::StorageUnavailable);
}
