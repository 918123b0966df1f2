//! Registered buffers and files: the kernel looks them up and pins them once, not per request.
//! Extends `ring::Ring`; never decides what to register.

use crate::abi::{FilesUpdate, RegisterOp, RsrcRegister};
use crate::error::Error;
use crate::ring::Ring;
use crate::syscall;
use std::ffi::c_void;
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

/// An empty table with tags: `IORING_RSRC_REGISTER_SPARSE`.
const SPARSE: u32 = 1 << 0;
/// The kernel tells this structure's versions apart by its size.
const RSRC_REGISTER_LEN_BYTES: u32 = 32;
const _: () = assert!(size_of::<RsrcRegister>() == RSRC_REGISTER_LEN_BYTES as usize);
/// An empty slot in a table of files.
const NO_FILE: RawFd = -1;

impl Ring {
    /// Registers buffers for the fixed operations; buffer n of the slice gets index n.
    ///
    /// Kernel: Linux 5.1. At most 16,384 buffers of at most 1 GiB each, anonymous memory only. They
    /// count against the limit of locked memory unless the process has `CAP_IPC_LOCK`.
    ///
    /// # Errors
    /// `OutOfMemory` beyond the limit of locked memory; `Busy` if buffers are registered already.
    ///
    /// # Safety
    /// The memory stays mapped until [`unregister_buffers`](Self::unregister_buffers) has returned,
    /// or, if the ring is dropped, for as long as an operation on it may be in flight.
    pub unsafe fn register_buffers(&mut self, buffers: &[IoSlice<'_>]) -> Result<(), Error> {
        let what = || {
            let len_bytes: usize = buffers.iter().map(|buffer| buffer.len()).sum();
            format!("{} buffers of {len_bytes} bytes in all", buffers.len())
        };
        let count = u32::try_from(buffers.len())
            .map_err(|_| Error::invalid("io_uring_register", what()))?;
        // An `IoSlice` is an `iovec` by its documented layout.
        let argument = buffers.as_ptr().cast();
        // SAFETY: the array holds `count` iovecs, and the caller vouches for the memory behind them.
        unsafe { self.register(RegisterOp::BUFFERS, argument, count, what) }.map(drop)
    }

    /// Gives the registered buffers up. Waits for operations that still use them.
    ///
    /// # Errors
    /// `InvalidArgument` if none are registered.
    pub fn unregister_buffers(&mut self) -> Result<(), Error> {
        let what = || String::from("giving the registered buffers up");
        // SAFETY: the operation takes no argument.
        unsafe { self.register(RegisterOp::UNREGISTER_BUFFERS, std::ptr::null(), 0, what) }
            .map(drop)
    }

    /// Makes a table of `slots` registered files, all empty.
    ///
    /// Kernel: Linux 5.19.
    ///
    /// # Errors
    /// `TooManyFiles` beyond the limit of open files; `Unsupported` before Linux 5.19.
    pub fn register_files_sparse(&mut self, slots: u32) -> Result<(), Error> {
        let table = RsrcRegister { nr: slots, flags: SPARSE, ..RsrcRegister::default() };
        let what = || format!("an empty table of {slots} files");
        let argument = (&raw const table).cast();
        // SAFETY: FILES2 takes one `io_uring_rsrc_register` and its size; it lives on this stack.
        unsafe { self.register(RegisterOp::FILES2, argument, RSRC_REGISTER_LEN_BYTES, what) }
            .map(drop)
    }

    /// Puts a file into a slot, or empties the slot with `None`. The kernel holds the file open by
    /// itself, so the descriptor may be closed afterwards.
    ///
    /// Kernel: Linux 5.5.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no table or the slot lies outside of it.
    pub fn update_file(&mut self, slot: u32, file: Option<BorrowedFd<'_>>) -> Result<(), Error> {
        let fd = file.map_or(NO_FILE, |file| file.as_raw_fd());
        let fds = (&raw const fd) as u64;
        let update = FilesUpdate { offset: slot, resv: 0, fds };
        let what = || format!("file descriptor {fd} in slot {slot}");
        let argument = (&raw const update).cast();
        // SAFETY: FILES_UPDATE takes one `io_uring_files_update`, which points to one descriptor;
        // both live on this stack until the call returns.
        unsafe { self.register(RegisterOp::FILES_UPDATE, argument, 1, what) }.map(drop)
    }

    /// # Safety
    /// As `syscall::register`.
    unsafe fn register(
        &mut self,
        op: RegisterOp,
        argument: *const c_void,
        count: u32,
        what: impl FnOnce() -> String,
    ) -> Result<u32, Error> {
        // SAFETY: the caller vouches for the argument.
        let answer = unsafe { syscall::register(self.as_fd().as_raw_fd(), op, argument, count) };
        answer.map_err(|errno| Error::register(errno, &what()))
    }
}
