//! The submission queue: entries staged by us, consumed by the kernel. Owned by `ring`; never makes
//! a system call. Positions and memory order are `indices`' part.
//!
//! An entry has 64 bytes, or 128 on a ring that was set up with `SQE128`: there the slots lie twice
//! as far apart, and an entry without a second half gets one of zeroes.

mod mixed;

use crate::abi::{Params, SetupFlags, SqFlags, Sqe};
use crate::atomic::{AtomicU32, Ordering};
use crate::indices::Producer;
use crate::mapping::Mapping;
use std::ptr::NonNull;

/// The second half of a 128-byte entry, where `URING_CMD` carries its command.
pub type SqeTail = [u8; 64];

/// Bytes of one slot of the queue.
pub(crate) fn slot_len_bytes(flags: SetupFlags) -> usize {
    size_of::<Sqe>() * if flags.contains(SetupFlags::SQE128) { 2 } else { 1 }
}

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
    positions: Producer,
    slot_len_bytes: usize,
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
            let array = rings.at::<u32>(offsets.array, params.sq_entries);
            for slot in 0..params.sq_entries {
                // SAFETY: `slot` is below `sq_entries`, the length that `at` checked.
                let place = unsafe { array.add(slot as usize) };
                // SAFETY: the place is valid and aligned; the kernel reads it only in `enter`.
                unsafe { place.write(slot) };
            }
        }
        let tail = rings.at::<AtomicU32>(offsets.tail, 1);
        let slot_len_bytes = slot_len_bytes(params.flags);
        let halves = if slot_len_bytes == size_of::<Sqe>() { 1 } else { 2 };
        // Relaxed: nothing was submitted yet, so nobody else has written the tail.
        // SAFETY: `at` checked place and alignment, and the mapping outlives this call.
        let start = unsafe { tail.as_ref() }.load(Ordering::Relaxed);
        Self {
            entries: entries.at(0, params.sq_entries * halves),
            head: rings.at(offsets.head, 1),
            tail,
            flags: rings.at(offsets.flags, 1),
            positions: Producer::new(mask, start),
            slot_len_bytes,
        }
    }

    /// Number of entries that the queue can hold.
    #[inline]
    pub(crate) fn capacity(&self) -> u32 {
        self.positions.capacity()
    }

    /// Stages one entry; the kernel does not see it before it is published.
    #[inline]
    pub(crate) fn push(&mut self, sqe: &Sqe) -> Result<(), QueueFull> {
        let place = self.reserve()?;
        // SAFETY: the place is valid and aligned, and the kernel does not read it: `reserve` found
        // it between our tail and the kernel's head.
        unsafe { place.write(*sqe) };
        if self.slots_are_long() {
            self.write_tail(place, &[0; 64]);
        }
        Ok(())
    }

    /// Stages one entry of 128 bytes.
    ///
    /// # Panics
    /// On a ring of 64-byte entries.
    #[inline]
    pub(crate) fn push128(&mut self, sqe: &Sqe, tail: &SqeTail) -> Result<(), QueueFull> {
        assert!(self.slots_are_long(), "an entry of 128 bytes needs a ring set up with SQE128");
        let place = self.reserve()?;
        // SAFETY: as in `push`.
        unsafe { place.write(*sqe) };
        self.write_tail(place, tail);
        Ok(())
    }

    /// Writes the second half of the slot at `place`, on a ring of 128-byte entries.
    fn write_tail(&self, place: NonNull<Sqe>, tail: &SqeTail) {
        debug_assert!(self.slots_are_long());
        // SAFETY: a slot has room for two entries here, so the next one's place lies inside it.
        let place = unsafe { place.add(1) }.cast::<SqeTail>();
        // SAFETY: the place is valid, needs no alignment, and belongs to the slot just reserved.
        unsafe { place.write(*tail) };
    }

    /// The place of the next entry.
    #[inline]
    fn reserve(&mut self) -> Result<NonNull<Sqe>, QueueFull> {
        // SAFETY: the pointer was checked by `at`, and the ring owns the mapping longer than us.
        let head = unsafe { self.head.as_ref() };
        let Some(slot) = self.positions.reserve(head) else {
            return Err(QueueFull { entries: self.capacity() });
        };
        // SAFETY: the slot is masked, so it lies inside the range of slots that `at` checked.
        Ok(unsafe { self.entries.byte_add(slot as usize * self.slot_len_bytes) })
    }

    /// Whether an entry has a second half.
    #[inline]
    fn slots_are_long(&self) -> bool {
        self.slot_len_bytes != size_of::<Sqe>()
    }

    /// Makes every staged entry visible to the kernel, and answers its flags as they are now.
    #[inline]
    pub(crate) fn publish(&mut self) -> SqFlags {
        // SAFETY: the pointer was checked by `at`, and the ring owns the mapping longer than us.
        self.positions.publish(unsafe { self.tail.as_ref() });
        self.flags()
    }

    /// As [`publish`](Self::publish), on a ring with SQPOLL: the answer also tells whether the
    /// kernel's thread sleeps and must be woken.
    #[inline]
    pub(crate) fn publish_to_thread(&mut self) -> SqFlags {
        // SAFETY: the pointer was checked by `at`, and the ring owns the mapping longer than us.
        let tail = unsafe { self.tail.as_ref() };
        // SAFETY: as above.
        let flags = unsafe { self.flags.as_ref() };
        SqFlags::from_bits_retain(self.positions.publish_to_thread(tail, flags))
    }

    /// Entries that the kernel has not consumed yet, staged ones included.
    #[inline]
    pub(crate) fn pending(&self) -> u32 {
        // SAFETY: the pointer was checked by `at`, and the ring owns the mapping longer than us.
        self.positions.pending(unsafe { self.head.as_ref() })
    }

    /// The kernel's flags as they are now.
    #[inline]
    pub(crate) fn flags(&self) -> SqFlags {
        // SAFETY: the pointer was checked by `at`, and the ring owns the mapping longer than us.
        let flags = unsafe { self.flags.as_ref() };
        // Relaxed: what the flags say needs no further data.
        SqFlags::from_bits_retain(flags.load(Ordering::Relaxed))
    }
}
