//! The arguments and answers of `io_uring_setup(2)`. Used by `builder`, `mapping` and `ring`.

use bitflags::bitflags;

bitflags! {
    /// How the ring is to be set up: `IORING_SETUP_*`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    #[repr(transparent)]
    pub struct SetupFlags: u32 {
        /// Poll the device for completions, Linux 5.1.
        const IOPOLL = 1 << 0;
        /// A kernel thread takes submissions, Linux 5.1.
        const SQPOLL = 1 << 1;
        /// Bind that thread to a CPU, Linux 5.1.
        const SQ_AFF = 1 << 2;
        /// The caller names the size of the completion queue, Linux 5.5.
        const CQSIZE = 1 << 3;
        /// Cut sizes to the kernel's limits instead of refusing them, Linux 5.6.
        const CLAMP = 1 << 4;
        /// Share the workers of another ring, Linux 5.6.
        const ATTACH_WQ = 1 << 5;
        /// Start disabled, for restrictions, Linux 5.10.
        const R_DISABLED = 1 << 6;
        /// An entry that fails at submission does not stop the batch, Linux 5.18.
        const SUBMIT_ALL = 1 << 7;
        /// Completions do not interrupt the running thread, Linux 5.19.
        const COOP_TASKRUN = 1 << 8;
        /// Show pending completion work in the flags, Linux 5.19.
        const TASKRUN_FLAG = 1 << 9;
        /// Entries of 128 bytes, Linux 5.19.
        const SQE128 = 1 << 10;
        /// Completions of 32 bytes, Linux 5.19.
        const CQE32 = 1 << 11;
        /// One thread submits, Linux 6.0.
        const SINGLE_ISSUER = 1 << 12;
        /// Completion work runs only when that thread asks for completions, Linux 6.1.
        const DEFER_TASKRUN = 1 << 13;
        /// The caller brings the memory of the rings, Linux 6.5.
        const NO_MMAP = 1 << 14;
        /// The ring has only a registered descriptor, Linux 6.5.
        const REGISTERED_FD_ONLY = 1 << 15;
        /// No indirection array in the submission queue, Linux 6.6.
        const NO_SQARRAY = 1 << 16;
        /// Sleep a while before polling, Linux 6.13.
        const HYBRID_IOPOLL = 1 << 17;
        /// Completions of 16 and 32 bytes in one queue, Linux 6.18.
        const CQE_MIXED = 1 << 18;
        /// Entries of 64 and 128 bytes in one queue, Linux 6.19.
        const SQE_MIXED = 1 << 19;
        /// The submission queue begins at slot 0 in every call, Linux 7.0. Not driven by this
        /// crate.
        const SQ_REWIND = 1 << 20;
        const _ = !0;
    }

    /// What the kernel can do, answered at set-up: `IORING_FEAT_*`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    #[repr(transparent)]
    pub struct Features: u32 {
        /// Both queues live in one mapping, Linux 5.4.
        const SINGLE_MMAP = 1 << 0;
        /// Completions beyond the queue are kept, not lost, Linux 5.5.
        const NODROP = 1 << 1;
        /// An entry's own data is copied at submission, Linux 5.5.
        const SUBMIT_STABLE = 1 << 2;
        /// Offset -1 means the file's position, Linux 5.6.
        const RW_CUR_POS = 1 << 3;
        /// Requests run with the submitter's credentials, Linux 5.6.
        const CUR_PERSONALITY = 1 << 4;
        /// Files that can be polled need no worker, Linux 5.7.
        const FAST_POLL = 1 << 5;
        /// Poll takes 32 event bits, Linux 5.9.
        const POLL_32BITS = 1 << 6;
        /// SQPOLL without registered files, Linux 5.11.
        const SQPOLL_NONFIXED = 1 << 7;
        /// `enter` takes a timeout, Linux 5.11.
        const EXT_ARG = 1 << 8;
        /// Workers are threads of the process, Linux 5.12.
        const NATIVE_WORKERS = 1 << 9;
        /// Registered resources carry tags, Linux 5.13.
        const RSRC_TAGS = 1 << 10;
        /// A success may post no completion, Linux 5.17.
        const CQE_SKIP = 1 << 11;
        /// A linked request sees the file that the one before opened, Linux 5.17.
        const LINKED_FILE = 1 << 12;
        /// `register` takes a registered ring, Linux 6.3.
        const REG_REG_RING = 1 << 13;
        /// Bundled send and receive, Linux 6.10.
        const RECVSEND_BUNDLE = 1 << 14;
        /// A minimum wait in `enter`, Linux 6.12.
        const MIN_TIMEOUT = 1 << 15;
        /// Attributes on reads and writes, Linux 6.14.
        const RW_ATTR = 1 << 16;
        /// A wait that is not counted as I/O wait, Linux 6.15.
        const NO_IOWAIT = 1 << 17;
        const _ = !0;
    }

    /// What the kernel shows in the submission queue while running: `IORING_SQ_*`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    #[repr(transparent)]
    pub struct SqFlags: u32 {
        /// The SQPOLL thread sleeps and must be woken by `enter`.
        const NEED_WAKEUP = 1 << 0;
        /// Completions wait in the kernel because the queue was full.
        const CQ_OVERFLOW = 1 << 1;
        /// Completion work waits until the submitter enters the kernel.
        const TASKRUN = 1 << 2;
        const _ = !0;
    }

    /// What we show the kernel in the completion queue: `IORING_CQ_*`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    #[repr(transparent)]
    pub struct CqFlags: u32 {
        /// The registered eventfd is not to be signalled for now, Linux 5.8.
        const EVENTFD_DISABLED = 1 << 0;
        const _ = !0;
    }
}

/// Where the parts of the submission queue lie in its mapping, in bytes: `io_sqring_offsets`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct SqOffsets {
    /// The kernel's read position.
    pub head: u32,
    /// Our write position.
    pub tail: u32,
    /// Entries minus one.
    pub ring_mask: u32,
    /// Number of entries.
    pub ring_entries: u32,
    /// The kernel's [`SqFlags`].
    pub flags: u32,
    /// Entries that the kernel refused as invalid.
    pub dropped: u32,
    /// The indirection array; absent with `NO_SQARRAY`.
    pub array: u32,
    /// Reserved.
    pub resv1: u32,
    /// The caller's memory with `NO_MMAP`.
    pub user_addr: u64,
}

/// Where the parts of the completion queue lie in its mapping, in bytes: `io_cqring_offsets`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct CqOffsets {
    /// Our read position.
    pub head: u32,
    /// The kernel's write position.
    pub tail: u32,
    /// Entries minus one.
    pub ring_mask: u32,
    /// Number of entries.
    pub ring_entries: u32,
    /// Completions lost for good (only without `NODROP`).
    pub overflow: u32,
    /// The first entry.
    pub cqes: u32,
    /// Flags of the completion queue.
    pub flags: u32,
    /// Reserved.
    pub resv1: u32,
    /// The caller's memory with `NO_MMAP`.
    pub user_addr: u64,
}

/// Wishes and answers of `io_uring_setup(2)`: `struct io_uring_params`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Params {
    /// Entries of the submission queue (answer).
    pub sq_entries: u32,
    /// Entries of the completion queue (wish with `CQSIZE`, and answer).
    pub cq_entries: u32,
    /// Wishes.
    pub flags: SetupFlags,
    /// CPU of the SQPOLL thread, with `SQ_AFF`.
    pub sq_thread_cpu: u32,
    /// Milliseconds without work after which the SQPOLL thread sleeps.
    pub sq_thread_idle: u32,
    /// Answer.
    pub features: Features,
    /// Ring whose workers to share, with `ATTACH_WQ`.
    pub wq_fd: u32,
    /// Zero.
    pub resv: [u32; 3],
    /// Answer.
    pub sq_off: SqOffsets,
    /// Answer.
    pub cq_off: CqOffsets,
}

const _: () = assert!(size_of::<SqOffsets>() == 40);
const _: () = assert!(size_of::<CqOffsets>() == 40);
const _: () = assert!(size_of::<Params>() == 120);
const _: () = assert!(std::mem::offset_of!(Params, sq_off) == 40);

/// `mmap(2)` offset of both queues: `IORING_OFF_SQ_RING`.
pub const OFFSET_RINGS: u64 = 0;
/// `mmap(2)` offset of the submission entries: `IORING_OFF_SQES`.
pub const OFFSET_SQES: u64 = 0x1000_0000;
