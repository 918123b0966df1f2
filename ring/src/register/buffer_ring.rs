//! Provided buffers: a group of equal buffers from which the kernel takes one when data is there.
//! Owns the buffers and the ring through which they are given back. Never guesses who has a buffer:
//! each is with the kernel, or with the holder of its [`Taken`] tokens.
//!
//! # Memory order
//!
//! We are the only writer of the entries and of the tail; the kernel reads both. The tail is stored
//! with Release after the entries, and pairs with the kernel's Acquire load
//! (`io_ring_buffer_select`). It is how the kernel learns that our last read of a buffer is over.

use crate::abi::{Buf, BufReg, BufRingFlags, BufStatus, Cqe, CqeFlags, RegisterOp};
use crate::error::Error;
use crate::mapping::Mapping;
use crate::ring::Ring;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

/// The tail lies in the last two bytes of the first entry.
const TAIL_OFFSET_BYTES: u32 = 14;
const LEN_OFFSET_BYTES: u32 = 8;
const BID_OFFSET_BYTES: u32 = 12;
const BUF_LEN_BYTES: u32 = 16;
const _: () = assert!(std::mem::offset_of!(Buf, resv) == TAIL_OFFSET_BYTES as usize);
const _: () = assert!(std::mem::offset_of!(Buf, len) == LEN_OFFSET_BYTES as usize);
const _: () = assert!(std::mem::offset_of!(Buf, bid) == BID_OFFSET_BYTES as usize);
const _: () = assert!(size_of::<Buf>() == BUF_LEN_BYTES as usize);
/// Most buffers of a group.
const COUNT_MAX: u16 = 32_768;

/// Rings of buffers made so far.
static MADE: AtomicU64 = AtomicU64::new(0);

/// Our side of one buffer.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// Bytes of it that the kernel has filled; more than 0 in between only with incremental use.
    used_len_bytes: u32,
    /// Tokens that point into it.
    tokens: u32,
    /// Whether the kernel may fill (more of) it.
    with_kernel: bool,
}

/// Bytes that a completion brought, in a buffer of a [`BufferRing`]. Give it back to the ring that
/// it came from; if it is dropped instead, its buffer is never used again.
#[derive(Debug)]
#[must_use = "a token that is dropped takes its buffer out of use"]
pub struct Taken {
    /// Of the ring that it came from.
    owner: u64,
    buffer: u16,
    offset_bytes: u32,
    len_bytes: u32,
}

impl Taken {
    /// The buffer's number.
    pub fn buffer(&self) -> u16 {
        self.buffer
    }
}

/// A group of provided buffers, registered with a ring.
///
/// Dropping it without [`Ring::unregister_buffer_ring`] leaks the memory on purpose: the kernel may
/// still write there.
#[derive(Debug)]
pub struct BufferRing {
    /// Of all that this process has ever made, so that no token of a ring which is gone is taken
    /// for one of this.
    id: u64,
    entries: ManuallyDrop<Mapping>,
    buffers: ManuallyDrop<Mapping>,
    states: Vec<State>,
    buffer_len_bytes: u32,
    group: u16,
    count: u16,
    tail: u16,
}

impl BufferRing {
    /// The group's number, for [`Sqe::with_buffer_group`](crate::Sqe::with_buffer_group).
    pub fn group(&self) -> u16 {
        self.group
    }

    /// Buffers of the group.
    pub fn count(&self) -> u16 {
        self.count
    }

    /// Takes what a completion brought, or `None` if it used no buffer.
    ///
    /// # Panics
    /// If the completion names a buffer, or a length, that the kernel does not have.
    ///
    /// # Safety
    /// - The completion was read from this group's ring, belongs to an entry that selected from
    ///   this group, and is taken only once, in the order in which it was posted.
    /// - If the group is incremental, the entry's file is one that can be polled, as a pipe; for
    ///   others there is [`take_asked`](Self::take_asked).
    pub unsafe fn take(&mut self, cqe: &Cqe) -> Option<Taken> {
        self.take_used(cqe, cqe.result().unwrap_or(0))
    }

    /// As [`take`](Self::take), for an incremental group and a file that cannot be polled, as a
    /// regular one: there the kernel uses a buffer up by the length that the entry asked for,
    /// however little came. A length of 0 asked for the rest of the buffer.
    ///
    /// Kernel: seen on Linux 6.18; the manual pages do not say it.
    ///
    /// # Panics
    /// As `take`.
    ///
    /// # Safety
    /// As `take`, but for a file that cannot be polled; `asked_len_bytes` is what the entry said.
    pub unsafe fn take_asked(&mut self, cqe: &Cqe, asked_len_bytes: u32) -> Option<Taken> {
        let asked = if asked_len_bytes == 0 { u32::MAX } else { asked_len_bytes };
        self.take_used(cqe, asked)
    }

    /// Takes what a completion brought when it used up to `used_len_bytes` of its buffer's rest.
    fn take_used(&mut self, cqe: &Cqe, used_len_bytes: u32) -> Option<Taken> {
        let buffer = cqe.buffer_id()?;
        let state = self.states.get_mut(usize::from(buffer)).filter(|state| state.with_kernel);
        let state = state.expect("the kernel returns only buffers that were provided to it");
        let offset_bytes = state.used_len_bytes;
        let (left, len_bytes) = (self.buffer_len_bytes - offset_bytes, cqe.result().unwrap_or(0));
        assert!(len_bytes <= left, "the kernel fills no more than a buffer holds");
        state.used_len_bytes = offset_bytes + used_len_bytes.min(left);
        state.with_kernel = cqe.flags.contains(CqeFlags::BUF_MORE);
        state.tokens += 1;
        Some(Taken { owner: self.id, buffer, offset_bytes, len_bytes })
    }

    /// The bytes of a token.
    ///
    /// # Panics
    /// If the token is of another ring.
    pub fn bytes<'all>(&'all self, taken: &'all Taken) -> &'all [u8] {
        let place = self.check(taken);
        // SAFETY: the range lies inside its buffer, as `take` checked. The kernel has filled it and
        // writes only behind it, until the buffer is provided again; and that takes every token of
        // it, of which one is borrowed here. We never write buffers.
        unsafe { std::slice::from_raw_parts(place.as_ptr(), taken.len_bytes as usize) }
    }

    /// Gives the bytes back; when no token points into the buffer any more and the kernel is done
    /// with it, the kernel gets it again.
    ///
    /// # Panics
    /// If the token is of another ring.
    pub fn give_back(&mut self, taken: Taken) {
        self.check(&taken);
        let state = &mut self.states[usize::from(taken.buffer)];
        state.tokens -= 1;
        if state.tokens == 0 && !state.with_kernel {
            self.provide(taken.buffer);
            self.publish();
        }
    }

    /// Where a token's bytes begin.
    fn check(&self, taken: &Taken) -> NonNull<u8> {
        assert_eq!(taken.owner, self.id, "a token is good for its own ring");
        let place = self.place(taken.buffer);
        // SAFETY: `take` checked that the offset lies inside the buffer or at its end.
        unsafe { place.add(taken.offset_bytes as usize) }
    }

    /// Where a buffer begins.
    fn place(&self, buffer: u16) -> NonNull<u8> {
        debug_assert!(buffer < self.count);
        let offset_bytes = usize::from(buffer) * self.buffer_len_bytes as usize;
        // SAFETY: the mapping has room for `count` buffers, and tokens name none beyond.
        unsafe { self.buffers.at::<u8>(0, 1).add(offset_bytes) }
    }

    /// Writes a buffer into the next entry.
    fn provide(&mut self, buffer: u16) {
        let address = self.place(buffer).as_ptr().expose_provenance() as u64;
        self.states[usize::from(buffer)] = State { with_kernel: true, ..State::default() };
        // The fields of `Buf` one by one, because in the first entry the last one is the tail.
        let entry = u32::from(self.tail & (self.count - 1)) * BUF_LEN_BYTES;
        // SAFETY: `at` checked place and alignment. The kernel does not read the entry before the
        // tail has passed it, and there are never more buffers with the kernel than entries.
        unsafe { self.entries.at::<u64>(entry, 1).write(address) };
        // SAFETY: as above.
        unsafe { self.entries.at::<u32>(entry + LEN_OFFSET_BYTES, 1).write(self.buffer_len_bytes) };
        // SAFETY: as above.
        unsafe { self.entries.at::<u16>(entry + BID_OFFSET_BYTES, 1).write(buffer) };
        self.tail = self.tail.wrapping_add(1);
    }

    /// Makes the entries written so far visible to the kernel.
    fn publish(&self) {
        let tail = self.entries.at::<AtomicU16>(TAIL_OFFSET_BYTES, 1);
        // SAFETY: `at` checked place and alignment; the kernel only reads it.
        let tail = unsafe { tail.as_ref() };
        // Release: pairs with the kernel's Acquire load of the tail.
        tail.store(self.tail, Ordering::Release);
    }
}

impl Ring {
    /// Provides `count` buffers of `len_bytes` each as group `group`; a power of two up to 32,768.
    /// With `incremental`, the kernel uses a buffer up piece by piece instead of one per
    /// completion.
    ///
    /// Kernel: Linux 5.19, `incremental` 6.12.
    ///
    /// # Errors
    /// `InvalidArgument` for a count or length out of range; `Busy` if the group exists;
    /// `Unsupported` where the kernel is too old.
    pub fn register_buffer_ring(
        &mut self,
        group: u16,
        count: u16,
        len_bytes: u32,
        incremental: bool,
    ) -> Result<BufferRing, Error> {
        let what = || format!("group {group} of {count} buffers of {len_bytes} bytes");
        if !count.is_power_of_two() || count > COUNT_MAX || len_bytes == 0 {
            let detail = format!("{}: choose a power of two up to {COUNT_MAX}", what());
            return Err(Error::invalid("io_uring_register", detail));
        }
        let entries = Mapping::anonymous(usize::from(count) * size_of::<Buf>())?;
        let buffers = Mapping::anonymous(usize::from(count) * len_bytes as usize)?;
        let argument = BufReg {
            ring_addr: entries.address() as u64,
            ring_entries: u32::from(count),
            bgid: group,
            flags: if incremental { BufRingFlags::INC } else { BufRingFlags::empty() },
            ..BufReg::default()
        };
        // Relaxed: only that no number comes twice counts.
        let id = MADE.fetch_add(1, Ordering::Relaxed);
        let mut ring = BufferRing {
            id,
            entries: ManuallyDrop::new(entries),
            buffers: ManuallyDrop::new(buffers),
            states: vec![State::default(); usize::from(count)],
            buffer_len_bytes: len_bytes,
            group,
            count,
            tail: 0,
        };
        let argument = (&raw const argument).cast();
        // SAFETY: PBUF_RING takes one `io_uring_buf_reg`, alive on this stack; the entries that it
        // names stay mapped until the group is given up, because dropping a `BufferRing` leaks
        // them.
        let registered = unsafe { self.register(RegisterOp::PBUF_RING, argument, 1, what) };
        if let Err(error) = registered {
            ring.free();
            return Err(error);
        }
        for buffer in 0..count {
            ring.provide(buffer);
        }
        ring.publish();
        Ok(ring)
    }

    /// Gives a group up and frees its memory.
    ///
    /// # Errors
    /// What the kernel says; the memory is leaked then.
    ///
    /// # Safety
    /// The group was registered with this ring, and no entry that selects from it is in flight.
    pub unsafe fn unregister_buffer_ring(&mut self, buffers: BufferRing) -> Result<(), Error> {
        let group = buffers.group;
        let argument = BufReg { bgid: group, ..BufReg::default() };
        let what = || format!("giving buffer group {group} up");
        let argument = (&raw const argument).cast();
        // SAFETY: the operation takes one `io_uring_buf_reg`, alive on this stack.
        unsafe { self.register(RegisterOp::UNREGISTER_PBUF_RING, argument, 1, what) }?;
        buffers.free();
        Ok(())
    }

    /// How many buffers of a group the kernel has not used yet.
    ///
    /// Kernel: Linux 6.8.
    ///
    /// # Errors
    /// `Unsupported` before Linux 6.8.
    pub fn buffers_left(&self, buffers: &BufferRing) -> Result<u16, Error> {
        let group = buffers.group;
        let mut status = BufStatus { buf_group: u32::from(group), ..BufStatus::default() };
        let argument = (&raw mut status).cast_const().cast();
        let what = || format!("the state of buffer group {group}");
        // SAFETY: PBUF_STATUS takes one `io_uring_buf_status` and answers into it; it is
        // exclusively ours and lives on this stack until the call returns.
        unsafe { self.register(RegisterOp::PBUF_STATUS, argument, 1, what) }?;
        // Both positions count modulo 2^16, so the upper half of the answer carries nothing.
        let head = (status.head & 0xffff) as u16;
        Ok(buffers.tail.wrapping_sub(head))
    }
}

impl BufferRing {
    /// Unmaps everything: only when the kernel has nothing of it.
    fn free(self) {
        drop(ManuallyDrop::into_inner(self.entries));
        drop(ManuallyDrop::into_inner(self.buffers));
    }
}
