//! Cancels requests and waits until they are gone, in one call.

use crate::abi::{KernelTimespec, RegisterOp, SyncCancelReg};
use crate::error::Error;
use crate::op::Matching;
use crate::ring::Ring;
use std::time::Duration;

/// The kernel's "for ever".
const NO_TIMEOUT: KernelTimespec = KernelTimespec { tv_sec: -1, tv_nsec: -1 };

impl Ring {
    /// Cancels requests and waits, without a limit or for `timeout`, until each has posted its
    /// completion. Answers whether one was found; with [`Matching::all`] the kernel does not tell,
    /// and the answer is always `true`.
    ///
    /// Kernel: Linux 6.0, by operation 6.6; `io_uring_register_sync_cancel(3)`.
    ///
    /// # Errors
    /// `TimedOut` when a request that cannot be stopped still ran after `timeout`; `Interrupted`
    /// when a signal came first; `Unsupported` before Linux 6.0.
    pub fn cancel_and_wait(
        &mut self,
        matching: Matching,
        timeout: Option<Duration>,
    ) -> Result<bool, Error> {
        let argument = SyncCancelReg {
            addr: matching.key(),
            fd: matching.fd(),
            flags: matching.flags().bits(),
            timeout: timeout.map_or(NO_TIMEOUT, KernelTimespec::from),
            opcode: matching.operation().0,
            ..SyncCancelReg::default()
        };
        let what = || format!("cancelling requests, {matching:?}");
        let pointer = (&raw const argument).cast();
        // SAFETY: SYNC_CANCEL takes one `io_uring_sync_cancel_reg`, alive on this stack.
        match unsafe { self.register(RegisterOp::SYNC_CANCEL, pointer, 1, what) } {
            Ok(_) => Ok(true),
            Err(error) if error.errno() == Some(libc::ENOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
