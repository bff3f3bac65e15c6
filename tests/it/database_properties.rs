//! What the server relies on in a database is looked at when it starts.

use std::fs;

use countersign::{
    app::Parts,
    config::Config,
    env::Env,
    store::{ConnectError, Database, Options, Store},
};
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};

use crate::{
    store_contract::{Base, on_postgres},
    support::TestApp,
};

async fn refusal(url: String) -> String {
    let database = Database::Postgres {
        url: url.into(),
        connections: 1,
    };
    let refused = Store::connect(Options { database }, Env::system()).await;
    let refused = refused.expect_err("a database that cannot be used was used");
    assert!(
        matches!(refused, ConnectError::Unsuitable { .. }),
        "{refused}"
    );
    refused.to_string()
}

/// Has every new session of the database begin with this parameter.
async fn set(base: &Base, parameter: &str) {
    let by_hand = base.postgres_by_hand().await.unwrap();
    let set = format!(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET {parameter}', current_database()); END $$"
    );
    by_hand.execute_unprepared(&set).await.unwrap();
}

#[tokio::test]
async fn sessions_on_which_it_would_not_work_are_refused() {
    on_postgres(|base| async move {
        for (parameter, back, cause) in [
            (
                "default_transaction_read_only = on",
                "default_transaction_read_only = off",
                "read-only",
            ),
            (
                "standard_conforming_strings = off",
                "standard_conforming_strings = on",
                "standard_conforming_strings is off",
            ),
            ("search_path = absent", "search_path = public", "search_path"),
        ] {
            set(&base, parameter).await;
            let line = refusal(base.url().unwrap()).await;
            assert!(line.contains(cause), "{line}");
            // The next statement of a read-only session could not set it back.
            let by_hand = format!("{}?options=-c%20default_transaction_read_only%3Doff", base.url().unwrap());
            let by_hand = sea_orm::Database::connect(by_hand).await.unwrap();
            let set = format!(
                "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET {back}', current_database()); END $$"
            );
            by_hand.execute_unprepared(&set).await.unwrap();
        }
        base.open_store().await.ping().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_encoding_that_cannot_hold_every_text_is_refused() {
    on_postgres(|base| async move {
        let by_hand = base.postgres_by_hand().await.unwrap();
        let mut url = url::Url::parse(&base.url().unwrap()).unwrap();
        let name = format!("{}_latin1", url.path().trim_start_matches('/'));
        let create = format!(
            "CREATE DATABASE {name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
        );
        by_hand.execute_unprepared(&create).await.unwrap();
        url.set_path(&name);
        let line = refusal(url.to_string()).await;
        let drop = format!("DROP DATABASE {name} WITH (FORCE)");
        by_hand.execute_unprepared(&drop).await.unwrap();
        assert!(line.contains("LATIN1") && line.contains("ENCODING 'UTF8'"), "{line}");
    })
    .await;
}

/// A new version of the C library may order words otherwise, and leaves an index in the old order.
#[tokio::test]
async fn no_index_is_in_the_order_of_a_language() {
    on_postgres(|base| async move {
        base.open_store().await.migrate().await.unwrap();
        let question = "SELECT coalesce(string_agg(indexrelid::regclass::text, ' '), '') \
                        FROM pg_index, unnest(indcollation) AS one \
                        WHERE indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = current_schema()::regnamespace) \
                        AND indrelid <> 'seaql_migrations'::regclass \
                        AND one NOT IN (0, (SELECT oid FROM pg_collation WHERE collname = 'C'))";
        let question = Statement::from_string(DbBackend::Postgres, question);
        let by_hand = base.postgres_by_hand().await.unwrap();
        let row = by_hand.query_one_raw(question).await.unwrap().unwrap();
        assert_eq!(row.try_get_by_index::<String>(0).unwrap(), "");
    })
    .await;
}

async fn start(config: &Config) -> Result<Parts, String> {
    let built = Parts::build(config, "http://127.0.0.1:8080", Env::system()).await;
    built.map_err(|refused| refused.to_string())
}

/// Whoever starts anew on it would tell everybody that they have no account.
#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_data_file_is_not_a_new_server() {
    let app = TestApp::start().await;
    let ann = app.sign_up("ann").await.email.clone();
    let file = app.config.data_dir.join("countersign.db");
    app.parts.store.close().await;
    let data = fs::read(&file).unwrap();

    let empty = tempfile::tempdir().unwrap();
    let empty = empty.path().join("empty.db");
    let made = rusqlite::Connection::open(&empty).unwrap();
    made.execute_batch("VACUUM").unwrap();
    for content in [Vec::new(), fs::read(&empty).unwrap()] {
        fs::write(&file, &content).unwrap();
        let refused = start(&app.config).await.err().expect("it started over");
        for said in ["countersign.db", "holds nothing", "backup"] {
            assert!(refused.contains(said), "{said}: {refused}");
        }
        let size = fs::metadata(&file).unwrap().len();
        assert_eq!(
            size,
            u64::try_from(content.len()).unwrap(),
            "the file was touched"
        );
    }

    fs::write(&file, data).unwrap();
    let app = app.try_restart().await.unwrap();
    app.try_log_in(&ann, "correct horse battery").await.unwrap();
}

#[tokio::test]
async fn a_first_start_takes_an_empty_file_and_a_key_that_is_there_already() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        data_dir: folder.path().to_owned(),
        ..Config::default()
    };
    let file = folder.path().join("countersign.db");
    fs::write(&file, "").unwrap();
    start(&config).await.unwrap().store.close().await;
    // The file is removed, and with it every account: that is how one begins anew.
    fs::remove_file(&file).unwrap();
    start(&config).await.unwrap().store.close().await;
}
