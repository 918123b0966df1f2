//! Cancelling: what to look for, as an entry and, through `register::cancel`, as a waiting call.

use super::Target;
use crate::abi::{Opcode, Sqe};
use bitflags::bitflags;

bitflags! {
    /// How requests are matched: `IORING_ASYNC_CANCEL_*`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    #[repr(transparent)]
    pub struct CancelFlags: u32 {
        /// Every match, not only the first, Linux 5.19.
        const ALL = 1 << 0;
        /// By file, Linux 5.19.
        const FD = 1 << 1;
        /// Any request, Linux 5.19.
        const ANY = 1 << 2;
        /// The file is a registered slot, Linux 6.0.
        const FD_FIXED = 1 << 3;
        /// By `user_data`, Linux 6.6.
        const USERDATA = 1 << 4;
        /// By operation, Linux 6.6.
        const OP = 1 << 5;
        const _ = !0;
    }
}

/// Which requests to cancel. Keys add up: a request must match all of them.
///
/// Kernel: `user_data` alone Linux 5.5; all, any and file 5.19; opcode, and `user_data` beside
/// another key, 6.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matching {
    user_data: Option<u64>,
    file: Option<Target>,
    opcode: Option<Opcode>,
    all: bool,
}

impl Matching {
    const NONE: Self = Self { user_data: None, file: None, opcode: None, all: false };

    /// Any request of the ring. Linux 6.18 cancels every one of them, also without `all`, although
    /// cancelation(7) says "any single request": do not count on one surviving.
    pub const fn any() -> Self {
        Self::NONE
    }

    /// The request whose entry carried this.
    pub const fn user_data(user_data: u64) -> Self {
        Self { user_data: Some(user_data), ..Self::NONE }
    }

    /// A request on this file.
    pub const fn file(file: Target) -> Self {
        Self { file: Some(file), ..Self::NONE }
    }

    /// A request of this operation.
    pub const fn opcode(opcode: Opcode) -> Self {
        Self { opcode: Some(opcode), ..Self::NONE }
    }

    /// The same, and on this file.
    #[must_use]
    pub const fn and_file(mut self, file: Target) -> Self {
        self.file = Some(file);
        self
    }

    /// The same, and of this operation.
    #[must_use]
    pub const fn and_opcode(mut self, opcode: Opcode) -> Self {
        self.opcode = Some(opcode);
        self
    }

    /// Every request that matches, not only the first. The completion's result is their number.
    #[must_use]
    pub const fn all(mut self) -> Self {
        self.all = true;
        self
    }

    pub(crate) fn flags(&self) -> CancelFlags {
        let other_keys = self.file.is_some() || self.opcode.is_some();
        let mut flags = CancelFlags::empty();
        flags.set(CancelFlags::ALL, self.all);
        flags.set(CancelFlags::FD, self.file.is_some());
        flags.set(CancelFlags::FD_FIXED, matches!(self.file, Some(Target::Fixed(_))));
        flags.set(CancelFlags::OP, self.opcode.is_some());
        // `user_data` is what the kernel looks at without any flag, and so it works since 5.5.
        flags.set(CancelFlags::USERDATA, self.user_data.is_some() && other_keys);
        flags.set(CancelFlags::ANY, self.user_data.is_none() && !other_keys);
        flags
    }

    pub(crate) fn fd(&self) -> i32 {
        match self.file {
            Some(Target::Fd(fd)) => fd,
            Some(Target::Fixed(slot)) => slot.cast_signed(),
            None => -1,
        }
    }

    pub(crate) fn key(&self) -> u64 {
        self.user_data.unwrap_or_default()
    }

    pub(crate) fn operation(&self) -> Opcode {
        self.opcode.unwrap_or_default()
    }
}

/// Cancels requests of the same ring; completes with 0 or, with [`Matching::all`], their number.
/// `ENOENT`: none was found. `EALREADY`: one runs and cannot be stopped, it will complete by
/// itself.
///
/// Either way the cancelled request posts its own completion, before or after: only that one tells
/// that its memory is free. Disk I/O that has started is not stopped.
///
/// Kernel: Linux 5.5 and as [`Matching`] says; an older one completes with `EINVAL`.
#[inline]
pub fn cancel(matching: Matching) -> Sqe {
    let mut sqe = Sqe::new(Opcode::ASYNC_CANCEL);
    sqe.fd = matching.fd();
    sqe.addr = matching.key();
    sqe.op_flags = matching.flags().bits();
    sqe.len = u32::from(matching.operation().0);
    sqe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_user_data_sets_no_flag_so_that_old_kernels_take_it() {
        assert_eq!(Matching::user_data(5).flags(), CancelFlags::empty());
        let both = Matching::user_data(5).and_opcode(Opcode::READ);
        assert_eq!(both.flags(), CancelFlags::USERDATA | CancelFlags::OP);
        assert_eq!(Matching::any().all().flags(), CancelFlags::ANY | CancelFlags::ALL);
        let fixed = cancel(Matching::file(Target::Fixed(3)));
        assert_eq!(fixed.op_flags, (CancelFlags::FD | CancelFlags::FD_FIXED).bits());
        assert_eq!(fixed.fd, 3);
    }
}
