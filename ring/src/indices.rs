//! The positions of both queues: index arithmetic and memory order, and nothing else. Owned by
//! `squeue` and `cqueue`; never touches an entry and never makes a system call.
//!
//! The atomics come from `crate::atomic`, so that the model of `tests/loom_queues.rs` compiles this
//! very file with loom's in their place and takes single orders away to see the model fail.
//!
//! Each shared word has one writer, and each position only grows (modulo 2^32):
//!
//! | word | writer | stored | loaded |
//! |---|---|---|---|
//! | submission tail | we | Release, after the entries | kernel: Acquire (`io_sqring_entries`) |
//! | submission head | kernel | Release, after its copy (`io_commit_sqring`) | we: Acquire |
//! | submission flags | kernel | before a full barrier | we: Relaxed, with SQPOLL after a fence |
//! | completion tail | kernel | Release, after the entries (`io_commit_cqring`) | we: Acquire |
//! | completion head | we | Release, after our copies | kernel: Acquire |

use crate::atomic::{AtomicU32, Ordering, fence};

/// Our side of the submission queue: we produce, the kernel consumes.
#[derive(Debug)]
pub(crate) struct Producer {
    mask: u32,
    /// Entries up to here are written, those up to the shared tail are published.
    tail: u32,
    /// Where the queue is full, by the kernel's head as last seen: it only grows, so an old value
    /// errs on the safe side.
    full_at: u32,
}

impl Producer {
    /// A queue of `mask + 1` entries, empty, whose next position is `tail`.
    pub(crate) fn new(mask: u32, tail: u32) -> Self {
        Self { mask, tail, full_at: tail.wrapping_add(mask).wrapping_add(1) }
    }

    /// Number of entries that the queue can hold.
    #[inline]
    pub(crate) fn capacity(&self) -> u32 {
        self.mask + 1
    }

    /// The slot of the next entry, which is ours until it is published; `None` when all slots hold
    /// entries that the kernel has not consumed.
    #[inline]
    pub(crate) fn reserve(&mut self, shared_head: &AtomicU32) -> Option<u32> {
        if self.tail == self.full_at {
            // Acquire: pairs with the kernel's Release store of the head, so that the slot is not
            // overwritten before the kernel has copied it.
            let head = shared_head.load(Ordering::Acquire);
            self.full_at = head.wrapping_add(self.mask).wrapping_add(1);
            if self.tail == self.full_at {
                return None;
            }
        }
        let slot = self.tail & self.mask;
        self.tail = self.tail.wrapping_add(1);
        Some(slot)
    }

    /// Makes every reserved entry visible to the kernel.
    #[inline]
    pub(crate) fn publish(&self, shared_tail: &AtomicU32) {
        // Release: pairs with the kernel's Acquire load of the tail, so that it never reads an
        // entry half written. Without SQPOLL the system call itself would order this; the store
        // costs the same.
        shared_tail.store(self.tail, Ordering::Release);
    }

    /// As [`publish`](Self::publish) for a ring with SQPOLL, and answers the kernel's flags: when
    /// they say that its thread sleeps, the caller must wake it.
    ///
    /// The tail store and the flag load must not change places. The thread stores NEED_WAKEUP,
    /// runs a full barrier, and looks at the tail once more before it sleeps. If our load were to
    /// pass our store, it could miss the tail while we miss the flag, and both sides would sleep.
    /// Release and Acquire do not forbid this, not even on x86: only a full fence on both sides
    /// does.
    #[inline]
    pub(crate) fn publish_to_thread(&self, shared_tail: &AtomicU32, flags: &AtomicU32) -> u32 {
        self.publish(shared_tail);
        fence(Ordering::SeqCst);
        // Relaxed: the fence above orders it; what the flags say needs no further data.
        flags.load(Ordering::Relaxed)
    }

    /// Entries that the kernel has not consumed yet, reserved ones included.
    #[inline]
    pub(crate) fn pending(&self, shared_head: &AtomicU32) -> u32 {
        // Acquire: as in `reserve`; here it only keeps the two answers consistent.
        self.tail.wrapping_sub(shared_head.load(Ordering::Acquire))
    }
}

/// Our side of the completion queue: the kernel produces, we consume.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Consumer {
    mask: u32,
    /// Entries up to here are read, those up to the shared head are given back.
    head: u32,
}

impl Consumer {
    /// A queue of `mask + 1` entries whose next entry to read is at `head`.
    pub(crate) fn new(mask: u32, head: u32) -> Self {
        Self { mask, head }
    }

    /// Number of entries that the queue can hold.
    #[inline]
    pub(crate) fn capacity(&self) -> u32 {
        self.mask + 1
    }

    /// The end of the entries that can be read now.
    #[inline]
    pub(crate) fn end(&self, shared_tail: &AtomicU32) -> u32 {
        // Acquire: pairs with the kernel's Release store of the tail, so that we never read an
        // entry half written.
        shared_tail.load(Ordering::Acquire)
    }

    /// Entries from the next one to `end`.
    #[inline]
    pub(crate) fn left(&self, end: u32) -> u32 {
        end.wrapping_sub(self.head)
    }

    /// The slot of the next entry before `end`, which must be copied before
    /// [`release`](Self::release); `None` when there is none.
    #[inline]
    pub(crate) fn take(&mut self, end: u32) -> Option<u32> {
        if self.head == end {
            return None;
        }
        let slot = self.head & self.mask;
        self.head = self.head.wrapping_add(1);
        Some(slot)
    }

    /// Gives the slots of all entries read back to the kernel.
    #[inline]
    pub(crate) fn release(&self, shared_head: &AtomicU32) {
        // Release: pairs with the kernel's Acquire load of the head, so that our copies are made
        // before it writes the slots again.
        shared_head.store(self.head, Ordering::Release);
    }
}
