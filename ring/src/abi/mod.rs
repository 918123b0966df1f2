//! The kernel's io_uring ABI, written by hand: one file per structure family.
//!
//! Numbers are open newtypes and bit sets, never closed enums: the running kernel may know more
//! opcodes, flags and features than this file, and a value that we do not know must still be a
//! valid value of the type. Sizes and offsets are asserted at compile time beside each structure.
//! Nothing here makes a system call. Used by every other file of this crate.
//!
//! Source: `include/uapi/linux/io_uring.h` of Linux 6.18 and the `io_uring_*(2)` manual pages.

mod cqe;
mod enter;
mod opcode;
mod register;
mod setup;
mod sqe;

pub use cqe::{Cqe, CqeFlags};
pub use enter::{EnterFlags, GetEventsArg, KernelTimespec};
pub use opcode::Opcode;
pub use register::{FilesUpdate, ProbeHeader, ProbeOp, RegisterOp, RsrcRegister, RsrcUpdate2};
pub use setup::{
    CqOffsets, Features, OFFSET_RINGS, OFFSET_SQES, Params, SetupFlags, SqFlags, SqOffsets,
};
pub use sqe::{Sqe, SqeFlags};
