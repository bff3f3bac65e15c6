//! Organizations and the accounts in them.

use countersign::error::{Error, Reason, Result};
use tokio::task::JoinSet;

use super::{Base, NOW, ann, new_id, on_both_engines, organization, owner};

on_both_engines! {
    the_accounts_of_an_organization_are_counted,
    an_owner_goes_alone_or_stays_with_the_others,
    the_last_accounts_of_an_organization_leave_none_behind,
}

async fn the_accounts_of_an_organization_are_counted(base: Base) {
    let store = base.store().await;
    let boss = ann(&store).await;
    let mut clerk = owner(&organization(), "clerk@example.com");
    clerk.organization = boss.organization.clone();
    store
        .write(move |tx| Box::pin(async move { tx.insert_account(&clerk).await }))
        .await
        .unwrap();
    let read = store.read();
    assert_eq!(read.count_accounts(boss.organization.id).await.unwrap(), 2);
    assert_eq!(read.count_accounts(new_id().into()).await.unwrap(), 0);
}

/// As the use cases do it: whoever makes an account and whoever deletes the owner lock the owner first.
async fn an_owner_goes_alone_or_stays_with_the_others(base: Base) {
    let store = base.store().await;
    for round in 0..20 {
        let organization = organization();
        let boss = owner(&organization, &format!("boss{round}@example.com"));
        let (id, home) = (boss.id, organization.id);
        store
            .write(move |tx| {
                Box::pin(async move {
                    tx.insert_organization(&organization).await?;
                    tx.insert_account(&boss).await
                })
            })
            .await
            .unwrap();
        let mut both: JoinSet<Result<bool>> = JoinSet::new();
        let (deleting, making) = (store.clone(), store.clone());
        both.spawn(async move {
            let deleted = deleting.write(move |tx| {
                Box::pin(async move {
                    tx.lock_account_to_delete(id).await?;
                    tx.delete_account(id, None, NOW).await?;
                    if tx.delete_organization_if_empty(home).await? {
                        Ok(true)
                    } else {
                        Err(Error::new(Reason::OrganizationNotEmpty))
                    }
                })
            });
            deleted.await
        });
        both.spawn(async move {
            let made = making.write(move |tx| {
                Box::pin(async move {
                    if tx.lock_account(id).await?.is_none() {
                        return Err(Reason::CredentialInvalid.into());
                    }
                    let mut clerk =
                        owner(&super::organization(), &format!("clerk{round}@example.com"));
                    clerk.organization.id = home;
                    tx.insert_account(&clerk).await
                })
            });
            made.await
        });
        let succeeded = both
            .join_all()
            .await
            .iter()
            .filter(|outcome| outcome.is_ok())
            .count();
        assert_eq!(succeeded, 1, "{round}");
        let read = store.read();
        let left = read.count_accounts(home).await.unwrap();
        let owner_left = read.account(id).await.unwrap().is_some();
        assert!(
            left == 0 && !owner_left || left == 2 && owner_left,
            "{round}: {left}"
        );
    }
}

/// An owner whom an administrator deletes, while the only other account deletes itself.
async fn the_last_accounts_of_an_organization_leave_none_behind(base: Base) {
    let store = base.store().await;
    for round in 0..20 {
        let organization = organization();
        let boss = owner(&organization, &format!("boss{round}@example.com"));
        let mut clerk = owner(&super::organization(), &format!("clerk{round}@example.com"));
        clerk.organization = organization.clone();
        let (home, both) = (organization.id, [boss.id, clerk.id]);
        store
            .write(move |tx| {
                Box::pin(async move {
                    tx.insert_organization(&organization).await?;
                    tx.insert_account(&boss).await?;
                    tx.insert_account(&clerk).await
                })
            })
            .await
            .unwrap();
        let mut deletions: JoinSet<Result<bool>> = JoinSet::new();
        for id in both {
            let store = store.clone();
            deletions.spawn(async move {
                let deleted = store.write(move |tx| {
                    Box::pin(async move {
                        tx.lock_account_to_delete(id).await?;
                        tx.delete_account(id, None, NOW).await?;
                        tx.delete_organization_if_empty(home).await
                    })
                });
                deleted.await
            });
        }
        let emptied = deletions.join_all().await;
        let emptied = emptied.into_iter().map(Result::unwrap).filter(|it| *it);
        assert_eq!(emptied.count(), 1, "{round}");
        assert_eq!(store.read().organization(home).await.unwrap(), None);
    }
}
