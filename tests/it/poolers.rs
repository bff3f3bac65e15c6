//! PgBouncer between the server and Postgres, as Debian has it (`tests/run` installs it).

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    os::unix::fs::PermissionsExt as _,
    process::{Child, Command, Stdio},
};

use countersign::{
    env::Env,
    pb::v1::DeleteSessionRequest,
    store::{Database, Options, Store},
};
use sea_orm::{
    ConnectionTrait as _, DbBackend, Statement,
    sqlx::{
        self, AssertSqlSafe, Connection as _, PgConnection, Row as _, postgres::PgConnectOptions,
    },
};
use tempfile::TempDir;
use url::Url;

use crate::{
    store_contract::{Base, on_postgres},
    support::{TestApp, all_at_once, reason},
};

const PASSWORD: &str = "correct horse battery";

/// A PgBouncer with few connections to Postgres, so that they are shared.
struct Pooler {
    process: Child,
    url: Url,
    _folder: TempDir,
}

impl Pooler {
    fn before(base: &Base, mode: &str, more: &str) -> Self {
        let mut url = Url::parse(&base.url().unwrap()).unwrap();
        let (host, port) = (url.host_str().unwrap(), url.port().unwrap_or(5432));
        let own_port = free_port();
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let (users, settings) = (folder.path().join("users"), folder.path().join("ini"));
        let password = url.password().unwrap_or_default();
        // A Postgres that asks for no password; PgBouncer would refuse an empty one.
        let auth = if password.is_empty() {
            "trust"
        } else {
            "plain"
        };
        fs::write(&users, format!("\"{}\" \"{password}\"\n", url.username())).unwrap();
        let as_root = rustix::process::geteuid().is_root();
        let user = if as_root { "user = postgres" } else { "" };
        let text = format!(
            "[databases]\n* = host={host} port={port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {own_port}\nunix_socket_dir =\nauth_type = {auth}\nauth_file = {}\n\
             pool_mode = {mode}\ndefault_pool_size = 3\n{user}\n{more}\n",
            users.display()
        );
        fs::write(&settings, text).unwrap();
        let mut process = Command::new("pgbouncer")
            .arg(&settings)
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stderr(Stdio::piped())
            .spawn()
            .expect("PgBouncer is missing: run tests/run, or install it");
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
        let is_up = log.by_ref().map_while(Result::ok);
        assert!(
            is_up.into_iter().any(|line| line.contains("process up")),
            "PgBouncer does not start"
        );
        std::thread::spawn(move || log.for_each(drop));
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(own_port)).unwrap();
        Self {
            process,
            url,
            _folder: folder,
        }
    }
}

/// A port that is a program's to listen on. The end that closed a connection first keeps its port for a minute, so the
/// system gives it to nobody who asks for any port.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut client = std::net::TcpStream::connect(address).unwrap();
    drop(listener.accept().unwrap());
    client.read_to_end(&mut Vec::new()).unwrap();
    address.port()
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn server(pooler: &Pooler) -> TestApp {
    TestApp::with(|config| {
        config.database.url = pooler.url.to_string().into();
        config.database.connections = 3;
        config.limits.enabled = true;
        config.limits.public_per_second = 1000;
        config.limits.free_per_second = 1000;
    })
    .await
}

/// What one client does, all of it through the tables that are shared: limits, accounts, sessions, tokens.
async fn lives_a_session(app: &TestApp, email: &str) {
    let wrong = app
        .try_log_in(email, "wrong horse battery")
        .await
        .unwrap_err();
    assert!(
        ["INVALID_CREDENTIALS", "RATE_LIMITED"].contains(&reason(&wrong).as_str()),
        "{wrong}"
    );
    let session = loop {
        match app.try_log_in(email, PASSWORD).await {
            Ok(answer) => break answer,
            Err(status) => assert_eq!(reason(&status), "RATE_LIMITED", "{status}"),
        }
        app.clock.advance(std::time::Duration::from_secs(10));
    };
    let tokens = session.tokens.unwrap();
    let tokens = app.try_refresh(&tokens.refresh_token).await.unwrap();
    assert!(app.opens(&tokens.access_token).await);
    let end = DeleteSessionRequest {
        name: session.session.unwrap().name,
    };
    let end = crate::support::with_bearer(end, &tokens.access_token);
    app.sessions().delete_session(end).await.unwrap();
    assert!(!app.opens(&tokens.access_token).await);
}

/// No session listens through a pooler: what another node revokes is seen after a second.
async fn other_nodes_are_followed(app: &TestApp, other: &TestApp, email: &str) {
    app.clock.advance(std::time::Duration::from_secs(3600));
    let session = app.try_log_in(email, PASSWORD).await.unwrap();
    let (token, name) = (
        session.tokens.unwrap().access_token,
        session.session.unwrap().name,
    );
    assert!(app.opens(&token).await);
    let end = crate::support::with_bearer(DeleteSessionRequest { name }, &token);
    other.sessions().delete_session(end).await.unwrap();
    app.clock.advance(std::time::Duration::from_secs(1));
    assert!(!app.opens(&token).await);
}

async fn works_behind(mode: &'static str, more: &'static str) {
    on_postgres(move |base| async move {
        let pooler = Pooler::before(&base, mode, more);
        let app = server(&pooler).await;
        let people: Vec<String> = (0..6).map(|n| format!("person{n}@example.com")).collect();
        for person in &people {
            app.try_sign_up(person, PASSWORD).await.unwrap();
            app.clock.advance(std::time::Duration::from_secs(8));
        }
        // Several nodes and their callers share three connections.
        let second = app.second_node().await;
        let nodes = [&app, &second].into_iter().cycle();
        let sessions = people.iter().zip(nodes);
        all_at_once(sessions.map(|(person, node)| lives_a_session(node, person))).await;
        other_nodes_are_followed(&app, &second, &people[0]).await;
        app.restart().await.parts.store.ping().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_works_behind_pgbouncer_in_session_mode() {
    works_behind("session", "default_pool_size = 8").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_works_behind_pgbouncer_in_transaction_mode() {
    works_behind("transaction", "").await;
}

/// There are no transactions in it.
#[tokio::test(flavor = "multi_thread")]
async fn pgbouncer_in_statement_mode_is_refused_with_what_to_set() {
    on_postgres(|base| async move {
        let pooler = Pooler::before(&base, "statement", "");
        let database = Database::Postgres {
            url: pooler.url.to_string().into(),
            connections: 1,
        };
        let refused = Store::connect(Options { database }, Env::system()).await;
        let line = refused.unwrap_err().to_string();
        assert!(
            line.contains("pooler") && line.contains("pool_mode"),
            "{line}"
        );
    })
    .await;
}

/// A pooler that passes over what it does not know must not be taken for Postgres.
#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_ignores_startup_parameters_is_noticed() {
    works_behind("transaction", "ignore_startup_parameters = options").await;
}

async fn text(database: &sea_orm::DatabaseConnection, question: &str) -> String {
    let question = Statement::from_string(DbBackend::Postgres, question);
    let row = database.query_one_raw(question).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

async fn unprepared(database: &mut PgConnection, question: &str) -> String {
    let question = sqlx::raw_sql(AssertSqlSafe(question.to_owned()));
    let row = question.fetch_one(database).await.unwrap();
    row.try_get(0).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_of_the_url_hold_behind_a_pooler_and_nothing_is_left_to_others() {
    on_postgres(|base| async move {
        let by_hand = base.postgres_by_hand().await.unwrap();
        by_hand
            .execute_unprepared("CREATE SCHEMA \"it's\"")
            .await
            .unwrap();
        let mut pooler = Pooler::before(&base, "transaction", "max_db_connections = 1");
        let plain = pooler.url.clone();
        pooler
            .url
            .set_query(Some("options=-c%20search_path%3Dit's"));
        let app = server(&pooler).await;
        app.try_sign_up("ann@example.com", PASSWORD).await.unwrap();
        let accounts = "SELECT email FROM \"it's\".accounts";
        assert_eq!(text(&by_hand, accounts).await, "ann@example.com");

        // Another program, which gets the same connection to Postgres.
        let settings: PgConnectOptions = plain.as_str().parse().unwrap();
        let settings = settings.extra_float_digits(None);
        let mut other = PgConnection::connect_with(&settings).await.unwrap();
        for parameter in [
            "statement_timeout",
            "idle_in_transaction_session_timeout",
            "search_path",
        ] {
            let show = format!("SELECT current_setting('{parameter}')");
            let seen = unprepared(&mut other, &show).await;
            assert_eq!(seen, text(&by_hand, &show).await, "{parameter}");
        }
        let names = "SELECT count(*)::text FROM pg_prepared_statements";
        assert_eq!(unprepared(&mut other, names).await, "0");
    })
    .await;
}

/// Reads have their limit behind a pooler, too: Postgres itself ends what takes too long.
#[tokio::test(flavor = "multi_thread")]
async fn the_limits_of_time_hold_behind_a_pooler() {
    on_postgres(|base| async move {
        let pooler = Pooler::before(&base, "transaction", "");
        let app = server(&pooler).await;
        let by_hand = base.postgres_by_hand().await.unwrap();
        by_hand
            .execute_unprepared("BEGIN; LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE")
            .await
            .unwrap();
        let refused = app.try_log_in("ann@example.com", PASSWORD).await;
        assert_eq!(reason(&refused.unwrap_err()), "STORAGE_UNAVAILABLE");
        let waiting = "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() \
                       AND wait_event_type = 'Lock'";
        assert_eq!(text(&by_hand, waiting).await, "0");
    })
    .await;
}
