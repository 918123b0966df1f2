//! What every backend must do, written once and run on each.
//!
//! A case is a function over a `Subject` (a backend and a folder to work in); it never asks which
//! backend it runs on. The modules `io_uring`, `threads` and `sim` make a test of each case in
//! the list of `cases`, so that a failure names both the backend and the behaviour.
//! `cargo test -p iomill-tests contract` runs them.

#[macro_use]
mod cases;

mod admission;
mod buffers;
mod callbacks;
mod chains;
mod direct;
mod endings;
mod failures;
mod io_uring;
mod metrics;
mod sim;
pub(crate) mod subject;
mod threads;
mod transfers;
mod world;
