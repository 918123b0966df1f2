//! Reads and writes, in all their forms. [`Sqe::with_rw_flags`] adds the flags of preadv2(2).

use super::Target;
use crate::abi::{Opcode, Sqe};
use libc::iovec;

/// The offset that means the file's own position, which the transfer moves on.
///
/// Kernel: Linux 5.6, [`Features::RW_CUR_POS`](crate::abi::Features::RW_CUR_POS).
pub const CURRENT_POSITION: u64 = u64::MAX;

/// Reads up to `len` bytes at `offset` into `buffer`; completes with the number of bytes, fewer
/// than `len` at the end of the file and whenever the kernel likes.
///
/// Kernel: Linux 5.6, pread(2).
#[inline]
pub fn read(file: Target, buffer: *mut u8, len: u32, offset: u64) -> Sqe {
    transfer(Opcode::READ, file, buffer.expose_provenance() as u64, len, offset)
}

/// Writes up to `len` bytes from `buffer` at `offset`; completes with the number of bytes.
///
/// Kernel: Linux 5.6, pwrite(2).
#[inline]
pub fn write(file: Target, buffer: *const u8, len: u32, offset: u64) -> Sqe {
    transfer(Opcode::WRITE, file, buffer.expose_provenance() as u64, len, offset)
}

/// As [`read`], into memory that lies inside registered buffer `buffer_index`.
///
/// Kernel: Linux 5.1.
#[inline]
pub fn read_fixed(file: Target, buffer: *mut u8, len: u32, offset: u64, buffer_index: u16) -> Sqe {
    let address = buffer.expose_provenance() as u64;
    let mut sqe = transfer(Opcode::READ_FIXED, file, address, len, offset);
    sqe.buf_index = buffer_index;
    sqe
}

/// As [`write()`], from memory that lies inside registered buffer `buffer_index`.
///
/// Kernel: Linux 5.1. With `RWF_ATOMIC` it is `EINVAL`: registered buffers and atomic writes
/// exclude each other.
#[inline]
pub fn write_fixed(
    file: Target,
    buffer: *const u8,
    len: u32,
    offset: u64,
    buffer_index: u16,
) -> Sqe {
    let address = buffer.expose_provenance() as u64;
    let mut sqe = transfer(Opcode::WRITE_FIXED, file, address, len, offset);
    sqe.buf_index = buffer_index;
    sqe
}

/// Reads into the `count` pieces of memory at `vector`, one after the other.
///
/// Kernel: Linux 5.1, preadv2(2). The vector itself must outlive the submission only, the memory
/// that it names the completion.
#[inline]
pub fn readv(file: Target, vector: *const iovec, count: u32, offset: u64) -> Sqe {
    transfer(Opcode::READV, file, vector.expose_provenance() as u64, count, offset)
}

/// Writes the `count` pieces of memory at `vector`, one after the other.
///
/// Kernel: Linux 5.1, pwritev2(2). The vector itself must outlive the submission only.
#[inline]
pub fn writev(file: Target, vector: *const iovec, count: u32, offset: u64) -> Sqe {
    transfer(Opcode::WRITEV, file, vector.expose_provenance() as u64, count, offset)
}

/// As [`readv`], where all pieces lie inside registered buffer `buffer_index`.
///
/// Kernel: Linux 6.15.
#[inline]
pub fn readv_fixed(
    file: Target,
    vector: *const iovec,
    count: u32,
    offset: u64,
    buffer_index: u16,
) -> Sqe {
    let address = vector.expose_provenance() as u64;
    let mut sqe = transfer(Opcode::READV_FIXED, file, address, count, offset);
    sqe.buf_index = buffer_index;
    sqe
}

/// As [`writev`], where all pieces lie inside registered buffer `buffer_index`.
///
/// Kernel: Linux 6.15.
#[inline]
pub fn writev_fixed(
    file: Target,
    vector: *const iovec,
    count: u32,
    offset: u64,
    buffer_index: u16,
) -> Sqe {
    let address = vector.expose_provenance() as u64;
    let mut sqe = transfer(Opcode::WRITEV_FIXED, file, address, count, offset);
    sqe.buf_index = buffer_index;
    sqe
}

/// Reads up to `len` bytes into a buffer that the kernel takes from `group`; `len` 0 means a whole
/// buffer. `ENOBUFS` when the group has none left.
///
/// Kernel: Linux 5.7; groups of [`BufferRing`](crate::BufferRing) 5.19.
#[inline]
pub fn read_into_group(file: Target, group: u16, len: u32, offset: u64) -> Sqe {
    transfer(Opcode::READ, file, 0, len, offset).with_buffer_group(group)
}

/// Reads again and again, each time into a buffer of `group`, until it fails, the buffers run out
/// or it is cancelled: the completion without [`MORE`](crate::abi::CqeFlags::MORE) is the last.
///
/// Kernel: Linux 6.7. For what can be polled (pipes, inotify); a regular file is `EBADFD`.
#[inline]
pub fn read_multishot(file: Target, group: u16, offset: u64) -> Sqe {
    transfer(Opcode::READ_MULTISHOT, file, 0, 0, offset).with_buffer_group(group)
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
    use crate::abi::{RwFlags, SqeFlags};

    #[test]
    fn modifiers_add_to_a_transfer_and_leave_the_rest() {
        let plain = read(Target::Fd(1), std::ptr::null_mut(), 512, 4096);
        let flagged = plain.with_rw_flags(RwFlags::NOWAIT).with_rw_flags(RwFlags::DONTCACHE);
        assert_eq!(flagged.op_flags, 0x88);
        assert_eq!((flagged.len, flagged.off, flagged.fd), (512, 4096, 1));
        let selected = read_into_group(Target::Fixed(1), 9, 0, 0);
        assert_eq!(selected.flags, SqeFlags::FIXED_FILE | SqeFlags::BUFFER_SELECT);
        assert_eq!(selected.buf_index, 9);
    }
}
