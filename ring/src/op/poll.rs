//! Waiting until a file is ready. Events are poll(2)'s: `POLLIN` and so on.

use super::Target;
use crate::abi::{Opcode, Sqe};
use bitflags::bitflags;

bitflags! {
    /// How a poll goes on: `IORING_POLL_*`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    #[repr(transparent)]
    pub struct PollFlags: u32 {
        /// Report every time, not only the first, Linux 5.13.
        const MULTI = 1 << 0;
        /// In an update: new events, Linux 5.13.
        const UPDATE_EVENTS = 1 << 1;
        /// In an update: new `user_data`, Linux 5.13.
        const UPDATE_USER_DATA = 1 << 2;
        /// Report as long as it is ready, not only when it becomes so, Linux 6.0.
        const LEVEL = 1 << 3;
        const _ = !0;
    }
}

/// Completes when one of `events` is there, with those that are.
///
/// Kernel: Linux 5.1, poll(2); events beyond 16 bits 5.9.
#[inline]
pub fn poll(file: Target, events: u32, flags: PollFlags) -> Sqe {
    let mut sqe = file.fill(Sqe::new(Opcode::POLL_ADD));
    sqe.len = flags.bits();
    sqe.op_flags = event_bits(events);
    sqe
}

/// Ends the poll whose entry carried `user_data`. `ENOENT` if there is none.
///
/// Kernel: Linux 5.1.
#[inline]
pub const fn poll_remove(user_data: u64) -> Sqe {
    let mut sqe = Sqe::new(Opcode::POLL_REMOVE);
    sqe.addr = user_data;
    sqe
}

/// Changes the poll whose entry carried `user_data`, as `flags` say: its events, its `user_data`,
/// or both.
///
/// Kernel: Linux 5.13.
#[inline]
pub fn poll_update(user_data: u64, new_user_data: u64, events: u32, flags: PollFlags) -> Sqe {
    let mut sqe = poll_remove(user_data);
    sqe.off = new_user_data;
    sqe.op_flags = event_bits(events);
    sqe.len = flags.bits();
    sqe
}

/// The kernel reads the events as two halves of 16 bits, of which old kernels knew only the first.
#[inline]
const fn event_bits(events: u32) -> u32 {
    if cfg!(target_endian = "big") { events.rotate_left(16) } else { events }
}
