//! What a locked-down ring may still do: an allow-list that the kernel enforces. Filled by the
//! caller, handed over by `disabled`; decides nothing itself.

use crate::abi::{Opcode, RegisterOp, Restriction, SqeFlags};

/// An allow-list for a ring. What is not in it is refused by the kernel with `EACCES`: a submission
/// in its completion, a registration in its error.
///
/// Kernel: Linux 5.10, `io_uring_register_restrictions(3)`.
///
/// ```
/// use iomill_ring::{Opcode, Restrictions, abi::SqeFlags};
///
/// let only_reads = Restrictions::new()
///     .allow(Opcode::READ)
///     .allow(Opcode::READ_FIXED)
///     .require_flags(SqeFlags::FIXED_FILE);
/// assert_eq!(only_reads.len(), 3);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Restrictions {
    lines: Vec<Restriction>,
}

impl Restrictions {
    /// An empty list: nothing is allowed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows an operation.
    #[must_use]
    pub fn allow(mut self, opcode: Opcode) -> Self {
        self.lines.push(Restriction::sqe_op(opcode));
        self
    }

    /// Allows a registration after [`enable`](crate::DisabledRing::enable). Before it, all are.
    #[must_use]
    pub fn allow_register(mut self, op: RegisterOp) -> Self {
        self.lines.push(Restriction::register_op(op));
        self
    }

    /// Allows these flags on entries; without this line none is allowed.
    #[must_use]
    pub fn allow_flags(mut self, flags: SqeFlags) -> Self {
        self.lines.push(Restriction::flags_allowed(flags));
        self
    }

    /// Refuses entries that lack one of these flags. They count as allowed.
    #[must_use]
    pub fn require_flags(mut self, flags: SqeFlags) -> Self {
        self.lines.push(Restriction::flags_required(flags));
        self
    }

    /// Lines of the list.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether nothing is allowed.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether this registration stays possible.
    pub(super) fn allows_register(&self, op: RegisterOp) -> bool {
        self.lines.contains(&Restriction::register_op(op))
    }

    /// As the kernel reads them.
    pub(super) fn lines(&self) -> &[Restriction] {
        &self.lines
    }
}
