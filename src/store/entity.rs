//! The tables as sea-orm sees them. Nothing outside the store knows of these types.

pub(super) mod account;
pub(super) mod api_key;
pub(super) mod authorization;
pub(super) mod client;
pub(super) mod client_document;
pub(super) mod consent;
pub(super) mod grant;
pub(super) mod linked_identity;
pub(super) mod membership;
pub(super) mod organization;
pub(super) mod outbox;
pub(super) mod redeemed_challenge;
pub(super) mod refresh_token;
pub(super) mod session;
pub(super) mod signing_key;
pub(super) mod throttle;

use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QuerySelect};

use crate::error::Error;

/// A row that this build cannot read: written by another version, or by hand.
#[derive(Debug, thiserror::Error)]
#[error("a row of {table} has a {column} that this version does not know")]
struct Unreadable {
    table: &'static str,
    column: &'static str,
}

fn unreadable(table: &'static str, column: &'static str) -> Error {
    Error::internal(Unreadable { table, column })
}

/// Asks every table for its columns, and for no row.
pub(super) async fn check(database: &impl ConnectionTrait) -> Result<(), DbErr> {
    check_one::<account::Entity>(database).await?;
    check_one::<api_key::Entity>(database).await?;
    check_one::<authorization::Entity>(database).await?;
    check_one::<client::Entity>(database).await?;
    check_one::<client_document::Entity>(database).await?;
    check_one::<consent::Entity>(database).await?;
    check_one::<grant::Entity>(database).await?;
    check_one::<linked_identity::Entity>(database).await?;
    check_one::<membership::Entity>(database).await?;
    check_one::<organization::Entity>(database).await?;
    check_one::<outbox::Entity>(database).await?;
    check_one::<redeemed_challenge::Entity>(database).await?;
    check_one::<refresh_token::Entity>(database).await?;
    check_one::<session::Entity>(database).await?;
    check_one::<signing_key::Entity>(database).await?;
    check_one::<throttle::Entity>(database).await
}

async fn check_one<E: EntityTrait>(database: &impl ConnectionTrait) -> Result<(), DbErr> {
    E::find().limit(0).all(database).await.map(drop)
}

#[cfg(test)]
mod tests {
    use sea_orm::{ColumnTrait, ColumnType, DbBackend, IdenStatic, Iterable, Statement};

    use super::*;
    use crate::{
        env::Env,
        store::{Database, Options, Store},
    };

    /// Otherwise a column that may be null would be read as if it were (see `store::sqlite`).
    #[tokio::test]
    async fn every_column_is_declared_in_sqlite_as_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.db");
        let database = Database::Sqlite { path, readers: 1 };
        let options = Options { database };
        let store = Store::connect(options, Env::system()).await.unwrap();
        store.migrate().await.unwrap();
        let tables = [
            columns::<account::Entity>(),
            columns::<api_key::Entity>(),
            columns::<authorization::Entity>(),
            columns::<client::Entity>(),
            columns::<client_document::Entity>(),
            columns::<consent::Entity>(),
            columns::<grant::Entity>(),
            columns::<linked_identity::Entity>(),
            columns::<membership::Entity>(),
            columns::<organization::Entity>(),
            columns::<outbox::Entity>(),
            columns::<redeemed_challenge::Entity>(),
            columns::<refresh_token::Entity>(),
            columns::<session::Entity>(),
            columns::<signing_key::Entity>(),
            columns::<throttle::Entity>(),
        ];
        for (table, read) in tables {
            let question =
                format!("SELECT name, type FROM pragma_table_info('{table}') ORDER BY name");
            let question = Statement::from_string(DbBackend::Sqlite, question);
            let rows = store.read().database.query_all_raw(question).await.unwrap();
            let declared: Vec<(String, String)> = rows
                .iter()
                .map(|row| {
                    (
                        row.try_get("", "name").unwrap(),
                        row.try_get("", "type").unwrap(),
                    )
                })
                .collect();
            assert_eq!(read, declared, "{table}");
        }
    }

    fn columns<E: EntityTrait>() -> (String, Vec<(String, String)>) {
        let mut columns: Vec<(String, String)> = E::Column::iter()
            .map(|column| {
                let declared = match column.def().get_column_type() {
                    ColumnType::Boolean => "boolean",
                    ColumnType::BigInteger => "INTEGER",
                    ColumnType::String(_) => "TEXT",
                    ColumnType::VarBinary(_) => "BLOB",
                    ColumnType::Uuid => "uuid_text",
                    other => panic!("{other:?} cannot be read"),
                };
                (column.as_str().to_owned(), declared.to_owned())
            })
            .collect();
        columns.sort();
        (E::default().as_str().to_owned(), columns)
    }
}
