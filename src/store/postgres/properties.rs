//! What is relied on in a Postgres database, looked at once.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};

use super::Postgres;
use crate::store::connect::ConnectError;

/// The oldest version that is supported, as Postgres numbers them.
const OLDEST: i32 = 14;

const QUESTION: &str = "SELECT current_setting('server_version_num')::int / 10000 AS version, \
    current_setting('server_encoding') AS encoding, \
    current_setting('standard_conforming_strings') = 'on' AS plain_strings, \
    pg_is_in_recovery() AS is_standby, \
    current_setting('transaction_read_only') = 'on' AS is_read_only, \
    current_schema() IS NOT NULL AS has_schema";

/// Refuses a database on which this program would not work.
pub(super) async fn check(database: &Postgres) -> Result<(), ConnectError> {
    let question = Statement::from_string(DbBackend::Postgres, QUESTION);
    let schema = |cause: DbErr| ConnectError::Schema {
        cause: cause.into(),
    };
    let row = database.query_one_raw(question).await.map_err(schema)?;
    let problem = match row {
        Some(row) => problem(&row).map_err(schema)?,
        None => None,
    };
    problem.map_or(Ok(()), |(what, advice)| {
        Err(ConnectError::Unsuitable { what, advice })
    })
}

fn problem(row: &QueryResult) -> Result<Option<(String, &'static str)>, DbErr> {
    let version: i32 = row.try_get("", "version")?;
    let encoding: String = row.try_get("", "encoding")?;
    let is = |name| row.try_get::<bool>("", name);
    Ok(if version < OLDEST {
        Some((
            format!(
                "the server is Postgres {version}, and {OLDEST} is the oldest that is supported"
            ),
            "upgrade it",
        ))
    } else if encoding != "UTF8" {
        Some((
            format!("the database has the encoding {encoding}, which cannot hold every text"),
            "create one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, and name it in the database URL",
        ))
    } else if is("is_standby")? {
        Some((
            "the server is a standby, which takes no writes".to_owned(),
            "name the primary in the database URL, or all servers and target_session_attrs=read-write",
        ))
    } else if is("is_read_only")? {
        Some((
            "the sessions of this user are read-only".to_owned(),
            "set default_transaction_read_only to off for the server, the database and the user",
        ))
    } else if !is("plain_strings")? {
        Some((
            "the parameter standard_conforming_strings is off".to_owned(),
            "set it to on for the server, the database and the user",
        ))
    } else if !is("has_schema")? {
        Some((
            "there is no schema to keep data in: the search_path of this user names none that it may use".to_owned(),
            "create the schema, or correct search_path",
        ))
    } else {
        None
    })
}
