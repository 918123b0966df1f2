//! The structures of a ring of provided buffers. Used by `register::buffer_ring`.

use bitflags::bitflags;

/// One provided buffer: `struct io_uring_buf`. The last field of the first one of a ring is the
/// ring's tail.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Buf {
    /// Its address.
    pub addr: u64,
    /// Its length in bytes.
    pub len: u32,
    /// Its number, which comes back in the completion.
    pub bid: u16,
    /// Zero; in the first entry the tail.
    pub resv: u16,
}

bitflags! {
    /// How a ring of buffers works: `IOU_PBUF_RING_*`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    #[repr(transparent)]
    pub struct BufRingFlags: u16 {
        /// The kernel allocates the ring, Linux 6.4.
        const MMAP = 1 << 0;
        /// A buffer is used up piece by piece, Linux 6.12.
        const INC = 1 << 1;
        const _ = !0;
    }
}

/// `struct io_uring_buf_reg`, Linux 5.19.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct BufReg {
    /// Address of the entries, at a page.
    pub ring_addr: u64,
    /// Number of entries, a power of two up to 32,768.
    pub ring_entries: u32,
    /// The group.
    pub bgid: u16,
    /// How it works.
    pub flags: BufRingFlags,
    /// Zero up to Linux 6.18; later the least number of bytes that an incremental buffer keeps.
    pub min_left: u32,
    /// Zero.
    pub resv: [u32; 5],
}

/// `struct io_uring_buf_status`, Linux 6.8.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct BufStatus {
    /// The group.
    pub buf_group: u32,
    /// The kernel's read position (answer).
    pub head: u32,
    /// Zero.
    pub resv: [u32; 8],
}

const _: () = assert!(size_of::<Buf>() == 16);
const _: () = assert!(std::mem::offset_of!(Buf, resv) == 14);
const _: () = assert!(size_of::<BufReg>() == 40);
const _: () = assert!(size_of::<BufStatus>() == 40);
