//! How many connections fit into the limit of open files.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are no client's: the database, the control socket, the metrics, mail, files and listeners.
const RESERVED: u64 = 160;

/// Raises the soft limit of open files to the hard one, and gives how many connections fit below it, at most
/// `wanted`. Fewer are said in the log, once.
pub(super) fn connections(wanted: u32) -> usize {
    let limit = raised();
    let fitting = limit.map_or(u64::MAX, |limit| {
        limit.saturating_sub(RESERVED).max(limit / 4)
    });
    let connections = fitting.min(wanted.into()).max(1);
    if connections < wanted.into() {
        tracing::warn!(
            "serving at most {connections} connections at a time instead of {wanted}: the limit of open files is {}; raise it, or lower server.max_connections",
            limit.unwrap_or_default()
        );
    }
    usize::try_from(connections).unwrap_or(usize::MAX)
}

/// The limit of open files, none when there is none.
fn raised() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let highest = Rlimit {
        current: limit.maximum,
        ..limit
    };
    // Where the system refuses, the old limit stays.
    match setrlimit(Resource::Nofile, highest) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
}
