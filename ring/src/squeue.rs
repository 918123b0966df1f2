//! The submission queue: entries staged by us, consumed by the kernel. Owned by `ring`; never makes
//! a system call.
//!
//! # Memory order
//!
//! We are the only writer of the tail and of the entries; the kernel is the only writer of the head
//! and of the flags.
//!
//! - *Tail*: stored with Release after the entries are written. Pairs with the kernel's Acquire
//!   load of the tail (`io_sqring_entries`), so that it never reads an entry half written. Without
//!   SQPOLL the system call itself would order this; the store costs the same.
//! - *Head*: loaded with Acquire. Pairs with the kernel's Release store after it has copied the
//!   entries (`io_commit_sqring`), so that we never overwrite an entry that it still reads.
//! - *Flags*: loaded Relaxed. With SQPOLL the caller puts a SeqCst fence between the store of the
//!   tail and this load; `Ring::submit` says why.

use crate::abi::{Params, SetupFlags, SqFlags, Sqe};
use crate::mapping::Mapping;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

/// The queue has no room; the entry was not taken. Submit, then push again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueFull {
    /// Entries of the queue.
    pub entries: u32,
}

impl std::fmt::Display for QueueFull {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the submission queue holds {} entries already: submit them first", self.entries)
    }
}

impl std::error::Error for QueueFull {}

/// Our side of the submission queue.
#[derive(Debug)]
pub(crate) struct SubmissionQueue {
    entries: NonNull<Sqe>,
    head: NonNull<AtomicU32>,
    tail: NonNull<AtomicU32>,
    flags: NonNull<AtomicU32>,
    mask: u32,
    /// Our tail; entries up to here are written, those up to the shared tail are published.
    local_tail: u32,
    /// The kernel's head as last seen: it only grows, so an old value errs on the safe side.
    seen_head: u32,
}

impl SubmissionQueue {
    /// The queue inside `rings` (indices and flags) and `entries` (the entries themselves).
    pub(crate) fn new(rings: &Mapping, entries: &Mapping, params: &Params) -> Self {
        let offsets = &params.sq_off;
        // SAFETY: `at` checked that the mask lies inside the mapping and is aligned; the kernel set
        // it before `setup` returned and never changes it.
        let mask = unsafe { rings.at::<u32>(offsets.ring_mask, 1).read() };
        assert_eq!(mask.wrapping_add(1), params.sq_entries, "the kernel's mask and size disagree");
        if !params.flags.contains(SetupFlags::NO_SQARRAY) {
            // Entry n of the queue is always slot n: the indirection is filled once, here.
            for slot in 0..params.sq_entries {
                let array = rings.at::<u32>(offsets.array, params.sq_entries);
                // SAFETY: `slot` is below `sq_entries`, the length that `at` checked.
                let place = unsafe { array.add(slot as usize) };
                // SAFETY: the place is valid and aligned; the kernel reads it only in `enter`.
                unsafe { place.write(slot) };
            }
        }
        let head = rings.at::<AtomicU32>(offsets.head, 1);
        let tail = rings.at::<AtomicU32>(offsets.tail, 1);
        // SAFETY: `at` checked place and alignment, and the mapping outlives this call.
        let local_tail = unsafe { tail.as_ref() }.load(Ordering::Relaxed);
        Self {
            entries: entries.at(0, params.sq_entries),
            head,
            tail,
            flags: rings.at(offsets.flags, 1),
            mask,
            local_tail,
            seen_head: local_tail,
        }
    }

    /// Number of entries that the queue can hold.
    #[inline]
    pub(crate) fn capacity(&self) -> u32 {
        self.mask + 1
    }

    /// Stages one entry; the kernel does not see it before [`publish`](Self::publish).
    #[inline]
    pub(crate) fn push(&mut self, sqe: &Sqe) -> Result<(), QueueFull> {
        if self.local_tail.wrapping_sub(self.seen_head) > self.mask {
            self.seen_head = self.load_head();
            if self.local_tail.wrapping_sub(self.seen_head) > self.mask {
                return Err(QueueFull { entries: self.capacity() });
            }
        }
        let index = (self.local_tail & self.mask) as usize;
        // SAFETY: the index is masked, so it lies below the entry count that `at` checked.
        let place = unsafe { self.entries.add(index) };
        // SAFETY: the place is valid and aligned, and the kernel does not read it: it lies between
        // our tail and the kernel's head, as just checked.
        unsafe { place.write(*sqe) };
        self.local_tail = self.local_tail.wrapping_add(1);
        Ok(())
    }

    /// Makes every staged entry visible to the kernel.
    #[inline]
    pub(crate) fn publish(&mut self) {
        // SAFETY: the pointer was checked by `at`, and the ring owns the mapping longer than us.
        let tail = unsafe { self.tail.as_ref() };
        // Release: pairs with the kernel's Acquire load of the tail.
        tail.store(self.local_tail, Ordering::Release);
    }

    /// Entries that the kernel has not consumed yet, staged ones included.
    #[inline]
    pub(crate) fn pending(&self) -> u32 {
        self.local_tail.wrapping_sub(self.load_head())
    }

    /// The kernel's flags as they are now.
    #[inline]
    pub(crate) fn flags(&self) -> SqFlags {
        // SAFETY: the pointer was checked by `at`, and the ring owns the mapping longer than us.
        let flags = unsafe { self.flags.as_ref() };
        SqFlags::from_bits_retain(flags.load(Ordering::Relaxed))
    }

    #[inline]
    fn load_head(&self) -> u32 {
        // SAFETY: the pointer was checked by `at`, and the ring owns the mapping longer than us.
        let head = unsafe { self.head.as_ref() };
        // Acquire: pairs with the kernel's Release store of the head.
        head.load(Ordering::Acquire)
    }
}
