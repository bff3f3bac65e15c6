//! Pages of a list (AIP-158).

use uuid::Uuid;

/// The size of a page when the caller names none.
const DEFAULT_SIZE: u64 = 50;
/// The largest page.
const MAX_SIZE: u64 = 100;

/// Which part of a list, newest first, to read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PageRequest {
    /// The last id of the page before.
    pub after: Option<Uuid>,
    /// How many at most.
    pub size: u64,
}

impl PageRequest {
    /// A page of the size that was asked for, within the limits of the server.
    #[must_use]
    pub fn new(requested: u64, after: Option<Uuid>) -> Self {
        let size = if requested == 0 {
            DEFAULT_SIZE
        } else {
            requested.min(MAX_SIZE)
        };
        Self { after, size }
    }
}

/// Part of a list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// The last id on it, when there is more after it.
    pub next: Option<Uuid>,
}
