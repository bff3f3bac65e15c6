//! Connections for reads of few rows, which run on the thread of whoever asks.

use std::{
    path::Path,
    sync::{
        Mutex, MutexGuard, TryLockError,
        atomic::{AtomicUsize, Ordering},
    },
};

use sea_orm::{ConnAcquireErr, DbErr};

use super::{
    connection::{Connection, Role},
    lock,
};

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Each thread begins to look for a free connection somewhere else.
    static THREAD: usize = THREADS.fetch_add(1, Ordering::Relaxed);
}

/// So many connections as were asked for. Each is lent for one statement.
#[derive(Debug)]
pub(in crate::store) struct Readers {
    /// None once they are closed.
    connections: Vec<Mutex<Option<Connection>>>,
}

impl Readers {
    pub(super) fn open(path: &Path, connections: u32) -> rusqlite::Result<Self> {
        let open = |_| Connection::open(path, Role::Reader).map(|opened| Mutex::new(Some(opened)));
        let connections = (0..connections.max(1))
            .map(open)
            .collect::<Result<_, _>>()?;
        Ok(Self { connections })
    }

    /// Runs a statement on a connection that is free, or on the thread's own when it gets free.
    pub(super) fn run<T>(
        &self,
        statement: impl FnOnce(&Connection) -> Result<T, DbErr>,
    ) -> Result<T, DbErr> {
        let own = THREAD.with(|thread| *thread) % self.connections.len();
        let (before, from_own) = self.connections.split_at(own);
        let mut in_turn = from_own.iter().chain(before);
        let free = in_turn.clone().find_map(free);
        let lent = free.or_else(|| in_turn.next().map(lock));
        match lent.as_deref() {
            Some(Some(connection)) => statement(connection),
            _ => Err(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)),
        }
    }

    /// Closes each connection when the statement on it has ended.
    pub(super) fn close(&self) {
        for connection in &self.connections {
            lock(connection).take();
        }
    }
}

fn free<T>(connection: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match connection.try_lock() {
        Ok(connection) => Some(connection),
        Err(TryLockError::Poisoned(panicked)) => Some(panicked.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
