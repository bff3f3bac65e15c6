//! What the store promises, on SQLite and on Postgres alike.
//!
//! Postgres comes from `COUNTERSIGN_TEST_POSTGRES_URL`, the URL of a role that may create databases; each
//! test makes one and drops it. `tests/run` provides it.

mod accounts;
mod administration;
mod api_keys;
mod challenges;
mod credentials;
mod deletion;
mod grant_races;
mod housekeeping;
mod organizations;
mod schema;
mod throttles;
mod transactions;

use std::{os::unix::fs::PermissionsExt, path::PathBuf, sync::Arc};

use countersign::{
    config::Config,
    env::{Env, Timestamp},
    error::Result,
    model::{
        account::{Account, Organization, Plan, Role},
        client,
        id::{AccountId, GrantId},
        scope::Scopes,
        session::{Grant, RefreshToken, Session},
    },
    store::{Database, Options, Store},
};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use tempfile::TempDir;
use uuid::Uuid;

/// The moment at which these tests take place.
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// Turns `async fn name(Base)` into one test for each engine.
macro_rules! on_both_engines {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                crate::store_contract::on_sqlite(super::$name).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                crate::store_contract::on_postgres(super::$name).await;
            })+
        }
    };
}
pub(crate) use on_both_engines;

/// A database for one test.
#[derive(Clone)]
pub(crate) struct Base {
    pub(crate) database: Database,
    folder: Option<Arc<TempDir>>,
}

pub(crate) async fn on_sqlite<F: Future<Output = ()> + Send + 'static>(test: fn(Base) -> F) {
    test(Base::sqlite()).await;
}

pub(crate) async fn on_postgres<F: Future<Output = ()> + Send + 'static>(
    test: impl FnOnce(Base) -> F,
) {
    let admin_url = postgres_url();
    let admin = sea_orm::Database::connect(&admin_url).await.unwrap();
    let name = format!("countersign_test_{}", new_id().simple());
    let create = format!("CREATE DATABASE {name} TEMPLATE template0");
    admin.execute_unprepared(&create).await.unwrap();
    let mut url = url::Url::parse(&admin_url).unwrap();
    url.set_path(&name);
    let database = Database::Postgres {
        url: url.to_string().into(),
        connections: 8,
    };
    let folder = None;
    let ended = tokio::spawn(test(Base { database, folder })).await;
    let drop = format!("DROP DATABASE {name} WITH (FORCE)");
    admin.execute_unprepared(&drop).await.unwrap();
    if let Err(failure) = ended {
        std::panic::resume_unwind(failure.into_panic());
    }
}

#[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
fn postgres_url() -> String {
    std::env::var("COUNTERSIGN_TEST_POSTGRES_URL").expect(
        "COUNTERSIGN_TEST_POSTGRES_URL is not set: run tests/run, or set it to the URL of a Postgres role \
         that may create databases",
    )
}

impl Base {
    /// Has a whole program use this database; one on SQLite has its own in its folder anyway.
    pub(crate) fn configure(&self, config: &mut Config) {
        if let Database::Postgres { url, .. } = &self.database {
            config.database.url = url.clone();
        }
    }

    /// The URL, where there is one.
    pub(crate) fn url(&self) -> Option<String> {
        match &self.database {
            Database::Sqlite { .. } => None,
            Database::Postgres { url, .. } => {
                Some(secrecy::ExposeSecret::expose_secret(url).to_owned())
            }
        }
    }

    /// The store, opened and not brought up to date.
    pub(crate) async fn open_store(&self) -> Store {
        self.open().await
    }

    /// A connection beside the program's, on Postgres.
    pub(crate) async fn postgres_by_hand(&self) -> Option<DatabaseConnection> {
        match self.url() {
            Some(url) => Some(sea_orm::Database::connect(url).await.unwrap()),
            None => None,
        }
    }

    fn sqlite() -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let path = folder.path().join("countersign.db");
        Self {
            database: Database::Sqlite { path, readers: 4 },
            folder: Some(folder),
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.as_ref().unwrap().path().join("countersign.db")
    }

    fn mode(&self, suffix: &str) -> u32 {
        let mut file = self.file().into_os_string();
        file.push(suffix);
        let metadata = std::fs::metadata(file).unwrap();
        metadata.permissions().mode() & 0o777
    }

    async fn open(&self) -> Store {
        let database = self.database.clone();
        Store::connect(Options { database }, Env::system())
            .await
            .unwrap()
    }

    async fn store(&self) -> Store {
        let store = self.open().await;
        store.migrate().await.unwrap();
        store
    }

    /// Runs statements around the store, for what it does not let anybody do. False when they are refused.
    async fn by_hand(&self, statements: &str) -> bool {
        match self.postgres_by_hand().await {
            Some(postgres) => postgres.execute_unprepared(statements).await.is_ok(),
            None => self.sqlite_by_hand().execute_batch(statements).is_ok(),
        }
    }

    fn sqlite_by_hand(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.file()).unwrap()
    }

    /// How many rows a table has.
    async fn rows(&self, table: &str) -> i64 {
        let count = format!("SELECT COUNT(*) FROM {table}");
        let Some(postgres) = self.postgres_by_hand().await else {
            let first = |row: &rusqlite::Row<'_>| row.get(0);
            return self.sqlite_by_hand().query_row(&count, [], first).unwrap();
        };
        let count = Statement::from_string(DbBackend::Postgres, count);
        let row = postgres.query_one_raw(count).await.unwrap().unwrap();
        row.try_get_by_index(0).unwrap()
    }
}

fn new_id() -> Uuid {
    Env::system().uuid().unwrap()
}

fn hash() -> [u8; 32] {
    Env::system().random().unwrap()
}

fn organization() -> Organization {
    Organization {
        id: new_id().into(),
        plan: Plan::Free,
        created_at: NOW,
        disabled_at: None,
    }
}

/// An owner of this organization.
fn owner(organization: &Organization, email: &str) -> Account {
    Account {
        id: new_id().into(),
        organization: organization.clone(),
        role: Role::Owner,
        email: email.parse().unwrap(),
        email_verified: false,
        display_name: "Ann Lee".to_owned(),
        password_hash: Some("$argon2id$1".to_owned()),
        created_at: NOW,
        updated_at: NOW,
        version: 1,
        disabled_at: None,
        administrator: false,
        request_hash: None,
    }
}

/// Signs up an account with its own organization. False when the address is taken.
async fn sign_up(store: &Store, email: &str) -> Result<(Account, bool)> {
    let organization = organization();
    let account = owner(&organization, email);
    let written = account.clone();
    let inserted = store
        .write(move |tx| {
            Box::pin(async move {
                tx.insert_organization(&organization).await?;
                tx.insert_account(&written).await
            })
        })
        .await?;
    Ok((account, inserted))
}

async fn ann(store: &Store) -> Account {
    sign_up(store, "Ann@Example.com").await.unwrap().0
}

/// A session, and one grant in it.
#[derive(Clone, Debug, Eq, PartialEq)]
struct SignIn {
    session: Session,
    grant: Grant,
}

fn sign_in(account: AccountId) -> SignIn {
    sign_in_with(account, client::COUNTERSIGN)
}

fn sign_in_with(account: AccountId, client_id: &str) -> SignIn {
    let session = Session {
        id: new_id().into(),
        account_id: account,
        amr: vec!["pwd".to_owned()],
        created_at: NOW,
        expires_at: later(1000),
        revoked_at: None,
        client_address: "192.0.2.1".to_owned(),
        user_agent: "test/1".to_owned(),
        request_hash: None,
    };
    let grant = Grant {
        client_id: client_id.to_owned(),
        ..grant(&session)
    };
    SignIn { session, grant }
}

fn grant(session: &Session) -> Grant {
    Grant {
        id: new_id().into(),
        session_id: session.id,
        account_id: session.account_id,
        client_id: client::COUNTERSIGN.to_owned(),
        scopes: Scopes::full(),
        audience: Vec::new(),
        outlives_session: false,
        created_at: NOW,
        refreshed_at: NOW,
        expires_at: session.expires_at,
        revoked_at: session.revoked_at,
    }
}

fn refresh_token(grant: GrantId) -> RefreshToken {
    RefreshToken {
        hash: hash(),
        grant_id: grant,
        created_at: NOW,
        consumed_at: None,
    }
}

/// Writes this session and its grant, with one refresh token.
async fn log_in(store: &Store, sign_in: &SignIn) -> RefreshToken {
    let token = refresh_token(sign_in.grant.id);
    let (sign_in, written) = (sign_in.clone(), token.clone());
    store
        .write(move |tx| {
            Box::pin(async move {
                tx.insert_session(&sign_in.session).await?;
                tx.insert_grant(&sign_in.grant).await?;
                tx.insert_refresh_token(&written).await
            })
        })
        .await
        .unwrap();
    token
}

/// Purges all that is deleted, and tells how many rows each piece had.
async fn purge_deleted(store: &Store) -> Vec<u64> {
    let mut pieces = Vec::new();
    loop {
        let piece = store.write(|tx| Box::pin(async move { tx.purge_deleted().await }));
        match piece.await.unwrap() {
            0 => return pieces,
            rows => pieces.push(rows),
        }
    }
}

fn later(millis: i64) -> Timestamp {
    Timestamp::from_millis(NOW.millis() + millis)
}
