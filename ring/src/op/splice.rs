//! Moving data through pipes without copying it.

use super::Target;
use crate::abi::{Opcode, Sqe};
use std::os::fd::RawFd;

/// A pipe's offset: it has none.
pub const NO_OFFSET: u64 = u64::MAX;
/// `SPLICE_F_FD_IN_FIXED`: the source is a registered slot.
const SOURCE_IS_FIXED: u32 = 1 << 31;

/// Moves up to `len` bytes from `from` to `to`, one of which is a pipe and has [`NO_OFFSET`];
/// completes with their number. `flags` are `SPLICE_F_*`.
///
/// Kernel: Linux 5.7, splice(2); always runs on a kernel worker.
#[inline]
pub fn splice(
    from: Target,
    from_offset: u64,
    to: Target,
    to_offset: u64,
    len: u32,
    flags: u32,
) -> Sqe {
    let mut sqe = two_files(Opcode::SPLICE, from, to, len, flags);
    sqe.addr = from_offset;
    sqe.off = to_offset;
    sqe
}

/// Copies up to `len` bytes from pipe to pipe, and leaves them in the first; completes with their
/// number.
///
/// Kernel: Linux 5.8, tee(2); always runs on a kernel worker.
#[inline]
pub fn tee(from: Target, to: Target, len: u32, flags: u32) -> Sqe {
    two_files(Opcode::TEE, from, to, len, flags)
}

/// Makes a pipe and writes its two descriptors, or with [`Sqe::with_slot`] its two slots, to
/// `ends`: first the one to read. `flags` are pipe2(2)'s.
///
/// Kernel: Linux 6.16, pipe2(2).
#[inline]
pub fn pipe(ends: *mut [RawFd; 2], flags: i32) -> Sqe {
    let mut sqe = Sqe::new(Opcode::PIPE);
    sqe.fd = 0;
    sqe.addr = ends.expose_provenance() as u64;
    sqe.op_flags = flags.cast_unsigned();
    sqe
}

#[inline]
fn two_files(opcode: Opcode, from: Target, to: Target, len: u32, flags: u32) -> Sqe {
    let mut sqe = to.fill(Sqe::new(opcode));
    sqe.len = len;
    sqe.op_flags = flags;
    match from {
        Target::Fd(fd) => sqe.file_index = fd.cast_unsigned(),
        Target::Fixed(slot) => {
            sqe.file_index = slot;
            sqe.op_flags |= SOURCE_IS_FIXED;
        }
    }
    sqe
}
