//! What the table of lanes tells apart of a request: coarser than the kinds of requests in one
//! place, finer in another. Asked for each request that differs from
//! the one before; looks at nothing but the request.

use crate::backend::{Request, RequestKind};
use crate::platform::flags::RWF_DSYNC;

/// A longer read is a long one: its copy, not its hand-over, is what it costs. Units: bytes.
const LONG_READ_MIN_BYTES: u32 = 64 * 1024 + 1;

/// A row of the table of lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LaneOp {
    /// A read of one buffer of at most 64 KiB, without flags.
    Read,
    /// A longer one, a vectored one, or one with flags.
    LongRead,
    /// A write of any length that is not durable by itself; an append too.
    Write,
    /// A write with `RWF_DSYNC`.
    DurableWrite,
    /// fsync(2) and fdatasync(2).
    Sync,
    /// sync_file_range(2).
    SyncRange,
    /// fallocate(2).
    Allocate,
    /// ftruncate(2).
    Truncate,
    /// posix_fadvise(2).
    Advise,
    /// Opening what exists.
    Open,
    /// Opening with `O_CREAT` or `O_TRUNC`.
    Create,
    /// close(2).
    Close,
    /// statx(2).
    Stat,
    /// renameat2(2).
    Rename,
    /// unlinkat(2).
    Unlink,
    /// mkdirat(2).
    MakeDirectory,
    /// linkat(2).
    Link,
    /// What does nothing. It always goes to the backend, whatever the table says.
    Nop,
}

impl LaneOp {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::Read,
        Self::LongRead,
        Self::Write,
        Self::DurableWrite,
        Self::Sync,
        Self::SyncRange,
        Self::Allocate,
        Self::Truncate,
        Self::Advise,
        Self::Open,
        Self::Create,
        Self::Close,
        Self::Stat,
        Self::Rename,
        Self::Unlink,
        Self::MakeDirectory,
        Self::Link,
        Self::Nop,
    ];

    /// The row of a request.
    #[inline]
    pub(crate) fn of(request: &Request) -> Self {
        match request.kind {
            RequestKind::Read if request.flags == 0 && request.len < LONG_READ_MIN_BYTES => {
                Self::Read
            }
            RequestKind::Read | RequestKind::ReadVectored | RequestKind::ReadSlot => Self::LongRead,
            RequestKind::Write | RequestKind::WriteVectored => {
                let durable = request.flags & RWF_DSYNC != 0;
                if durable { Self::DurableWrite } else { Self::Write }
            }
            RequestKind::Sync | RequestKind::SyncData => Self::Sync,
            RequestKind::SyncRange => Self::SyncRange,
            RequestKind::Allocate => Self::Allocate,
            RequestKind::Truncate => Self::Truncate,
            RequestKind::Advise => Self::Advise,
            RequestKind::Open => {
                let creates = (libc::O_CREAT | libc::O_TRUNC).cast_unsigned();
                if request.flags & creates != 0 { Self::Create } else { Self::Open }
            }
            RequestKind::Close | RequestKind::CloseSlot => Self::Close,
            RequestKind::OpenSlot => Self::Open,
            RequestKind::Stat => Self::Stat,
            RequestKind::Rename => Self::Rename,
            RequestKind::Unlink => Self::Unlink,
            RequestKind::MakeDirectory => Self::MakeDirectory,
            RequestKind::Link => Self::Link,
            RequestKind::Nop => Self::Nop,
        }
    }

    /// Whether it works on an open file, so that the file's system is known.
    pub(super) fn is_on_open_file(self) -> bool {
        matches!(
            self,
            Self::Read
                | Self::LongRead
                | Self::Write
                | Self::DurableWrite
                | Self::Sync
                | Self::SyncRange
                | Self::Allocate
                | Self::Truncate
                | Self::Advise
        )
    }

    /// Whether it is done to a file's bytes, so that it matters whether the file is direct.
    pub(super) fn is_transfer(self) -> bool {
        matches!(self, Self::Read | Self::LongRead | Self::Write | Self::DurableWrite)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::LongRead => "long read",
            Self::Write => "write",
            Self::DurableWrite => "durable write",
            Self::Sync => "sync",
            Self::SyncRange => "sync range",
            Self::Allocate => "allocate",
            Self::Truncate => "truncate",
            Self::Advise => "advise",
            Self::Open => "open",
            Self::Create => "create",
            Self::Close => "close",
            Self::Stat => "stat",
            Self::Rename => "rename",
            Self::Unlink => "unlink",
            Self::MakeDirectory => "make directory",
            Self::Link => "link",
            Self::Nop => "nop",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::flags::RWF_APPEND;

    #[test]
    fn requests_find_their_rows_by_kind_flags_and_length() {
        let row =
            |kind, flags, len| LaneOp::of(&Request { flags, len, ..Request::without_file(kind) });
        assert_eq!(row(RequestKind::Read, 0, 65_536), LaneOp::Read);
        assert_eq!(row(RequestKind::Read, 0, 65_537), LaneOp::LongRead);
        assert_eq!(row(RequestKind::Read, 1, 1), LaneOp::LongRead);
        assert_eq!(row(RequestKind::ReadVectored, 0, 1), LaneOp::LongRead);
        assert_eq!(row(RequestKind::Write, RWF_APPEND, 1), LaneOp::Write);
        assert_eq!(row(RequestKind::WriteVectored, RWF_DSYNC, 1), LaneOp::DurableWrite);
        assert_eq!(row(RequestKind::SyncData, 0, 0), LaneOp::Sync);
        assert_eq!(row(RequestKind::Open, 0, 0), LaneOp::Open);
        assert_eq!(row(RequestKind::Open, libc::O_CREAT.cast_unsigned(), 0), LaneOp::Create);
        assert_eq!(row(RequestKind::Open, libc::O_TRUNC.cast_unsigned(), 0), LaneOp::Create);
    }

    #[test]
    fn the_list_is_in_the_order_of_the_rows() {
        for (index, op) in LaneOp::ALL.into_iter().enumerate() {
            assert_eq!(op as usize, index);
        }
    }
}
