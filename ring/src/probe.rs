//! Which operations the running kernel has. Asked by the engine's `select` and by tests; never
//! guesses from a version number.

use crate::abi::{Opcode, ProbeHeader, ProbeOp, RegisterOp};
use crate::error::Error;
use crate::ring::Ring;
use crate::syscall;
use std::os::fd::{AsFd, AsRawFd};

/// The kernel's table has at most this many lines: an opcode is a `u8`.
const OPS_MAX: u32 = 256;
/// `IO_URING_OP_SUPPORTED`.
const SUPPORTED: u16 = 1 << 0;

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
        let fd = self.as_fd().as_raw_fd();
        // SAFETY: PROBE takes one `io_uring_probe` with room for the given number of lines, which
        // `RawProbe` is; it is exclusively ours and lives on this stack until the call returns.
        unsafe { syscall::register(fd, RegisterOp::PROBE, argument, OPS_MAX) }
            .map_err(|errno| Error::register(errno, "asking for the kernel's operations"))?;
        let mut supported = [false; OPS_MAX as usize];
        for line in raw.ops.iter().take(usize::from(raw.header.ops_len)) {
            supported[usize::from(line.op)] = line.flags & SUPPORTED != 0;
        }
        Ok(Probe { last: Opcode(raw.header.last_op), supported })
    }
}
