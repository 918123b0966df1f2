//! What travels between `engine` and a backend: requests down, completions up. Plain data; what
//! each side may do with it is the contract in this module's parent.

use crate::lanes::{FileSystem, Lane};
use std::os::fd::RawFd;

/// What a request asks for. Each is one system call, and the request's fields are its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestKind {
    /// Nothing.
    Nop,
    /// preadv2(2) into `address..address + len` at `offset`; `flags` are `RWF_*`.
    Read,
    /// pwritev2(2) from there; `flags` are `RWF_*`.
    Write,
    /// preadv2(2) into the `len` pieces that the `iovec`s at `address` name; `flags` are `RWF_*`.
    ReadVectored,
    /// pwritev2(2) from there; `flags` are `RWF_*`.
    WriteVectored,
    /// fsync(2).
    Sync,
    /// fdatasync(2).
    SyncData,
    /// sync_file_range(2) of `len` bytes from `offset`; `flags` are its own.
    SyncRange,
    /// fallocate(2) of `second` bytes from `offset`; `flags` are its mode.
    Allocate,
    /// ftruncate(2) to `offset` bytes.
    Truncate,
    /// posix_fadvise(2) for `len` bytes from `offset`; `flags` are the advice.
    Advise,
    /// openat(2) of the path at `address`; `flags` are `O_*`, `len` is the mode. The result is a
    /// descriptor.
    Open,
    /// close(2) of the descriptor `len`, which nothing else owns.
    Close,
    /// statx(2) of the path at `address` (empty: the file), into the `statx` at `second`; `flags`
    /// are `AT_*`, `len` is the mask.
    Stat,
    /// renameat2(2) of the path at `address` to that at `second`; `flags` are `RENAME_*`.
    Rename,
    /// unlinkat(2) of the path at `address`; `flags` are `AT_*`.
    Unlink,
    /// mkdirat(2) of the path at `address`; `len` is the mode.
    MakeDirectory,
    /// linkat(2) of the path at `address` as that at `second`.
    Link,
    /// As [`Open`](Self::Open), into the slot that is the file, and never with `O_CLOEXEC`, which a
    /// slot cannot have. Only as the first of a [run of three](super::Backend::reads_whole); the
    /// result is 0.
    OpenSlot,
    /// Reads the file in its slot from the start into `address..address + len`. Only in such a run;
    /// the contract's part on whole files says what it answers.
    ReadSlot,
    /// Empties the slot that is the file, which closes what was opened into it.
    CloseSlot,
}

impl RequestKind {
    /// What messages call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nop => "nop",
            Self::Read | Self::ReadVectored | Self::ReadSlot => "read",
            Self::Write | Self::WriteVectored => "write",
            Self::Sync => "sync",
            Self::SyncData => "sync data of",
            Self::SyncRange => "sync a range of",
            Self::Allocate => "allocate in",
            Self::Truncate => "truncate",
            Self::Advise => "advise on",
            Self::Open | Self::OpenSlot => "open",
            Self::Close | Self::CloseSlot => "close",
            Self::Stat => "look at",
            Self::Rename => "rename",
            Self::Unlink => "remove",
            Self::MakeDirectory => "make directory",
            Self::Link => "link",
        }
    }

    /// Whether it moves bytes, and so can end short.
    #[inline]
    pub fn is_transfer(self) -> bool {
        matches!(self, Self::Read | Self::Write | Self::ReadVectored | Self::WriteVectored)
    }

    /// Whether it is a read of either form.
    #[inline]
    pub fn is_read(self) -> bool {
        matches!(self, Self::Read | Self::ReadVectored)
    }
}

/// Which file a request means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestFile {
    /// None; a path is then relative to the process's current directory.
    None,
    /// A descriptor, open until the completion.
    Fd(RawFd),
    /// A slot of the backend's registered files, filled until the completion.
    Slot(u32),
}

/// One system call to make, in the backend's terms.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Comes back in the completion.
    pub id: u64,
    /// What to do; says what the other fields mean.
    pub kind: RequestKind,
    /// On which file.
    pub file: RequestFile,
    /// Offset in the file in bytes.
    pub offset: u64,
    /// Memory to transfer to or from, a vector, or a path.
    pub address: *mut u8,
    /// Bytes, or a count.
    pub len: u32,
    /// Flags of this kind.
    pub flags: u32,
    /// A second address or length.
    pub second: u64,
    /// Of a transfer: whether the file is open for direct I/O.
    pub direct: bool,
    /// What the file lies on, if it is a regular one.
    pub file_system: FileSystem,
    /// The registered piece of memory that holds `address..address + len`.
    pub fixed_buffer: Option<u16>,
    /// Whether the next request of the batch begins only when this one has succeeded in full. The
    /// contract's part on links says more.
    pub linked: bool,
}

// SAFETY: a request is a description. Whoever carries it out relies on the contract: the memory
// behind its addresses belongs to the backend, whichever of its threads that is.
unsafe impl Send for Request {}

impl Request {
    /// A request without file, memory and flags.
    pub fn without_file(kind: RequestKind) -> Self {
        Self {
            id: 0,
            kind,
            file: RequestFile::None,
            offset: 0,
            address: std::ptr::null_mut(),
            len: 0,
            flags: 0,
            second: 0,
            direct: false,
            file_system: FileSystem::Unknown,
            fixed_buffer: None,
            linked: false,
        }
    }
}

/// What became of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The request's.
    pub id: u64,
    /// A count of bytes or another value of the system call, or a negative errno.
    pub result: i32,
    /// What carried it: for the metrics only.
    pub lane: Lane,
}
