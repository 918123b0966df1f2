//! What the tests of several crates share: running a program with io_uring taken away from it.
//!
//! It never holds a test: those live in `tests/it`. Its callers are those tests and the binary
//! `without-io-uring`.

#![forbid(unsafe_code)]

pub mod denial;
