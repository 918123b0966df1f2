//! What is done to an open file as a whole, to its descriptor and to its slot.

use super::Target;
use crate::abi::{Opcode, Sqe, SqeFlags};
use bitflags::bitflags;
use std::os::fd::RawFd;

bitflags! {
    /// How a file is taken out of its slot: `IORING_FIXED_FD_*`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    #[repr(transparent)]
    pub struct InstallFlags: u32 {
        /// Let an executed program inherit it.
        const NO_CLOEXEC = 1 << 0;
        const _ = !0;
    }
}

/// How a range of a file will be used: `POSIX_FADV_*`. Any number, because the list may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct FileAdvice(pub u32);

impl FileAdvice {
    /// As usual.
    pub const NORMAL: Self = Self(0);
    /// At random: no read-ahead.
    pub const RANDOM: Self = Self(1);
    /// From beginning to end: more read-ahead.
    pub const SEQUENTIAL: Self = Self(2);
    /// Soon: read it into the page cache now.
    pub const WILL_NEED: Self = Self(3);
    /// Not soon: clean pages leave the cache.
    pub const DONT_NEED: Self = Self(4);
    /// Once.
    pub const NO_REUSE: Self = Self(5);
}

/// Allocates, frees or zeroes a range of a file; `mode` is fallocate(2)'s, 0 allocates.
///
/// Kernel: Linux 5.6, fallocate(2); always runs on a kernel worker.
#[inline]
pub fn fallocate(file: Target, mode: u32, offset: u64, len_bytes: u64) -> Sqe {
    let mut sqe = file.fill(Sqe::new(Opcode::FALLOCATE));
    sqe.off = offset;
    // The length needs 64 bits, so it takes the address's place and the mode the length's.
    sqe.addr = len_bytes;
    sqe.len = mode;
    sqe
}

/// Cuts or stretches a file to this length.
///
/// Kernel: Linux 6.9, ftruncate(2); always runs on a kernel worker.
#[inline]
pub fn ftruncate(file: Target, len_bytes: u64) -> Sqe {
    let mut sqe = file.fill(Sqe::new(Opcode::FTRUNCATE));
    sqe.off = len_bytes;
    sqe
}

/// Tells how a range will be used; a length of 0 means to the end of the file.
///
/// Kernel: Linux 5.6, posix_fadvise(2).
#[inline]
pub fn fadvise(file: Target, offset: u64, len: u32, advice: FileAdvice) -> Sqe {
    let mut sqe = file.fill(Sqe::new(Opcode::FADVISE));
    sqe.off = offset;
    sqe.len = len;
    sqe.op_flags = advice.0;
    sqe
}

/// Closes a file descriptor. Requests on its file go on.
///
/// Kernel: Linux 5.6, close(2). Pushing it ends the descriptor's ownership: whoever holds it as
/// `OwnedFd` must have given it up with `into_raw_fd`.
#[inline]
pub const fn close(fd: RawFd) -> Sqe {
    let mut sqe = Sqe::new(Opcode::CLOSE);
    sqe.fd = fd;
    sqe
}

/// Empties a slot of the registered files.
///
/// Kernel: Linux 5.15.
#[inline]
pub const fn close_slot(slot: u32) -> Sqe {
    let mut sqe = Sqe::new(Opcode::CLOSE);
    sqe.fd = 0;
    // The field counts from 1.
    sqe.file_index = slot.wrapping_add(1);
    sqe
}

/// Makes a file descriptor of the file in a slot, which stays there too; completes with it.
///
/// Kernel: Linux 6.8.
#[inline]
pub fn install_fd(slot: u32, flags: InstallFlags) -> Sqe {
    let mut sqe = Sqe::new(Opcode::FIXED_FD_INSTALL).with_flags(SqeFlags::FIXED_FILE);
    sqe.fd = slot.cast_signed();
    sqe.op_flags = flags.bits();
    sqe
}

/// Puts the `count` descriptors at `fds` into slots from `first` on; completes with their number.
/// -1 empties a slot, -2 leaves it as it is. With `first` 2^32 - 1 the kernel chooses free slots,
/// since Linux 5.19, and writes their numbers over the descriptors.
///
/// Kernel: Linux 5.6.
#[inline]
pub fn update_slots(fds: *mut RawFd, count: u32, first: u32) -> Sqe {
    let mut sqe = Sqe::new(Opcode::FILES_UPDATE);
    sqe.addr = fds.expose_provenance() as u64;
    sqe.len = count;
    sqe.off = u64::from(first);
    sqe
}
