//! Signing keys, the outbox and the purge.

use std::sync::Arc;

use countersign::{
    env::Timestamp,
    model::{
        mail::OutboxMail,
        signing_key::{Algorithm, SigningKey},
    },
};
use tokio::{sync::Barrier, task::JoinSet};

use super::{
    Base, NOW, ann, credentials::api_key, later, log_in, new_id, on_both_engines, sign_in,
};

on_both_engines! {
    signing_keys_come_oldest_first_and_go_through_their_life,
    nodes_that_start_together_make_one_key,
    mail_is_due_in_order_and_one_node_takes_it,
    the_purge_takes_what_ended_before_the_cutoff,
    the_purge_goes_in_batches,
}

fn signing_key(kid: &str, algorithm: Algorithm, created_at: Timestamp) -> SigningKey {
    SigningKey {
        kid: kid.to_owned(),
        algorithm,
        sealed: vec![0, 1, 255],
        created_at,
        active_at: later(10),
        retired_at: None,
        expires_at: None,
    }
}

async fn signing_keys_come_oldest_first_and_go_through_their_life(base: Base) {
    let store = base.store().await;
    let mut older = signing_key("b", Algorithm::Rs256, NOW);
    let newer = signing_key("a", Algorithm::Es256, later(1));
    let written = [newer.clone(), older.clone()];
    let retired = store
        .write(move |tx| {
            Box::pin(async move {
                tx.insert_signing_key(&written[0]).await?;
                tx.insert_signing_key(&written[1]).await?;
                Ok([
                    tx.retire_signing_key("b", later(2), later(3)).await?,
                    tx.retire_signing_key("c", later(2), later(3)).await?,
                ])
            })
        })
        .await
        .unwrap();
    assert_eq!(retired, [true, false]);
    older.retired_at = Some(later(2));
    older.expires_at = Some(later(3));
    let read = store.read().signing_keys().await.unwrap();
    assert_eq!(read, [older, newer.clone()]);
    let deleted = store
        .write(|tx| {
            Box::pin(async move {
                Ok([
                    tx.delete_signing_key("b").await?,
                    tx.delete_signing_key("b").await?,
                ])
            })
        })
        .await
        .unwrap();
    assert_eq!(deleted, [true, false]);
    assert_eq!(store.read().signing_keys().await.unwrap(), [newer]);
}

async fn nodes_that_start_together_make_one_key(base: Base) {
    let store = base.store().await;
    // On Postgres all are in their transactions before the first one asks for the lock.
    let at_once = if base.folder.is_some() { 1 } else { 8 };
    let together = Arc::new(Barrier::new(at_once));
    let mut nodes = JoinSet::new();
    for number in 0..8 {
        let (store, together) = (store.clone(), together.clone());
        nodes.spawn(async move {
            store
                .write(move |tx| {
                    Box::pin(async move {
                        together.wait().await;
                        tx.lock_signing_keys().await?;
                        if tx.signing_keys().await?.is_empty() {
                            // Gives the other nodes the time that making a key takes.
                            for _ in 0..20 {
                                tx.signing_keys().await?;
                            }
                            let key = signing_key(&format!("k{number}"), Algorithm::Es256, NOW);
                            tx.insert_signing_key(&key).await?;
                        }
                        Ok(())
                    })
                })
                .await
        });
    }
    for made in nodes.join_all().await {
        made.unwrap();
    }
    assert_eq!(store.read().signing_keys().await.unwrap().len(), 1);
}

fn mail(due_at: Timestamp) -> OutboxMail {
    OutboxMail {
        id: new_id(),
        recipient: "ann@example.com".to_owned(),
        subject: "Grüße".to_owned(),
        body: "line\r\nline".to_owned(),
        created_at: NOW,
        attempts: 0,
        due_at,
    }
}

async fn mail_is_due_in_order_and_one_node_takes_it(base: Base) {
    let store = base.store().await;
    let mails = [mail(later(2)), mail(later(1)), mail(later(9))];
    let written = mails.clone();
    store
        .write(move |tx| {
            Box::pin(async move {
                for mail in &written {
                    tx.push_mail(mail).await?;
                }
                Ok(())
            })
        })
        .await
        .unwrap();
    let due = store.read().due_mail(later(2), 10).await.unwrap();
    assert_eq!(due, [mails[1].clone(), mails[0].clone()]);
    assert_eq!(store.read().due_mail(later(9), 1).await.unwrap(), due[..1]);

    let (taken, sent) = (mails[1].id, mails[0].id);
    let outcomes = store
        .write(move |tx| {
            Box::pin(async move {
                Ok([
                    tx.postpone_mail(taken, 1, later(5)).await?,
                    tx.postpone_mail(taken, 1, later(6)).await?,
                    tx.delete_mail(sent).await?,
                    tx.delete_mail(sent).await?,
                ])
            })
        })
        .await
        .unwrap();
    assert_eq!(outcomes, [true, false, true, false]);
    let due = store.read().due_mail(later(5), 10).await.unwrap();
    assert_eq!((due[0].id, due[0].attempts, due.len()), (taken, 1, 1));
}

async fn the_purge_takes_what_ended_before_the_cutoff(base: Base) {
    let store = base.store().await;
    let account = ann(&store).await.id;
    let mut sign_ins = [0; 4].map(|_| sign_in(account));
    for (number, expires_at) in [(0, later(9)), (1, later(10))] {
        sign_ins[number].session.expires_at = expires_at;
        sign_ins[number].grant.expires_at = expires_at;
    }
    for (number, revoked_at) in [(2, later(9)), (3, later(10))] {
        sign_ins[number].session.revoked_at = Some(revoked_at);
        sign_ins[number].grant.revoked_at = Some(revoked_at);
    }
    let mut tokens = Vec::new();
    for signed_in in &sign_ins {
        tokens.push(log_in(&store, signed_in).await.hash);
    }
    // A grant that outlives its session keeps its row.
    let mut outlived = sign_in(account);
    outlived.session.revoked_at = Some(later(1));
    outlived.grant.outlives_session = true;
    log_in(&store, &outlived).await;
    let mut keys = [0; 4].map(|_| api_key(account));
    keys[0].expires_at = Some(later(9));
    keys[1].expires_at = Some(later(10));
    keys[2].revoked_at = Some(later(9));
    let written = keys.clone();
    let purged = store
        .write(move |tx| {
            Box::pin(async move {
                for key in &written {
                    tx.insert_api_key(key).await?;
                }
                Ok((tx.purge(later(10)).await?, tx.purge(later(10)).await?))
            })
        })
        .await
        .unwrap();
    assert_eq!(purged, (6, 0));
    let read = store.read();
    for (number, stays) in [false, true, false, true].into_iter().enumerate() {
        let session = read.session(sign_ins[number].session.id).await.unwrap();
        let grant = read.grant(sign_ins[number].grant.id).await.unwrap();
        let token = read.refresh_token(&tokens[number]).await.unwrap();
        let key = read.api_key(keys[number].id).await.unwrap();
        assert_eq!(
            [
                session.is_some(),
                grant.is_some(),
                token.is_some(),
                key.is_some()
            ],
            [stays; 4],
            "{number}"
        );
    }
    let session = read.session(outlived.session.id).await.unwrap();
    assert_eq!(session, Some(outlived.session));
}

async fn the_purge_goes_in_batches(base: Base) {
    let store = base.store().await;
    let account = ann(&store).await.id;
    let purged = store
        .write(move |tx| {
            Box::pin(async move {
                for _ in 0..101 {
                    tx.insert_session(&sign_in(account).session).await?;
                }
                Ok([
                    tx.purge(later(5000)).await?,
                    tx.purge(later(5000)).await?,
                    tx.purge(later(5000)).await?,
                ])
            })
        })
        .await
        .unwrap();
    assert_eq!(purged, [100, 1, 0]);
}
