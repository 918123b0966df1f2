//! The tests that cross crates, as one binary so that they link once.
//!
//! It holds no test itself; each module says what it covers. `cargo test -p iomill-tests` runs it.

#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and a skipped test prints why"
)]

mod cli;
mod contract;
mod depth;
mod differential;
mod fuzz;
mod leaks;
mod policy;
mod polled;
mod power;
mod reference;
mod soak;
mod supply;
mod tidy;
