//! Changing the schema.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use sea_orm::{
    ConnectionTrait as _, Database, DbBackend, DbErr, ProxyDatabaseTrait, ProxyExecResult,
    ProxyRow, Statement, prelude::async_trait::async_trait,
};

use super::{
    connection::{Connection, Role},
    failure::failed,
    lock,
};

/// A connection as sea-orm-migration wants it.
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

/// Makes all pending changes in one transaction, on a connection of its own: all of them or none.
pub(in crate::store) async fn migrate(path: &Path) -> Result<(), DbErr> {
    let connection = Connection::open(path, Role::Writer).map_err(failed)?;
    let connection = Mutex::new(connection);
    let proxy: Box<dyn ProxyDatabaseTrait> = Box::new(Proxy { connection });
    let database = Database::connect_proxy(DbBackend::Sqlite, Arc::new(proxy)).await?;
    // Not by sea-orm, whose begin and commit say nothing of an error here. Those of each change do nothing.
    database.execute_unprepared("BEGIN IMMEDIATE").await?;
    countersign_migrations::apply(&database).await?;
    database.execute_unprepared("COMMIT").await?;
    Ok(())
}
