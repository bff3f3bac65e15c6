//! How many connections fit into the limit of open files.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are no client's: the database, the control socket, the metrics, mail, files and listeners.
const RESERVED: u64 = 160;

/// Raises the soft limit of open files to the hard one, and gives how many connections fit below it, at most
/// `wanted`. Fewer are said in the log, once.
pub(super) fn connections(wanted: u32) -> usize {
    let limit = raised();
    let connections = fitting(limit, wanted);
    if connections < wanted.into() {
        tracing::warn!(
            "serving at most {connections} connections at a time instead of {wanted}: the limit of open files is {}; raise it, or lower server.max_connections",
            limit.unwrap_or_default()
        );
    }
    usize::try_from(connections).unwrap_or(usize::MAX)
}

/// How many connections fit below this limit of open files, at most `wanted`.
pub(super) fn fitting(limit: Option<u64>, wanted: u32) -> u64 {
    let fitting = limit.map_or(u64::MAX, |limit| {
        limit.saturating_sub(RESERVED).max(limit / 4)
    });
    fitting.min(wanted.into()).max(1)
}

/// The hard limit of open files, none when there is none.
pub(super) fn hard_limit() -> Option<u64> {
    getrlimit(Resource::Nofile).maximum
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
