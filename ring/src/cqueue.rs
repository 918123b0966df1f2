//! The completion queue: entries written by the kernel, read by us. Owned by `ring`; never makes a
//! system call.
//!
//! # Memory order
//!
//! The kernel is the only writer of the tail and of the entries; we are the only writer of the
//! head.
//!
//! - *Tail*: loaded with Acquire, once per batch. Pairs with the kernel's Release store after it
//!   has written the entries (`io_commit_cqring`), so that we never read an entry half written.
//! - *Head*: stored with Release, once per batch. Pairs with the kernel's Acquire load of the head
//!   before it reuses an entry, so that our copies are made before it writes again.

use crate::abi::{Cqe, Params};
use crate::mapping::Mapping;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

/// Our side of the completion queue.
#[derive(Debug)]
pub(crate) struct CompletionQueue {
    entries: NonNull<Cqe>,
    head: NonNull<AtomicU32>,
    tail: NonNull<AtomicU32>,
    overflow: NonNull<AtomicU32>,
    mask: u32,
    local_head: u32,
}

impl CompletionQueue {
    /// The queue inside `rings`.
    pub(crate) fn new(rings: &Mapping, params: &Params) -> Self {
        let offsets = &params.cq_off;
        // SAFETY: `at` checked that the mask lies inside the mapping and is aligned; the kernel set
        // it before `setup` returned and never changes it.
        let mask = unsafe { rings.at::<u32>(offsets.ring_mask, 1).read() };
        assert_eq!(mask.wrapping_add(1), params.cq_entries, "the kernel's mask and size disagree");
        let head = rings.at::<AtomicU32>(offsets.head, 1);
        // SAFETY: `at` checked place and alignment, and the mapping outlives this call.
        let local_head = unsafe { head.as_ref() }.load(Ordering::Relaxed);
        Self {
            entries: rings.at(offsets.cqes, params.cq_entries),
            head,
            tail: rings.at(offsets.tail, 1),
            overflow: rings.at(offsets.overflow, 1),
            mask,
            local_head,
        }
    }

    /// Number of entries that the queue can hold.
    #[inline]
    pub(crate) fn capacity(&self) -> u32 {
        self.mask + 1
    }

    /// Entries that can be read now.
    #[inline]
    pub(crate) fn ready(&self) -> u32 {
        self.load_tail().wrapping_sub(self.local_head)
    }

    /// Completions that the kernel lost for want of memory; 0 on every kernel since 5.5.
    pub(crate) fn lost(&self) -> u32 {
        // SAFETY: the pointer was checked by `at`, and the ring owns the mapping longer than us.
        unsafe { self.overflow.as_ref() }.load(Ordering::Relaxed)
    }

    /// The entries that can be read now, as one batch.
    #[inline]
    pub(crate) fn completions(&mut self) -> Completions<'_> {
        let tail = self.load_tail();
        Completions { queue: self, tail }
    }

    #[inline]
    fn load_tail(&self) -> u32 {
        // SAFETY: the pointer was checked by `at`, and the ring owns the mapping longer than us.
        let tail = unsafe { self.tail.as_ref() };
        // Acquire: pairs with the kernel's Release store of the tail.
        tail.load(Ordering::Acquire)
    }
}

/// A batch of completions; those that were read go back to the kernel when this is dropped.
#[derive(Debug)]
pub struct Completions<'ring> {
    queue: &'ring mut CompletionQueue,
    tail: u32,
}

impl Iterator for Completions<'_> {
    type Item = Cqe;

    #[inline]
    fn next(&mut self) -> Option<Cqe> {
        if self.queue.local_head == self.tail {
            return None;
        }
        let index = (self.queue.local_head & self.queue.mask) as usize;
        // SAFETY: the index is masked, so it lies below the entry count that `at` checked.
        let place = unsafe { self.queue.entries.add(index) };
        // SAFETY: the entry lies between our head and the tail that was loaded with Acquire, so
        // the kernel has written it and will not write it again before our head passes it.
        let cqe = unsafe { place.read() };
        self.queue.local_head = self.queue.local_head.wrapping_add(1);
        Some(cqe)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.tail.wrapping_sub(self.queue.local_head) as usize;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Completions<'_> {}

impl Drop for Completions<'_> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the pointer was checked by `at`, and the ring owns the mapping longer than us.
        let head = unsafe { self.queue.head.as_ref() };
        // Release: pairs with the kernel's Acquire load of the head.
        head.store(self.queue.local_head, Ordering::Release);
    }
}
