//! io_uring by raw system calls: set-up, submission, completion, registration.
//!
//! This crate owns the kernel's ABI and the two shared queues. It never owns a request's buffers,
//! never retries an operation and never starts a thread: those are the engine's part. The only
//! system calls of io_uring in the whole workspace are issued here.
//!
//! ```
//! use iomill_ring::{Builder, op};
//!
//! let mut ring = match Builder::new(8).build() {
//!     Ok(ring) => ring,
//!     Err(error) => return println!("io_uring is not to be had here: {error}"),
//! };
//! // SAFETY: a NOP names no memory and no file.
//! unsafe { ring.push(&op::nop().with_user_data(7)) }.expect("a new queue has room");
//! ring.submit_and_wait(1).expect("the ring was just set up");
//! let completion = ring.completions().next().expect("one was waited for");
//! assert_eq!((completion.user_data, completion.result()), (7, Ok(0)));
//! ```
//!
//! Read in the order of the data's way: [`op`] builds an entry, [`Ring::push`] stages it,
//! [`Ring::submit`] hands the batch to the kernel, [`Ring::completions`] reads what came back.

pub mod abi;
mod atomic;
mod cqueue;
mod descriptor;
mod enter;
mod error;
mod host;
mod indices;
mod mapping;
pub mod op;
mod probe;
#[cfg(test)]
mod queue_model;
mod register;
mod ring;
mod setup;
mod squeue;
mod syscall;

pub use abi::{Cqe, Opcode, Sqe};
pub use cqueue::{Completions, CqeExtra};
pub use enter::Wait;
pub use error::{Error, ErrorKind, errno_name};
pub use op::{FsyncFlags, Matching, Target};
pub use probe::{Knowledge, Probe, query};
pub use register::{BufferRing, Clock, SlotUpdate, Taken, WorkerLimits, send_message};
pub use ring::{Ring, RingCounters};
pub use setup::{Builder, DisabledRing, GivenUp, Restrictions, SqPoll};
pub use squeue::{QueueFull, SqeTail};

/// The README's program is compiled and run with the other examples.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
