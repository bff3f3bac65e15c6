//! The memory that a hashing thread keeps between hashes.

use std::{
    collections::TryReserveError,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use argon2::Block;
use zeroize::Zeroize;

/// Blocks of 1 KiB for one hash at a time.
///
/// What a hash leaves in them must not stay: from the whole of it the last pass can be computed backwards,
/// after which a guess at the password costs one cheap hash instead of Argon2. But wiping after each hash
/// would take a twelfth of the throughput, and for nothing while hashes follow each other, since each
/// overwrites every block. So a thread wipes when it finds no more work, after its caller has been
/// answered.
pub(super) struct Arena {
    blocks: Vec<Block>,
    dirty: bool,
    resident: Arc<AtomicUsize>,
}

impl Arena {
    /// An empty arena, counted in `resident`.
    pub(super) fn new(resident: Arc<AtomicUsize>) -> Self {
        Self {
            blocks: Vec::new(),
            dirty: false,
            resident,
        }
    }

    /// So many blocks, neither more nor fewer: all of them are about to be overwritten.
    ///
    /// # Errors
    /// There is not as much memory.
    pub(super) fn blocks(&mut self, count: usize) -> Result<&mut [Block], TryReserveError> {
        if self.blocks.len() != count {
            self.release();
            self.blocks.try_reserve_exact(count)?;
            self.blocks.resize(count, Block::new());
            self.resident.fetch_add(count, Ordering::Relaxed);
        }
        self.dirty = true;
        Ok(&mut self.blocks)
    }

    /// Whether no memory is held.
    pub(super) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Whether the memory still tells of a password.
    pub(super) fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Overwrites the memory and keeps it.
    pub(super) fn wipe(&mut self) {
        self.blocks.iter_mut().zeroize();
        self.dirty = false;
    }

    /// Overwrites the memory, if need be, and gives it back.
    pub(super) fn release(&mut self) {
        if self.dirty {
            self.wipe();
        }
        let blocks = std::mem::take(&mut self.blocks);
        self.resident.fetch_sub(blocks.len(), Ordering::Relaxed);
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arena() -> (Arena, Arc<AtomicUsize>) {
        let resident = Arc::new(AtomicUsize::new(0));
        (Arena::new(Arc::clone(&resident)), resident)
    }

    fn is_zero(arena: &Arena) -> bool {
        arena
            .blocks
            .iter()
            .flat_map(AsRef::as_ref)
            .all(|&word| word == 0)
    }

    #[test]
    fn memory_is_kept_between_hashes_of_one_size() {
        let (mut arena, resident) = arena();
        let first = arena.blocks(16).unwrap().as_ptr();
        assert_eq!(arena.blocks(16).unwrap().as_ptr(), first);
        assert_eq!(resident.load(Ordering::Relaxed), 16);
        assert_eq!(arena.blocks(8).unwrap().len(), 8);
        assert_eq!(resident.load(Ordering::Relaxed), 8);
    }

    #[test]
    fn wiped_memory_tells_nothing() {
        let (mut arena, _) = arena();
        arena.blocks(8).unwrap()[7].as_mut()[127] = 1;
        assert!(arena.is_dirty() && !is_zero(&arena));
        arena.wipe();
        assert!(!arena.is_dirty() && is_zero(&arena) && !arena.is_empty());
    }

    #[test]
    fn released_memory_is_no_longer_counted() {
        let (mut arena, resident) = arena();
        arena.blocks(8).unwrap();
        arena.release();
        assert!(arena.is_empty() && !arena.is_dirty());
        assert_eq!(resident.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn more_memory_than_there_is_is_an_error() {
        let (mut arena, resident) = arena();
        assert!(arena.blocks(usize::MAX / 1024).is_err());
        assert_eq!(resident.load(Ordering::Relaxed), 0);
    }
}
