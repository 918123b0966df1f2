//! Commands to a driver, as raw bytes; and the one that block devices understand.

use super::Target;
use crate::abi::{Opcode, Sqe};
use crate::squeue::SqeTail;

/// Bytes of a command in a 128-byte entry; a 64-byte one has room for the first 16.
pub const COMMAND_LEN_BYTES: usize = 80;
/// Bytes of a command in a 64-byte entry.
const SHORT_LEN_BYTES: usize = 16;
/// `BLOCK_URING_CMD_DISCARD`, from `linux/blkdev.h`.
const BLOCK_DISCARD: u32 = 0x1200;

/// Sends a command of up to 16 bytes to the file's driver, which defines `code` and `bytes`.
///
/// Kernel: Linux 5.19; `EOPNOTSUPP` where the driver has no commands.
#[inline]
pub fn command(file: Target, code: u32, bytes: [u8; SHORT_LEN_BYTES]) -> Sqe {
    let mut sqe = file.fill(Sqe::new(Opcode::URING_CMD));
    sqe.off = word(code, 0);
    let (first, second) = halves(bytes);
    sqe.addr3 = first;
    sqe.pad2 = second;
    sqe
}

/// As [`command`], of up to 80 bytes, for [`Ring::push128`](crate::Ring::push128).
///
/// Kernel: Linux 5.19, on a ring with `SQE128`.
#[inline]
pub fn command128(file: Target, code: u32, bytes: &[u8; COMMAND_LEN_BYTES]) -> (Sqe, SqeTail) {
    let mut short = [0; SHORT_LEN_BYTES];
    let mut tail = [0; COMMAND_LEN_BYTES - SHORT_LEN_BYTES];
    short.copy_from_slice(&bytes[..SHORT_LEN_BYTES]);
    tail.copy_from_slice(&bytes[SHORT_LEN_BYTES..]);
    (command(file, code, short), tail)
}

/// Discards a range of a block device: what was there is gone.
///
/// Kernel: Linux 6.12, on block devices only.
#[inline]
pub fn block_discard(device: Target, offset: u64, len_bytes: u64) -> Sqe {
    let mut sqe = device.fill(Sqe::new(Opcode::URING_CMD));
    sqe.off = word(BLOCK_DISCARD, 0);
    sqe.addr = offset;
    sqe.addr3 = len_bytes;
    sqe
}

/// Two 32-bit fields that share a 64-bit one, in memory order.
#[inline]
fn word(first: u32, second: u32) -> u64 {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&first.to_ne_bytes());
    bytes[4..].copy_from_slice(&second.to_ne_bytes());
    u64::from_ne_bytes(bytes)
}

#[inline]
fn halves(bytes: [u8; SHORT_LEN_BYTES]) -> (u64, u64) {
    let (mut first, mut second) = ([0; 8], [0; 8]);
    first.copy_from_slice(&bytes[..8]);
    second.copy_from_slice(&bytes[8..]);
    (u64::from_ne_bytes(first), u64::from_ne_bytes(second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_lies_in_memory_as_it_was_given() {
        let mut bytes = [0; COMMAND_LEN_BYTES];
        bytes.iter_mut().zip(0..).for_each(|(byte, index)| *byte = index);
        let (sqe, tail) = command128(Target::Fd(0), 0x0102_0304, &bytes);
        assert_eq!(sqe.addr3.to_ne_bytes(), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(sqe.pad2.to_ne_bytes()[7], 15);
        assert_eq!((tail[0], tail[63]), (16, 79));
        assert_eq!(sqe.off.to_ne_bytes()[..4], 0x0102_0304_u32.to_ne_bytes());
    }
}
