//! Disabling while others log in, make keys and change passwords, on SQLite and on Postgres: whoever comes
//! first, nothing that came of it lives afterwards.

use std::{pin::pin, sync::Arc, time::Duration};

use countersign::{
    env::{Clock as _, Env, Timestamp},
    error::Result,
    model::{
        id::{AccountId, OrganizationId},
        session::Session,
    },
    pb::{
        admin::v1 as admin_v1,
        v1::{Account, ApiKey, ChangePasswordRequest, CreateApiKeyRequest},
    },
    store::Tx,
};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, Statement,
    TransactionTrait,
};
use tokio::sync::{Mutex, Notify};
use tonic::Code;

use crate::{
    store_contract::{Base, on_both_engines, on_postgres},
    support::{PASSWORD, Person, TestApp, home, reason, refused},
};

on_both_engines! {
    a_log_in_that_its_account_was_disabled_under_is_refused,
    a_log_in_that_its_organization_was_disabled_under_is_refused,
    a_key_that_its_account_was_disabled_under_is_refused,
    a_password_change_that_its_account_was_disabled_under_is_refused,
    disabling_an_account_ends_a_session_that_is_being_written,
    disabling_an_organization_ends_a_session_that_is_being_written,
    of_two_administrators_who_revoke_each_other_one_stays,
}

/// How often a task lets all others go on, on SQLite: enough for everything that does not wait for the writer.
const TURNS: usize = 20_000;

/// Asks Postgres whether somebody waits for a lock.
const WAITING: &str = "SELECT count(*) FROM pg_stat_activity \
    WHERE datname = current_database() AND wait_event_type = 'Lock'";

/// What a transaction writes before others may go on.
#[derive(Clone)]
enum Held {
    DisabledAccount(AccountId),
    DisabledOrganization(OrganizationId),
    Session(Session),
}

impl Held {
    async fn write(self, tx: &Tx<'_>, now: Timestamp) -> Result<()> {
        match self {
            Self::DisabledAccount(id) => {
                tx.lock_account(id).await?;
                tx.set_account_disabled(id, Some(now), now).await?;
            }
            Self::DisabledOrganization(id) => {
                tx.set_organization_disabled(id, Some(now)).await?;
            }
            Self::Session(session) => {
                tx.lock_account(session.account_id).await?;
                tx.insert_session(&session).await?;
            }
        }
        Ok(())
    }
}

/// Returns when whoever does not wait for a lock must have gone on.
async fn all_wait(base: &Base) {
    let Some(postgres) = base.postgres_by_hand().await else {
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
        return;
    };
    wait_for(&postgres, 1).await;
}

/// Returns when so many wait for a lock.
pub(crate) async fn wait_for(postgres: &DatabaseConnection, waiting: i64) {
    loop {
        let question = Statement::from_string(DbBackend::Postgres, WAITING);
        let row = postgres.query_one_raw(question).await.unwrap().unwrap();
        if row.try_get_by_index::<i64>(0).unwrap() >= waiting {
            return;
        }
    }
}

/// Holds what this statement locks.
pub(crate) async fn hold(postgres: &DatabaseConnection, lock: &str) -> DatabaseTransaction {
    let held = postgres.begin().await.unwrap();
    held.execute_unprepared(lock).await.unwrap();
    held
}

/// Holds a transaction open, and commits it only when `work` is done or waits for it.
async fn meanwhile<T>(base: &Base, app: &TestApp, held: Held, work: impl Future<Output = T>) -> T {
    let begun = Arc::new(Notify::new());
    let has_begun = Arc::clone(&begun);
    let may_go_on = Arc::new(Mutex::new(()));
    let go_on = Arc::clone(&may_go_on).lock_owned().await;
    let now = app.clock.now();
    let on_postgres = app.parts.store.is_multi_node();
    let transaction = app.parts.store.write(move |tx| {
        Box::pin(async move {
            held.write(tx, now).await?;
            begun.notify_one();
            // The writer of SQLite is a thread, and all others wait for it.
            match on_postgres {
                true => drop(may_go_on.lock().await),
                false => drop(may_go_on.blocking_lock()),
            }
            Ok(())
        })
    });
    let racing = async {
        has_begun.notified().await;
        let mut work = pin!(work);
        let early = tokio::select! {
            biased;
            done = work.as_mut() => Some(done),
            () = all_wait(base) => None,
        };
        drop(go_on);
        match early {
            Some(done) => done,
            None => work.await,
        }
    };
    let (committed, done) = tokio::join!(transaction, racing);
    committed.unwrap();
    done
}

async fn start(base: &Base) -> TestApp {
    TestApp::with(|config| base.configure(config)).await
}

async fn inspect(app: &TestApp, person: &Person<'_>) -> Account {
    let name = person.account.clone();
    let mut operator = app.operator();
    let answer = operator.get_account(admin_v1::GetAccountRequest { name });
    answer.await.unwrap().into_inner().account.unwrap()
}

async fn ids(app: &TestApp, person: &Person<'_>) -> (AccountId, OrganizationId) {
    let account = inspect(app, person).await;
    let id = |name: &str| name.split_once('/').unwrap().1.to_owned();
    (
        id(&account.name).parse().unwrap(),
        id(&home(&account)).parse().unwrap(),
    )
}

async fn a_log_in_that_its_account_was_disabled_under_is_refused(base: Base) {
    let app = start(&base).await;
    let ann = app.sign_up("ann").await;
    let (account, _) = ids(&app, &ann).await;
    let log_in = app.try_log_in(&ann.email, PASSWORD);
    let answer = meanwhile(&base, &app, Held::DisabledAccount(account), log_in).await;
    refused(answer, Code::Unauthenticated, "INVALID_CREDENTIALS");
}

async fn a_log_in_that_its_organization_was_disabled_under_is_refused(base: Base) {
    let app = start(&base).await;
    let ann = app.sign_up("ann").await;
    let (_, organization) = ids(&app, &ann).await;
    let log_in = app.try_log_in(&ann.email, PASSWORD);
    let answer = meanwhile(
        &base,
        &app,
        Held::DisabledOrganization(organization),
        log_in,
    )
    .await;
    refused(answer, Code::Unauthenticated, "INVALID_CREDENTIALS");
}

async fn a_key_that_its_account_was_disabled_under_is_refused(base: Base) {
    let app = start(&base).await;
    let ann = app.sign_up("ann").await;
    let (account, organization) = ids(&app, &ann).await;
    let session = ann.logs_in().await;
    assert!(session.is_in().await);
    for held in [
        Held::DisabledOrganization(organization),
        Held::DisabledAccount(account),
    ] {
        let request = CreateApiKeyRequest {
            api_key: Some(ApiKey::default()),
            request_id: String::new(),
        };
        let mut keys = app.api_keys();
        let make = keys.create_api_key(session.asks(request));
        // The session is live and remembered: this transaction ends none, and tells nobody.
        let answer = meanwhile(&base, &app, held, make).await;
        refused(answer, Code::Unauthenticated, "CREDENTIAL_INVALID");
        let name = organization.resource_name();
        let enable = admin_v1::EnableOrganizationRequest { name };
        app.operator_of_organizations()
            .enable_organization(enable)
            .await
            .unwrap();
    }
}

async fn a_password_change_that_its_account_was_disabled_under_is_refused(base: Base) {
    let app = start(&base).await;
    let ann = app.sign_up("ann").await;
    let (account, _) = ids(&app, &ann).await;
    let session = ann.logs_in().await;
    assert!(session.is_in().await);
    let request = ChangePasswordRequest {
        name: "accounts/me".to_owned(),
        current_password: PASSWORD.to_owned(),
        new_password: "another horse battery".to_owned(),
        keep_api_keys: false,
    };
    let mut accounts = app.accounts();
    let change = accounts.change_password(session.asks(request));
    let answer = meanwhile(&base, &app, Held::DisabledAccount(account), change).await;
    // Which of the two depends on how far it had come.
    let status = answer.unwrap_err();
    assert!(["CREDENTIAL_INVALID", "INVALID_CREDENTIALS"].contains(&reason(&status).as_str()));
    let name = ann.account.clone();
    app.operator()
        .enable_account(admin_v1::EnableAccountRequest { name })
        .await
        .unwrap();
    ann.logs_in().await;
}

/// A session that a log-in is about to commit.
fn session(app: &TestApp, account: AccountId) -> Session {
    Session {
        id: Env::system().uuid().unwrap().into(),
        account_id: account,
        amr: Vec::new(),
        created_at: app.clock.now(),
        expires_at: app.clock.now().after(Duration::from_secs(3600)),
        revoked_at: None,
        client_address: String::new(),
        user_agent: String::new(),
        request_hash: None,
    }
}

async fn is_live(app: &TestApp, session: Session) -> bool {
    let read = app.parts.store.read().session(session.id).await.unwrap();
    read.unwrap().is_live(app.clock.now())
}

async fn disabling_an_account_ends_a_session_that_is_being_written(base: Base) {
    let app = start(&base).await;
    let ann = app.sign_up("ann").await;
    let session = session(&app, ids(&app, &ann).await.0);
    let name = ann.account.clone();
    let mut operator = app.operator();
    let disable = operator.disable_account(admin_v1::DisableAccountRequest { name: name.clone() });
    let answer = meanwhile(&base, &app, Held::Session(session.clone()), disable).await;
    assert!(
        answer
            .unwrap()
            .into_inner()
            .account
            .unwrap()
            .disable_time
            .is_some()
    );
    operator
        .enable_account(admin_v1::EnableAccountRequest { name })
        .await
        .unwrap();
    assert!(!is_live(&app, session).await);
}

async fn disabling_an_organization_ends_a_session_that_is_being_written(base: Base) {
    let app = start(&base).await;
    let ann = app.sign_up("ann").await;
    let session = session(&app, ids(&app, &ann).await.0);
    let name = home(&inspect(&app, &ann).await);
    let mut operator = app.operator_of_organizations();
    let disable =
        operator.disable_organization(admin_v1::DisableOrganizationRequest { name: name.clone() });
    let answer = meanwhile(&base, &app, Held::Session(session.clone()), disable).await;
    assert!(
        answer
            .unwrap()
            .into_inner()
            .organization
            .unwrap()
            .disable_time
            .is_some()
    );
    operator
        .enable_organization(admin_v1::EnableOrganizationRequest { name })
        .await
        .unwrap();
    assert!(!is_live(&app, session).await);
}

/// SQLite has one writer: there a session that is being written is written before the change begins.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_made_while_disabling_waited_for_it_is_forgotten() {
    on_postgres(used_before_disabling_goes_on).await;
}

async fn used_before_disabling_goes_on(base: Base) {
    let app = start(&base).await;
    let ann = app.sign_up("ann").await;
    let earlier = ann.logs_in().await;
    let organization = home(&inspect(&app, &ann).await);
    let watching = base.postgres_by_hand().await.unwrap();
    // A log-in that has written its session, and waits before it commits.
    let no_tokens = hold(&watching, "LOCK TABLE refresh_tokens IN SHARE MODE").await;
    let mut log_in = pin!(app.try_log_in(&ann.email, PASSWORD));
    tokio::select! {
        biased;
        _ = log_in.as_mut() => panic!("nothing held it"),
        () = wait_for(&watching, 1) => {}
    }
    // Disabling waits for the log-in, and then, where it ends sessions, for this.
    let no_endings = hold(&watching, "SELECT 1 FROM sessions FOR UPDATE").await;
    let mut operator = app.operator_of_organizations();
    let name = organization.clone();
    let mut disable =
        pin!(operator.disable_organization(admin_v1::DisableOrganizationRequest { name }));
    tokio::select! {
        biased;
        _ = disable.as_mut() => panic!("it did not wait for the log-in"),
        () = wait_for(&watching, 2) => {}
    }
    no_tokens.commit().await.unwrap();
    let later = log_in.await.unwrap().tokens.unwrap().access_token;
    tokio::select! {
        biased;
        _ = disable.as_mut() => panic!("nothing held it"),
        () = wait_for(&watching, 1) => {}
    }
    assert!(app.opens(&later).await, "and so it is remembered");
    no_endings.commit().await.unwrap();
    disable.await.unwrap();
    assert!(!app.opens(&later).await);
    assert!(!earlier.is_in().await);
}

async fn of_two_administrators_who_revoke_each_other_one_stays(base: Base) {
    let app = start(&base).await;
    let (ann, bob) = (app.sign_up("ann").await, app.sign_up("bob").await);
    let (anns, bobs) = (ann.logs_in().await, bob.logs_in().await);
    for round in 0..10 {
        for person in [&ann, &bob] {
            let name = person.account.clone();
            let grant = admin_v1::GrantAdministratorRequest { name };
            app.operator().grant_administrator(grant).await.unwrap();
        }
        let revoke = |person: &Person<'_>| admin_v1::RevokeAdministratorRequest {
            name: person.account.clone(),
        };
        let (mut one, mut other) = (app.admin(), app.admin());
        let answers = tokio::join!(
            one.revoke_administrator(anns.asks(revoke(&bob))),
            other.revoke_administrator(bobs.asks(revoke(&ann))),
        );
        let revoked = [answers.0.is_ok(), answers.1.is_ok()];
        assert_ne!(revoked[0], revoked[1], "round {round}");
        let left = [
            inspect(&app, &ann).await.administrator,
            inspect(&app, &bob).await.administrator,
        ];
        assert_eq!(left, revoked, "round {round}");
    }
}
