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
    /// Zero but for the operations that document it. With [`addr3`](Self::addr3) it is the 16 bytes
    /// of a command.
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

    /// The same entry under registered credentials.
    ///
    /// Kernel: Linux 5.6; [`Ring::register_personality`](crate::Ring::register_personality).
    #[inline]
    #[must_use]
    pub const fn with_personality(mut self, personality: u16) -> Self {
        self.personality = personality;
        self
    }

    /// The same transfer with this I/O priority: class and level as in ioprio_set(2).
    ///
    /// Kernel: Linux 5.1.
    #[inline]
    #[must_use]
    pub const fn with_priority(mut self, ioprio: u16) -> Self {
        self.ioprio = ioprio;
        self
    }

    /// The same transfer with these flags of preadv2(2).
    ///
    /// Kernel: each flag's own version; a kernel or file system that lacks one completes the
    /// transfer with `EINVAL` or `EOPNOTSUPP`.
    #[inline]
    #[must_use]
    pub const fn with_rw_flags(mut self, flags: RwFlags) -> Self {
        self.op_flags |= flags.bits();
        self
    }

    /// The same entry with its buffer taken from this group instead of named.
    ///
    /// Kernel: Linux 5.7, groups of [`BufferRing`](crate::BufferRing) 5.19.
    #[inline]
    #[must_use]
    pub const fn with_buffer_group(mut self, group: u16) -> Self {
        self.flags = self.flags.union(SqeFlags::BUFFER_SELECT);
        self.buf_index = group;
        self
    }

    /// The same transfer with protection information: the fields are an address of an [`AttrPi`]
    /// that stays alive until the entry was submitted.
    ///
    /// Kernel: Linux 6.14, `Features::RW_ATTR`; the file is `O_DIRECT` on a device that keeps it.
    #[inline]
    #[must_use]
    pub fn with_protection(mut self, attribute: *const AttrPi) -> Self {
        self.addr3 = attribute.expose_provenance() as u64;
        self.pad2 = RW_ATTR_PI;
        self
    }

    /// The same opening operation with its file put into a slot of the registered files instead of
    /// the process's table. It must not ask for `O_CLOEXEC`, which a slot cannot have: `EINVAL`.
    ///
    /// Kernel: Linux 5.15, [`Slot::Any`] 5.19.
    #[inline]
    #[must_use]
    pub const fn with_slot(mut self, slot: Slot) -> Self {
        self.file_index = match slot {
            // The field counts from 1, because 0 means the process's table.
            Slot::Index(index) => index.wrapping_add(1),
            Slot::Any => u32::MAX,
        };
        self
    }
}

/// A slot of the registered files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// This one; what was in it is replaced.
    Index(u32),
    /// A free one, out of the range that
    /// [`register_file_range`](crate::Ring::register_file_range) gave; the completion says which.
    Any,
}

bitflags! {
    /// Flags of one transfer: `RWF_*`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    #[repr(transparent)]
    pub struct RwFlags: u32 {
        /// Poll for completion; only on a ring with `IOPOLL`, which sets it by itself. Linux 4.6.
        const HIPRI = 1 << 0;
        /// Data is durable at completion, as with `O_DSYNC`, Linux 4.7.
        const DSYNC = 1 << 1;
        /// Data and metadata are durable at completion, as with `O_SYNC`, Linux 4.7.
        const SYNC = 1 << 2;
        /// Rather `EAGAIN` than wait for a lock, memory or the disk, Linux 4.14.
        const NOWAIT = 1 << 3;
        /// Write at the end of the file, whatever the offset, Linux 4.16.
        const APPEND = 1 << 4;
        /// Write at the offset also in a file opened with `O_APPEND`, Linux 6.9.
        const NOAPPEND = 1 << 5;
        /// All or nothing also after a power failure; direct I/O within the file's limits, not with
        /// registered buffers, Linux 6.11.
        const ATOMIC = 1 << 6;
        /// Drop what the transfer brought into the page cache, Linux 6.14.
        const DONTCACHE = 1 << 7;
        /// No `SIGPIPE`, Linux 6.18.
        const NOSIGNAL = 1 << 8;
        const _ = !0;
    }
}

/// `IORING_RW_ATTR_FLAG_PI`.
const RW_ATTR_PI: u64 = 1 << 0;

/// Protection information of a transfer: `struct io_uring_attr_pi`, Linux 6.14.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct AttrPi {
    /// What to check: `IO_INTEGRITY_CHK_*`.
    pub flags: u16,
    /// The application tag.
    pub app_tag: u16,
    /// Bytes of the metadata.
    pub len: u32,
    /// Address of the metadata.
    pub addr: u64,
    /// The reference tag's seed.
    pub seed: u64,
    /// Zero.
    pub rsvd: u64,
}

const _: () = assert!(size_of::<AttrPi>() == 32);
