//! One line of a restricted ring's allow-list. Used by `setup::restriction`.

use super::{Opcode, RegisterOp, SqeFlags};

/// `struct io_uring_restriction`, Linux 5.10.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Restriction {
    /// What kind of line this is: `IORING_RESTRICTION_*`.
    pub kind: u16,
    /// The code or the flags.
    pub value: u8,
    /// Zero.
    pub resv: u8,
    /// Zero.
    pub resv2: [u32; 3],
}

const _: () = assert!(size_of::<Restriction>() == 16);
const _: () = assert!(std::mem::offset_of!(Restriction, value) == 2);

impl Restriction {
    /// Allows a registration. A code beyond 255 cannot be named and becomes 255, which no kernel
    /// has, so that the whole list is refused.
    pub fn register_op(op: RegisterOp) -> Self {
        Self::line(0, u8::try_from(op.0).unwrap_or(u8::MAX))
    }

    /// Allows an operation.
    pub const fn sqe_op(opcode: Opcode) -> Self {
        Self::line(1, opcode.0)
    }

    /// Allows flags on entries.
    pub const fn flags_allowed(flags: SqeFlags) -> Self {
        Self::line(2, flags.bits())
    }

    /// Demands flags on entries.
    pub const fn flags_required(flags: SqeFlags) -> Self {
        Self::line(3, flags.bits())
    }

    const fn line(kind: u16, value: u8) -> Self {
        Self { kind, value, resv: 0, resv2: [0; 3] }
    }
}
