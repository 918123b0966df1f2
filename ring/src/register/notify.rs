//! An eventfd that the kernel signals for completions.

use crate::abi::RegisterOp;
use crate::error::Error;
use crate::ring::Ring;
use std::os::fd::{AsRawFd, BorrowedFd};

impl Ring {
    /// Lets the kernel add 1 to an eventfd(2) when completions were posted: once for each, or for
    /// several that came together. The kernel holds the eventfd open by itself.
    ///
    /// With `only_async`, completions that a submission brings at once do not count, which spares
    /// wake-ups of a thread that looks at the queue after submitting anyway.
    ///
    /// Kernel: Linux 5.2, `only_async` 5.6. With `DEFER_TASKRUN` it is signalled when completion
    /// work is pending: the completion itself comes by a call that waits.
    ///
    /// # Errors
    /// `Busy` if one is registered already; `InvalidArgument` if it is not an eventfd.
    pub fn register_eventfd(
        &mut self,
        eventfd: BorrowedFd<'_>,
        only_async: bool,
    ) -> Result<(), Error> {
        let fd = eventfd.as_raw_fd();
        let op = if only_async { RegisterOp::EVENTFD_ASYNC } else { RegisterOp::EVENTFD };
        let what = || format!("descriptor {fd} as eventfd");
        // SAFETY: the operation takes an array of one descriptor, alive on this stack.
        unsafe { self.register(op, (&raw const fd).cast(), 1, what) }.map(drop)
    }

    /// Gives the eventfd up.
    ///
    /// # Errors
    /// `InvalidArgument` if none is registered.
    pub fn unregister_eventfd(&mut self) -> Result<(), Error> {
        let what = || String::from("giving the eventfd up");
        // SAFETY: the operation takes no argument.
        unsafe { self.register(RegisterOp::UNREGISTER_EVENTFD, std::ptr::null(), 0, what) }
            .map(drop)
    }
}
