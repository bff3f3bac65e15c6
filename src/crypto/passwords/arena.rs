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

/// Blocks of 1 KiB for one hash at a time: some for passwords and others for proof of work, so that neither
/// throws away the memory of the other when they take turns.
///
/// What a hash of a password leaves in them must not stay: from the whole of it the last pass can be
/// computed backwards, after which a guess at the password costs one cheap hash instead of Argon2. But
/// wiping after each hash would take a twelfth of the throughput, and for nothing while hashes follow each
/// other, since each overwrites every block. So a thread wipes when it finds no more work, after its caller
/// has been answered. Proof of work hashes nothing secret.
pub(super) struct Arena {
    passwords: Vec<Block>,
    work: Vec<Block>,
    dirty: bool,
    resident: Arc<AtomicUsize>,
}

impl Arena {
    /// An empty arena, counted in `resident`.
    pub(super) fn new(resident: Arc<AtomicUsize>) -> Self {
        Self {
            passwords: Vec::new(),
            work: Vec::new(),
            dirty: false,
            resident,
        }
    }

    /// So many blocks to hash a password in, neither more nor fewer: all of them are about to be
    /// overwritten.
    ///
    /// # Errors
    /// There is not as much memory.
    pub(super) fn for_password(&mut self, count: usize) -> Result<&mut [Block], TryReserveError> {
        if self.passwords.len() != count {
            self.wipe();
            resize(&mut self.passwords, count, &self.resident)?;
        }
        self.dirty = true;
        Ok(&mut self.passwords)
    }

    /// So many blocks to do or check proof of work in.
    ///
    /// # Errors
    /// There is not as much memory.
    pub(super) fn for_work(&mut self, count: usize) -> Result<&mut [Block], TryReserveError> {
        if self.work.len() != count {
            resize(&mut self.work, count, &self.resident)?;
        }
        Ok(&mut self.work)
    }

    /// Whether no memory is held.
    pub(super) fn is_empty(&self) -> bool {
        self.passwords.is_empty() && self.work.is_empty()
    }

    /// Whether the memory still tells of a password.
    pub(super) fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Overwrites what tells of a password, if anything does, and keeps the memory.
    pub(super) fn wipe(&mut self) {
        if self.dirty {
            self.passwords.iter_mut().zeroize();
            self.dirty = false;
        }
    }

    /// Overwrites the memory, if need be, and gives it back.
    pub(super) fn release(&mut self) {
        self.wipe();
        for blocks in [&mut self.passwords, &mut self.work] {
            give_back(blocks, &self.resident);
        }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        self.release();
    }
}

/// Trades the memory for so much of it, having given the old back first.
fn resize(
    blocks: &mut Vec<Block>,
    count: usize,
    resident: &AtomicUsize,
) -> Result<(), TryReserveError> {
    give_back(blocks, resident);
    blocks.try_reserve_exact(count)?;
    blocks.resize(count, Block::new());
    resident.fetch_add(count, Ordering::Relaxed);
    Ok(())
}

fn give_back(blocks: &mut Vec<Block>, resident: &AtomicUsize) {
    let blocks = std::mem::take(blocks);
    resident.fetch_sub(blocks.len(), Ordering::Relaxed);
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
            .passwords
            .iter()
            .flat_map(AsRef::as_ref)
            .all(|&word| word == 0)
    }

    #[test]
    fn memory_is_kept_between_hashes_of_one_size() {
        let (mut arena, resident) = arena();
        let first = arena.for_password(16).unwrap().as_ptr();
        assert_eq!(arena.for_password(16).unwrap().as_ptr(), first);
        assert_eq!(resident.load(Ordering::Relaxed), 16);
        assert_eq!(arena.for_password(8).unwrap().len(), 8);
        assert_eq!(resident.load(Ordering::Relaxed), 8);
    }

    #[test]
    fn passwords_and_proof_of_work_leave_each_other_their_memory() {
        let (mut arena, resident) = arena();
        let passwords = arena.for_password(19).unwrap().as_ptr();
        let work = arena.for_work(4).unwrap().as_ptr();
        for _ in 0..3 {
            assert_eq!(arena.for_password(19).unwrap().as_ptr(), passwords);
            assert_eq!(arena.for_work(4).unwrap().as_ptr(), work);
            assert_eq!(resident.load(Ordering::Relaxed), 19 + 4);
        }
        arena.release();
        assert!(arena.is_empty());
        assert_eq!(resident.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn proof_of_work_never_gets_what_a_password_left() {
        let (mut arena, _) = arena();
        arena.for_password(8).unwrap()[7].as_mut()[127] = 1;
        let work = arena.for_work(8).unwrap();
        assert!(work.iter().flat_map(AsRef::as_ref).all(|&word| word == 0));
        assert!(arena.is_dirty(), "the password's is still to be wiped");
        arena.wipe();
        assert!(is_zero(&arena));
    }

    #[test]
    fn wiped_memory_tells_nothing() {
        let (mut arena, _) = arena();
        arena.for_password(8).unwrap()[7].as_mut()[127] = 1;
        assert!(arena.is_dirty() && !is_zero(&arena));
        arena.wipe();
        assert!(!arena.is_dirty() && is_zero(&arena) && !arena.is_empty());
    }

    #[test]
    fn released_memory_is_no_longer_counted() {
        let (mut arena, resident) = arena();
        arena.for_password(8).unwrap();
        arena.release();
        assert!(arena.is_empty() && !arena.is_dirty());
        assert_eq!(resident.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn more_memory_than_there_is_is_an_error() {
        let (mut arena, resident) = arena();
        assert!(arena.for_password(usize::MAX / 1024).is_err());
        assert!(arena.for_work(usize::MAX / 1024).is_err());
        assert_eq!(resident.load(Ordering::Relaxed), 0);
    }
}
