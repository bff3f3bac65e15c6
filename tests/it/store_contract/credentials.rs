//! Sessions, refresh tokens and API keys.

use countersign::{
    error::Reason,
    model::{
        api_key::{ApiKey, ApiKeyKind},
        id::AccountId,
        page::PageRequest,
        scope::Scopes,
        session::Profile,
    },
};
use tokio::task::JoinSet;

use super::{
    Base, NOW, ann, hash, later, log_in, new_id, on_both_engines, refresh_token, session, sign_up,
};

on_both_engines! {
    a_session_and_its_token_are_read_as_written,
    pages_hold_every_live_session_once_newest_first,
    pages_hold_every_live_api_key_once_newest_first,
    a_refresh_token_is_traded_once,
    one_of_two_hundred_rotations_succeeds,
    a_token_of_a_session_that_has_ended_is_not_traded,
    a_session_is_revoked_once_and_by_its_account,
    revoking_sessions_tells_which,
    an_api_key_is_revoked_once_and_by_its_account,
    only_a_live_session_is_touched,
    credentials_of_a_deleted_account_are_refused,
}

pub(super) fn api_key(account: AccountId) -> ApiKey {
    ApiKey {
        id: new_id().into(),
        account_id: account,
        kind: ApiKeyKind::MailKite,
        hash: hash(),
        hint: "mk_live_abcd".to_owned(),
        display_name: "backup".to_owned(),
        scopes: Scopes::from_stored("openid email"),
        created_at: NOW,
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
        successor_id: None,
    }
}

async fn a_session_and_its_token_are_read_as_written(base: Base) {
    let store = base.store().await;
    let account = ann(&store).await.id;
    for profile in Profile::ALL {
        let mut session = session(account, profile);
        session.scopes = Scopes::from_stored("openid offline_access");
        let token = log_in(&store, &session).await;
        let read = store.read().session(session.id).await.unwrap();
        assert_eq!(read, Some(session));
        let read = store.read().refresh_token(&token.hash).await.unwrap();
        assert_eq!(read, Some(token));
    }
}

async fn pages_hold_every_live_session_once_newest_first(base: Base) {
    let store = base.store().await;
    let account = ann(&store).await.id;
    let (stranger, _) = sign_up(&store, "bob@example.com").await.unwrap();
    log_in(&store, &session(stranger.id, Profile::Native)).await;
    let mut live = Vec::new();
    for number in 0..7 {
        let mut session = session(account, Profile::Native);
        if number % 3 == 1 {
            session.revoked_at = Some(NOW);
        } else if number % 3 == 2 {
            session.expires_at = later(5);
        }
        log_in(&store, &session).await;
        if session.is_live(later(5)) {
            live.push(session.id);
        }
    }
    live.sort_by(|left, right| right.cmp(left));
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let request = PageRequest::new(2, after);
        let page = store
            .read()
            .live_sessions(account, request, later(5))
            .await
            .unwrap();
        assert!(page.items.len() <= 2);
        seen.extend(page.items.iter().map(|session| session.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, live);
}

async fn pages_hold_every_live_api_key_once_newest_first(base: Base) {
    let store = base.store().await;
    let account = ann(&store).await.id;
    let mut keys: Vec<ApiKey> = (0..6).map(|_| api_key(account)).collect();
    keys[1].expires_at = Some(later(5));
    keys[2].expires_at = Some(later(6));
    keys[4].revoked_at = Some(NOW);
    let mut live: Vec<ApiKey> = keys
        .iter()
        .filter(|key| key.is_live(later(5)))
        .cloned()
        .collect();
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
    live.sort_by_key(|key| std::cmp::Reverse(key.id));
    let (read, now) = (store.read(), later(5));
    let first = read.live_api_keys(account, None, PageRequest::new(4, None), now);
    let first = first.await.unwrap();
    assert_eq!((first.items.as_slice(), first.next), (&live[..], None));
    let first = read.live_api_keys(account, None, PageRequest::new(3, None), now);
    let first = first.await.unwrap();
    assert_eq!(first.next, Some(live[2].id.uuid()));
    let rest = read.live_api_keys(account, None, PageRequest::new(3, first.next), now);
    let rest = rest.await.unwrap();
    assert_eq!((rest.items.as_slice(), rest.next), (&live[3..], None));
    assert_eq!(read.count_live_api_keys(account, now).await.unwrap(), 4);
    let by_hash = read.api_key_by_hash(&live[0].hash).await.unwrap();
    assert_eq!(by_hash.as_ref(), Some(&live[0]));
    assert_eq!(read.api_key(live[0].id).await.unwrap(), by_hash);
}

async fn a_refresh_token_is_traded_once(base: Base) {
    let store = base.store().await;
    let session = session(ann(&store).await.id, Profile::Native);
    let first = log_in(&store, &session).await;
    let (second, third) = (refresh_token(session.id), refresh_token(session.id));
    let (old, written) = (first.hash, [second.clone(), third.clone()]);
    let traded = store
        .write(move |tx| {
            Box::pin(async move {
                Ok([
                    tx.rotate_refresh_token(&old, &written[0], later(1)).await?,
                    tx.rotate_refresh_token(&old, &written[1], later(2)).await?,
                    tx.rotate_refresh_token(&hash(), &written[1], later(2))
                        .await?,
                ])
            })
        })
        .await
        .unwrap();
    assert_eq!(traded, [true, false, false]);
    let read = store.read();
    let first = read.refresh_token(&first.hash).await.unwrap().unwrap();
    assert_eq!(first.consumed_at, Some(later(1)));
    let stored = read.refresh_token(&second.hash).await.unwrap();
    assert_eq!(stored, Some(second));
    assert_eq!(read.refresh_token(&third.hash).await.unwrap(), None);
    let session = read.session(session.id).await.unwrap().unwrap();
    assert_eq!(session.refreshed_at, later(1));
}

async fn one_of_two_hundred_rotations_succeeds(base: Base) {
    let store = base.store().await;
    let session = session(ann(&store).await.id, Profile::Native);
    let token = log_in(&store, &session).await;
    let mut rotations = JoinSet::new();
    for number in 0..200 {
        let (store, old, successor) = (store.clone(), token.hash, refresh_token(session.id));
        rotations.spawn(async move {
            let hash = successor.hash;
            let traded = store
                .write(move |tx| {
                    Box::pin(async move {
                        tx.rotate_refresh_token(&old, &successor, later(number))
                            .await
                    })
                })
                .await
                .unwrap();
            (traded, hash)
        });
    }
    let outcomes = rotations.join_all().await;
    assert_eq!(outcomes.iter().filter(|(traded, _)| *traded).count(), 1);
    for (traded, hash) in outcomes {
        let stored = store.read().refresh_token(&hash).await.unwrap();
        assert_eq!(stored.is_some(), traded);
    }
}

async fn a_token_of_a_session_that_has_ended_is_not_traded(base: Base) {
    let store = base.store().await;
    let account = ann(&store).await.id;
    let mut revoked = session(account, Profile::Native);
    revoked.revoked_at = Some(NOW);
    let expired = session(account, Profile::Native);
    let other = session(account, Profile::Native);
    let foreign = log_in(&store, &other).await;
    for (session, old) in [
        (&revoked, log_in(&store, &revoked).await),
        (&expired, log_in(&store, &expired).await),
        (&expired, foreign),
    ] {
        let (successor, id) = (refresh_token(session.id), session.id);
        let (old_hash, hash) = (old.hash, successor.hash);
        let traded = store
            .write(move |tx| {
                Box::pin(async move {
                    tx.rotate_refresh_token(&old_hash, &successor, later(1000))
                        .await
                })
            })
            .await
            .unwrap();
        assert!(!traded);
        let read = store.read();
        assert_eq!(read.refresh_token(&hash).await.unwrap(), None);
        assert_eq!(read.refresh_token(&old.hash).await.unwrap(), Some(old));
        let session = read.session(id).await.unwrap().unwrap();
        assert_eq!(session.refreshed_at, NOW);
    }
}

async fn a_session_is_revoked_once_and_by_its_account(base: Base) {
    let store = base.store().await;
    let account = ann(&store).await.id;
    let (stranger, _) = sign_up(&store, "bob@example.com").await.unwrap();
    let (first, second) = (
        session(account, Profile::Native),
        session(account, Profile::Native),
    );
    log_in(&store, &first).await;
    log_in(&store, &second).await;
    let revoked = store
        .write(move |tx| {
            Box::pin(async move {
                Ok([
                    tx.revoke_session(first.id, stranger.id, later(1)).await?,
                    tx.revoke_session(first.id, account, later(1)).await?,
                    tx.revoke_session(first.id, account, later(2)).await?,
                    tx.revoke_session(second.id, account, second.expires_at)
                        .await?,
                    tx.revoke_session(new_id().into(), account, NOW).await?,
                ])
            })
        })
        .await
        .unwrap();
    assert_eq!(revoked, [false, true, false, false, false]);
    let read = store.read().session(first.id).await.unwrap().unwrap();
    assert_eq!(read.revoked_at, Some(later(1)));
}

async fn revoking_sessions_tells_which(base: Base) {
    let store = base.store().await;
    let account = ann(&store).await.id;
    let mut sessions = Vec::new();
    for profile in [
        Profile::Smtpd,
        Profile::Smtpd,
        Profile::Native,
        Profile::MoMail,
    ] {
        let session = session(account, profile);
        log_in(&store, &session).await;
        sessions.push(session.id);
    }
    let (mut smtpd, mut rest, none) = store
        .write(move |tx| {
            Box::pin(async move {
                Ok((
                    tx.revoke_sessions(account, Some(Profile::Smtpd), NOW)
                        .await?,
                    tx.revoke_sessions(account, None, NOW).await?,
                    tx.revoke_sessions(account, None, NOW).await?,
                ))
            })
        })
        .await
        .unwrap();
    // Ids of one millisecond have no order of their own.
    smtpd.sort();
    rest.sort();
    sessions[..2].sort();
    sessions[2..].sort();
    assert_eq!((smtpd, rest), (sessions[..2].into(), sessions[2..].into()));
    assert_eq!(none, []);
}

async fn an_api_key_is_revoked_once_and_by_its_account(base: Base) {
    let store = base.store().await;
    let account = ann(&store).await.id;
    let (stranger, _) = sign_up(&store, "bob@example.com").await.unwrap();
    let (first, second) = (api_key(account), api_key(account));
    let (one, two) = (first.id, second.id);
    let (revoked, rest, none) = store
        .write(move |tx| {
            Box::pin(async move {
                tx.insert_api_key(&first).await?;
                tx.insert_api_key(&second).await?;
                Ok((
                    [
                        tx.revoke_api_key(one, stranger.id, NOW).await?,
                        tx.revoke_api_key(one, account, NOW).await?,
                        tx.revoke_api_key(one, account, NOW).await?,
                    ],
                    tx.revoke_api_keys(account, later(1)).await?,
                    tx.revoke_api_keys(account, later(2)).await?,
                ))
            })
        })
        .await
        .unwrap();
    assert_eq!(revoked, [false, true, false]);
    assert_eq!((rest, none), (vec![two], vec![]));
    let read = store.read().api_key(two).await.unwrap().unwrap();
    assert_eq!(read.revoked_at, Some(later(1)));
}

async fn only_a_live_session_is_touched(base: Base) {
    let store = base.store().await;
    let account = ann(&store).await.id;
    let session = session(account, Profile::Smtpd);
    log_in(&store, &session).await;
    let touched = store
        .write(move |tx| {
            Box::pin(async move {
                let live = tx.touch_session(session.id, later(7)).await?;
                let expired = tx.touch_session(session.id, session.expires_at).await?;
                tx.revoke_session(session.id, account, later(8)).await?;
                Ok([live, expired, tx.touch_session(session.id, later(9)).await?])
            })
        })
        .await
        .unwrap();
    assert_eq!(touched, [true, false, false]);
    let read = store.read().session(session.id).await.unwrap().unwrap();
    assert_eq!(read.refreshed_at, later(7));
}

async fn credentials_of_a_deleted_account_are_refused(base: Base) {
    let store = base.store().await;
    let orphan = session(new_id().into(), Profile::Native);
    let (key, token) = (api_key(orphan.account_id), refresh_token(orphan.id));
    let no_session = store
        .write(move |tx| Box::pin(async move { tx.insert_session(&orphan).await }))
        .await;
    let no_key = store
        .write(move |tx| Box::pin(async move { tx.insert_api_key(&key).await }))
        .await;
    let no_token = store
        .write(move |tx| Box::pin(async move { tx.insert_refresh_token(&token).await }))
        .await;
    assert_eq!(no_session.unwrap_err().reason(), Reason::AccountNotFound);
    assert_eq!(no_key.unwrap_err().reason(), Reason::AccountNotFound);
    assert_eq!(no_token.unwrap_err().reason(), Reason::SessionNotFound);
}
