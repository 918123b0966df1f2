//! Entries that do nothing: for measuring, for padding, and for tests.

use crate::abi::{Opcode, Sqe};

/// `IORING_NOP_INJECT_RESULT`.
const INJECT_RESULT: u32 = 1 << 0;

/// Does nothing, and completes with 0.
///
/// Kernel: Linux 5.1.
#[inline]
pub const fn nop() -> Sqe {
    Sqe::new(Opcode::NOP)
}

/// Does nothing, and completes with `result`; a negative one breaks a chain as a failure does.
///
/// Kernel: Linux 6.10; older ones complete with 0.
#[inline]
pub const fn nop_with_result(result: i32) -> Sqe {
    let mut sqe = Sqe::new(Opcode::NOP);
    sqe.op_flags = INJECT_RESULT;
    sqe.len = result.cast_unsigned();
    sqe
}
