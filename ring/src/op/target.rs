//! Which file an entry means. Used by the other files of `op`.

use crate::abi::{Sqe, SqeFlags};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

/// Which file an entry means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A file descriptor of the process.
    Fd(RawFd),
    /// A slot of the ring's registered files.
    Fixed(u32),
}

impl From<BorrowedFd<'_>> for Target {
    fn from(fd: BorrowedFd<'_>) -> Self {
        Self::Fd(fd.as_raw_fd())
    }
}

impl Target {
    /// The entry with this file in it.
    #[inline]
    pub(super) fn fill(self, mut sqe: Sqe) -> Sqe {
        match self {
            Self::Fd(fd) => sqe.fd = fd,
            Self::Fixed(slot) => {
                // The field is signed in the ABI, but a slot number lies far below 2^31.
                sqe.fd = slot.cast_signed();
                sqe.flags |= SqeFlags::FIXED_FILE;
            }
        }
        sqe
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::{FsyncFlags, fsync};

    #[test]
    fn a_fixed_file_sets_the_flag_and_the_slot() {
        let sqe = fsync(Target::Fixed(3), FsyncFlags::DATASYNC);
        assert_eq!((sqe.fd, sqe.flags, sqe.op_flags), (3, SqeFlags::FIXED_FILE, 1));
        let sqe = fsync(Target::Fd(3), FsyncFlags::empty());
        assert_eq!((sqe.fd, sqe.flags, sqe.op_flags), (3, SqeFlags::empty(), 0));
    }
}
