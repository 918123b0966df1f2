//! Registered buffers: the kernel pins them once, and the fixed operations name them by index.

use crate::abi::{CloneBuffers, CloneFlags, RegisterOp, RsrcRegister, RsrcUpdate2};
use crate::error::Error;
use crate::ring::Ring;
use std::io::IoSlice;
use std::os::fd::AsRawFd;

/// An empty table: `IORING_RSRC_REGISTER_SPARSE`.
const SPARSE: u32 = 1 << 0;
/// The kernel tells these structures' versions apart by their size.
const RSRC_REGISTER_LEN_BYTES: u32 = 32;
const RSRC_UPDATE2_LEN_BYTES: u32 = 32;
const _: () = assert!(size_of::<RsrcRegister>() == RSRC_REGISTER_LEN_BYTES as usize);
const _: () = assert!(size_of::<RsrcUpdate2>() == RSRC_UPDATE2_LEN_BYTES as usize);

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
        let what = || describe(buffers);
        let count = count_of(buffers.len(), &what)?;
        // An `IoSlice` is an `iovec` by its documented layout.
        let argument = buffers.as_ptr().cast();
        // SAFETY: the array holds `count` iovecs, and the caller vouches for the memory behind
        // them.
        unsafe { self.register(RegisterOp::BUFFERS, argument, count, what) }.map(drop)
    }

    /// As [`register_buffers`](Self::register_buffers), each with a tag: when the kernel has let go
    /// of a buffer with a tag other than 0, it posts a completion whose `user_data` is the tag.
    ///
    /// Kernel: Linux 5.13.
    ///
    /// # Errors
    /// As `register_buffers`; `InvalidArgument` if there is not one tag per buffer.
    ///
    /// # Safety
    /// As `register_buffers`; the memory of a buffer that is replaced stays mapped until its tag
    /// came.
    pub unsafe fn register_buffers_tagged(
        &mut self,
        buffers: &[IoSlice<'_>],
        tags: &[u64],
    ) -> Result<(), Error> {
        let what = || describe(buffers);
        one_tag_each(buffers.len(), tags.len())?;
        let table = RsrcRegister {
            nr: count_of(buffers.len(), &what)?,
            data: buffers.as_ptr().expose_provenance() as u64,
            tags: tags.as_ptr().expose_provenance() as u64,
            ..RsrcRegister::default()
        };
        // SAFETY: both arrays hold `nr` elements and live until the call returns, and the caller
        // vouches for the memory of the buffers.
        unsafe { self.register_table(RegisterOp::BUFFERS2, &table, what) }
    }

    /// Makes a table of `slots` registered buffers, all empty, for
    /// [`update_buffers`](Self::update_buffers).
    ///
    /// Kernel: Linux 5.19.
    ///
    /// # Errors
    /// `Busy` if buffers are registered already; `Unsupported` before Linux 5.19.
    pub fn register_buffers_sparse(&mut self, slots: u32) -> Result<(), Error> {
        let table = RsrcRegister { nr: slots, flags: SPARSE, ..RsrcRegister::default() };
        let what = || format!("an empty table of {slots} buffers");
        // SAFETY: a sparse table names no memory.
        unsafe { self.register_table(RegisterOp::BUFFERS2, &table, what) }
    }

    /// Replaces the buffers from slot `first` on, and their tags: `tags` is empty, or one for each.
    /// A buffer of length 0 empties its slot.
    ///
    /// Answers how many slots were updated: fewer than asked for when a later one failed.
    ///
    /// Kernel: Linux 5.13.
    ///
    /// # Errors
    /// `InvalidArgument` without a table or outside of it; otherwise as `register_buffers`.
    ///
    /// # Safety
    /// As `register_buffers`, for the new buffers. The memory of the old ones stays mapped until
    /// their tags came or no operation that names them is in flight.
    pub unsafe fn update_buffers(
        &mut self,
        first: u32,
        buffers: &[IoSlice<'_>],
        tags: &[u64],
    ) -> Result<u32, Error> {
        let what = || format!("{} from slot {first} on", describe(buffers));
        if !tags.is_empty() {
            one_tag_each(buffers.len(), tags.len())?;
        }
        let update = RsrcUpdate2 {
            offset: first,
            data: buffers.as_ptr().expose_provenance() as u64,
            tags: if tags.is_empty() { 0 } else { tags.as_ptr().expose_provenance() as u64 },
            nr: count_of(buffers.len(), &what)?,
            ..RsrcUpdate2::default()
        };
        let argument = (&raw const update).cast();
        // SAFETY: BUFFERS_UPDATE takes one `io_uring_rsrc_update2` and its size; its arrays hold
        // `nr` elements, all live until the call returns, and the caller vouches for the buffers.
        unsafe { self.register(RegisterOp::BUFFERS_UPDATE, argument, RSRC_UPDATE2_LEN_BYTES, what) }
    }

    /// Takes over `count` buffers of another ring, from `from` there to `to` here, without pinning
    /// them again; a count of 0 means all.
    ///
    /// `replace` allows to replace buffers that are here already. Both rings then share the memory,
    /// and each gives it up by itself.
    ///
    /// Kernel: Linux 6.12 for all of them into a ring that has none, with parts and `replace` 6.13.
    ///
    /// # Errors
    /// `InvalidArgument` if the other ring has no such buffers; `Busy` if some are here already and
    /// `replace` is not set.
    ///
    /// # Safety
    /// The memory stays mapped until this ring too has given it up, as with `register_buffers`.
    pub unsafe fn clone_buffers(
        &mut self,
        source: &Ring,
        from: u32,
        to: u32,
        count: u32,
        replace: bool,
    ) -> Result<(), Error> {
        let what = || format!("{count} buffers of another ring, from {from} there to {to} here");
        let Some(fd) = source.fd() else {
            let detail = format!("{}: that ring has no file descriptor", what());
            return Err(Error::invalid("io_uring_register", detail));
        };
        let clone = CloneBuffers {
            src_fd: fd.as_raw_fd().unsigned_abs(),
            flags: if replace { CloneFlags::DST_REPLACE } else { CloneFlags::empty() },
            src_off: from,
            dst_off: to,
            nr: count,
            ..CloneBuffers::default()
        };
        let argument = (&raw const clone).cast();
        // SAFETY: CLONE_BUFFERS takes one `io_uring_clone_buffers`, which lives on this stack; the
        // caller vouches for the memory of the buffers.
        unsafe { self.register(RegisterOp::CLONE_BUFFERS, argument, 1, what) }.map(drop)
    }

    /// Gives the registered buffers up. Operations that still use them keep the memory pinned.
    ///
    /// # Errors
    /// `InvalidArgument` if none are registered.
    pub fn unregister_buffers(&mut self) -> Result<(), Error> {
        let what = || String::from("giving the registered buffers up");
        // SAFETY: the operation takes no argument.
        unsafe { self.register(RegisterOp::UNREGISTER_BUFFERS, std::ptr::null(), 0, what) }
            .map(drop)
    }

    /// FILES2 or BUFFERS2.
    ///
    /// # Safety
    /// The arrays that `table` names hold its number of elements and live until the call returns;
    /// buffers among them as `register_buffers` says.
    pub(super) unsafe fn register_table(
        &mut self,
        op: RegisterOp,
        table: &RsrcRegister,
        what: impl FnOnce() -> String,
    ) -> Result<(), Error> {
        let argument = std::ptr::from_ref(table).cast();
        // SAFETY: the operation takes one `io_uring_rsrc_register` and its size, and the caller
        // vouches for what it points to.
        unsafe { self.register(op, argument, RSRC_REGISTER_LEN_BYTES, what) }.map(drop)
    }
}

/// The arguments of a table's registration are counted in 32 bits.
pub(super) fn count_of(len: usize, what: &dyn Fn() -> String) -> Result<u32, Error> {
    u32::try_from(len).map_err(|_| Error::invalid("io_uring_register", what()))
}

pub(super) fn one_tag_each(resources: usize, tags: usize) -> Result<(), Error> {
    if resources == tags {
        return Ok(());
    }
    let detail = format!("{tags} tags for {resources} resources: give each one");
    Err(Error::invalid("io_uring_register", detail))
}

fn describe(buffers: &[IoSlice<'_>]) -> String {
    let len_bytes: usize = buffers.iter().map(|buffer| buffer.len()).sum();
    format!("{} buffers of {len_bytes} bytes in all", buffers.len())
}
