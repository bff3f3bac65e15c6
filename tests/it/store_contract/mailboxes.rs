//! Addresses that were stored before they were compared as mailboxes.

use countersign::{
    model::{email::Email, page::PageRequest, session::Profile},
    store::Store,
};
use sea_orm::{ConnectionTrait, TransactionTrait};
use uuid::Uuid;

use super::{
    Base, NOW,
    administration::{insert, text},
    log_in, on_both_engines, session,
};

on_both_engines! {
    stored_addresses_are_compared_as_mailboxes_and_nobody_is_lost,
    an_account_gets_its_address_when_the_other_is_gone,
}

/// The accounts of these tests, the oldest first.
fn id(age: u128) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + age)
}

/// A database of the version before, with an account for each address: as typed, as it was compared then,
/// and whether it was verified.
async fn written_before(base: &Base, accounts: &[(&str, &str, bool)]) -> Store {
    let known = countersign_migrations::known();
    let before = known.iter().position(|name| name.ends_with("mailboxes"));
    let before = u32::try_from(before.unwrap()).unwrap();
    let store = base.open().await;
    let by_hand = base.by_hand().await;
    let transaction = by_hand.begin().await.unwrap();
    countersign_migrations::apply_first(&transaction, before)
        .await
        .unwrap();
    for (age, (typed, compared, verified)) in (1..).zip(accounts) {
        let organization = insert(
            "organizations",
            vec![
                ("id", id(age + 1000).into()),
                ("plan", "free".into()),
                ("owner_id", id(age).into()),
                ("created_at", NOW.millis().into()),
            ],
        );
        let account = insert(
            "accounts",
            vec![
                ("id", id(age).into()),
                ("organization_id", id(age + 1000).into()),
                ("email", (*typed).into()),
                ("email_normalized", (*compared).into()),
                ("email_verified", (*verified).into()),
                ("display_name", "".into()),
                ("created_at", NOW.millis().into()),
                ("updated_at", NOW.millis().into()),
                ("version", 1_i64.into()),
            ],
        );
        for row in [organization, account] {
            transaction.execute(&row).await.unwrap();
        }
    }
    transaction.commit().await.unwrap();
    store.migrate().await.unwrap();
    store
}

/// Which account a log-in with this address reaches.
async fn reached(store: &Store, address: &str) -> Option<Uuid> {
    let email: Email = address.parse().unwrap();
    let found = store.read().account_by_email(email.normalized()).await;
    found.unwrap().map(|account| account.id.uuid())
}

async fn stored_addresses_are_compared_as_mailboxes_and_nobody_is_lost(base: Base) {
    let accounts = [
        ("Ann@Example.com", "ann@example.com", false),
        (
            "eva@XN--bcher-kva.example",
            "eva@xn--bcher-kva.example",
            false,
        ),
        ("eva@bücher.example", "eva@bücher.example", false),
        ("bob@straße.example", "bob@strasse.example", false),
        ("\"Bob\"@strasse.example", "\"bob\"@strasse.example", false),
        ("\"cid\"@example.com", "\"cid\"@example.com", false),
        ("cid@example.com", "cid@example.com", true),
        ("\"ci\\d\"@example.com", "\"ci\\d\"@example.com", false),
        ("dan@xn--zzz.example", "dan@xn--zzz.example", false),
    ];
    let store = written_before(&base, &accounts).await;
    for (address, account) in [
        ("ann@example.com", id(1)),
        // The older one.
        ("eva@bücher.example", id(2)),
        ("eva@xn--bcher-kva.example", id(2)),
        // Two mailboxes that were one: the first gave the second its form.
        ("bob@straße.example", id(4)),
        ("bob@strasse.example", id(5)),
        // The verified one.
        ("cid@example.com", id(7)),
        ("\"cid\"@example.com", id(7)),
    ] {
        assert_eq!(reached(&store, address).await, Some(account), "{address}");
    }
    for (age, (typed, ..)) in (1..).zip(accounts) {
        let kept = store.read().account(id(age).into()).await.unwrap().unwrap();
        assert_eq!(kept.email.as_str(), typed);
        log_in(&store, &session(kept.id, Profile::Native)).await;
    }
    let page = PageRequest::new(100, None);
    let found = store
        .read()
        .search_accounts(&text("eva@xn--bcher-kva.example"), page)
        .await
        .unwrap();
    assert_eq!(found.items.len(), 2, "an operator finds both");
}

async fn an_account_gets_its_address_when_the_other_is_gone(base: Base) {
    let accounts = [
        ("eva@bücher.example", "eva@bücher.example", false),
        (
            "eva@xn--bcher-kva.example",
            "eva@xn--bcher-kva.example",
            false,
        ),
        ("\"eva\"@bücher.example", "\"eva\"@bücher.example", true),
    ];
    let store = written_before(&base, &accounts).await;
    let give_back = || store.write(|tx| Box::pin(async move { tx.give_back_addresses().await }));
    let delete = |account: Uuid| {
        store.write(move |tx| {
            Box::pin(async move { tx.delete_account(account.into(), None, NOW).await })
        })
    };
    let address = "eva@bücher.example";
    assert_eq!(give_back().await.unwrap(), 0, "somebody has it");
    assert_eq!(reached(&store, address).await, Some(id(3)));
    for (gone, next) in [(id(3), Some(id(1))), (id(1), Some(id(2))), (id(2), None)] {
        assert!(delete(gone).await.unwrap());
        assert_eq!(reached(&store, address).await, None);
        assert_eq!(give_back().await.unwrap(), u64::from(next.is_some()));
        assert_eq!(reached(&store, address).await, next);
    }
}
