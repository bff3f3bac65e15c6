//! Accounts and organizations.

use countersign::model::{
    account::{Plan, Role},
    page::PageRequest,
};
use tokio::task::JoinSet;

use super::{
    Base, NOW, ann, hash, later, log_in, new_id, on_both_engines, organization, owner,
    purge_deleted, sign_in, sign_up,
};

on_both_engines! {
    what_does_not_exist_is_none,
    an_account_is_read_with_its_organization,
    one_of_fifty_gets_the_address,
    a_taken_address_does_not_end_the_transaction,
    a_change_counts_and_needs_the_expected_version,
    a_password_is_replaced_only_while_it_is_the_expected_one,
    deleting_an_account_deletes_all_that_is_its_own,
    an_organization_with_members_stays,
}

async fn what_does_not_exist_is_none(base: Base) {
    let store = base.store().await;
    let read = store.read();
    let account = new_id().into();
    assert_eq!(read.account(account).await.unwrap(), None);
    assert_eq!(read.account_by_email("a@example.com").await.unwrap(), None);
    assert_eq!(read.organization(new_id().into()).await.unwrap(), None);
    assert_eq!(read.session(new_id().into()).await.unwrap(), None);
    assert_eq!(read.refresh_token(&hash()).await.unwrap(), None);
    assert_eq!(read.api_key(new_id().into()).await.unwrap(), None);
    assert_eq!(read.api_key_by_hash(&hash()).await.unwrap(), None);
    let all = PageRequest::new(0, None);
    let sessions = read.live_sessions(account, all, NOW).await.unwrap();
    assert_eq!((sessions.items, sessions.next), (vec![], None));
    let keys = read.live_api_keys(account, None, all, NOW).await.unwrap();
    assert_eq!((keys.items, keys.next), (vec![], None));
    assert_eq!(read.count_live_api_keys(account, NOW).await.unwrap(), 0);
    assert_eq!(read.signing_keys().await.unwrap(), vec![]);
    assert_eq!(read.due_mail(NOW, 10).await.unwrap(), vec![]);
}

async fn an_account_is_read_with_its_organization(base: Base) {
    let store = base.store().await;
    let mut organization = organization();
    organization.plan = Plan::Pro;
    let boss = owner(&organization, "Boss@Example.com");
    let mut clerk = owner(&organization, "Straße@Example.com");
    clerk.id = new_id().into();
    clerk.role = Role::Member;
    clerk.password_hash = None;
    clerk.email_verified = true;
    clerk.display_name = String::new();
    let written = (organization.clone(), boss.clone(), clerk.clone());
    store
        .write(move |tx| {
            Box::pin(async move {
                let (organization, boss, clerk) = written;
                tx.insert_organization(&organization).await?;
                tx.insert_account(&boss).await?;
                tx.insert_account(&clerk).await
            })
        })
        .await
        .unwrap();
    let read = store.read();
    let by_email = read.account_by_email("strasse@example.com").await.unwrap();
    assert_eq!(by_email, Some(clerk));
    assert_eq!(
        read.account_by_email("Boss@Example.com").await.unwrap(),
        None
    );
    assert_eq!(
        read.organization(organization.id).await.unwrap(),
        Some(organization)
    );
    assert_eq!(read.account(boss.id).await.unwrap(), Some(boss));
}

async fn one_of_fifty_gets_the_address(base: Base) {
    let store = base.store().await;
    let mut writers = JoinSet::new();
    for number in 0..50 {
        let store = store.clone();
        let email = if number % 2 == 0 {
            "ann@example.com"
        } else {
            "ANN@Example.com"
        };
        writers.spawn(async move { sign_up(&store, email).await.unwrap() });
    }
    let outcomes = writers.join_all().await;
    let winners: Vec<_> = outcomes.iter().filter(|(_, inserted)| *inserted).collect();
    assert_eq!(winners.len(), 1);
    let stored = store.read().account_by_email("ann@example.com").await;
    assert_eq!(stored.unwrap().as_ref(), Some(&winners[0].0));
}

async fn a_taken_address_does_not_end_the_transaction(base: Base) {
    let store = base.store().await;
    let ann = ann(&store).await;
    let organization = organization();
    let id = organization.id;
    let mut second = owner(&organization, "ann@example.com");
    let inserted = store
        .write(move |tx| {
            Box::pin(async move {
                tx.insert_organization(&organization).await?;
                let first_try = tx.insert_account(&second).await?;
                second.email = "ann2@example.com".parse().unwrap();
                Ok((first_try, tx.insert_account(&second).await?))
            })
        })
        .await
        .unwrap();
    assert_eq!(inserted, (false, true));
    assert_eq!(store.read().account(ann.id).await.unwrap(), Some(ann));
    assert!(store.read().organization(id).await.unwrap().is_some());
}

async fn a_change_counts_and_needs_the_expected_version(base: Base) {
    let store = base.store().await;
    let ann = ann(&store).await;
    let id = ann.id;
    let changed = store
        .write(move |tx| {
            Box::pin(async move {
                Ok([
                    tx.update_display_name(id, "One", None, later(1)).await?,
                    tx.update_display_name(id, "Two", Some(1), later(2)).await?,
                    tx.update_display_name(id, "Three", Some(2), later(3))
                        .await?,
                    tx.update_display_name(new_id().into(), "X", None, NOW)
                        .await?,
                    tx.delete_account(id, Some(2), NOW).await?,
                ])
            })
        })
        .await
        .unwrap();
    assert_eq!(changed, [true, false, true, false, false]);
    let read = store.read().account(id).await.unwrap().unwrap();
    assert_eq!((read.display_name.as_str(), read.version), ("Three", 3));
    assert_eq!((read.created_at, read.updated_at), (NOW, later(3)));
}

async fn a_password_is_replaced_only_while_it_is_the_expected_one(base: Base) {
    let store = base.store().await;
    let id = ann(&store).await.id;
    let changed = store
        .write(move |tx| {
            Box::pin(async move {
                Ok([
                    tx.set_password_hash(id, Some("$argon2id$1"), "$argon2id$2", later(1))
                        .await?,
                    tx.set_password_hash(id, Some("$argon2id$1"), "$argon2id$3", later(2))
                        .await?,
                    tx.set_password_hash(id, None, "$argon2id$4", later(3))
                        .await?,
                    tx.set_password_hash(new_id().into(), None, "$argon2id$5", NOW)
                        .await?,
                ])
            })
        })
        .await
        .unwrap();
    assert_eq!(changed, [true, false, true, false]);
    let read = store.read().account(id).await.unwrap().unwrap();
    assert_eq!(read.password_hash.as_deref(), Some("$argon2id$4"));
    assert_eq!((read.version, read.updated_at), (3, later(3)));
}

async fn deleting_an_account_deletes_all_that_is_its_own(base: Base) {
    let store = base.store().await;
    let ann = ann(&store).await;
    let (bob, _) = sign_up(&store, "bob@example.com").await.unwrap();
    let gone = sign_in(ann.id);
    let stays = sign_in(bob.id);
    let gone_token = log_in(&store, &gone).await;
    let stays_token = log_in(&store, &stays).await;
    let key = super::credentials::api_key(ann.id);
    let written = key.clone();
    let deleted = store
        .write(move |tx| {
            Box::pin(async move {
                tx.insert_api_key(&written).await?;
                Ok((
                    tx.delete_account(ann.id, Some(ann.version), NOW).await?,
                    tx.delete_account(ann.id, None, NOW).await?,
                ))
            })
        })
        .await
        .unwrap();
    assert_eq!(deleted, (true, false));
    let read = store.read();
    assert_eq!(read.account(ann.id).await.unwrap(), None);
    purge_deleted(&store).await;
    assert_eq!(read.session(gone.session.id).await.unwrap(), None);
    assert_eq!(read.refresh_token(&gone_token.hash).await.unwrap(), None);
    assert_eq!(read.api_key_by_hash(&key.hash).await.unwrap(), None);
    assert_eq!(
        read.session(stays.session.id).await.unwrap(),
        Some(stays.session)
    );
    let token = read.refresh_token(&stays_token.hash).await.unwrap();
    assert_eq!(token, Some(stays_token));
    assert!(sign_up(&store, "ann@example.com").await.unwrap().1);
}

async fn an_organization_with_members_stays(base: Base) {
    let store = base.store().await;
    let ann = ann(&store).await;
    let organization = ann.organization.id;
    let deleted = store
        .write(move |tx| {
            Box::pin(async move {
                let early = tx.delete_organization_if_empty(organization).await?;
                tx.delete_account(ann.id, None, NOW).await?;
                let late = tx.delete_organization_if_empty(organization).await?;
                Ok([
                    early,
                    late,
                    tx.delete_organization_if_empty(organization).await?,
                ])
            })
        })
        .await
        .unwrap();
    assert_eq!(deleted, [false, true, false]);
    assert_eq!(store.read().organization(organization).await.unwrap(), None);
}
