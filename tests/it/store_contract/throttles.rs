//! What several nodes remember together of sign-ups and of attempts to log in.

use std::{sync::Arc, time::Duration};

use countersign::{
    env::Timestamp,
    error::Result,
    model::{
        network::Network,
        pace::Pace,
        throttle::{AttemptState, QueueSlot, RowKey},
    },
    store::Store,
};
use tokio::task::JoinSet;

use super::{Base, NOW, ann, later, log_in, on_both_engines, on_postgres, sign_in};

on_both_engines! {
    states_are_empty_until_they_are_written_and_come_in_the_order_of_their_keys,
    states_that_are_held_wait_for_each_other,
    a_pace_is_kept_by_all_who_spend_at_once,
    a_pace_forgives_a_clock_that_was_set_back,
    the_purge_takes_the_rows_that_are_as_good_as_none,
    the_networks_of_an_accounts_sessions_are_found_by_its_email,
}

const EIGHT_SECONDS: Pace = Pace {
    burst: 1,
    interval: Duration::from_secs(8),
};

fn key(number: u8) -> RowKey {
    [number; 17]
}

fn state(until: i64, slot: QueueSlot) -> AttemptState {
    AttemptState {
        until: later(until),
        last: NOW,
        slot,
    }
}

async fn spend(store: &Store, number: u8, pace: Pace, now: Timestamp) -> Option<Duration> {
    store
        .write(move |tx| Box::pin(async move { tx.spend_pace(&key(number), pace, now).await }))
        .await
        .unwrap()
}

async fn states_are_empty_until_they_are_written_and_come_in_the_order_of_their_keys(base: Base) {
    let store = base.store().await;
    let written = [
        (key(1), state(1, QueueSlot::None), later(1)),
        (key(2), state(2, QueueSlot::NotNeeded), later(2)),
        (key(3), state(3, QueueSlot::At(later(9))), later(3)),
    ];
    let expected: Vec<_> = written.iter().map(|(_, state, _)| *state).collect();
    let (before, after) = store
        .write(move |tx| {
            Box::pin(async move {
                let keys = [key(1), key(2), key(3)];
                let before = tx.lock_attempts(&keys, NOW).await?;
                tx.put_attempts(&written).await?;
                Ok((before, tx.lock_attempts(&keys, NOW).await?))
            })
        })
        .await
        .unwrap();
    assert_eq!(before, [AttemptState::default(); 3]);
    assert_eq!(after, expected);
}

/// Each reads, adds and writes: none of the additions is lost.
async fn states_that_are_held_wait_for_each_other(base: Base) {
    let store = base.store().await;
    let mut nodes = JoinSet::new();
    for number in 0..20_u8 {
        let store = store.clone();
        nodes.spawn(async move {
            store
                .write(move |tx| {
                    Box::pin(async move {
                        // Two of three, and always in the same order.
                        let keys = match number % 2 {
                            0 => [key(1), key(2)],
                            _ => [key(2), key(3)],
                        };
                        let states = tx.lock_attempts(&keys, NOW).await?;
                        let added: Vec<_> = keys
                            .iter()
                            .zip(states)
                            .map(|(key, state)| {
                                let until = state.until.after(Duration::from_millis(1));
                                (*key, AttemptState { until, ..state }, later(1))
                            })
                            .collect();
                        tx.put_attempts(&added).await
                    })
                })
                .await
        });
    }
    for added in nodes.join_all().await {
        added.unwrap();
    }
    let states = store
        .write(|tx| Box::pin(async move { tx.lock_attempts(&[key(1), key(2), key(3)], NOW).await }))
        .await
        .unwrap();
    let counts: Vec<_> = states.iter().map(|state| state.until.millis()).collect();
    assert_eq!(counts, [10, 20, 10]);
}

async fn a_pace_is_kept_by_all_who_spend_at_once(base: Base) {
    let store = Arc::new(base.store().await);
    let pace = Pace {
        burst: 8,
        interval: Duration::from_millis(125),
    };
    let mut nodes = JoinSet::new();
    for _ in 0..40 {
        let store = store.clone();
        nodes.spawn(async move { spend(&store, 1, pace, NOW).await });
    }
    let outcomes = nodes.join_all().await;
    assert_eq!(outcomes.iter().filter(|wait| wait.is_none()).count(), 8);
    for wait in outcomes.into_iter().flatten() {
        assert_eq!(wait, Duration::from_millis(125));
    }
    assert_eq!(spend(&store, 2, pace, NOW).await, None, "another key");
    assert_eq!(spend(&store, 1, pace, later(125)).await, None);
    let wait = spend(&store, 1, pace, later(125)).await;
    assert_eq!(wait, Some(Duration::from_millis(125)));
}

async fn a_pace_forgives_a_clock_that_was_set_back(base: Base) {
    let store = base.store().await;
    assert_eq!(spend(&store, 1, EIGHT_SECONDS, NOW).await, None);
    let half_a_minute_ago = later(-30_000);
    let wait = spend(&store, 1, EIGHT_SECONDS, half_a_minute_ago).await;
    assert_eq!(wait, Some(Duration::from_secs(38)), "another node's clock");
    let hour_ago = later(-3_600_000);
    assert_eq!(spend(&store, 1, EIGHT_SECONDS, hour_ago).await, None);
    let wait = spend(&store, 1, EIGHT_SECONDS, hour_ago).await;
    assert_eq!(wait, Some(Duration::from_secs(8)));
}

async fn the_purge_takes_the_rows_that_are_as_good_as_none(base: Base) {
    let store = base.store().await;
    let kept = state(3, QueueSlot::None);
    let purged = store
        .write(move |tx| {
            Box::pin(async move {
                tx.put_attempts(&[
                    (key(1), state(1, QueueSlot::None), later(9)),
                    (key(2), kept, later(10)),
                ])
                .await?;
                Ok([
                    tx.purge_throttles(later(10)).await?,
                    tx.purge_throttles(later(10)).await?,
                ])
            })
        })
        .await
        .unwrap();
    assert_eq!(purged, [1, 0]);
    let states = store
        .write(|tx| Box::pin(async move { tx.lock_attempts(&[key(1), key(2)], NOW).await }))
        .await
        .unwrap();
    assert_eq!(states, [AttemptState::default(), kept]);
}

/// On SQLite nobody else writes meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_mark_that_is_renewed_is_not_purged() {
    on_postgres(|base| async move {
        let store = base.store().await;
        let expired = (key(1), state(1, QueueSlot::None), NOW);
        let renewed = state(5, QueueSlot::None);
        write_attempts(
            &store,
            vec![expired, (key(2), state(1, QueueSlot::None), NOW)],
        )
        .await;
        let purging = store.clone();
        let purged = store
            .write(move |tx| {
                Box::pin(async move {
                    tx.lock_attempts(&[key(1)], later(1)).await?;
                    // Another node's: no write may wait for one that it is made in.
                    let purge = tokio::spawn(async move { purge(&purging, later(1)).await });
                    let purged = purge.await.unwrap()?;
                    tx.put_attempts(&[(key(1), renewed, later(9))]).await?;
                    Ok(purged)
                })
            })
            .await
            .unwrap();
        assert_eq!(purged, 1, "the other one, without a wait");
        assert_eq!(purge(&store, later(1)).await.unwrap(), 0);
        let kept = store
            .write(|tx| Box::pin(async move { tx.lock_attempts(&[key(1)], later(1)).await }))
            .await
            .unwrap();
        assert_eq!(kept, [renewed]);
    })
    .await;
}

async fn write_attempts(store: &Store, states: Vec<(RowKey, AttemptState, Timestamp)>) {
    store
        .write(move |tx| Box::pin(async move { tx.put_attempts(&states).await }))
        .await
        .unwrap();
}

async fn purge(store: &Store, now: Timestamp) -> Result<u64> {
    store
        .write(move |tx| Box::pin(async move { tx.purge_throttles(now).await }))
        .await
}

async fn the_networks_of_an_accounts_sessions_are_found_by_its_email(base: Base) {
    let store = base.store().await;
    let account = ann(&store).await;
    for address in ["192.0.2.1", "2001:db8:1:2::1", ""] {
        let mut signed_in = sign_in(account.id);
        signed_in.session.client_address = address.to_owned();
        log_in(&store, &signed_in).await;
    }
    for (email, address, had) in [
        ("ann@example.com", "192.0.2.1", true),
        ("ann@example.com", "::ffff:192.0.2.1", true),
        ("ann@example.com", "2001:db8:1:2::ffff", true),
        ("ann@example.com", "2001:db8:1:3::1", false),
        ("ann@example.com", "192.0.2.2", false),
        ("ann@example.com", "0.0.0.0", false),
        ("bob@example.com", "192.0.2.1", false),
    ] {
        let network = Network::of(address.parse().unwrap());
        let found = store.read().had_session(email, network).await.unwrap();
        assert_eq!(found, had, "{email} at {address}");
    }
    store
        .write(move |tx| {
            Box::pin(async move {
                tx.revoke_sessions_and_grants(account.id, NOW)
                    .await
                    .map(drop)
            })
        })
        .await
        .unwrap();
    let network = Network::of("192.0.2.1".parse().unwrap());
    let read = store.read();
    assert!(read.had_session("ann@example.com", network).await.unwrap());
}
