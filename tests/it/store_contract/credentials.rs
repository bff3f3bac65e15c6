//! Sessions, grants, refresh tokens and API keys.

use countersign::{
    error::Reason,
    model::{
        administration::GrantFilter,
        api_key::{ApiKey, ApiKeyKind},
        client,
        id::AccountId,
        page::PageRequest,
        scope::Scopes,
        session::Grant,
    },
};
use tokio::task::JoinSet;

use super::{
    Base, NOW, SignIn, ann, grant, hash, later, log_in, new_id, on_both_engines, refresh_token,
    sign_in, sign_in_with, sign_up,
};

on_both_engines! {
    a_session_its_grant_and_its_token_are_read_as_written,
    pages_hold_every_live_session_once_newest_first,
    pages_hold_every_live_api_key_once_newest_first,
    a_refresh_token_is_traded_once,
    one_of_two_hundred_rotations_succeeds,
    a_token_of_a_grant_that_has_ended_is_not_traded,
    a_session_is_revoked_once_and_by_its_account,
    a_grant_goes_on_after_its_session_where_it_may,
    a_session_ends_with_the_last_grant_in_it,
    revoking_grants_tells_which,
    pages_hold_the_live_grants_to_a_client,
    an_api_key_is_revoked_once_and_by_its_account,
    only_a_live_grant_is_touched,
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

async fn a_session_its_grant_and_its_token_are_read_as_written(base: Base) {
    let store = base.store().await;
    let account = ann(&store).await.id;
    let mut signed_in = sign_in(account);
    signed_in.session.amr = vec!["pwd".to_owned(), "otp".to_owned()];
    signed_in.grant.client_id = "https://client.example/metadata.json".to_owned();
    signed_in.grant.scopes = Scopes::from_stored("openid offline_access");
    signed_in.grant.audience = vec!["https://mcp.example".to_owned(), "urn:api".to_owned()];
    signed_in.grant.outlives_session = true;
    let token = log_in(&store, &signed_in).await;
    let read = store.read();
    let session = read.session(signed_in.session.id).await.unwrap();
    let grant = read.grant(signed_in.grant.id).await.unwrap();
    assert_eq!(session, Some(signed_in.session));
    assert_eq!(grant, Some(signed_in.grant));
    let read = store.read().refresh_token(&token.hash).await.unwrap();
    assert_eq!(read, Some(token));
}

async fn pages_hold_every_live_session_once_newest_first(base: Base) {
    let store = base.store().await;
    let account = ann(&store).await.id;
    let (stranger, _) = sign_up(&store, "bob@example.com").await.unwrap();
    log_in(&store, &sign_in(stranger.id)).await;
    let mut live = Vec::new();
    for number in 0..7 {
        let mut signed_in = sign_in(account);
        let session = &mut signed_in.session;
        if number % 3 == 1 {
            session.revoked_at = Some(NOW);
        } else if number % 3 == 2 {
            session.expires_at = later(5);
        }
        log_in(&store, &signed_in).await;
        let session = signed_in.session;
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
    let signed_in = sign_in(ann(&store).await.id);
    let first = log_in(&store, &signed_in).await;
    let grant = signed_in.grant.id;
    let (second, third) = (refresh_token(grant), refresh_token(grant));
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
    let grant = read.grant(grant).await.unwrap().unwrap();
    assert_eq!(grant.refreshed_at, later(1));
}

async fn one_of_two_hundred_rotations_succeeds(base: Base) {
    let store = base.store().await;
    let signed_in = sign_in(ann(&store).await.id);
    let token = log_in(&store, &signed_in).await;
    let grant = signed_in.grant.id;
    let mut rotations = JoinSet::new();
    for number in 0..200 {
        let (store, old, successor) = (store.clone(), token.hash, refresh_token(grant));
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

async fn a_token_of_a_grant_that_has_ended_is_not_traded(base: Base) {
    let store = base.store().await;
    let account = ann(&store).await.id;
    let mut revoked = sign_in(account);
    revoked.grant.revoked_at = Some(NOW);
    let expired = sign_in(account);
    let other = sign_in(account);
    let foreign = log_in(&store, &other).await;
    for (signed_in, old) in [
        (&revoked, log_in(&store, &revoked).await),
        (&expired, log_in(&store, &expired).await),
        (&expired, foreign),
    ] {
        let id = signed_in.grant.id;
        let successor = refresh_token(id);
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
        let grant = read.grant(id).await.unwrap().unwrap();
        assert_eq!(grant.refreshed_at, NOW);
    }
}

async fn a_session_is_revoked_once_and_by_its_account(base: Base) {
    let store = base.store().await;
    let account = ann(&store).await.id;
    let (stranger, _) = sign_up(&store, "bob@example.com").await.unwrap();
    let (first, second) = (sign_in(account), sign_in(account));
    let (session, grant) = (first.session.id, first.grant.id);
    log_in(&store, &first).await;
    log_in(&store, &second).await;
    let second = second.session;
    let revoked = store
        .write(move |tx| {
            Box::pin(async move {
                Ok([
                    tx.revoke_session(session, stranger.id, later(1)).await?,
                    tx.revoke_session(session, account, later(1)).await?,
                    tx.revoke_session(session, account, later(2)).await?,
                    tx.revoke_session(second.id, account, second.expires_at)
                        .await?,
                    tx.revoke_session(new_id().into(), account, NOW).await?,
                ])
            })
        })
        .await
        .unwrap();
    assert_eq!(revoked, [None, Some(vec![grant]), None, None, None]);
    let read = store.read();
    let session = read.session(session).await.unwrap().unwrap();
    assert_eq!(session.revoked_at, Some(later(1)));
    let grant = read.grant(grant).await.unwrap().unwrap();
    assert_eq!(grant.revoked_at, Some(later(1)));
}

async fn a_grant_goes_on_after_its_session_where_it_may(base: Base) {
    let store = base.store().await;
    let account = ann(&store).await.id;
    let mut signed_in = sign_in(account);
    signed_in.grant.outlives_session = true;
    let within = grant(&signed_in.session);
    let (session, outlives, ends) = (signed_in.session.id, signed_in.grant.id, within.id);
    log_in(&store, &signed_in).await;
    let (ended, all) = store
        .write(move |tx| {
            Box::pin(async move {
                tx.insert_grant(&within).await?;
                Ok((
                    tx.revoke_session(session, account, later(1)).await?,
                    tx.revoke_sessions_and_grants(account, later(2)).await?,
                ))
            })
        })
        .await
        .unwrap();
    assert_eq!(ended, Some(vec![ends]));
    assert_eq!(all, [outlives]);
}

async fn a_session_ends_with_the_last_grant_in_it(base: Base) {
    let store = base.store().await;
    let account = ann(&store).await.id;
    let signed_in = sign_in(account);
    let (session, first) = (signed_in.session.clone(), signed_in.grant.clone());
    let second = Grant {
        client_id: client::MOMAIL.to_owned(),
        ..grant(&session)
    };
    log_in(&store, &signed_in).await;
    let seen = store
        .write(move |tx| {
            Box::pin(async move {
                tx.insert_grant(&second).await?;
                let mut seen = Vec::new();
                for grant in [&first, &first, &second] {
                    let ended = tx.revoke_grant(grant, later(1)).await?;
                    let session = tx.session(session.id).await?.unwrap();
                    seen.push((ended, session.revoked_at));
                }
                Ok(seen)
            })
        })
        .await
        .unwrap();
    let expected = [(true, None), (false, None), (true, Some(later(1)))];
    assert_eq!(seen, expected);
}

async fn revoking_grants_tells_which(base: Base) {
    let store = base.store().await;
    let account = ann(&store).await.id;
    let mut grants = Vec::new();
    for client_id in [
        client::SMTPD,
        client::SMTPD,
        client::COUNTERSIGN,
        client::MOMAIL,
    ] {
        let signed_in = sign_in_with(account, client_id);
        log_in(&store, &signed_in).await;
        grants.push(signed_in.grant.id);
    }
    let (mut smtpd, mut rest, none, live) = store
        .write(move |tx| {
            Box::pin(async move {
                let page = PageRequest::new(9, None);
                Ok((
                    tx.revoke_grants_to(account, client::SMTPD, NOW).await?,
                    tx.revoke_sessions_and_grants(account, NOW).await?,
                    tx.revoke_sessions_and_grants(account, NOW).await?,
                    tx.live_sessions(account, page, NOW).await?.items,
                ))
            })
        })
        .await
        .unwrap();
    // Ids of one millisecond have no order of their own.
    smtpd.sort();
    rest.sort();
    grants[..2].sort();
    grants[2..].sort();
    assert_eq!((smtpd, rest), (grants[..2].into(), grants[2..].into()));
    assert_eq!((none, live), (vec![], vec![]));
}

async fn pages_hold_the_live_grants_to_a_client(base: Base) {
    let store = base.store().await;
    let account = ann(&store).await.id;
    let mut expected = Vec::new();
    for client_id in [client::SMTPD, client::MOMAIL, client::SMTPD, client::SMTPD] {
        let mut signed_in = sign_in_with(account, client_id);
        if expected.len() == 2 {
            signed_in.grant.revoked_at = Some(NOW);
        }
        log_in(&store, &signed_in).await;
        expected.push(signed_in.grant);
    }
    let read = store.read();
    let page = PageRequest::new(9, None);
    let mut filter = GrantFilter {
        account: Some(account),
        client_id: None,
    };
    let all = read.live_grants(&filter, page, NOW).await.unwrap();
    assert_eq!(all.items.len(), 3);
    filter.client_id = Some(client::SMTPD.to_owned());
    let smtpd = read.live_grants(&filter, page, NOW);
    let mut smtpd = smtpd.await.unwrap().items;
    smtpd.sort_by_key(|grant| grant.id);
    let mut expected = [expected[0].clone(), expected[3].clone()];
    expected.sort_by_key(|grant| grant.id);
    assert_eq!(smtpd, expected);
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

async fn only_a_live_grant_is_touched(base: Base) {
    let store = base.store().await;
    let account = ann(&store).await.id;
    let signed_in = sign_in(account);
    log_in(&store, &signed_in).await;
    let grant = signed_in.grant;
    let id = grant.id;
    let touched = store
        .write(move |tx| {
            Box::pin(async move {
                let live = tx.touch_grant(id, later(7)).await?;
                let expired = tx.touch_grant(id, grant.expires_at).await?;
                tx.revoke_grant(&grant, later(8)).await?;
                Ok([live, expired, tx.touch_grant(id, later(9)).await?])
            })
        })
        .await
        .unwrap();
    assert_eq!(touched, [true, false, false]);
    let read = store.read().grant(id).await.unwrap().unwrap();
    assert_eq!(read.refreshed_at, later(7));
}

async fn credentials_of_a_deleted_account_are_refused(base: Base) {
    let store = base.store().await;
    let SignIn { session, grant } = sign_in(new_id().into());
    let (key, token) = (api_key(session.account_id), refresh_token(grant.id));
    let no_account = store
        .write(move |tx| Box::pin(async move { tx.insert_session(&session).await }))
        .await;
    let no_session = store
        .write(move |tx| Box::pin(async move { tx.insert_grant(&grant).await }))
        .await;
    let no_key = store
        .write(move |tx| Box::pin(async move { tx.insert_api_key(&key).await }))
        .await;
    let no_token = store
        .write(move |tx| Box::pin(async move { tx.insert_refresh_token(&token).await }))
        .await;
    assert_eq!(no_account.unwrap_err().reason(), Reason::AccountNotFound);
    assert_eq!(no_session.unwrap_err().reason(), Reason::SessionNotFound);
    assert_eq!(no_key.unwrap_err().reason(), Reason::AccountNotFound);
    assert_eq!(no_token.unwrap_err().reason(), Reason::GrantNotFound);
}
