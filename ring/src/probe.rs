//! Which operations the running kernel has. Asked by the engine's `select` and by tests; never
//! guesses from a version number.

use crate::abi::{
    EnterFlags, Features, Opcode, ProbeHeader, ProbeOp, QueryHeader, QueryOpcodes, RegisterOp,
    SetupFlags, SqeFlags,
};
use crate::error::Error;
use crate::ring::Ring;
use crate::syscall;

/// The kernel's table has at most this many lines: an opcode is a `u8`.
const OPS_MAX: u32 = 256;
/// `IO_URING_OP_SUPPORTED`.
const SUPPORTED: u16 = 1 << 0;
/// The kernel tells the answer's versions apart by its size.
const ANSWER_LEN_BYTES: u32 = 48;
const _: () = assert!(size_of::<QueryOpcodes>() == ANSWER_LEN_BYTES as usize);

/// The kernel's header and table in one piece of memory, as it fills them.
#[repr(C)]
struct RawProbe {
    header: ProbeHeader,
    ops: [ProbeOp; OPS_MAX as usize],
}

/// The operations of the running kernel.
#[derive(Clone, Debug)]
pub struct Probe {
    last: Opcode,
    supported: [bool; OPS_MAX as usize],
}

impl Probe {
    /// The highest opcode that the kernel knows, supported or not; it may be newer than this crate.
    pub fn last(&self) -> Opcode {
        self.last
    }

    /// Whether the kernel can do this operation.
    pub fn supports(&self, opcode: Opcode) -> bool {
        self.supported[usize::from(opcode.0)]
    }
}

/// Everything that the running kernel knows, by number and by flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Knowledge {
    /// Number of operations; the highest opcode is one less.
    pub opcodes: u32,
    /// Number of registrations.
    pub register_ops: u32,
    /// What it says at set-up.
    pub features: Features,
    /// What it takes at set-up.
    pub setup_flags: SetupFlags,
    /// What it takes in `enter`.
    pub enter_flags: EnterFlags,
    /// What it takes on entries.
    pub sqe_flags: SqeFlags,
}

/// Asks the kernel what it knows, without a ring.
///
/// Kernel: Linux 6.18, `io_uring_register_query(3)`.
///
/// # Errors
/// `Unsupported` before Linux 6.18: [`Ring::probe`], [`Ring::features`] and trying are left.
pub fn query() -> Result<Knowledge, Error> {
    /// In the ring's place: none is needed.
    const NO_RING: i32 = -1;
    let refused = |errno| Error::register(errno, RegisterOp::QUERY, "what the kernel knows");
    let mut answer = QueryOpcodes::default();
    let mut header = QueryHeader {
        query_data: (&raw mut answer).expose_provenance() as u64,
        size: ANSWER_LEN_BYTES,
        ..QueryHeader::default()
    };
    let argument = (&raw mut header).cast_const().cast();
    // SAFETY: QUERY takes one `io_uring_query_hdr` and a count of 0, and answers into it and into
    // what it names, up to `size` bytes; both are ours and live on this stack until it returns.
    unsafe { syscall::register(NO_RING, RegisterOp::QUERY, argument, 0) }.map_err(refused)?;
    if header.result < 0 {
        return Err(refused(header.result.saturating_neg()));
    }
    // The kernel defines fewer than 32 of each flag so far; the structure has room for 64.
    let low = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or_default();
    Ok(Knowledge {
        opcodes: answer.nr_request_opcodes,
        register_ops: answer.nr_register_opcodes,
        features: Features::from_bits_retain(low(answer.feature_flags)),
        setup_flags: SetupFlags::from_bits_retain(low(answer.ring_setup_flags)),
        enter_flags: EnterFlags::from_bits_retain(low(answer.enter_flags)),
        sqe_flags: SqeFlags::from_bits_retain((answer.sqe_flags & 0xff) as u8),
    })
}

impl Ring {
    /// Asks the kernel which operations it has.
    ///
    /// Kernel: Linux 5.6; an older one answers with an error.
    ///
    /// # Errors
    /// `Unsupported` before Linux 5.6.
    pub fn probe(&self) -> Result<Probe, Error> {
        let ops = [ProbeOp::default(); OPS_MAX as usize];
        let mut raw = RawProbe { header: ProbeHeader::default(), ops };
        let argument = (&raw mut raw).cast_const().cast();
        let what = || String::from("asking for the kernel's operations");
        // SAFETY: PROBE takes one `io_uring_probe` with room for the given number of lines, which
        // `RawProbe` is; it is exclusively ours and lives on this stack until the call returns.
        unsafe { self.register(RegisterOp::PROBE, argument, OPS_MAX, what) }?;
        let mut supported = [false; OPS_MAX as usize];
        for line in raw.ops.iter().take(usize::from(raw.header.ops_len)) {
            supported[usize::from(line.op)] = line.flags & SUPPORTED != 0;
        }
        Ok(Probe { last: Opcode(raw.header.last_op), supported })
    }
}
