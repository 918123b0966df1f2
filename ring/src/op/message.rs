//! Messages to another ring: a completion of one's own making, or a registered file.

use crate::abi::{Opcode, Slot, Sqe};
use bitflags::bitflags;
use std::os::fd::{AsRawFd, BorrowedFd};

bitflags! {
    /// What happens at the other ring: `IORING_MSG_RING_*`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    #[repr(transparent)]
    pub struct MessageFlags: u32 {
        /// A file comes without a completion there, Linux 6.0.
        const CQE_SKIP = 1 << 0;
        /// The message's flags become the completion's, Linux 6.3. Set by hand, with
        /// `file_index` as the flags.
        const FLAGS_PASS = 1 << 1;
        const _ = !0;
    }
}

/// `IORING_MSG_SEND_FD`, in the address's place; data is 0.
const SEND_FILE: u64 = 1;

/// Posts a completion with this `result` and `user_data` to another ring. `EOVERFLOW` here when it
/// went into the other ring's overflow.
///
/// Kernel: Linux 5.18.
#[inline]
pub fn message(ring: BorrowedFd<'_>, user_data: u64, result: i32, flags: MessageFlags) -> Sqe {
    let mut sqe = Sqe::new(Opcode::MSG_RING);
    sqe.fd = ring.as_raw_fd();
    sqe.off = user_data;
    sqe.len = result.cast_unsigned();
    sqe.op_flags = flags.bits();
    sqe
}

/// Puts the file of slot `from` here into slot `to` of another ring, and posts a completion with
/// `user_data` there.
///
/// Kernel: Linux 6.0.
#[inline]
pub fn message_file(
    ring: BorrowedFd<'_>,
    from: u32,
    to: Slot,
    user_data: u64,
    flags: MessageFlags,
) -> Sqe {
    let mut sqe = message(ring, user_data, 0, flags).with_slot(to);
    sqe.addr = SEND_FILE;
    sqe.addr3 = u64::from(from);
    sqe
}
