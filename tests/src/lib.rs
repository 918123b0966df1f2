//! What the tests of several crates share: running a program with io_uring taken away from it, and
//! the long runs: the soak and the fuzzer.
//!
//! What it tests of the other crates is called by `tests/it` and by this package's programs; only
//! its own parts have tests here.

#![deny(unsafe_code)]

pub mod arguments;
pub mod denial;
pub mod fuzz;
pub mod random;
pub mod soak;
