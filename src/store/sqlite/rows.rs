//! Values on their way to SQLite and back. SQLite knows five types; which of ours a value is, the declared type of its
//! column says.
//!
//! It has to be exact: sea-orm reads an `Option` of another type as `None`, which would make what was revoked live again.
//! And it keeps the columns of a row in the order of their names, so that they are read by name (`clippy.toml`).

use std::collections::BTreeMap;

use rusqlite::{Rows, types::ValueRef};
use sea_orm::{DbErr, ProxyRow, Value};
use uuid::Uuid;

use super::failure::{failed, internal};
use crate::store::entity::Kind;

/// A value of a type that no column has.
#[derive(Debug, thiserror::Error)]
#[error("no column holds such a value")]
struct Unstorable;

/// A column holds what its declared type does not allow.
#[derive(Debug, thiserror::Error)]
#[error("the column {column} is declared as {declared:?} and holds a value of type {found}")]
struct Mismatch {
    column: String,
    declared: Option<Kind>,
    found: rusqlite::types::Type,
}

/// What a stored value is in a column that is declared so; of an expression, which is not, whatever it gives. None when no
/// value of this type is stored so.
fn value_of(declared: Option<Kind>, stored: ValueRef<'_>) -> Option<Value> {
    Some(match (declared, stored) {
        (Some(Kind::Boolean), ValueRef::Null) => Value::Bool(None),
        (Some(Kind::Boolean), ValueRef::Integer(number)) => Value::Bool(Some(number != 0)),
        (Some(Kind::Bytes), ValueRef::Null) => Value::Bytes(None),
        (Some(Kind::Uuid), ValueRef::Null) => Value::Uuid(None),
        (Some(Kind::Uuid), ValueRef::Blob(bytes)) => {
            Value::Uuid(Some(Uuid::from_slice(bytes).ok()?))
        }
        (Some(Kind::Text), ValueRef::Null) => Value::String(None),
        (Some(Kind::Integer) | None, ValueRef::Null) => Value::BigInt(None),
        (Some(Kind::Integer) | None, ValueRef::Integer(number)) => Value::BigInt(Some(number)),
        (Some(Kind::Text) | None, ValueRef::Text(text)) => {
            Value::String(Some(str::from_utf8(text).ok()?.to_owned()))
        }
        (Some(Kind::Bytes) | None, ValueRef::Blob(bytes)) => Value::Bytes(Some(bytes.to_vec())),
        _ => return None,
    })
}

/// Sets a value of a statement; the first has the index 1.
pub(super) fn bind(
    statement: &mut rusqlite::Statement<'_>,
    index: usize,
    value: &Value,
) -> rusqlite::Result<()> {
    match value {
        Value::Bool(value) => statement.raw_bind_parameter(index, value),
        Value::Int(value) => statement.raw_bind_parameter(index, value),
        Value::BigInt(value) => statement.raw_bind_parameter(index, value),
        // A limit or an offset.
        Value::BigUnsigned(value) => {
            let value = value.map(i64::try_from).transpose();
            statement.raw_bind_parameter(index, value.map_err(unstorable)?)
        }
        Value::String(value) => statement.raw_bind_parameter(index, value),
        Value::Bytes(value) => statement.raw_bind_parameter(index, value),
        Value::Uuid(value) => {
            let bytes = value.as_ref().map(|id| id.as_bytes().as_slice());
            statement.raw_bind_parameter(index, bytes)
        }
        _ => Err(unstorable(Unstorable)),
    }
}

fn unstorable(cause: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(cause))
}

/// Reads all rows.
pub(super) fn all(mut rows: Rows<'_>) -> Result<Vec<ProxyRow>, DbErr> {
    let mut read = Vec::new();
    let mut columns = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        // A statement that waits in the cache learns of a change of the schema when it runs.
        if columns.is_empty() {
            columns = columns_of(row.as_ref());
        }
        let mut values = BTreeMap::new();
        for (index, (name, declared)) in columns.iter().enumerate() {
            let stored = row.get_ref(index).map_err(failed)?;
            let value = value_of(*declared, stored).ok_or_else(|| {
                internal(Mismatch {
                    column: name.clone(),
                    declared: *declared,
                    found: stored.data_type(),
                })
            })?;
            values.insert(name.clone(), value);
        }
        read.push(ProxyRow::new(values));
    }
    Ok(read)
}

fn columns_of(statement: &rusqlite::Statement<'_>) -> Vec<(String, Option<Kind>)> {
    let columns = statement.columns().into_iter();
    columns
        .map(|column| {
            let declared = column.decl_type().and_then(Kind::declared_as);
            (column.name().to_owned(), declared)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use sea_orm::{DbBackend, QueryResult, Statement};

    use super::*;
    use crate::store::sqlite::{
        connection::{Connection, Role},
        data_file::make_private,
    };

    /// Columns in an order that is not that of their names.
    const COLUMNS: [(&str, &str); 5] = [
        ("z", "boolean"),
        ("x", "integer"),
        ("w", "text"),
        ("v", "blob"),
        ("u", "uuid_text"),
    ];

    fn open(folder: &tempfile::TempDir) -> Connection {
        let path = folder.path().join("data.db");
        make_private(&path).unwrap();
        let connection = Connection::open(&path, Role::Writer).unwrap();
        let columns = COLUMNS.map(|(name, declared)| format!("{name} {declared}"));
        let table = format!("CREATE TABLE things ({})", columns.join(", "));
        connection.run(&table).unwrap();
        connection
    }

    fn insert(connection: &Connection, values: [Value; 5]) {
        let insert = "INSERT INTO things VALUES (?, ?, ?, ?, ?)";
        let insert = Statement::from_sql_and_values(DbBackend::Sqlite, insert, values);
        let inserted = connection.execute(&insert).unwrap();
        assert_eq!(inserted.rows_affected, 1);
    }

    fn read(connection: &Connection, question: &str) -> Result<Vec<ProxyRow>, DbErr> {
        connection.rows(&Statement::from_string(DbBackend::Sqlite, question))
    }

    #[test]
    fn values_of_every_type_come_back_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let connection = open(&folder);
        let id = Uuid::from_u128(7);
        let rows: [[Value; 5]; 2] = [
            [
                true.into(),
                i64::MAX.into(),
                "Zoë\0".into(),
                vec![0_u8, 255].into(),
                id.into(),
            ],
            [
                Value::Bool(None),
                Value::BigInt(None),
                Value::String(None),
                Value::Bytes(None),
                Value::Uuid(None),
            ],
        ];
        for row in rows.clone() {
            insert(&connection, row);
        }
        // Under other names, too, as sea-orm asks for the columns of a join.
        let question = "SELECT z AS A_z, x AS A_x, w AS A_w, v AS A_v, u AS A_u FROM things";
        let found = read(&connection, question).unwrap();
        for (wanted, found) in rows.iter().zip(&found) {
            for ((name, _), wanted) in COLUMNS.iter().zip(wanted) {
                assert_eq!(found.values.get(&format!("A_{name}")), Some(wanted));
            }
        }
        assert_eq!(found.len(), rows.len());
    }

    #[test]
    fn what_an_expression_gives_has_the_type_in_which_it_is_stored() {
        let folder = tempfile::tempdir().unwrap();
        let question = "SELECT 40 + 2 AS a, 'x' AS b, x'01' AS c, NULL AS d";
        let row = QueryResult::from(read(&open(&folder), question).unwrap().remove(0));
        assert_eq!(row.try_get::<i64>("", "a").unwrap(), 42);
        assert_eq!(row.try_get::<String>("", "b").unwrap(), "x");
        assert_eq!(row.try_get::<Vec<u8>>("", "c").unwrap(), [1]);
        assert_eq!(row.try_get::<Option<String>>("", "d").unwrap(), None);
    }

    #[test]
    fn a_value_that_is_not_of_its_column_is_refused_and_not_read_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let connection = open(&folder);
        for (column, value) in [
            ("z", "'yes'"),
            ("x", "x'00'"),
            ("w", "x'00'"),
            ("w", "CAST(x'ff' AS TEXT)"),
            ("v", "'text'"),
            ("u", "x'00'"),
            ("u", "'text'"),
        ] {
            let insert = format!("INSERT INTO things ({column}) VALUES ({value})");
            connection.run(&insert).unwrap();
            let refused = read(&connection, "SELECT * FROM things").unwrap_err();
            let column = format!("the column {column} ");
            assert!(refused.to_string().contains(&column), "{value}: {refused}");
            connection.run("DELETE FROM things").unwrap();
        }
    }
}
