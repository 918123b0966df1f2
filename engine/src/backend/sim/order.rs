//! What passes between the backend and the model: requests without raw memory, and their answers.
//! Plain data; made and taken apart by `memory`, looked at by `model` and `perform`.

use super::faults::Fate;
use crate::backend::RequestKind;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// A file of the model and how it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The file's number.
    pub(super) file: u64,
    /// `O_*`.
    pub(super) flags: i32,
}

impl Target {
    pub(super) fn can_read(self) -> bool {
        self.flags & libc::O_ACCMODE != libc::O_WRONLY
    }

    pub(super) fn can_write(self) -> bool {
        self.flags & libc::O_ACCMODE != libc::O_RDONLY
    }

    pub(super) fn is_direct(self) -> bool {
        self.flags & libc::O_DIRECT != 0
    }
}

/// A request with everything that it needs from memory. The fields mean what they mean in
/// `Request`.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) kind: RequestKind,
    /// `None` for a request on a path, or on a descriptor that is none of this disk's.
    pub(super) target: Option<Target>,
    pub(super) offset: u64,
    /// Of a vectored transfer the bytes in all.
    pub(super) len: u64,
    pub(super) flags: u32,
    pub(super) second: u64,
    /// What a write writes.
    pub(super) bytes: Arc<Vec<u8>>,
    pub(super) paths: [Vec<u8>; 2],
}

impl Order {
    /// Whether it changes a file's bytes or length when it succeeds.
    pub(super) fn changes_file(&self) -> bool {
        match self.kind {
            RequestKind::Write | RequestKind::WriteVectored => self.len > 0,
            RequestKind::Truncate => true,
            RequestKind::Allocate => self.flags.cast_signed() != libc::FALLOC_FL_KEEP_SIZE,
            _ => false,
        }
    }

    /// Whether all of it is to be there, or nothing.
    pub(super) fn is_atomic(&self) -> bool {
        !self.kind.is_read() && self.flags.cast_signed() & libc::RWF_ATOMIC != 0
    }
}

/// An order that has begun.
#[derive(Debug)]
pub(super) struct Flight {
    /// In the order of beginnings.
    pub(super) number: u64,
    pub(super) order: Order,
    pub(super) fate: Fate,
    pub(super) start_ns: u64,
    /// The newest change of the disk when it began: what a sync covers.
    pub(super) watermark: u64,
    /// What a failed write hits, and other choices of the moment.
    pub(super) choice: u64,
}

/// What a request comes to.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// As in a completion.
    pub(super) result: i32,
    /// What a read brings.
    pub(super) bytes: Vec<u8>,
    /// What a stat brings.
    pub(super) status: Option<libc::statx>,
    /// What an open brings, instead of the result.
    pub(super) opened: Option<OwnedFd>,
}

impl Answer {
    /// A plain result or an errno.
    pub(super) fn of(result: Result<i32, i32>) -> Self {
        Self { result: result.unwrap_or_else(|errno| -errno), ..Self::default() }
    }
}
