//! What becomes of API keys: uses, names, rotations, and keys that are older than those.

use countersign::model::api_key::ApiKeyKind;
use tokio::task::JoinSet;

use super::{Base, NOW, ann, credentials::api_key, later, new_id, on_both_engines, sign_up};

on_both_engines! {
    the_latest_use_stays,
    one_of_two_hundred_rotations_of_a_key_succeeds,
    a_key_is_rotated_and_renamed_by_its_account_while_it_lives,
    keys_of_one_kind_are_listed_apart,
}

async fn the_latest_use_stays(base: Base) {
    let store = base.store().await;
    let account = ann(&store).await.id;
    let keys = [0; 3].map(|_| api_key(account));
    let ids = keys.clone().map(|key| key.id);
    store
        .write(move |tx| {
            Box::pin(async move {
                for key in &keys {
                    tx.insert_api_key(key).await?;
                }
                tx.note_api_key_uses(&[ids[0], ids[1]], later(5)).await?;
                tx.note_api_key_uses(&[ids[0], new_id().into()], later(9))
                    .await?;
                tx.note_api_key_uses(&[ids[0]], later(7)).await
            })
        })
        .await
        .unwrap();
    let uses = [Some(later(9)), Some(later(5)), None];
    for (id, last_use) in ids.into_iter().zip(uses) {
        let key = store.read().api_key(id).await.unwrap().unwrap();
        assert_eq!(key.last_used_at, last_use);
    }
}

async fn one_of_two_hundred_rotations_of_a_key_succeeds(base: Base) {
    let store = base.store().await;
    let account = ann(&store).await.id;
    let key = api_key(account);
    let id = key.id;
    store
        .write(move |tx| Box::pin(async move { tx.insert_api_key(&key).await }))
        .await
        .unwrap();
    let mut rotations = JoinSet::new();
    for _ in 0..200 {
        let (store, successor) = (store.clone(), new_id().into());
        rotations.spawn(async move {
            let rotated = store.write(move |tx| {
                Box::pin(async move {
                    tx.rotate_api_key(id, account, successor, later(5), NOW)
                        .await
                })
            });
            (rotated.await.unwrap(), successor)
        });
    }
    let outcomes = rotations.join_all().await;
    let winners: Vec<_> = outcomes.iter().filter(|(rotated, _)| *rotated).collect();
    assert_eq!(winners.len(), 1);
    let key = store.read().api_key(id).await.unwrap().unwrap();
    assert_eq!(key.successor_id, Some(winners[0].1));
    assert_eq!(key.expires_at, Some(later(5)));
}

async fn a_key_is_rotated_and_renamed_by_its_account_while_it_lives(base: Base) {
    let store = base.store().await;
    let account = ann(&store).await.id;
    let (stranger, _) = sign_up(&store, "bob@example.com").await.unwrap();
    let mut keys = [0; 4].map(|_| api_key(account));
    keys[1].expires_at = Some(later(3));
    keys[2].expires_at = Some(NOW);
    keys[3].revoked_at = Some(NOW);
    let ids = keys.clone().map(|key| key.id);
    let (rotated, renamed, counts) = store
        .write(move |tx| {
            Box::pin(async move {
                for key in &keys {
                    tx.insert_api_key(key).await?;
                }
                let next = new_id().into();
                let foreign = tx
                    .rotate_api_key(ids[0], stranger.id, next, later(9), NOW)
                    .await?;
                let mut rotated = vec![foreign];
                for id in ids {
                    rotated.push(tx.rotate_api_key(id, account, next, later(9), NOW).await?);
                }
                let mut renamed = vec![tx.rename_api_key(ids[0], stranger.id, "x", NOW).await?];
                for id in ids {
                    renamed.push(tx.rename_api_key(id, account, "new", NOW).await?);
                }
                let counts = (
                    tx.count_live_api_keys(account, NOW).await?,
                    tx.count_rotated_api_keys(account, NOW).await?,
                    tx.count_rotated_api_keys(account, later(3)).await?,
                );
                Ok((rotated, renamed, counts))
            })
        })
        .await
        .unwrap();
    assert_eq!(rotated, [false, true, true, false, false]);
    assert_eq!(renamed, [false, true, true, false, false]);
    assert_eq!(counts, (0, 2, 1));
    let ends = [Some(later(9)), Some(later(3)), Some(NOW), None];
    for (id, end) in ids.into_iter().zip(ends) {
        let key = store.read().api_key(id).await.unwrap().unwrap();
        assert_eq!(key.expires_at, end);
    }
}

async fn keys_of_one_kind_are_listed_apart(base: Base) {
    let store = base.store().await;
    let account = ann(&store).await.id;
    let mut keys = [0; 3].map(|_| api_key(account));
    keys[1].kind = ApiKeyKind::MailTd;
    let wanted = keys[1].clone();
    store
        .write(move |tx| {
            Box::pin(async move {
                for key in &keys {
                    tx.insert_api_key(key).await?;
                }
                Ok(())
            })
        })
        .await
        .unwrap();
    let all = countersign::model::page::PageRequest::new(0, None);
    let kind = Some(ApiKeyKind::MailTd);
    let listed = store.read().live_api_keys(account, kind, all, NOW).await;
    assert_eq!(listed.unwrap().items, [wanted]);
}
