//! How the kernel knows a ring: by a file descriptor, by an index registered for one thread, or by
//! both. Owned by `ring`; made by `setup`. Never looks into the queues.

use crate::abi::{EnterFlags, RegisterOp, RsrcUpdate};
use crate::syscall;
use std::ffi::c_void;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// Any free index, as the wish of a registration.
const ANY_INDEX: u32 = u32::MAX;

/// The ring's names in the kernel. At least one of them is there.
#[derive(Debug)]
pub(crate) struct Descriptor {
    fd: Option<OwnedFd>,
    /// It means this ring only on the thread that registered it.
    index: Option<u32>,
}

impl Descriptor {
    /// A ring with an ordinary descriptor.
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Self { fd: Some(fd), index: None }
    }

    /// A ring that was set up with `REGISTERED_FD_ONLY`.
    pub(crate) fn registered_only(index: u32) -> Self {
        Self { fd: None, index: Some(index) }
    }

    /// The file descriptor, unless the ring has only an index.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.fd.as_ref().map(AsFd::as_fd)
    }

    /// What `io_uring_enter` is called with: the index where there is one, because that saves a
    /// look-up in the process's table of files.
    pub(crate) fn for_enter(&self) -> (RawFd, EnterFlags) {
        match (self.index, &self.fd) {
            (Some(index), _) => (index.cast_signed(), EnterFlags::REGISTERED_RING),
            (None, Some(fd)) => (fd.as_raw_fd(), EnterFlags::empty()),
            (None, None) => (-1, EnterFlags::empty()),
        }
    }

    /// Registers the descriptor for this thread, which saves a look-up in every `enter`.
    ///
    /// Kernel: Linux 5.18, at most 16 per thread.
    pub(crate) fn register_index(&mut self) -> Result<(), i32> {
        let Some(fd) = &self.fd else { return Ok(()) };
        let data = u64::from(fd.as_raw_fd().unsigned_abs());
        let mut update = RsrcUpdate { offset: ANY_INDEX, resv: 0, data };
        let argument = std::ptr::from_mut(&mut update).cast();
        // SAFETY: RING_FDS takes an array of one `io_uring_rsrc_update`, which the kernel answers
        // into; it is exclusively ours and lives on this stack until the call returns.
        unsafe { self.register(RegisterOp::RING_FDS, argument, 1) }?;
        self.index = Some(update.offset);
        Ok(())
    }

    /// `io_uring_register(2)` on this ring.
    ///
    /// # Safety
    /// As `syscall::register`.
    pub(crate) unsafe fn register(
        &self,
        op: RegisterOp,
        argument: *const c_void,
        count: u32,
    ) -> Result<u32, i32> {
        let (fd, op) = match (&self.fd, self.index) {
            (Some(fd), _) => (fd.as_raw_fd(), op),
            (None, Some(index)) => (index.cast_signed(), op.on_registered_ring()),
            (None, None) => (-1, op),
        };
        // SAFETY: the caller vouches for the argument.
        unsafe { syscall::register(fd, op, argument, count) }
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        let Some(index) = self.index else { return };
        let update = RsrcUpdate { offset: index, ..RsrcUpdate::default() };
        let argument = (&raw const update).cast();
        // SAFETY: the operation takes an array of one `io_uring_rsrc_update`, which lives on this
        // stack until the call returns.
        //
        // A forked child may fail here: then it has no registered descriptor to give back.
        let _ = unsafe { self.register(RegisterOp::UNREGISTER_RING_FDS, argument, 1) };
    }
}
