//! What a use case holds: a reader, or a transaction that can also write.

use std::{ops::Deref, pin::Pin};

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseExecutor, DatabaseTransaction, DbBackend,
};
use uuid::Uuid;

use crate::model::page::{Page, PageRequest};

/// What a use case gives back before it has run.
pub type BoxFuture<'t, T> = Pin<Box<dyn Future<Output = T> + Send + 't>>;

/// Reads. From [`Store::read`](super::Store::read) every read stands for itself and sees whatever was
/// committed before it; from a [`Tx`] it also sees what that transaction has written.
///
/// What does not exist is `Ok(None)`. Every read fails with `STORAGE_UNAVAILABLE` when the database
/// cannot be reached or used, and with `INTERNAL` when it holds what this version cannot read.
#[derive(Debug)]
pub struct Reader<'c> {
    pub(super) database: DatabaseExecutor<'c>,
}

impl<'c> Reader<'c> {
    pub(super) fn over(pool: &'c DatabaseConnection) -> Self {
        Self {
            database: DatabaseExecutor::Connection(pool),
        }
    }
}

/// One transaction of one use case. Its writes come to pass together, when the use case returns `Ok`.
///
/// A `bool` says whether the one row was written that was meant. The errors are those of [`Reader`].
#[derive(Debug)]
pub struct Tx<'c> {
    reader: Reader<'c>,
}

impl<'c> Tx<'c> {
    pub(super) fn over(transaction: &'c DatabaseTransaction) -> Self {
        Self {
            reader: Reader {
                database: DatabaseExecutor::Transaction(transaction),
            },
        }
    }

    pub(super) fn is_postgres(&self) -> bool {
        self.database.get_database_backend() == DbBackend::Postgres
    }
}

impl<'c> Deref for Tx<'c> {
    type Target = Reader<'c>;

    fn deref(&self) -> &Reader<'c> {
        &self.reader
    }
}

/// How many rows tell a page and whether there is more after it.
pub(super) fn page_limit(request: PageRequest) -> u64 {
    request.size.saturating_add(1)
}

/// The page from the rows that [`page_limit`] let through.
pub(super) fn page<T>(mut items: Vec<T>, request: PageRequest, id: impl Fn(&T) -> Uuid) -> Page<T> {
    let size = usize::try_from(request.size).unwrap_or(usize::MAX);
    let next = if items.len() > size {
        items.truncate(size);
        items.last().map(id)
    } else {
        None
    };
    Page { items, next }
}
