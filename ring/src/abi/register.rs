//! The codes and structures of `io_uring_register(2)`. Used by `register` and `probe`.

/// What to register: any `u32`, because the kernel's list grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct RegisterOp(pub u32);

impl RegisterOp {
    /// Buffers, Linux 5.1.
    pub const BUFFERS: Self = Self(0);
    /// Give the buffers up, Linux 5.1.
    pub const UNREGISTER_BUFFERS: Self = Self(1);
    /// Give the files up, Linux 5.1.
    pub const UNREGISTER_FILES: Self = Self(3);
    /// Replace some files, Linux 5.5.
    pub const FILES_UPDATE: Self = Self(6);
    /// Ask which operations the kernel has, Linux 5.6.
    pub const PROBE: Self = Self(8);
    /// Files with tags, also an empty table, Linux 5.13 (sparse 5.19).
    pub const FILES2: Self = Self(13);
    /// Buffers with tags, also an empty table, Linux 5.13 (sparse 5.19).
    pub const BUFFERS2: Self = Self(15);
    /// The ring's own descriptor, Linux 5.18.
    pub const RING_FDS: Self = Self(20);
    /// Give that up, Linux 5.18.
    pub const UNREGISTER_RING_FDS: Self = Self(21);
}

/// `struct io_uring_files_update`: replace files from `offset` on.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct FilesUpdate {
    /// First slot.
    pub offset: u32,
    /// Zero.
    pub resv: u32,
    /// Address of the descriptors, -1 for an empty slot.
    pub fds: u64,
}

/// `struct io_uring_rsrc_register`, Linux 5.13.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct RsrcRegister {
    /// Number of slots.
    pub nr: u32,
    /// Bit 0: an empty table, Linux 5.19.
    pub flags: u32,
    /// Zero.
    pub resv2: u64,
    /// Address of the resources, or 0.
    pub data: u64,
    /// Address of their tags, or 0.
    pub tags: u64,
}

/// `struct io_uring_rsrc_update2`, Linux 5.13.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct RsrcUpdate2 {
    /// First slot; for ring descriptors the wished index, or `u32::MAX` for any.
    pub offset: u32,
    /// Zero.
    pub resv: u32,
    /// Address of the resources; for ring descriptors the descriptor itself.
    pub data: u64,
    /// Address of their tags, or 0.
    pub tags: u64,
    /// Number of resources.
    pub nr: u32,
    /// Zero.
    pub resv2: u32,
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

const _: () = assert!(size_of::<FilesUpdate>() == 16);
const _: () = assert!(size_of::<RsrcRegister>() == 32);
const _: () = assert!(size_of::<RsrcUpdate2>() == 32);
const _: () = assert!(size_of::<ProbeHeader>() == 16);
const _: () = assert!(size_of::<ProbeOp>() == 8);
