//! Stands in for `mapping` where the system is not Linux: one private mapping, zero at first, on
//! pages of the usual size. Without io_uring the kernel writes to it only inside of a system call,
//! so that a forked child may have a copy.

use crate::error::{Error, ErrorKind};
use crate::report::HugePages;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use std::ptr::NonNull;

/// A mapping that is gone when it is dropped.
#[derive(Debug)]
pub(super) struct Mapping {
    base: NonNull<u8>,
    len_bytes: usize,
    /// Whether huge pages were asked for.
    huge: bool,
    /// The process that made it: in a forked child the memory is a copy.
    process: u32,
}

impl Mapping {
    /// Maps `len_bytes`.
    pub(super) fn new(len_bytes: usize, huge: bool) -> Result<Self, Error> {
        let refuse = |errno: rustix::io::Errno| {
            let why =
                format!("{len_bytes} bytes are not to be had: ask for fewer or smaller buffers");
            Error::from_errno("map the buffer pool", errno.raw_os_error())
                .with_advice(ErrorKind::OutOfMemory, why)
        };
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: a fresh address is asked for, so no existing memory is replaced, and only our
        // drop releases it.
        let base = unsafe { mmap_anonymous(std::ptr::null_mut(), len_bytes, protection, flags) }
            .map_err(refuse)?;
        let base = NonNull::new(base.cast()).ok_or_else(|| refuse(rustix::io::Errno::NOMEM))?;
        Ok(Self { base, len_bytes, huge, process: std::process::id() })
    }

    /// Where it starts.
    pub(super) fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Whether this process made it.
    pub(super) fn is_ours(&self) -> bool {
        self.process == std::process::id()
    }

    /// Whether it is on huge pages, and if not, why.
    pub(super) fn huge_pages(&self, _populated: bool) -> (HugePages, Option<String>) {
        let why = || String::from("they are asked for on Linux only");
        (HugePages::No, self.huge.then(why))
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: base and length are those of our mapping. Whoever uses the memory keeps the
        // mapping alive, so nobody is left.
        let unmapped = unsafe { munmap(self.base.as_ptr().cast(), self.len_bytes) };
        debug_assert!(unmapped.is_ok(), "munmap of our own mapping fails only on a bad address");
    }
}
