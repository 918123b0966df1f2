//! Timeouts: on their own, for a number of completions, and for the entry before.
//!
//! Times must outlive the submission only.

use crate::abi::{KernelTimespec, Opcode, Sqe};
use bitflags::bitflags;

bitflags! {
    /// How a time is meant: `IORING_TIMEOUT_*`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    #[repr(transparent)]
    pub struct TimeoutFlags: u32 {
        /// A point in time, not a duration, Linux 5.5.
        const ABS = 1 << 0;
        /// Set by [`timeout_update`], Linux 5.11.
        const UPDATE = 1 << 1;
        /// By `CLOCK_BOOTTIME`, Linux 5.15.
        const BOOTTIME = 1 << 2;
        /// By `CLOCK_REALTIME`, Linux 5.15.
        const REALTIME = 1 << 3;
        /// The timeout to be updated is one of [`link_timeout`], Linux 5.15.
        const LINK_UPDATE = 1 << 4;
        /// Running out does not break a chain, Linux 5.16.
        const ETIME_SUCCESS = 1 << 5;
        /// Again and again, `count` times, Linux 6.4.
        const MULTISHOT = 1 << 6;
        /// The time stands in the address's place, in nanoseconds, after Linux 6.19.
        const IMMEDIATE_ARG = 1 << 7;
        const _ = !0;
    }
}

/// Completes with `ETIME` when the time is over, or with 0 when `count` other completions came
/// first; a `count` of 0 means none are counted.
///
/// Kernel: Linux 5.4.
#[inline]
pub fn timeout(time: *const KernelTimespec, count: u32, flags: TimeoutFlags) -> Sqe {
    let mut sqe = Sqe::new(Opcode::TIMEOUT);
    sqe.addr = time.expose_provenance() as u64;
    sqe.len = 1;
    sqe.off = u64::from(count);
    sqe.op_flags = flags.bits();
    sqe
}

/// Ends the timeout whose entry carried `user_data`, which then completes with `ECANCELED`.
/// `ENOENT` if there is none.
///
/// Kernel: Linux 5.5.
#[inline]
pub const fn timeout_remove(user_data: u64) -> Sqe {
    let mut sqe = Sqe::new(Opcode::TIMEOUT_REMOVE);
    sqe.addr = user_data;
    sqe
}

/// Gives the timeout whose entry carried `user_data` a new time.
///
/// Kernel: Linux 5.11, those of [`link_timeout`] with [`TimeoutFlags::LINK_UPDATE`] 5.15.
#[inline]
pub fn timeout_update(user_data: u64, time: *const KernelTimespec, flags: TimeoutFlags) -> Sqe {
    let mut sqe = timeout_remove(user_data);
    sqe.off = time.expose_provenance() as u64;
    // A link timeout's update has a flag of its own, in the plain one's place.
    let link = flags.contains(TimeoutFlags::LINK_UPDATE);
    let update = if link { TimeoutFlags::empty() } else { TimeoutFlags::UPDATE };
    sqe.op_flags = (flags | update).bits();
    sqe
}

/// Cancels the entry before, which must carry `IO_LINK`, when the time is over: that one completes
/// with `ECANCELED` (or `EINTR`), and this one with `ETIME`; otherwise this one with `ECANCELED`.
///
/// Kernel: Linux 5.5. Disk I/O that has started is not stopped.
#[inline]
pub fn link_timeout(time: *const KernelTimespec, flags: TimeoutFlags) -> Sqe {
    let mut sqe = Sqe::new(Opcode::LINK_TIMEOUT);
    sqe.addr = time.expose_provenance() as u64;
    sqe.len = 1;
    sqe.op_flags = flags.bits();
    sqe
}
