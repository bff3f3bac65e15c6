//! What is deleted is gone at once; its rows go in pieces.

use countersign::{
    model::{account::Account, administration::OrganizationFilter, page::PageRequest},
    store::Store,
};

use super::{
    Base, NOW, SignIn, ann, later, log_in, new_id, on_both_engines, organization, owner,
    purge_deleted, sign_in, sign_up,
};

on_both_engines! {
    an_account_with_many_sessions_goes_in_pieces,
    an_organization_with_many_sessions_goes_in_pieces,
    a_grant_with_many_refresh_tokens_goes_in_pieces,
    the_oldest_sessions_end_a_few_at_a_time,
}

/// The most rows of one piece.
const PIECE: u64 = 200;

async fn sessions(store: &Store, account: &Account, count: usize) {
    let account = account.id;
    let insert = store.write(move |tx| {
        Box::pin(async move {
            for _ in 0..count {
                let SignIn { session, grant } = sign_in(account);
                tx.insert_session(&session).await?;
                tx.insert_grant(&grant).await?;
                tx.insert_refresh_token(&super::refresh_token(grant.id))
                    .await?;
            }
            Ok(())
        })
    });
    insert.await.unwrap();
}

async fn delete(store: &Store, account: &Account) {
    let (id, home) = (account.id, account.organization.id);
    let deletion = store.write(move |tx| {
        Box::pin(async move {
            assert!(tx.delete_account(id, None, NOW).await?);
            tx.delete_organization_if_empty(home).await
        })
    });
    assert!(deletion.await.unwrap());
}

async fn an_account_with_many_sessions_goes_in_pieces(base: Base) {
    let store = base.store().await;
    let (ann, (bob, _)) = (
        ann(&store).await,
        sign_up(&store, "bob@example.com").await.unwrap(),
    );
    sessions(&store, &ann, 1200).await;
    sessions(&store, &bob, 1).await;
    delete(&store, &ann).await;

    // Gone for everybody before anything is purged.
    let read = store.read();
    assert_eq!(read.account(ann.id).await.unwrap(), None);
    let by_email = read.account_by_email(ann.email.normalized()).await;
    assert_eq!(by_email.unwrap(), None);
    assert_eq!(read.organization(ann.organization.id).await.unwrap(), None);
    let page = PageRequest::new(100, None);
    let named = super::administration::text("ann@");
    let found = read.search_accounts(&named, page).await.unwrap();
    assert_eq!(found.items, []);
    let all = OrganizationFilter::default();
    let left = read.search_organizations(&all, page).await.unwrap();
    assert_eq!(left.items.len(), 1);
    assert!(!store.read().has_administrator().await.unwrap());
    let locked = store
        .write(move |tx| Box::pin(async move { tx.lock_account(ann.id).await }))
        .await;
    assert_eq!(locked.unwrap(), None);
    assert_eq!(base.rows("sessions").await, 1201);

    // Somebody else takes the address meanwhile, and is deleted in turn.
    let (second, inserted) = sign_up(&store, "ann@example.com").await.unwrap();
    assert!(inserted);
    delete(&store, &second).await;
    assert!(sign_up(&store, "ann@example.com").await.unwrap().1);

    // A stop after any piece loses nothing: the next start goes on.
    let piece = store.write(|tx| Box::pin(async move { tx.purge_deleted().await }));
    assert!(piece.await.unwrap() > 0);
    store.close().await;
    let store = base.open().await;
    assert!(store.read().has_deleted().await.unwrap());
    let pieces = purge_deleted(&store).await;
    assert!(
        pieces.len() > 3 && pieces.iter().all(|rows| *rows <= PIECE),
        "{pieces:?}"
    );
    assert!(!store.read().has_deleted().await.unwrap());
    for (table, left) in [
        ("accounts", 2),
        ("organizations", 2),
        ("memberships", 2),
        ("sessions", 1),
        ("grants", 1),
        ("refresh_tokens", 1),
    ] {
        assert_eq!(base.rows(table).await, left, "{table}");
    }
    assert!(store.read().account(bob.id).await.unwrap().is_some());
}

async fn an_organization_with_many_sessions_goes_in_pieces(base: Base) {
    let store = base.store().await;
    let organization = organization();
    let boss = owner(&organization, "boss@example.com");
    let mut clerk = owner(&organization, "clerk@example.com");
    clerk.id = new_id().into();
    let written = (organization.clone(), boss.clone(), clerk.clone());
    let made = store.write(move |tx| {
        Box::pin(async move {
            tx.insert_organization(&written.0).await?;
            tx.insert_account(&written.1).await?;
            tx.insert_account(&written.2).await
        })
    });
    assert!(made.await.unwrap());
    sessions(&store, &boss, 700).await;
    sessions(&store, &clerk, 700).await;
    let id = organization.id;
    let deleted = store
        .write(move |tx| Box::pin(async move { tx.delete_organization(id, NOW).await }))
        .await;
    assert!(deleted.unwrap());
    for account in [&boss, &clerk] {
        assert_eq!(store.read().account(account.id).await.unwrap(), None);
    }
    assert_eq!(store.read().organization(id).await.unwrap(), None);
    // Nobody brings it back.
    let changed = store
        .write(move |tx| Box::pin(async move { tx.set_organization_disabled(id, None).await }))
        .await;
    assert!(!changed.unwrap());
    let pieces = purge_deleted(&store).await;
    assert!(
        pieces.len() > 4 && pieces.iter().all(|rows| *rows <= PIECE),
        "{pieces:?}"
    );
    for table in [
        "accounts",
        "memberships",
        "organizations",
        "sessions",
        "grants",
        "refresh_tokens",
    ] {
        assert_eq!(base.rows(table).await, 0, "{table}");
    }
}

/// As one that was refreshed every hour of its month.
async fn a_grant_with_many_refresh_tokens_goes_in_pieces(base: Base) {
    let store = base.store().await;
    let ann = ann(&store).await;
    let ended = sign_in(ann.id);
    log_in(&store, &ended).await;
    let tokens = store.write(move |tx| {
        Box::pin(async move {
            for _ in 0..1200 {
                tx.insert_refresh_token(&super::refresh_token(ended.grant.id))
                    .await?;
            }
            Ok(())
        })
    });
    tokens.await.unwrap();
    let mut pieces = Vec::new();
    loop {
        let piece = store.write(|tx| Box::pin(async move { tx.purge(later(5000)).await }));
        match piece.await.unwrap() {
            0 => break,
            rows => pieces.push(rows),
        }
    }
    // The grant and its session.
    assert_eq!(pieces.pop(), Some(2));
    assert_eq!(pieces, [100; 12]);
    assert_eq!(base.rows("refresh_tokens").await, 0);
}

async fn the_oldest_sessions_end_a_few_at_a_time(base: Base) {
    let store = base.store().await;
    let ann = ann(&store).await;
    let mut ids = Vec::new();
    for _ in 0..100 {
        let signed_in = sign_in(ann.id);
        ids.push((signed_in.session.id, signed_in.grant.id));
        log_in(&store, &signed_in).await;
    }
    ids.sort();
    let (ids, grants): (Vec<_>, Vec<_>) = ids.into_iter().unzip();
    let beyond = store.read().session_beyond(ann.id, 20, NOW).await.unwrap();
    assert_eq!(beyond, Some(ids[79]));
    let mut ended = Vec::new();
    for _ in 0..3 {
        let account = ann.id;
        let few = store.write(move |tx| {
            Box::pin(async move {
                tx.revoke_oldest_sessions(account, beyond.unwrap(), NOW)
                    .await
            })
        });
        ended.push(few.await.unwrap());
    }
    for (few, expected) in ended.iter_mut().zip([&grants[..64], &grants[64..80], &[]]) {
        let mut expected = expected.to_vec();
        expected.sort();
        few.sort();
        assert_eq!(*few, expected);
    }
    assert_eq!(
        store.read().session_beyond(ann.id, 20, NOW).await.unwrap(),
        None
    );
}
