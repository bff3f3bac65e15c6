//! Grants and sessions that end at the same time, on Postgres: SQLite has one writer.

use std::{pin::pin, sync::Arc, time::Duration};

use countersign::{
    error::Result,
    model::{
        client,
        session::{Grant, Session},
    },
    store::{Store, Tx},
};
use tokio::sync::{Mutex, Notify};

use super::{Base, grant, later, log_in, on_postgres, sign_in, sign_up};
use crate::admin_races::{hold, wait_for};

/// What ends a grant, and with it its session.
#[derive(Clone, Copy, Debug)]
enum Ending {
    OfGrant,
    OfClient,
    ByLogIn,
}

impl Ending {
    async fn write(self, tx: &Tx<'_>, grant: &Grant) -> Result<()> {
        let (account, client_id) = (grant.account_id, &grant.client_id);
        match self {
            Self::OfGrant => tx.revoke_grant(grant, later(1)).await.map(drop),
            Self::OfClient => {
                let ended = tx.revoke_grants_to(account, client_id, later(1)).await;
                ended.map(drop)
            }
            Self::ByLogIn => {
                let lifetime = Duration::from_millis(1);
                tx.expire_refresh_tokens(account, client_id, lifetime).await
            }
        }
    }
}

async fn revoke_session(store: Store, session: Session) -> Result<()> {
    let revoke = store.write(move |tx| {
        Box::pin(async move {
            let (id, account) = (session.id, session.account_id);
            tx.revoke_session(id, account, later(1)).await
        })
    });
    revoke.await.map(drop)
}

async fn end(store: Store, ending: Ending, grant: Grant) -> Result<()> {
    store
        .write(move |tx| Box::pin(async move { ending.write(tx, &grant).await }))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_and_its_grant_that_end_at_once_do_not_wait_for_each_other() {
    on_postgres(ended_at_once).await;
}

async fn ended_at_once(base: Base) {
    let store = base.store().await;
    let watching = base.postgres_by_hand().await.unwrap();
    for ending in [Ending::OfGrant, Ending::OfClient, Ending::ByLogIn] {
        let email = format!("{ending:?}@example.com");
        let account = sign_up(&store, &email).await.unwrap().0.id;
        let signed_in = sign_in(account);
        log_in(&store, &signed_in).await;
        let held = hold(&watching, "SELECT 1 FROM sessions FOR UPDATE").await;
        let log_out = tokio::spawn(revoke_session(store.clone(), signed_in.session));
        wait_for(&watching, 1).await;
        let ended = tokio::spawn(end(store.clone(), ending, signed_in.grant));
        wait_for(&watching, 2).await;
        held.commit().await.unwrap();
        // A deadlock is a database that does not answer, for one of the two.
        for outcome in [log_out.await.unwrap(), ended.await.unwrap()] {
            assert!(outcome.is_ok(), "{ending:?}: {outcome:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_last_two_grants_end_at_once_is_over() {
    on_postgres(last_two_at_once).await;
}

async fn last_two_at_once(base: Base) {
    let store = base.store().await;
    let watching = base.postgres_by_hand().await.unwrap();
    let account = sign_up(&store, "ann@example.com").await.unwrap().0.id;
    let signed_in = sign_in(account);
    let (session, first) = (signed_in.session.clone(), signed_in.grant.clone());
    let second = Grant {
        client_id: client::MOMAIL.to_owned(),
        ..grant(&session)
    };
    log_in(&store, &signed_in).await;
    let written = second.clone();
    let insert = store.write(move |tx| Box::pin(async move { tx.insert_grant(&written).await }));
    insert.await.unwrap();

    let ended = Arc::new(Notify::new());
    let has_ended = Arc::clone(&ended);
    let may_go_on = Arc::new(Mutex::new(()));
    let go_on = Arc::clone(&may_go_on).lock_owned().await;
    let earlier = store.write(move |tx| {
        Box::pin(async move {
            tx.revoke_grant(&first, later(1)).await?;
            ended.notify_one();
            drop(may_go_on.lock().await);
            Ok(())
        })
    });
    let meanwhile = async {
        has_ended.notified().await;
        let mut other = pin!(end(store.clone(), Ending::OfGrant, second));
        let early = tokio::select! {
            biased;
            done = other.as_mut() => Some(done),
            () = wait_for(&watching, 1) => None,
        };
        drop(go_on);
        match early {
            Some(done) => done,
            None => other.await,
        }
    };
    let (first, second) = tokio::join!(earlier, meanwhile);
    first.unwrap();
    second.unwrap();
    let read = store.read().session(session.id).await.unwrap().unwrap();
    assert_eq!(read.revoked_at, Some(later(1)));
}
