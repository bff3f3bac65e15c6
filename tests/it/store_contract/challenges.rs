//! Challenges whose solution was used, on both engines.

use std::sync::Arc;

use countersign::{
    config::ProofOfWork as Policy,
    env::Env,
    error::{Reason, Result},
    model::pow::{Algorithm, Challenge, Purpose},
    store::{Database, Store},
};
use tokio::{sync::Semaphore, task::JoinSet};
use tonic::Code;

use super::{Base, NOW, later, on_both_engines, organization, owner};
use crate::support::{TestApp, refused, sign_up_with, solved};

on_both_engines! {
    a_challenge_is_redeemed_once,
    a_redemption_that_is_rolled_back_never_was,
    redemptions_are_purged_when_their_challenge_has_ended,
    one_of_two_hundred_redemptions_succeeds_with_what_it_is_for,
    of_two_hundred_sign_ups_with_one_solution_one_wins,
}

fn challenge(expires_in: i64) -> Challenge {
    Challenge {
        purpose: Purpose::SignUp,
        algorithm: Algorithm::Sha256,
        difficulty: 20,
        expires_at: later(expires_in),
        random: Env::system().random().unwrap(),
    }
}

async fn a_challenge_is_redeemed_once(base: Base) {
    let store = base.store().await;
    let (one, other) = (challenge(10), challenge(10));
    assert!(!store.read().is_redeemed(&one).await.unwrap());
    let redeemed = store
        .write(move |tx| {
            Box::pin(async move {
                Ok([
                    tx.redeem_challenge(&one).await?,
                    tx.redeem_challenge(&one).await?,
                    tx.is_redeemed(&one).await?,
                    tx.is_redeemed(&other).await?,
                ])
            })
        })
        .await;
    assert_eq!(redeemed.unwrap(), [true, false, true, false]);
    assert!(store.read().is_redeemed(&one).await.unwrap());
}

async fn a_redemption_that_is_rolled_back_never_was(base: Base) {
    let store = base.store().await;
    let one = challenge(10);
    let refused = store
        .write(move |tx| {
            Box::pin(async move {
                tx.redeem_challenge(&one).await?;
                Err::<(), _>(Reason::EmailAlreadyExists.into())
            })
        })
        .await;
    refused.unwrap_err();
    assert!(!store.read().is_redeemed(&one).await.unwrap());
}

async fn redemptions_are_purged_when_their_challenge_has_ended(base: Base) {
    let store = base.store().await;
    let (ended, open) = (challenge(9), challenge(10));
    let purged = store
        .write(move |tx| {
            Box::pin(async move {
                tx.redeem_challenge(&ended).await?;
                tx.redeem_challenge(&open).await?;
                Ok([
                    tx.purge(NOW).await?,
                    tx.purge(later(10)).await?,
                    tx.purge(later(10)).await?,
                ])
            })
        })
        .await;
    assert_eq!(purged.unwrap(), [0, 1, 0]);
    assert!(!store.read().is_redeemed(&ended).await.unwrap());
    assert!(store.read().is_redeemed(&open).await.unwrap());
}

async fn one_of_two_hundred_redemptions_succeeds_with_what_it_is_for(base: Base) {
    let store = base.store().await;
    let contested = challenge(10);
    let at_once = at_once(&base);
    let mut tries = JoinSet::new();
    for number in 0..200 {
        let (store, at_once) = (store.clone(), at_once.clone());
        let organization = organization();
        let account = owner(&organization, &format!("ann{number}@example.com"));
        tries.spawn(async move {
            let _turn = at_once.acquire().await.unwrap();
            store
                .write(move |tx| {
                    Box::pin(async move {
                        if !tx.redeem_challenge(&contested).await? {
                            return Err(Reason::ChallengeInvalid.into());
                        }
                        tx.insert_organization(&organization).await?;
                        tx.insert_account(&account).await
                    })
                })
                .await
        });
    }
    let outcomes = tries.join_all().await;
    let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let lost = |outcome: &Result<bool>| matches!(outcome, Err(error) if error.reason() == Reason::ChallengeInvalid);
    let lost = outcomes.iter().filter(|outcome| lost(outcome)).count();
    assert_eq!((won, lost), (1, 199));
    assert_eq!(accounts(&store).await.len(), 1);
}

async fn of_two_hundred_sign_ups_with_one_solution_one_wins(base: Base) {
    let app = TestApp::with(|config| {
        config.signup.proof_of_work = Policy::All;
        // So long that many have seen the solution unused before one has used it.
        config.passwords.memory_kib = 4096;
        if let Database::Postgres { url, .. } = &base.database {
            config.database.url = url.clone();
        }
    })
    .await;
    let at_once = at_once(&base);
    let work = solved(&app.challenge().await);
    let mut tries = JoinSet::new();
    for number in 0..200 {
        let request = sign_up_with(&format!("ann{number}"), Some(work.clone()));
        let (mut accounts, at_once) = (app.accounts(), at_once.clone());
        tries.spawn(async move {
            let _turn = at_once.acquire().await.unwrap();
            accounts.create_account(request).await
        });
    }
    let outcomes = tries.join_all().await;
    let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|outcome| outcome.is_ok());
    assert_eq!((won.len(), lost.len()), (1, 199));
    for answer in lost {
        refused(answer, Code::InvalidArgument, "CHALLENGE_INVALID");
    }
    let winner = won.into_iter().flatten().next().unwrap().into_inner();
    let winner = winner.account.unwrap().email;
    assert_eq!(accounts(&app.parts.store).await, [winner]);
    app.parts.store.close().await;
}

/// All at once; on Postgres as many as have a connection each, for who waits long for one is refused.
fn at_once(base: &Base) -> Arc<Semaphore> {
    let count = if base.folder.is_some() { 200 } else { 8 };
    Arc::new(Semaphore::new(count))
}

/// Which of the two hundred have an account.
async fn accounts(store: &Store) -> Vec<String> {
    let mut found = Vec::new();
    for number in 0..200 {
        let email = format!("ann{number}@example.com");
        let account = store.read().account_by_email(&email).await.unwrap();
        found.extend(account.map(|account| account.email.as_str().to_owned()));
    }
    found
}
