//! The submission queue entry. Built by `op`, stored by `squeue`, read by the kernel.

use super::Opcode;
use bitflags::bitflags;

bitflags! {
    /// How the kernel treats one entry, whatever its operation: `IOSQE_*`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    #[repr(transparent)]
    pub struct SqeFlags: u8 {
        /// `fd` is an index into the registered files, Linux 5.1.
        const FIXED_FILE = 1 << 0;
        /// Start after all earlier entries are complete, Linux 5.2.
        const IO_DRAIN = 1 << 1;
        /// The next entry starts after this one succeeded in full, Linux 5.3. An error or a short
        /// transfer cancels the rest of the chain.
        const IO_LINK = 1 << 2;
        /// As `IO_LINK`, but the chain goes on after a failure, Linux 5.5.
        const IO_HARDLINK = 1 << 3;
        /// Go to a kernel worker at once, Linux 5.6.
        const ASYNC = 1 << 4;
        /// Take the buffer from group `buf_index`, Linux 5.7.
        const BUFFER_SELECT = 1 << 5;
        /// Post no completion on success, Linux 5.17.
        const CQE_SKIP_SUCCESS = 1 << 6;
        // A newer kernel may define the last bit: keep it.
        const _ = !0;
    }
}

/// A submission queue entry of 64 bytes: `struct io_uring_sqe`.
///
/// The kernel's unions are flat fields here, each named after its most common use; the functions
/// of [`op`](crate::op) fill them for each operation. An entry for any other opcode can be filled
/// by hand: building one is safe, [`Ring::push`](crate::Ring::push) is what has conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Sqe {
    /// The operation.
    pub opcode: Opcode,
    /// How to treat the entry.
    pub flags: SqeFlags,
    /// I/O priority, or the flags of some operations.
    pub ioprio: u16,
    /// File descriptor, or registered index with [`SqeFlags::FIXED_FILE`].
    pub fd: i32,
    /// Offset in the file in bytes, or a second address.
    pub off: u64,
    /// Address of a buffer, a path or a vector.
    pub addr: u64,
    /// Length of the buffer in bytes, or a count.
    pub len: u32,
    /// Flags of this operation: `RWF_*`, `IORING_FSYNC_*`, open flags and so on.
    pub op_flags: u32,
    /// Comes back unchanged in the completion.
    pub user_data: u64,
    /// Registered buffer, or buffer group with [`SqeFlags::BUFFER_SELECT`].
    pub buf_index: u16,
    /// Registered credentials, 0 for the caller's own.
    pub personality: u16,
    /// Second descriptor of a splice, or a slot of the registered files.
    pub file_index: u32,
    /// Third address.
    pub addr3: u64,
    /// Zero but for the operations that document it.
    pub pad2: u64,
}

const _: () = assert!(size_of::<Sqe>() == 64);
const _: () = assert!(align_of::<Sqe>() == 8);
const _: () = assert!(std::mem::offset_of!(Sqe, off) == 8);
const _: () = assert!(std::mem::offset_of!(Sqe, len) == 24);
const _: () = assert!(std::mem::offset_of!(Sqe, user_data) == 32);
const _: () = assert!(std::mem::offset_of!(Sqe, buf_index) == 40);
const _: () = assert!(std::mem::offset_of!(Sqe, addr3) == 48);

impl Default for Opcode {
    fn default() -> Self {
        Self::NOP
    }
}

impl Sqe {
    /// An entry of this operation, every other field zero.
    #[inline]
    pub const fn new(opcode: Opcode) -> Self {
        Self {
            opcode,
            flags: SqeFlags::empty(),
            ioprio: 0,
            fd: -1,
            off: 0,
            addr: 0,
            len: 0,
            op_flags: 0,
            user_data: 0,
            buf_index: 0,
            personality: 0,
            file_index: 0,
            addr3: 0,
            pad2: 0,
        }
    }

    /// The same entry with this `user_data`.
    #[inline]
    #[must_use]
    pub const fn with_user_data(mut self, user_data: u64) -> Self {
        self.user_data = user_data;
        self
    }

    /// The same entry with these flags beside those that it has.
    #[inline]
    #[must_use]
    pub const fn with_flags(mut self, flags: SqeFlags) -> Self {
        self.flags = self.flags.union(flags);
        self
    }
}
