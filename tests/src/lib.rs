//! What crosses crates and is not itself a test: running a program with io_uring, files or
//! threads taken away from it, running the suites on other kernels, simulated devices for the
//! depth controller, and the long runs.
//!
//! Its callers are the tests in `tests/it` and the binaries of this package.

#![deny(unsafe_code)]

pub mod arguments;
pub mod denial;
pub mod depth;
pub mod fuzz;
pub mod invocation;
pub mod matrix;
pub mod power;
pub mod random;
pub mod soak;
pub mod supply;
pub mod throttle;
