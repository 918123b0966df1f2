//! What crosses crates and is not itself a test: running a program with io_uring, files or
//! threads taken away from it, and running the suites on other kernels.
//!
//! Its callers are the tests in `tests/it` and the binaries of this package.

#![forbid(unsafe_code)]

pub mod denial;
pub mod invocation;
pub mod matrix;
pub mod supply;
