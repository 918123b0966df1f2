//! Changes the sizes of both queues while the ring is in use.

use crate::abi::{Params, RegisterOp, SetupFlags};
use crate::cqueue::CompletionQueue;
use crate::error::Error;
use crate::ring::Ring;
use crate::setup::QueueMemory;
use crate::squeue::SubmissionQueue;

impl Ring {
    /// Gives the ring queues of these sizes, rounded up to powers of two. Completions that were
    /// not read yet stay; staged entries must have been submitted.
    ///
    /// Kernel: Linux 6.13, `IORING_REGISTER_RESIZE_RINGS`, on rings with `DEFER_TASKRUN`. Here also
    /// only on rings whose memory is the kernel's, not the caller's or in huge pages.
    ///
    /// # Errors
    /// `InvalidArgument` when the ring was set up otherwise, entries are staged, or a size is out
    /// of its range; `Busy` (EOVERFLOW) when unread completions do not fit into the new queue. The
    /// ring is as it was then. Should mapping the new queues fail, the ring cannot be used any
    /// more.
    pub fn resize(&mut self, sq_entries: u32, cq_entries: u32) -> Result<(), Error> {
        let what = || format!("queues of {sq_entries} and {cq_entries} entries");
        let invalid =
            |why: &str| Err(Error::invalid("io_uring_register", format!("{}: {why}", what())));
        if !self.setup_flags().contains(SetupFlags::DEFER_TASKRUN) {
            return invalid("only a ring with DEFER_TASKRUN can change its size");
        }
        if self.setup_flags().contains(SetupFlags::NO_MMAP) {
            return invalid("a ring with NO_MMAP keeps its size");
        }
        if self.pending() > 0 {
            return invalid("entries are staged: submit them first");
        }
        let mut params =
            Params { sq_entries, cq_entries, flags: SetupFlags::CQSIZE, ..Params::default() };
        let argument = (&raw mut params).cast_const().cast();
        // SAFETY: RESIZE_RINGS takes one `io_uring_params` and answers into it; it is exclusively
        // ours and lives on this stack until the call returns.
        unsafe { self.register(RegisterOp::RESIZE_RINGS, argument, 1, what) }?;
        let Some(fd) = self.fd() else { return invalid("the ring has no file descriptor") };
        params.flags |= self.setup_flags();
        let memory = QueueMemory::map(fd, &params)?;
        self.parts.sq = SubmissionQueue::new(&memory.rings, &memory.entries, &params);
        self.parts.cq = CompletionQueue::new(&memory.rings, &params);
        self.parts.memory = memory;
        Ok(())
    }
}
