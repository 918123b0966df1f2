//! Builds submission entries, one plain function per operation. Safe: an entry is only numbers until
//! it is pushed. Called by whoever drives a `Ring`; never touches a queue.

use crate::abi::{Opcode, Sqe, SqeFlags};
use bitflags::bitflags;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

bitflags! {
    /// What an fsync covers: `IORING_FSYNC_*`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    #[repr(transparent)]
    pub struct FsyncFlags: u32 {
        /// Data and what is needed to read it back, as `fdatasync(2)`.
        const DATASYNC = 1 << 0;
        const _ = !0;
    }
}

/// Which file an entry means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A file descriptor of the process.
    Fd(RawFd),
    /// A slot of the ring's registered files.
    Fixed(u32),
}

impl From<BorrowedFd<'_>> for Target {
    fn from(fd: BorrowedFd<'_>) -> Self {
        Self::Fd(fd.as_raw_fd())
    }
}

impl Target {
    /// The entry with this file in it.
    #[inline]
    fn fill(self, mut sqe: Sqe) -> Sqe {
        match self {
            Self::Fd(fd) => sqe.fd = fd,
            Self::Fixed(slot) => {
                // The field is signed in the ABI, but a slot number lies far below 2^31.
                sqe.fd = slot.cast_signed();
                sqe.flags |= SqeFlags::FIXED_FILE;
            }
        }
        sqe
    }
}

/// Does nothing, and completes with 0.
///
/// Kernel: Linux 5.1.
#[inline]
pub const fn nop() -> Sqe {
    Sqe::new(Opcode::NOP)
}

/// Reads up to `len` bytes at `offset` into `buffer`; completes with the number of bytes, fewer
/// than `len` at the end of the file and whenever the kernel likes.
///
/// Kernel: Linux 5.6, pread(2).
#[inline]
pub fn read(file: Target, buffer: *mut u8, len: u32, offset: u64) -> Sqe {
    transfer(Opcode::READ, file, buffer as u64, len, offset)
}

/// Writes up to `len` bytes from `buffer` at `offset`; completes with the number of bytes.
///
/// Kernel: Linux 5.6, pwrite(2).
#[inline]
pub fn write(file: Target, buffer: *const u8, len: u32, offset: u64) -> Sqe {
    transfer(Opcode::WRITE, file, buffer as u64, len, offset)
}

/// As [`read`], into memory that lies inside registered buffer `buffer_index`.
///
/// Kernel: Linux 5.1.
#[inline]
pub fn read_fixed(file: Target, buffer: *mut u8, len: u32, offset: u64, buffer_index: u16) -> Sqe {
    let mut sqe = transfer(Opcode::READ_FIXED, file, buffer as u64, len, offset);
    sqe.buf_index = buffer_index;
    sqe
}

/// As [`write`], from memory that lies inside registered buffer `buffer_index`.
///
/// Kernel: Linux 5.1.
#[inline]
pub fn write_fixed(
    file: Target,
    buffer: *const u8,
    len: u32,
    offset: u64,
    buffer_index: u16,
) -> Sqe {
    let mut sqe = transfer(Opcode::WRITE_FIXED, file, buffer as u64, len, offset);
    sqe.buf_index = buffer_index;
    sqe
}

/// Makes what was written before durable. It is not ordered after writes that are still in flight.
///
/// Kernel: Linux 5.1, fsync(2); always runs on a kernel worker.
#[inline]
pub fn fsync(file: Target, flags: FsyncFlags) -> Sqe {
    let mut sqe = file.fill(Sqe::new(Opcode::FSYNC));
    sqe.op_flags = flags.bits();
    sqe
}

#[inline]
fn transfer(opcode: Opcode, file: Target, address: u64, len: u32, offset: u64) -> Sqe {
    let mut sqe = file.fill(Sqe::new(opcode));
    sqe.addr = address;
    sqe.len = len;
    sqe.off = offset;
    sqe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_file_sets_the_flag_and_the_slot() {
        let sqe = fsync(Target::Fixed(3), FsyncFlags::DATASYNC);
        assert_eq!((sqe.fd, sqe.flags, sqe.op_flags), (3, SqeFlags::FIXED_FILE, 1));
        let sqe = fsync(Target::Fd(3), FsyncFlags::empty());
        assert_eq!((sqe.fd, sqe.flags, sqe.op_flags), (3, SqeFlags::empty(), 0));
    }
}
