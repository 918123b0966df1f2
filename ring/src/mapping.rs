//! A shared mapping of the ring's memory, kept out of forked children. Made by `builder`, owned by
//! `ring`; knows nothing of what lies inside.

use crate::error::Error;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};
use std::ffi::c_void;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;

/// One mapping, unmapped when dropped.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<c_void>,
    len_bytes: usize,
}

impl Mapping {
    /// Maps `len_bytes` of the ring behind `fd` from the ABI's `offset` on.
    pub(crate) fn new(fd: BorrowedFd<'_>, len_bytes: usize, offset: u64) -> Result<Self, Error> {
        // SAFETY: a fresh address is asked for, so no existing memory is replaced, and the mapping
        // is released only by our drop.
        let base = unsafe {
            mmap(
                std::ptr::null_mut(),
                len_bytes,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED | MapFlags::POPULATE,
                fd,
                offset,
            )
        }
        .map_err(|errno| Error::mapping(errno.raw_os_error(), len_bytes))?;
        let base = NonNull::new(base).ok_or_else(|| Error::mapping(libc::ENOMEM, len_bytes))?;
        let mapping = Self { base, len_bytes };
        // A forked child that touched the queues would race with its parent: it gets no mapping.
        // SAFETY: the range is exactly the mapping made above, and DONTFORK changes nothing here.
        unsafe { madvise(mapping.base.as_ptr(), len_bytes, Advice::LinuxDontFork) }
            .map_err(|errno| Error::mapping(errno.raw_os_error(), len_bytes))?;
        Ok(mapping)
    }

    /// A pointer to the `T` at `offset_bytes`, which the kernel's offsets name.
    ///
    /// # Panics
    /// If `count` of `T` from there do not lie inside the mapping or are not aligned: the kernel
    /// broke its ABI.
    pub(crate) fn at<T>(&self, offset_bytes: u32, count: u32) -> NonNull<T> {
        let offset = offset_bytes as usize;
        let end = offset + count as usize * size_of::<T>();
        assert!(end <= self.len_bytes, "the kernel named bytes {offset}..{end} outside the ring");
        assert!(offset.is_multiple_of(align_of::<T>()), "the kernel named an unaligned offset");
        // SAFETY: `offset` lies inside the mapping, as asserted above.
        unsafe { self.base.byte_add(offset) }.cast()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: base and length are those of `mmap`, and every pointer into the mapping lives in
        // a queue that the ring drops together with it.
        let unmapped = unsafe { munmap(self.base.as_ptr(), self.len_bytes) };
        debug_assert!(unmapped.is_ok(), "munmap of our own mapping fails only on a bad address");
    }
}
