//! Making data durable.

use super::Target;
use crate::abi::{Opcode, Sqe};
use bitflags::bitflags;

bitflags! {
    /// What an fsync covers: `IORING_FSYNC_*`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    #[repr(transparent)]
    pub struct FsyncFlags: u32 {
        /// Data and what is needed to read it back, as `fdatasync(2)`.
        const DATASYNC = 1 << 0;
        const _ = !0;
    }

    /// What a sync of a range does: `SYNC_FILE_RANGE_*`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    #[repr(transparent)]
    pub struct SyncRangeFlags: u32 {
        /// Wait for what is being written already.
        const WAIT_BEFORE = 1 << 0;
        /// Start to write what is dirty.
        const WRITE = 1 << 1;
        /// Wait until all of it is written.
        const WAIT_AFTER = 1 << 2;
        const _ = !0;
    }
}

/// Makes what was written before durable. It is not ordered after writes that are still in flight.
///
/// Kernel: Linux 5.1, fsync(2); always runs on a kernel worker. On a ring with `IOPOLL` it is
/// `EINVAL`.
#[inline]
pub fn fsync(file: Target, flags: FsyncFlags) -> Sqe {
    let mut sqe = file.fill(Sqe::new(Opcode::FSYNC));
    sqe.op_flags = flags.bits();
    sqe
}

/// Writes dirty pages of a range back. It makes nothing durable: neither metadata nor the disk's
/// own cache are flushed. A length of 0 means to the end of the file.
///
/// Kernel: Linux 5.2, sync_file_range(2); always runs on a kernel worker.
#[inline]
pub fn sync_file_range(file: Target, offset: u64, len: u32, flags: SyncRangeFlags) -> Sqe {
    let mut sqe = file.fill(Sqe::new(Opcode::SYNC_FILE_RANGE));
    sqe.off = offset;
    sqe.len = len;
    sqe.op_flags = flags.bits();
    sqe
}
