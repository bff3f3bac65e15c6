//! The schema, the data file, and what an operator reads when the database cannot be used.

use std::{fs, net::SocketAddr, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use countersign::{
    env::Env,
    store::{ConnectError, Database, Options, SchemaState, Store},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
    time::timeout,
};

use super::{Base, ann, on_both_engines, postgres_url};

on_both_engines! {
    migrating_again_changes_nothing,
    nodes_that_start_together_migrate_once,
    a_newer_schema_is_refused,
    a_schema_that_a_newer_version_has_only_added_to_is_worked_with,
    a_failed_migration_leaves_nothing,
    a_change_that_is_cut_off_leaves_every_row,
    a_schema_that_lacks_a_table_or_a_column_is_refused,
    the_schema_of_another_program_is_left_alone,
}

async fn a_schema_that_lacks_a_table_or_a_column_is_refused(base: Base) {
    for damage in [
        "ALTER TABLE throttles RENAME TO elsewhere",
        "ALTER TABLE elsewhere RENAME TO throttles; ALTER TABLE outbox RENAME COLUMN body TO text",
    ] {
        let store = match base.open().await.schema().await {
            Ok(SchemaState::Pending(_)) => base.store().await,
            _ => base.open().await,
        };
        assert!(base.by_hand(damage).await);
        for refused in [store.schema().await.map(drop), store.migrate().await] {
            let refused = refused.unwrap_err();
            assert!(
                matches!(refused, ConnectError::DamagedSchema { .. }),
                "{damage}: {refused}"
            );
        }
    }
}

async fn the_schema_of_another_program_is_left_alone(base: Base) {
    let store = base.open().await;
    let others = "CREATE TABLE seaql_migrations (version TEXT PRIMARY KEY, applied_at BIGINT NOT NULL); \
                  INSERT INTO seaql_migrations VALUES ('m20200101_000001_shop', 0)";
    assert!(base.by_hand(others).await);
    let refused = store.migrate().await.unwrap_err();
    assert!(matches!(refused, ConnectError::ForeignSchema), "{refused}");
    assert!(!base.by_hand("SELECT * FROM accounts").await);
}

async fn migrating_again_changes_nothing(base: Base) {
    let store = base.open().await;
    assert!(
        matches!(store.schema().await, Ok(SchemaState::Pending(changes)) if !changes.is_empty())
    );
    store.migrate().await.unwrap();
    assert_eq!(store.schema().await.unwrap(), SchemaState::Current);
    let account = ann(&store).await;
    store.migrate().await.unwrap();
    store.close().await;

    let reopened = base.store().await;
    let read = reopened.read().account(account.id).await.unwrap();
    assert_eq!(read, Some(account));
}

async fn nodes_that_start_together_migrate_once(base: Base) {
    let mut nodes = JoinSet::new();
    for _ in 0..6 {
        let base = base.clone();
        nodes.spawn(async move {
            let store = base.store().await;
            store.schema().await.unwrap()
        });
    }
    for state in nodes.join_all().await {
        assert_eq!(state, SchemaState::Current);
    }
}

async fn a_newer_schema_is_refused(base: Base) {
    let store = base.store().await;
    let change = "INSERT INTO seaql_migrations VALUES ('m29991231_000001_later', 0)";
    assert!(base.by_hand(change).await);
    let newer = "m29991231_000001_later".to_owned();
    assert_eq!(store.schema().await.unwrap(), SchemaState::Newer(newer));
    let refused = store.migrate().await.unwrap_err();
    assert!(matches!(refused, ConnectError::NewerSchema { .. }));
    let line = refused.to_string();
    assert!(line.contains("m29991231_000001_later"), "{line}");
    assert!(line.contains("start the newer version"), "{line}");
}

/// As while a cluster is upgraded: a node of the version before starts anew.
async fn a_schema_that_a_newer_version_has_only_added_to_is_worked_with(base: Base) {
    let store = base.store().await;
    for change in [
        "ALTER TABLE accounts ADD COLUMN newer TEXT",
        "CREATE TABLE newer (id TEXT)",
        "INSERT INTO seaql_migrations VALUES ('m29991231_000001_expand_accounts', 0)",
    ] {
        assert!(base.by_hand(change).await);
    }
    store.close().await;
    let older = base.store().await;
    assert_eq!(older.schema().await.unwrap(), SchemaState::Current);
    older.migrate().await.unwrap();
    let account = ann(&older).await;
    let read = older.read().account(account.id).await.unwrap();
    assert_eq!(read, Some(account));
}

async fn a_failed_migration_leaves_nothing(base: Base) {
    let store = base.open().await;
    assert!(base.by_hand("CREATE TABLE outbox (id TEXT)").await);
    let failed = store.migrate().await.unwrap_err();
    assert!(matches!(failed, ConnectError::Schema { .. }), "{failed}");
    assert!(failed.to_string().contains("outbox"), "{failed}");
    for table in ["organizations", "accounts", "seaql_migrations"] {
        let read = base.by_hand(&format!("SELECT * FROM {table}")).await;
        assert!(!read, "{table} is there");
    }
    assert!(base.by_hand("DROP TABLE outbox").await);
    store.migrate().await.unwrap();
    ann(&store).await;
}

/// As when a start is killed before it has committed.
async fn a_change_that_is_cut_off_leaves_every_row(base: Base) {
    let store = base.store().await;
    let account = ann(&store).await;
    let cut_off = match base.url() {
        Some(_) => "SELECT pg_terminate_backend(pg_backend_pid())",
        None => "SELECT no_such_function()",
    };
    let change = format!(
        "BEGIN; ALTER TABLE accounts ADD COLUMN note TEXT; UPDATE accounts SET note = email; \
         INSERT INTO seaql_migrations VALUES ('m29991231_000001_later', 0); {cut_off}"
    );
    assert!(!base.by_hand(&change).await);
    store.close().await;

    let reopened = base.store().await;
    assert_eq!(reopened.schema().await.unwrap(), SchemaState::Current);
    assert!(!base.by_hand("SELECT note FROM accounts").await);
    let read = reopened.read().account(account.id).await.unwrap();
    assert_eq!(read, Some(account));
}

#[tokio::test]
async fn the_data_file_is_for_its_owner_alone() {
    let base = Base::sqlite();
    let store = base.store().await;
    ann(&store).await;
    for suffix in ["", "-wal", "-shm"] {
        assert_eq!(base.mode(suffix), 0o600, "{suffix}");
    }
    store.close().await;
    assert!(!base.file().with_extension("db-wal").exists());

    fs::set_permissions(base.file(), fs::Permissions::from_mode(0o644)).unwrap();
    let reopened = base.open().await;
    assert_eq!(base.mode(""), 0o600);
    reopened.ping().await.unwrap();
}

#[tokio::test]
async fn a_data_file_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("absent/countersign.db");
    let refused = refusal(sqlite(&path)).await;
    assert!(matches!(refused, ConnectError::DataFile { .. }));
    assert!(refused.to_string().contains("absent/countersign.db"));
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    fs::write(&path, "these are notes, ".repeat(1000)).unwrap();
    let refused = refusal(sqlite(&path)).await;
    assert!(matches!(refused, ConnectError::Sqlite { .. }));
    assert!(refused.to_string().contains("notes.txt"));
    assert!(fs::read_to_string(&path).unwrap().starts_with("these are"));
}

#[tokio::test]
async fn a_refused_connection_to_postgres_does_not_show_the_password() {
    let mut url = url::Url::parse(&postgres_url()).unwrap();
    url.set_path("no_such_database");
    // A server that asks for no password takes any.
    let password = url.password().unwrap_or("hunter2").to_owned();
    url.set_password(Some(&password)).unwrap();
    let database = Database::Postgres {
        url: url.to_string().into(),
        connections: 1,
    };
    assert!(!format!("{database:?}").contains(&password));
    let refused = refusal(database).await;
    assert!(matches!(refused, ConnectError::Postgres { .. }));
    let line = refused.to_string();
    assert!(line.contains("it has no such database"), "{line}");
    assert!(!line.contains("no_such_database"), "{line}");
    assert!(!line.contains('\n'), "{line}");
    assert!(!format!("{line} {refused:?}").contains(&password), "{line}");
}

fn postgres_at(address: SocketAddr) -> Database {
    let url = format!("postgres://zoe:hunter2@{address}/countersign?sslmode=disable");
    Database::Postgres {
        url: url.into(),
        connections: 1,
    }
}

async fn bound() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[tokio::test]
async fn a_postgres_that_refuses_is_told_with_its_cause_and_at_once() {
    let (listener, nobody) = bound().await;
    drop(listener);
    let (listener, strict) = bound().await;
    let strict_server = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        client.readable().await.unwrap();
        let fields =
            b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user \"ann\"\0\0";
        let length = u32::try_from(fields.len() + 4).unwrap();
        let answer = [b"E", &length.to_be_bytes()[..], fields].concat();
        client.write_all(&answer).await.unwrap();
        client.shutdown().await.unwrap();
        // Read away, so that the refusal is not lost in a reset.
        let _ = client.read_to_end(&mut Vec::new()).await;
    });
    for (address, cause) in [
        (nobody, "Connection refused"),
        (strict, "it does not take the password"),
    ] {
        let refused = refusal(postgres_at(address));
        // Sooner than a pool would give up.
        let refused = timeout(Duration::from_secs(2), refused).await.unwrap();
        let line = refused.to_string();
        assert!(line.contains(cause), "{line}");
        // No part of the URL, and nothing that Postgres says about it.
        for part in ["hunter2", "zoe", "countersign", &address.port().to_string()] {
            let shown = format!("{line} {refused:?}");
            assert!(!shown.contains(part), "{part}: {shown}");
        }
    }
    strict_server.await.unwrap();
}

fn sqlite(path: &Path) -> Database {
    Database::Sqlite {
        path: path.to_owned(),
        readers: 1,
    }
}

async fn refusal(database: Database) -> ConnectError {
    Store::connect(Options { database }, Env::system())
        .await
        .unwrap_err()
}
