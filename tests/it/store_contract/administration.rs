//! What administrators read and change.

use countersign::model::{
    account::{Account, Plan, Role},
    administration::{AccountFilter, OrganizationFilter, SearchText},
    page::PageRequest,
};
use uuid::Uuid;

use super::{
    Base, NOW, ann, later, log_in, new_id, on_both_engines, organization, owner, purge_deleted,
    sign_in, sign_up,
};

on_both_engines! {
    a_search_takes_every_character_for_itself,
    accounts_are_listed_in_pages_the_newest_first,
    organizations_are_listed_with_their_owner_and_size,
    disabling_is_read_with_the_account_and_undone,
    what_belongs_to_an_organization_ends_or_goes_with_it,
    an_administrator_counts_only_while_enabled,
}

fn all() -> PageRequest {
    PageRequest::new(100, None)
}

pub(super) fn text(text: &str) -> AccountFilter {
    AccountFilter {
        text: SearchText::new(text),
        ..AccountFilter::default()
    }
}

fn ids(accounts: &[Account]) -> Vec<Uuid> {
    accounts.iter().map(|account| account.id.uuid()).collect()
}

/// The newest first. Ids of the same millisecond are in any order.
fn newest_first(mut ids: Vec<Uuid>) -> Vec<Uuid> {
    ids.sort();
    ids.reverse();
    ids
}

async fn a_search_takes_every_character_for_itself(base: Base) {
    let store = base.store().await;
    let mut made = Vec::new();
    for (email, name) in [
        ("a_b@example.com", "100 % Ann"),
        ("axb@example.com", "Back\\slash"),
        ("A.B@Example.com", "straße 'quote\" --"),
    ] {
        let (account, _) = sign_up(&store, email).await.unwrap();
        let (id, name) = (account.id, name.to_owned());
        store
            .write(move |tx| {
                Box::pin(async move { tx.update_display_name(id, &name, None, NOW).await })
            })
            .await
            .unwrap();
        made.push(id.uuid());
    }
    for (wanted, found) in [
        ("a_b", vec![0]),
        ("_", vec![0]),
        ("%", vec![0]),
        ("\\", vec![1]),
        ("\\s", vec![1]),
        ("'", vec![2]),
        ("\" --", vec![2]),
        ("STRASSE", vec![2]),
        ("a.b@EXAMPLE", vec![2]),
        ("a?b", vec![]),
        ("example.com", vec![2, 1, 0]),
        ("", vec![2, 1, 0]),
        // The address and the name are two texts, and no search goes across their border.
        ("comback", vec![]),
    ] {
        let page = store.read().search_accounts(&text(wanted), all()).await;
        let found = found.into_iter().map(|index: usize| made[index]).collect();
        assert_eq!(ids(&page.unwrap().items), newest_first(found), "{wanted}");
    }
}

async fn accounts_are_listed_in_pages_the_newest_first(base: Base) {
    let store = base.store().await;
    let mut made = Vec::new();
    for number in 0..5 {
        let email = format!("a{number}@example.com");
        made.push(sign_up(&store, &email).await.unwrap().0.id.uuid());
    }
    sign_up(&store, "bob@example.org").await.unwrap();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let request = PageRequest::new(2, after);
        let filter = text("example.com");
        let page = store
            .read()
            .search_accounts(&filter, request)
            .await
            .unwrap();
        assert!(page.items.len() <= 2);
        seen.extend(ids(&page.items));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, newest_first(made));
}

async fn organizations_are_listed_with_their_owner_and_size(base: Base) {
    let store = base.store().await;
    let (ann, _) = sign_up(&store, "ann@example.com").await.unwrap();
    let (bob, _) = sign_up(&store, "bob@example.com").await.unwrap();
    let mut clerk = bob.clone();
    clerk.id = new_id().into();
    clerk.role = Role::Member;
    clerk.email = "clerk@example.com".parse().unwrap();
    let (plan_of, org) = (ann.organization.id, bob.organization.id);
    store
        .write(move |tx| {
            Box::pin(async move {
                tx.insert_account(&clerk).await?;
                Ok([
                    tx.set_plan(plan_of, Plan::Pro).await?,
                    tx.set_plan(new_id().into(), Plan::Pro).await?,
                    tx.set_organization_disabled(org, Some(NOW)).await?,
                ])
            })
        })
        .await
        .map(|changed| assert_eq!(changed, [true, false, true]))
        .unwrap();
    let list = async |filter: OrganizationFilter| {
        let page = store.read().search_organizations(&filter, all()).await;
        let lines = page.unwrap().items.into_iter().map(|one| {
            let email = one.owner.unwrap().1.as_str().to_owned();
            (email, one.accounts, one.organization.plan)
        });
        lines.collect::<Vec<_>>()
    };
    let (anns, bobs) = (
        ("ann@example.com".to_owned(), 1, Plan::Pro),
        ("bob@example.com".to_owned(), 2, Plan::Free),
    );
    let filter = OrganizationFilter::default;
    let mut both = list(filter()).await;
    both.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(both, [anns.clone(), bobs.clone()]);
    let by_owner = OrganizationFilter {
        text: SearchText::new("ANN@"),
        ..filter()
    };
    let pro = OrganizationFilter {
        plan: Some(Plan::Pro),
        ..filter()
    };
    let disabled = OrganizationFilter {
        disabled: Some(true),
        ..filter()
    };
    assert_eq!(list(by_owner).await, std::slice::from_ref(&anns));
    assert_eq!(list(pro).await, [anns]);
    assert_eq!(list(disabled).await, [bobs]);
    // A member is not the owner.
    let by_member = OrganizationFilter {
        text: SearchText::new("clerk"),
        ..filter()
    };
    assert_eq!(list(by_member).await, []);
}

async fn disabling_is_read_with_the_account_and_undone(base: Base) {
    let store = base.store().await;
    let account = ann(&store).await;
    let (id, org) = (account.id, account.organization.id);
    let states = store
        .write(move |tx| {
            Box::pin(async move {
                let mut states = Vec::new();
                for (own, of_organization) in [
                    (Some(later(2)), None),
                    (Some(later(2)), Some(later(1))),
                    (None, Some(later(1))),
                    (None, None),
                ] {
                    assert!(tx.set_account_disabled(id, own, later(9)).await?);
                    assert!(tx.set_organization_disabled(org, of_organization).await?);
                    let read = tx.lock_account(id).await?.unwrap();
                    states.push(read.disabled_since());
                }
                let nobody = new_id().into();
                assert!(!tx.set_account_disabled(nobody, None, NOW).await?);
                assert!(!tx.set_administrator(nobody, true, NOW).await?);
                Ok(states)
            })
        })
        .await
        .unwrap();
    assert_eq!(
        states,
        [Some(later(2)), Some(later(1)), Some(later(1)), None]
    );
    let disabled_only = AccountFilter {
        disabled: Some(true),
        ..AccountFilter::default()
    };
    let read = store.read();
    let none = read.search_accounts(&disabled_only, all()).await.unwrap();
    assert_eq!(none.items, []);
    store
        .write(move |tx| {
            Box::pin(async move { tx.set_organization_disabled(org, Some(NOW)).await })
        })
        .await
        .unwrap();
    let with_organization = read.search_accounts(&disabled_only, all()).await.unwrap();
    assert_eq!(ids(&with_organization.items), [id.uuid()]);
}

async fn what_belongs_to_an_organization_ends_or_goes_with_it(base: Base) {
    let store = base.store().await;
    let organization = organization();
    let boss = owner(&organization, "boss@example.com");
    let mut clerk = owner(&organization, "clerk@example.com");
    clerk.id = new_id().into();
    let (bob, _) = sign_up(&store, "bob@example.com").await.unwrap();
    let (org, written) = (
        organization.id,
        (organization.clone(), boss.clone(), clerk.clone()),
    );
    store
        .write(move |tx| {
            Box::pin(async move {
                tx.insert_organization(&written.0).await?;
                tx.insert_account(&written.1).await?;
                tx.insert_account(&written.2).await
            })
        })
        .await
        .unwrap();
    let (first, second, others) = (sign_in(boss.id), sign_in(clerk.id), sign_in(bob.id));
    for signed_in in [&first, &second, &others] {
        log_in(&store, signed_in).await;
    }
    let key = super::credentials::api_key(clerk.id);
    let (key_id, mut both) = (key.id, [first.grant.id, second.grant.id]);
    both.sort();
    store
        .write(move |tx| {
            Box::pin(async move {
                tx.insert_api_key(&key).await?;
                let mut ended = tx.revoke_sessions_and_grants_of(org, later(1)).await?;
                ended.sort();
                assert_eq!(ended, both);
                assert_eq!(tx.revoke_sessions_and_grants_of(org, later(2)).await?, []);
                Ok(())
            })
        })
        .await
        .unwrap();
    let read = store.read();
    assert_eq!(
        read.session(others.session.id).await.unwrap().as_ref(),
        Some(&others.session)
    );
    assert_eq!(
        read.grant(others.grant.id).await.unwrap().as_ref(),
        Some(&others.grant)
    );
    let deleted = store
        .write(move |tx| {
            Box::pin(async move {
                Ok([
                    tx.delete_organization(org, NOW).await?,
                    tx.delete_organization(org, NOW).await?,
                ])
            })
        })
        .await
        .unwrap();
    assert_eq!(deleted, [true, false]);
    assert_eq!(read.organization(org).await.unwrap(), None);
    for account in [boss, clerk] {
        assert_eq!(read.account(account.id).await.unwrap(), None);
    }
    purge_deleted(&store).await;
    assert_eq!(read.api_key(key_id).await.unwrap(), None);
    assert!(read.account(bob.id).await.unwrap().is_some());
}

async fn an_administrator_counts_only_while_enabled(base: Base) {
    let store = base.store().await;
    let account = ann(&store).await;
    sign_up(&store, "bob@example.com").await.unwrap();
    let (id, org) = (account.id, account.organization.id);
    assert!(!store.read().has_administrator().await.unwrap());
    let seen = store
        .write(move |tx| {
            Box::pin(async move {
                tx.lock_administrators().await?;
                tx.set_administrator(id, true, NOW).await?;
                let mut seen = vec![tx.has_administrator().await?];
                tx.set_account_disabled(id, Some(NOW), NOW).await?;
                seen.push(tx.has_administrator().await?);
                tx.set_account_disabled(id, None, NOW).await?;
                tx.set_organization_disabled(org, Some(NOW)).await?;
                seen.push(tx.has_administrator().await?);
                tx.set_organization_disabled(org, None).await?;
                Ok(seen)
            })
        })
        .await
        .unwrap();
    assert_eq!(seen, [true, false, false]);
    assert!(store.read().has_administrator().await.unwrap());
    let administrators = AccountFilter {
        administrator: Some(true),
        ..AccountFilter::default()
    };
    let found = store.read().search_accounts(&administrators, all()).await;
    assert_eq!(ids(&found.unwrap().items), [id.uuid()]);
}
