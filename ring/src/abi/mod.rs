//! The kernel's io_uring ABI, written by hand: one file per structure family.
//!
//! Numbers are open newtypes and bit sets, never closed enums: the running kernel may know more
//! opcodes, flags and features than this file, and a value that we do not know must still be a
//! valid value of the type. Sizes and offsets are asserted at compile time beside each structure.
//! Nothing here makes a system call. Used by every other file of this crate.
//!
//! Source: `include/uapi/linux/io_uring.h` of Linux 6.18 and the `io_uring_*(2)` manual pages.

mod buffer_ring;
mod cqe;
mod enter;
mod opcode;
mod query;
mod register;
mod resource;
mod restriction;
mod setup;
mod sqe;

pub use buffer_ring::{Buf, BufReg, BufRingFlags, BufStatus};
pub use cqe::{Cqe, CqeFlags};
pub use enter::{EnterFlags, GetEventsArg, KernelTimespec, RegWait, RegWaitFlags};
pub use opcode::Opcode;
pub use query::{QueryHeader, QueryOpcodes};
pub use register::{
    ClockRegister, MemRegionReg, ProbeHeader, ProbeOp, RegionDesc, RegisterOp, SyncCancelReg,
};
pub use resource::{
    CloneBuffers, CloneFlags, FileIndexRange, FilesUpdate, RsrcRegister, RsrcUpdate, RsrcUpdate2,
};
pub use restriction::Restriction;
pub use setup::{
    CqFlags, CqOffsets, Features, OFFSET_RINGS, OFFSET_SQES, Params, SetupFlags, SqFlags, SqOffsets,
};
pub use sqe::{AttrPi, RwFlags, Slot, Sqe, SqeFlags};
