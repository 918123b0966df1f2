//! Advice about memory.

use crate::abi::{Opcode, Sqe};

/// Tells how `len` bytes of memory will be used, or changes them: `advice` is `MADV_*`.
///
/// Kernel: Linux 5.6, madvise(2); always runs on a kernel worker. Some advice takes memory away
/// (`MADV_DONTNEED`, `MADV_FREE`): nothing may rely on its content then.
#[inline]
pub fn madvise(memory: *mut u8, len: u32, advice: i32) -> Sqe {
    let mut sqe = Sqe::new(Opcode::MADVISE);
    sqe.addr = memory.expose_provenance() as u64;
    sqe.len = len;
    sqe.op_flags = advice.cast_unsigned();
    sqe
}
