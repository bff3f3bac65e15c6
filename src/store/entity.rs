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

use sea_orm::{
    ColumnTrait, ColumnType, ConnectionTrait, DbErr, EntityTrait, Iterable, PrimaryKeyToColumn,
    QueryResult, Value,
    sea_query::{Query, SelectStatement},
};

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

/// A table by what its rows are made of, and not by what they mean.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Table {
    pub(super) name: String,
    /// In the order of their names.
    pub(super) columns: Vec<Column>,
    /// The columns of its primary key, in the order of the key.
    pub(super) key: Vec<Column>,
}

/// A column of a table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// What a column holds. Any of it may be null.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Boolean,
    Integer,
    Text,
    Bytes,
    Uuid,
}

/// Every table, those first that others refer to.
pub(super) fn tables() -> [Table; 16] {
    [
        Table::of::<organization::Entity>(),
        Table::of::<account::Entity>(),
        Table::of::<membership::Entity>(),
        Table::of::<session::Entity>(),
        Table::of::<grant::Entity>(),
        Table::of::<refresh_token::Entity>(),
        Table::of::<client::Entity>(),
        Table::of::<client_document::Entity>(),
        Table::of::<authorization::Entity>(),
        Table::of::<consent::Entity>(),
        Table::of::<linked_identity::Entity>(),
        Table::of::<api_key::Entity>(),
        Table::of::<signing_key::Entity>(),
        Table::of::<redeemed_challenge::Entity>(),
        Table::of::<throttle::Entity>(),
        Table::of::<outbox::Entity>(),
    ]
}

impl Table {
    fn of<E: EntityTrait>() -> Self {
        let mut columns: Vec<Column> = E::Column::iter().map(Column::of).collect();
        columns.sort_by(|one, other| one.name.cmp(&other.name));
        let key = E::PrimaryKey::iter().map(|part| Column::of(part.into_column()));
        Self {
            name: E::default().as_str().to_owned(),
            columns,
            key: key.collect(),
        }
    }

    /// A column as questions name it. Without the table, SQLite would take the name of one that is not there for a text.
    pub(super) fn its(&self, column: &Column) -> (String, String) {
        (self.name.clone(), column.name.clone())
    }

    /// Asks for every column.
    pub(super) fn select(&self) -> SelectStatement {
        let columns = self.columns.iter().map(|column| self.its(column));
        Query::select()
            .columns(columns)
            .from(self.name.clone())
            .take()
    }

    /// The names of the columns.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        self.columns.iter().map(|column| column.name.clone())
    }
}

impl Kind {
    /// What a column of `migrations` holds that is declared so, as SQLite writes it. All whole numbers have 64 bits.
    pub(super) fn declared_as(name: &str) -> Option<Self> {
        match name {
            "boolean" => Some(Self::Boolean),
            "INTEGER" => Some(Self::Integer),
            "TEXT" | "varchar" => Some(Self::Text),
            "BLOB" => Some(Self::Bytes),
            "uuid_text" => Some(Self::Uuid),
            _ => None,
        }
    }
}

impl Column {
    fn of(column: impl ColumnTrait) -> Self {
        Self {
            name: column.as_str().to_owned(),
            kind: match column.def().get_column_type() {
                ColumnType::Boolean => Kind::Boolean,
                ColumnType::BigInteger => Kind::Integer,
                ColumnType::String(_) => Kind::Text,
                ColumnType::Uuid => Kind::Uuid,
                // A test holds this against what is declared.
                _ => Kind::Bytes,
            },
        }
    }

    /// The value of this column in a row.
    pub(super) fn value(&self, row: &QueryResult) -> Result<Value, DbErr> {
        let name = self.name.as_str();
        Ok(match self.kind {
            Kind::Boolean => row.try_get::<Option<bool>>("", name)?.into(),
            Kind::Integer => row.try_get::<Option<i64>>("", name)?.into(),
            Kind::Text => row.try_get::<Option<String>>("", name)?.into(),
            Kind::Bytes => row.try_get::<Option<Vec<u8>>>("", name)?.into(),
            Kind::Uuid => row.try_get::<Option<uuid::Uuid>>("", name)?.into(),
        })
    }
}

/// Asks every table for its columns, and for no row.
pub(super) async fn check(database: &impl ConnectionTrait) -> Result<(), DbErr> {
    for table in tables() {
        database.query_all(table.select().limit(0)).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        env::Env,
        store::{Database, Options, Store, contents},
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
        let declared = contents::declared_tables(&store.read().database).await;
        let mut read: Vec<Table> = tables().into();
        read.sort_by(|one, other| one.name.cmp(&other.name));
        assert_eq!(declared.unwrap(), read);
    }
}
