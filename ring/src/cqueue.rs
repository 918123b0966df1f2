//! The completion queue: entries written by the kernel, read by us. Owned by `ring`; never makes a
//! system call. Positions and memory order are `indices`' part.
//!
//! An entry has 16 bytes. With `CQE32` every slot has 32, the second half being two more words of
//! the operation. With `CQE_MIXED` a slot has 16 bytes and an entry takes one slot or, flagged
//! `F_32`, two neighbouring ones; the kernel fills the last slot with a `SKIP` entry rather than
//! let one wrap around. So on a mixed ring there may be fewer completions than slots.

use crate::abi::{Cqe, CqeFlags, Params, SetupFlags};
use crate::atomic::{AtomicU32, Ordering};
use crate::indices::Consumer;
use crate::mapping::Mapping;
use std::ptr::NonNull;

/// The second half of a 32-byte completion: what it means depends on the operation.
pub type CqeExtra = [u64; 2];

/// Bytes of one slot of the queue.
pub(crate) fn slot_len_bytes(flags: SetupFlags) -> usize {
    size_of::<Cqe>() * if flags.contains(SetupFlags::CQE32) { 2 } else { 1 }
}

/// Our side of the completion queue.
#[derive(Debug)]
pub(crate) struct CompletionQueue {
    entries: NonNull<Cqe>,
    head: NonNull<AtomicU32>,
    tail: NonNull<AtomicU32>,
    overflow: NonNull<AtomicU32>,
    positions: Consumer,
    slot_len_bytes: usize,
    /// The flags that make an entry take more or less than one slot: none but on a mixed ring.
    odd: CqeFlags,
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
        // Relaxed: we are the only writer of the head.
        // SAFETY: `at` checked place and alignment, and the mapping outlives this call.
        let start = unsafe { head.as_ref() }.load(Ordering::Relaxed);
        let slot_len_bytes = slot_len_bytes(params.flags);
        let halves = if slot_len_bytes == size_of::<Cqe>() { 1 } else { 2 };
        let mixed = params.flags.contains(SetupFlags::CQE_MIXED);
        Self {
            entries: rings.at(offsets.cqes, params.cq_entries * halves),
            head,
            tail: rings.at(offsets.tail, 1),
            overflow: rings.at(offsets.overflow, 1),
            positions: Consumer::new(mask, start),
            slot_len_bytes,
            odd: if mixed { CqeFlags::F_32 | CqeFlags::SKIP } else { CqeFlags::empty() },
        }
    }

    /// Number of slots.
    #[inline]
    pub(crate) fn capacity(&self) -> u32 {
        self.positions.capacity()
    }

    /// Slots that can be read now.
    #[inline]
    pub(crate) fn ready(&self) -> u32 {
        self.positions.left(self.end())
    }

    /// Completions that the kernel lost for want of memory; 0 on every kernel since 5.5.
    pub(crate) fn lost(&self) -> u32 {
        // SAFETY: the pointer was checked by `at`, and the ring owns the mapping longer than us.
        unsafe { self.overflow.as_ref() }.load(Ordering::Relaxed)
    }

    /// The entries that can be read now, as one batch.
    #[inline]
    pub(crate) fn completions(&mut self) -> Completions<'_> {
        let (positions, end) = (self.positions, self.end());
        Completions { queue: self, positions, end }
    }

    #[inline]
    fn end(&self) -> u32 {
        // SAFETY: the pointer was checked by `at`, and the ring owns the mapping longer than us.
        self.positions.end(unsafe { self.tail.as_ref() })
    }

    /// The place of one half of `slot`: 0 or, on a ring of 32-byte slots, 1.
    #[inline]
    fn place(&self, slot: u32, half: usize) -> NonNull<Cqe> {
        let offset = slot as usize * self.slot_len_bytes + half * size_of::<Cqe>();
        debug_assert!(slot < self.capacity() && half * size_of::<Cqe>() < self.slot_len_bytes);
        // SAFETY: the slot is masked and the half lies inside it, so the place lies in the range
        // that `at` checked.
        unsafe { self.entries.byte_add(offset) }
    }

    /// Copies the entry at the begin of `slot`, which `positions` gave.
    #[inline]
    fn read(&self, slot: u32) -> Cqe {
        // SAFETY: `place` is valid and aligned. The slot lies between our head and the tail that
        // was loaded with Acquire, so the kernel has written it and will not write it again before
        // our head passes. Any bits are a valid `Cqe`.
        unsafe { self.place(slot, 0).read() }
    }

    /// Copies one half of `slot`, which `positions` gave, as the second half of an entry.
    #[inline]
    fn read_extra(&self, slot: u32, half: usize) -> CqeExtra {
        const { assert!(size_of::<CqeExtra>() == size_of::<Cqe>()) };
        const { assert!(align_of::<CqeExtra>() == align_of::<Cqe>()) };
        // SAFETY: as in `read`; size and alignment are the same, and any bits are valid words.
        unsafe { self.place(slot, half).cast::<CqeExtra>().read() }
    }

    /// The entry at `slot`, which takes two slots or is a filler, or the first behind it that is
    /// none; and the positions after it.
    ///
    /// Apart from `next_entry`, and by value, so that the common case stays a few instructions.
    #[cold]
    fn odd_entry(
        &self,
        mut slot: u32,
        mut positions: Consumer,
        end: u32,
    ) -> (Option<Entry>, Consumer) {
        let mut cqe = self.read(slot);
        while cqe.flags.contains(CqeFlags::SKIP) {
            let Some(next) = positions.take(end) else { return (None, positions) };
            (slot, cqe) = (next, self.read(next));
        }
        let long = cqe.flags.contains(CqeFlags::F_32);
        let second = if long { positions.take(end) } else { None };
        (Some(Entry { cqe, slot, second }), positions)
    }
}

/// A batch of completions; those that were read go back to the kernel when this is dropped. If it
/// is forgotten instead, the next batch begins with the same completions again.
#[derive(Debug)]
pub struct Completions<'ring> {
    queue: &'ring mut CompletionQueue,
    /// The queue's own until the drop: a copy that nothing points to can stay in a register.
    positions: Consumer,
    end: u32,
}

impl Completions<'_> {
    /// As [`next`](Iterator::next), with the second half of a 32-byte completion: always there on a
    /// ring with `CQE32`, on one with `CQE_MIXED` where the completion is flagged `F_32`, and never
    /// on others.
    ///
    /// Kernel: Linux 5.19, `CQE_MIXED` 6.18.
    #[inline]
    pub fn next_with_extra(&mut self) -> Option<(Cqe, Option<CqeExtra>)> {
        let Entry { cqe, slot, second } = self.next_entry()?;
        let extra = if self.queue.slot_len_bytes == size_of::<Cqe>() {
            second.map(|second| self.queue.read_extra(second, 0))
        } else {
            Some(self.queue.read_extra(slot, 1))
        };
        Some((cqe, extra))
    }

    /// The next entry that is not a filler. All its slots are taken.
    #[inline]
    fn next_entry(&mut self) -> Option<Entry> {
        let slot = self.positions.take(self.end)?;
        let cqe = self.queue.read(slot);
        if cqe.flags.intersects(self.queue.odd) {
            let (entry, positions) = self.queue.odd_entry(slot, self.positions, self.end);
            self.positions = positions;
            return entry;
        }
        Some(Entry { cqe, slot, second: None })
    }
}

/// An entry and where it lies.
struct Entry {
    cqe: Cqe,
    slot: u32,
    /// The second slot of an `F_32` entry.
    second: Option<u32>,
}

impl Iterator for Completions<'_> {
    type Item = Cqe;

    #[inline]
    fn next(&mut self) -> Option<Cqe> {
        self.next_entry().map(|entry| entry.cqe)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let slots = self.positions.left(self.end) as usize;
        // On a mixed ring a slot may be a filler or half of an entry.
        (if self.queue.odd.is_empty() { slots } else { 0 }, Some(slots))
    }
}

impl Drop for Completions<'_> {
    #[inline]
    fn drop(&mut self) {
        self.queue.positions = self.positions;
        // SAFETY: the pointer was checked by `at`, and the ring owns the mapping longer than us.
        self.positions.release(unsafe { self.queue.head.as_ref() });
    }
}
