//! The structures of registered buffers and files. Used by `register` and `descriptor`.

use bitflags::bitflags;

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

/// `struct io_uring_rsrc_update`, Linux 5.13.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct RsrcUpdate {
    /// First slot; for ring descriptors the wished index, or `u32::MAX` for any.
    pub offset: u32,
    /// Zero.
    pub resv: u32,
    /// Address of the resources; for ring descriptors the descriptor itself.
    pub data: u64,
}

/// `struct io_uring_rsrc_update2`, Linux 5.13.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct RsrcUpdate2 {
    /// First slot.
    pub offset: u32,
    /// Zero.
    pub resv: u32,
    /// Address of the resources.
    pub data: u64,
    /// Address of their tags, or 0.
    pub tags: u64,
    /// Number of resources.
    pub nr: u32,
    /// Zero.
    pub resv2: u32,
}

bitflags! {
    /// How buffers are taken over: `IORING_REGISTER_SRC_REGISTERED` and
    /// `IORING_REGISTER_DST_REPLACE`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    #[repr(transparent)]
    pub struct CloneFlags: u32 {
        /// The source is a registered index, Linux 6.12.
        const SRC_REGISTERED = 1 << 0;
        /// Buffers that are there already are replaced, Linux 6.13.
        const DST_REPLACE = 1 << 1;
        const _ = !0;
    }
}

/// `struct io_uring_clone_buffers`, Linux 6.12.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct CloneBuffers {
    /// The ring to take them from.
    pub src_fd: u32,
    /// How.
    pub flags: CloneFlags,
    /// First buffer there, Linux 6.13.
    pub src_off: u32,
    /// First buffer here, Linux 6.13.
    pub dst_off: u32,
    /// How many, 0 for all, Linux 6.13.
    pub nr: u32,
    /// Zero.
    pub pad: [u32; 3],
}

/// `struct io_uring_file_index_range`, Linux 6.0.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct FileIndexRange {
    /// First slot.
    pub off: u32,
    /// Number of slots.
    pub len: u32,
    /// Zero.
    pub resv: u64,
}

const _: () = assert!(size_of::<FilesUpdate>() == 16);
const _: () = assert!(size_of::<RsrcRegister>() == 32);
const _: () = assert!(size_of::<RsrcUpdate>() == 16);
const _: () = assert!(size_of::<RsrcUpdate2>() == 32);
const _: () = assert!(size_of::<CloneBuffers>() == 32);
const _: () = assert!(size_of::<FileIndexRange>() == 16);
