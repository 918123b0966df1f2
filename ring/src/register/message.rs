//! Posts a completion to a ring from a thread that has none.

use crate::abi::{RegisterOp, Sqe};
use crate::error::Error;
use crate::syscall;

/// Sends a message that [`op::message`](crate::op::message) has built, without a ring of one's own.
/// The entry names the ring that gets it.
///
/// Kernel: Linux 6.13, `io_uring_register_sync_msg(3)`; messages that carry data only.
///
/// # Errors
/// `Unsupported` before Linux 6.13; `InvalidArgument` if the descriptor is no ring's.
pub fn send_message(message: &Sqe) -> Result<(), Error> {
    /// In the ring's place: there is none.
    const NO_RING: i32 = -1;
    let argument = std::ptr::from_ref(message).cast();
    // SAFETY: SEND_MSG_RING takes one `io_uring_sqe`; the kernel takes no other operation than
    // MSG_RING there, and of that only the form that names no memory.
    unsafe { syscall::register(NO_RING, RegisterOp::SEND_MSG_RING, argument, 1) }
        .map(drop)
        .map_err(|errno| Error::register(errno, RegisterOp::SEND_MSG_RING, "a message to a ring"))
}
