//! The structures of `IORING_REGISTER_QUERY`. Used by `probe`.

/// One question of a chain: `struct io_uring_query_hdr`, Linux 6.18.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct QueryHeader {
    /// Address of the next question, or 0.
    pub next_entry: u64,
    /// Address of the answer.
    pub query_data: u64,
    /// Which question; 0 asks for a [`QueryOpcodes`].
    pub query_op: u32,
    /// Bytes of the answer's structure, ours and then the kernel's.
    pub size: u32,
    /// 0, or a negative errno (answer).
    pub result: i32,
    /// Zero.
    pub resv: [u32; 3],
}

/// What the kernel knows: `struct io_uring_query_opcode`, Linux 6.18.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct QueryOpcodes {
    /// Number of operations.
    pub nr_request_opcodes: u32,
    /// Number of registrations.
    pub nr_register_opcodes: u32,
    /// All `IORING_FEAT_*`.
    pub feature_flags: u64,
    /// All `IORING_SETUP_*`.
    pub ring_setup_flags: u64,
    /// All `IORING_ENTER_*`.
    pub enter_flags: u64,
    /// All `IOSQE_*`.
    pub sqe_flags: u64,
    /// Number of questions.
    pub nr_query_opcodes: u32,
    /// Zero.
    pub pad: u32,
}

const _: () = assert!(size_of::<QueryHeader>() == 40);
const _: () = assert!(size_of::<QueryOpcodes>() == 48);
