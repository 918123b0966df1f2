//! What the tests of several crates share: running a program with io_uring taken away from it,
//! simulated devices for the depth controller, and a throttle for real ones.
//!
//! It never holds a test: those live in `tests/it`. Its callers are those tests and the binary
//! `without-io-uring`.

#![forbid(unsafe_code)]

pub mod denial;
pub mod depth;
pub mod throttle;
