//! A connection as sea-orm knows it, and changing the schema on one.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use sea_orm::{
    ConnectionTrait as _, Database, DatabaseConnection, DbBackend, DbErr, ProxyDatabaseTrait,
    ProxyExecResult, ProxyRow, Statement, prelude::async_trait::async_trait,
};

use super::{
    connection::{Connection, Role},
    failure::failed,
    lock,
};

/// A connection of its own.
#[derive(Debug)]
struct Proxy {
    connection: Mutex<Connection>,
}

#[async_trait]
impl ProxyDatabaseTrait for Proxy {
    async fn query(&self, statement: Statement) -> Result<Vec<ProxyRow>, DbErr> {
        lock(&self.connection).rows(&statement)
    }

    async fn execute(&self, statement: Statement) -> Result<ProxyExecResult, DbErr> {
        lock(&self.connection).execute(&statement)
    }
}

/// Opens a file that is there, on a connection of its own, in no transaction.
pub(in crate::store) async fn open_alone(
    path: &Path,
    role: Role,
) -> Result<DatabaseConnection, DbErr> {
    let connection = Connection::open(path, role).map_err(failed)?;
    let connection = Mutex::new(connection);
    let proxy: Box<dyn ProxyDatabaseTrait> = Box::new(Proxy { connection });
    Database::connect_proxy(DbBackend::Sqlite, Arc::new(proxy)).await
}

/// Makes all pending changes in one transaction, on a connection of its own: all of them or none.
pub(in crate::store) async fn migrate(path: &Path) -> Result<(), DbErr> {
    let database = open_alone(path, Role::Writer).await?;
    as_one(&database, countersign_migrations::apply(&database)).await
}

/// Not by sea-orm, whose begin and commit say nothing of an error here. Those of each change do nothing.
async fn as_one(
    database: &DatabaseConnection,
    changes: impl Future<Output = Result<(), DbErr>>,
) -> Result<(), DbErr> {
    database.execute_unprepared("BEGIN IMMEDIATE").await?;
    changes.await?;
    database.execute_unprepared("COMMIT").await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{
        env::{Env, Timestamp},
        model::account::{Organization, Plan},
        store::{ConnectError, Database as StoreDatabase, Options, SchemaState, Store},
    };

    /// A change of the schema as a later version may bring it, with rows that it changes.
    const LATER: [&str; 5] = [
        "ALTER TABLE organizations ADD COLUMN note TEXT NOT NULL DEFAULT ''",
        "UPDATE organizations SET note = plan",
        "CREATE INDEX organizations_note ON organizations (note)",
        "ALTER TABLE outbox DROP COLUMN attempts",
        "INSERT INTO seaql_migrations VALUES ('m29991231_000001_later', 0)",
    ];
    const ORGANIZATIONS: u128 = 500;

    async fn open(path: &Path) -> Store {
        let path = path.to_owned();
        let database = StoreDatabase::Sqlite { path, readers: 1 };
        Store::connect(Options { database }, Env::system())
            .await
            .unwrap()
    }

    fn organization(id: u128) -> Organization {
        Organization {
            id: uuid::Uuid::from_u128(id).into(),
            plan: Plan::Free,
            created_at: Timestamp::from_millis(0),
            disabled_at: None,
        }
    }

    async fn fill(path: &Path) {
        let store = open(path).await;
        store.migrate().await.unwrap();
        let filled = store.write(|tx| {
            Box::pin(async move {
                for id in 0..ORGANIZATIONS {
                    tx.insert_organization(&organization(id)).await?;
                }
                Ok(())
            })
        });
        filled.await.unwrap();
        store.close().await;
    }

    /// As a kill leaves it: what was written to the files so far, and nothing of what only the process knows.
    fn image(folder: &Path) -> tempfile::TempDir {
        let image = tempfile::tempdir().unwrap();
        for file in ["data.db", "data.db-wal"] {
            let file = folder.join(file);
            if file.exists() {
                fs::copy(&file, image.path().join(file.file_name().unwrap())).unwrap();
            }
        }
        image
    }

    async fn change(path: &Path, images: &mut Vec<tempfile::TempDir>) {
        let database = open_alone(path, Role::Writer).await.unwrap();
        // Has SQLite write what it would otherwise keep in memory until the commit.
        database
            .execute_unprepared("PRAGMA cache_size = 1")
            .await
            .unwrap();
        let changes = async {
            for statement in LATER {
                database.execute_unprepared(statement).await?;
                images.push(image(path.parent().unwrap()));
            }
            Ok(())
        };
        as_one(&database, changes).await.unwrap();
    }

    #[tokio::test]
    async fn a_kill_at_any_point_of_a_change_leaves_every_row_and_the_next_start_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.db");
        fill(&path).await;
        let mut images = Vec::new();
        change(&path, &mut images).await;
        let wal = |image: &tempfile::TempDir| {
            let wal = fs::metadata(image.path().join("data.db-wal"));
            wal.map_or(0, |wal| wal.len())
        };
        assert!(
            images.iter().any(|image| wal(image) > 0),
            "nothing was written"
        );
        for image in images {
            let path = image.path().join("data.db");
            let store = open(&path).await;
            assert_eq!(store.schema().await.unwrap(), SchemaState::Current);
            for id in 0..ORGANIZATIONS {
                let wanted = organization(id);
                let found = store.read().organization(wanted.id).await.unwrap();
                assert_eq!(found, Some(wanted));
            }
            store.close().await;
            change(&path, &mut Vec::new()).await;
            let newer = open(&path).await.migrate().await.unwrap_err();
            assert!(matches!(newer, ConnectError::NewerSchema { .. }), "{newer}");
        }
    }
}
