//! All rows of a database, whatever they mean: read page by page, copied to another one, counted, and hashed.

use std::fmt;

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, RuntimeErr, Statement, Value,
    sea_query::{Expr, ExprTrait, Order, Query},
};
use sha2::{Digest, Sha256};

use super::entity::{Column, Kind, Table};

/// How many rows are in memory at once.
const PAGE: u64 = 200;

/// The table that is left out: it holds back those who guess passwords, only several nodes on one Postgres write and
/// clean it, and a crash of the database forgets it too.
const PASSING: &str = "throttles";

const UNKNOWN_TYPE: &str = "a column has a type that this version does not know";

/// What is in a database: how many rows, and a hash over all that they hold. Two databases with the same contents
/// have the same hash, whatever engine they are on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Contents {
    /// The tables by their names, and how many rows each has.
    pub tables: Vec<(String, u64)>,
    /// SHA-256.
    pub hash: [u8; 32],
}

/// The hash, as `sha256sum` prints one.
impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hash
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What went wrong while rows were copied.
#[derive(Debug)]
pub(super) enum CopyError {
    Read(DbErr),
    Write(DbErr),
}

/// Those of these tables that are copied.
pub(super) fn copied(tables: impl IntoIterator<Item = Table>) -> Vec<Table> {
    let tables = tables.into_iter();
    tables.filter(|table| table.name != PASSING).collect()
}

/// The tables that a data file declares, by their names, be it one of an older schema. Not those that say
/// something of the file itself.
pub(super) async fn declared_tables(database: &impl ConnectionTrait) -> Result<Vec<Table>, DbErr> {
    let question = "SELECT t.name AS table_name, c.name, c.type, c.pk \
                    FROM sqlite_master AS t, pragma_table_info(t.name) AS c \
                    WHERE t.type = 'table' AND t.name NOT IN ('seaql_migrations', 'backup') \
                    AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY t.name, c.name";
    let question = Statement::from_string(DbBackend::Sqlite, question);
    let mut tables: Vec<Table> = Vec::new();
    let mut key: Vec<(i64, Column)> = Vec::new();
    for row in database.query_all_raw(question).await? {
        let name: String = row.try_get("", "table_name")?;
        if tables.last().is_none_or(|last| last.name != name) {
            key.clear();
            tables.push(Table {
                name,
                columns: Vec::new(),
                key: Vec::new(),
            });
        }
        let declared: String = row.try_get("", "type")?;
        let column = Column {
            name: row.try_get("", "name")?,
            kind: Kind::declared_as(&declared).ok_or_else(|| internal(UNKNOWN_TYPE))?,
        };
        let place: i64 = row.try_get("", "pk")?;
        if place > 0 {
            key.push((place, column.clone()));
            key.sort_by_key(|(place, _)| *place);
        }
        if let Some(table) = tables.last_mut() {
            table.columns.push(column);
            table.key = key.iter().map(|(_, part)| part.clone()).collect();
        }
    }
    Ok(tables)
}

/// Reads all rows of these tables.
pub(super) async fn read(
    database: &impl ConnectionTrait,
    tables: &[Table],
) -> Result<Contents, DbErr> {
    let mut counts = Vec::new();
    for table in tables {
        let (mut pages, mut count) = (Pages::of(table), Count::of(table));
        while let Some(rows) = pages.next(database).await? {
            count.add(&rows);
        }
        counts.push(count);
    }
    Ok(sum(counts))
}

/// Reads all rows of these tables, and writes them to tables that have the same columns and no rows.
pub(super) async fn copy(
    from: &impl ConnectionTrait,
    to: &impl ConnectionTrait,
    tables: &[Table],
) -> Result<Contents, CopyError> {
    let mut counts = Vec::new();
    for table in tables {
        let (mut pages, mut count) = (Pages::of(table), Count::of(table));
        while let Some(rows) = pages.next(from).await.map_err(CopyError::Read)? {
            count.add(&rows);
            insert(to, table, rows).await.map_err(CopyError::Write)?;
        }
        counts.push(count);
    }
    Ok(sum(counts))
}

async fn insert(
    database: &impl ConnectionTrait,
    table: &Table,
    rows: Vec<Row>,
) -> Result<(), DbErr> {
    let mut insert = Query::insert();
    insert.into_table(table.name.clone()).columns(table.names());
    for row in rows {
        insert
            .values(row.into_iter().map(Expr::val))
            .map_err(|cause| internal(&cause.to_string()))?;
    }
    database.execute(&insert).await.map(drop)
}

/// The values of a row, in the order of the table's columns.
type Row = Vec<Value>;

/// The rows of a table in the order of its primary key, which is the same on every engine: texts in a key are
/// compared byte by byte.
struct Pages<'t> {
    table: &'t Table,
    /// The key of the last row that was read.
    last: Option<Vec<Value>>,
}

impl<'t> Pages<'t> {
    fn of(table: &'t Table) -> Self {
        Self { table, last: None }
    }

    /// The next rows, if there are more.
    async fn next(&mut self, database: &impl ConnectionTrait) -> Result<Option<Vec<Row>>, DbErr> {
        let table = self.table;
        let mut question = table.select();
        for part in &table.key {
            question.order_by(table.its(part), Order::Asc);
        }
        if let Some(last) = self.last.take() {
            let key = table.key.iter().map(|part| Expr::col(table.its(part)));
            let key = Expr::tuple(key);
            question.and_where(key.gt(Expr::tuple(last.into_iter().map(Expr::val))));
        }
        let found = database.query_all(question.limit(PAGE)).await?;
        let Some(last) = found.last() else {
            return Ok(None);
        };
        let key = table.key.iter().map(|part| part.value(last));
        self.last = Some(key.collect::<Result<_, _>>()?);
        let values = |row| {
            table
                .columns
                .iter()
                .map(|column| column.value(row))
                .collect()
        };
        found.iter().map(values).collect::<Result<_, _>>().map(Some)
    }
}

/// What was read of a table.
struct Count {
    name: String,
    rows: u64,
    hash: Sha256,
}

impl Count {
    fn of(table: &Table) -> Self {
        let mut hash = Sha256::new();
        for column in &table.columns {
            sized(&mut hash, column.name.as_bytes());
        }
        Self {
            name: table.name.clone(),
            rows: 0,
            hash,
        }
    }

    fn add(&mut self, rows: &[Row]) {
        for value in rows.iter().flatten() {
            add(&mut self.hash, value);
        }
        self.rows += rows.len() as u64;
    }
}

/// Each value begins with its type, and each of no fixed size with its size, so that no two rows look alike.
fn add(hash: &mut Sha256, value: &Value) {
    match value {
        Value::Bool(Some(value)) => hash.update([1, u8::from(*value)]),
        Value::BigInt(Some(value)) => {
            hash.update([2]);
            hash.update(value.to_be_bytes());
        }
        Value::String(Some(value)) => {
            hash.update([3]);
            sized(hash, value.as_bytes());
        }
        Value::Bytes(Some(value)) => {
            hash.update([4]);
            sized(hash, value);
        }
        Value::Uuid(Some(value)) => {
            hash.update([5]);
            hash.update(value.as_bytes());
        }
        _ => hash.update([0]),
    }
}

fn sized(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}

fn sum(mut counts: Vec<Count>) -> Contents {
    counts.sort_by(|one, other| one.name.cmp(&other.name));
    let (mut all, mut tables) = (Sha256::new(), Vec::new());
    for Count { name, rows, hash } in counts {
        sized(&mut all, name.as_bytes());
        all.update(rows.to_be_bytes());
        all.update(hash.finalize());
        tables.push((name, rows));
    }
    Contents {
        tables,
        hash: all.finalize().into(),
    }
}

fn internal(what: &str) -> DbErr {
    DbErr::Query(RuntimeErr::Internal(what.to_owned()))
}
