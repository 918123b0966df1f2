//! Waiting for and waking on words of memory. The `size_flags` are futex2's `FUTEX2_*`: `SIZE_U32`
//! (2) with or without `PRIVATE` (128).

use crate::abi::{Opcode, Sqe};
use libc::futex_waitv;
use std::sync::atomic::AtomicU32;

/// Completes with 0 when another one wakes the word; `EAGAIN` at once if it is not `expected`. Only
/// a wake-up whose mask has a bit in common with `mask` counts.
///
/// Kernel: Linux 6.7, futex_wait(2). The word must outlive the completion.
#[inline]
pub fn futex_wait(word: *const AtomicU32, expected: u64, mask: u64, size_flags: u32) -> Sqe {
    futex(Opcode::FUTEX_WAIT, word, expected, mask, size_flags)
}

/// Wakes up to `count` that wait for the word with a bit of `mask`; completes with their number.
///
/// Kernel: Linux 6.7, futex_wake(2).
#[inline]
pub fn futex_wake(word: *const AtomicU32, count: u64, mask: u64, size_flags: u32) -> Sqe {
    futex(Opcode::FUTEX_WAKE, word, count, mask, size_flags)
}

/// As [`futex_wait`], for any of the `count` words that the array names; completes with the index
/// of the one that was woken. The array must outlive the submission, the words the completion.
///
/// Kernel: Linux 6.7, futex_waitv(2).
#[inline]
pub fn futex_wait_any(words: *const futex_waitv, count: u32) -> Sqe {
    let mut sqe = Sqe::new(Opcode::FUTEX_WAITV);
    sqe.fd = 0;
    sqe.addr = words.expose_provenance() as u64;
    sqe.len = count;
    sqe
}

#[inline]
fn futex(opcode: Opcode, word: *const AtomicU32, value: u64, mask: u64, size_flags: u32) -> Sqe {
    let mut sqe = Sqe::new(opcode);
    // The futex's flags take the descriptor's place.
    sqe.fd = size_flags.cast_signed();
    sqe.addr = word.expose_provenance() as u64;
    sqe.off = value;
    sqe.addr3 = mask;
    sqe
}
