//! A piece of memory that the kernel shares with us, kept out of forked children where it is ours.
//! Made by `setup` and `register`; knows nothing of what lies inside.

use crate::error::Error;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, mmap_anonymous, munmap};
use std::ffi::c_void;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;

const READ_WRITE: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);

/// A range of memory, unmapped when dropped if it was mapped here.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<c_void>,
    len_bytes: usize,
    owned: bool,
}

impl Mapping {
    /// Maps `len_bytes` of the ring behind `fd` from the ABI's `offset` on.
    pub(crate) fn new(fd: BorrowedFd<'_>, len_bytes: usize, offset: u64) -> Result<Self, Error> {
        let (null, flags) = (std::ptr::null_mut(), MapFlags::SHARED | MapFlags::POPULATE);
        // SAFETY: a fresh address is asked for, so no existing memory is replaced, and the mapping
        // is released only by our drop.
        let base = unsafe { mmap(null, len_bytes, READ_WRITE, flags, fd, offset) };
        Self::owning(base, len_bytes)
    }

    /// Maps zeroed memory of our own.
    pub(crate) fn anonymous(len_bytes: usize) -> Result<Self, Error> {
        let (null, flags) = (std::ptr::null_mut(), MapFlags::PRIVATE | MapFlags::POPULATE);
        // SAFETY: as in `new`.
        let base = unsafe { mmap_anonymous(null, len_bytes, READ_WRITE, flags) };
        Self::owning(base, len_bytes)
    }

    /// Maps zeroed memory in huge pages of 2 MiB; `len_bytes` is a multiple of that.
    pub(crate) fn huge(len_bytes: usize) -> Result<Self, Error> {
        let huge = MapFlags::HUGETLB | MapFlags::HUGE_2MB;
        let flags = MapFlags::PRIVATE | MapFlags::POPULATE | huge;
        // SAFETY: as in `new`.
        let base = unsafe { mmap_anonymous(std::ptr::null_mut(), len_bytes, READ_WRITE, flags) };
        let base = base.map_err(|errno| Error::huge_pages(errno.raw_os_error(), len_bytes))?;
        Self::owning(Ok(base), len_bytes)
    }

    /// Somebody else's memory, which we never unmap.
    ///
    /// # Safety
    /// The range is mapped, readable and writable, and stays so as long as this value or anything
    /// made from it lives; nothing else writes to it.
    pub(crate) unsafe fn lent(base: *mut c_void, len_bytes: usize) -> Result<Self, Error> {
        let base = NonNull::new(base).ok_or_else(|| {
            Error::invalid("io_uring_setup", String::from("NO_MMAP: the memory's address is null"))
        })?;
        Ok(Self { base, len_bytes, owned: false })
    }

    /// A part of this memory, which owns nothing: it must be dropped before this value is.
    ///
    /// # Panics
    /// If the part does not lie inside.
    pub(crate) fn part(&self, offset_bytes: usize, len_bytes: usize) -> Self {
        assert!(offset_bytes + len_bytes <= self.len_bytes, "a part lies inside the whole");
        // SAFETY: the offset lies inside the mapping, as asserted above.
        let base = unsafe { self.base.byte_add(offset_bytes) };
        Self { base, len_bytes, owned: false }
    }

    /// Takes what `mmap` answered, and keeps it out of forked children: a child that touched the
    /// queues would race with its parent.
    fn owning(base: rustix::io::Result<*mut c_void>, len_bytes: usize) -> Result<Self, Error> {
        let base = base.map_err(|errno| Error::mapping(errno.raw_os_error(), len_bytes))?;
        let base = NonNull::new(base).ok_or_else(|| Error::mapping(libc::ENOMEM, len_bytes))?;
        let mapping = Self { base, len_bytes, owned: true };
        // SAFETY: the range is exactly the mapping made above, and DONTFORK changes nothing here.
        unsafe { madvise(mapping.base.as_ptr(), len_bytes, Advice::LinuxDontFork) }
            .map_err(|errno| Error::mapping(errno.raw_os_error(), len_bytes))?;
        Ok(mapping)
    }

    /// Bytes of the range.
    pub(crate) fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    /// Where the range begins, as the kernel wants it. The kernel may write through it.
    pub(crate) fn address(&self) -> usize {
        self.base.as_ptr().expose_provenance()
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
        if !self.owned {
            return;
        }
        // SAFETY: base and length are those of `mmap`, and every pointer into the mapping lives in
        // a queue or a part that is dropped together with it.
        let unmapped = unsafe { munmap(self.base.as_ptr(), self.len_bytes) };
        debug_assert!(unmapped.is_ok(), "munmap of our own mapping fails only on a bad address");
    }
}
