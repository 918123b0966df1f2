//! The codes of `io_uring_register(2)` and the structures that stand for themselves. Used by
//! `descriptor`, `register`, `probe` and `setup`.

use super::KernelTimespec;

/// What to register: any `u32`, because the kernel's list grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct RegisterOp(pub u32);

impl RegisterOp {
    /// Buffers, Linux 5.1.
    pub const BUFFERS: Self = Self(0);
    /// Give the buffers up, Linux 5.1.
    pub const UNREGISTER_BUFFERS: Self = Self(1);
    /// Files, Linux 5.1.
    pub const FILES: Self = Self(2);
    /// Give the files up, Linux 5.1.
    pub const UNREGISTER_FILES: Self = Self(3);
    /// A descriptor to signal for each completion, Linux 5.2.
    pub const EVENTFD: Self = Self(4);
    /// Give that up, Linux 5.2.
    pub const UNREGISTER_EVENTFD: Self = Self(5);
    /// Replace some files, Linux 5.5.
    pub const FILES_UPDATE: Self = Self(6);
    /// As `EVENTFD`, only for completions that came later, Linux 5.6.
    pub const EVENTFD_ASYNC: Self = Self(7);
    /// Ask which operations the kernel has, Linux 5.6.
    pub const PROBE: Self = Self(8);
    /// The caller's credentials, Linux 5.6.
    pub const PERSONALITY: Self = Self(9);
    /// Give them up, Linux 5.6.
    pub const UNREGISTER_PERSONALITY: Self = Self(10);
    /// An allow-list, Linux 5.10.
    pub const RESTRICTIONS: Self = Self(11);
    /// Start a disabled ring, Linux 5.10.
    pub const ENABLE_RINGS: Self = Self(12);
    /// Files with tags, also an empty table, Linux 5.13 (sparse 5.19).
    pub const FILES2: Self = Self(13);
    /// Replace some files and their tags, Linux 5.13.
    pub const FILES_UPDATE2: Self = Self(14);
    /// Buffers with tags, also an empty table, Linux 5.13 (sparse 5.19).
    pub const BUFFERS2: Self = Self(15);
    /// Replace some buffers and their tags, Linux 5.13.
    pub const BUFFERS_UPDATE: Self = Self(16);
    /// Bind the kernel's workers to CPUs, Linux 5.14.
    pub const IOWQ_AFF: Self = Self(17);
    /// Give that up, Linux 5.14.
    pub const UNREGISTER_IOWQ_AFF: Self = Self(18);
    /// Limit the kernel's workers, Linux 5.15.
    pub const IOWQ_MAX_WORKERS: Self = Self(19);
    /// The ring's own descriptor, Linux 5.18.
    pub const RING_FDS: Self = Self(20);
    /// Give that up, Linux 5.18.
    pub const UNREGISTER_RING_FDS: Self = Self(21);
    /// A ring of provided buffers, Linux 5.19.
    pub const PBUF_RING: Self = Self(22);
    /// Give that up, Linux 5.19.
    pub const UNREGISTER_PBUF_RING: Self = Self(23);
    /// Cancel and wait, Linux 6.0.
    pub const SYNC_CANCEL: Self = Self(24);
    /// The slots that the kernel may choose from, Linux 6.0.
    pub const FILE_ALLOC_RANGE: Self = Self(25);
    /// Where the kernel is in a ring of provided buffers, Linux 6.8.
    pub const PBUF_STATUS: Self = Self(26);
    /// Busy polling of network devices, Linux 6.9.
    pub const NAPI: Self = Self(27);
    /// Give that up, Linux 6.9.
    pub const UNREGISTER_NAPI: Self = Self(28);
    /// The clock of waits, Linux 6.12.
    pub const CLOCK: Self = Self(29);
    /// Take over another ring's buffers, Linux 6.12.
    pub const CLONE_BUFFERS: Self = Self(30);
    /// Post a completion without having a ring, Linux 6.13.
    pub const SEND_MSG_RING: Self = Self(31);
    /// Zero-copy receive, Linux 6.15.
    pub const ZCRX_IFQ: Self = Self(32);
    /// Change the queues' sizes, Linux 6.13.
    pub const RESIZE_RINGS: Self = Self(33);
    /// Memory for registered waits, Linux 6.13.
    pub const MEM_REGION: Self = Self(34);
    /// Ask what the kernel has, Linux 6.18.
    pub const QUERY: Self = Self(35);
    /// Zero-copy receive, after Linux 6.18.
    pub const ZCRX_CTRL: Self = Self(36);
    /// Programs that filter, after Linux 6.18.
    pub const BPF_FILTER: Self = Self(37);

    /// The same on a ring that is named by its registered index, Linux 6.3.
    pub const fn on_registered_ring(self) -> Self {
        Self(self.0 | 1 << 31)
    }
}

/// The head of `struct io_uring_probe`, Linux 5.6.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ProbeHeader {
    /// The highest opcode of the running kernel: any `u8`.
    pub last_op: u8,
    /// Entries that follow.
    pub ops_len: u8,
    /// Zero.
    pub resv: u16,
    /// Zero.
    pub resv2: [u32; 3],
}

/// One line of the probe: `struct io_uring_probe_op`, Linux 5.6.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ProbeOp {
    /// The opcode: any `u8`.
    pub op: u8,
    /// Zero.
    pub resv: u8,
    /// Bit 0: supported.
    pub flags: u16,
    /// Zero.
    pub resv2: u32,
}

/// A clock for waits: `struct io_uring_clock_register`, Linux 6.12.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ClockRegister {
    /// `CLOCK_MONOTONIC` or `CLOCK_BOOTTIME`.
    pub clockid: u32,
    /// Zero.
    pub resv: [u32; 3],
}

/// What to cancel: `struct io_uring_sync_cancel_reg`, Linux 6.0.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct SyncCancelReg {
    /// The `user_data` to look for.
    pub addr: u64,
    /// The descriptor or slot to look for.
    pub fd: i32,
    /// `IORING_ASYNC_CANCEL_*`.
    pub flags: u32,
    /// How long to wait; -1 in both fields for ever.
    pub timeout: KernelTimespec,
    /// The operation to look for, Linux 6.6.
    pub opcode: u8,
    /// Zero.
    pub pad: [u8; 7],
    /// Zero.
    pub pad2: [u64; 3],
}

/// A piece of memory: `struct io_uring_region_desc`, Linux 6.13.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct RegionDesc {
    /// Its address, with bit 0 of `flags`.
    pub user_addr: u64,
    /// Its size in bytes.
    pub size: u64,
    /// Bit 0: the memory is the caller's.
    pub flags: u32,
    /// Zero.
    pub id: u32,
    /// Where to map the kernel's memory (answer).
    pub mmap_offset: u64,
    /// Zero.
    pub resv: [u64; 4],
}

/// What a region is for: `struct io_uring_mem_region_reg`, Linux 6.13.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct MemRegionReg {
    /// Address of a [`RegionDesc`].
    pub region_uptr: u64,
    /// Bit 0: arguments of waits.
    pub flags: u64,
    /// Zero.
    pub resv: [u64; 2],
}

const _: () = assert!(size_of::<ProbeHeader>() == 16);
const _: () = assert!(size_of::<ProbeOp>() == 8);
const _: () = assert!(size_of::<ClockRegister>() == 16);
const _: () = assert!(size_of::<SyncCancelReg>() == 64);
const _: () = assert!(std::mem::offset_of!(SyncCancelReg, opcode) == 32);
const _: () = assert!(size_of::<RegionDesc>() == 64);
const _: () = assert!(size_of::<MemRegionReg>() == 32);
