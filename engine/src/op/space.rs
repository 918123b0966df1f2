//! Operations on a file's space: allocating, cutting, and telling the kernel how it will be used.

use super::operation::sealed::{Describe, Described, Surroundings};
use super::operation::{Operation, ends_within_offsets, too_far};
use crate::backend::{Request, RequestFile, RequestKind};
use crate::error::Error;
use crate::file::File;
use crate::platform::flags;
use std::path::Path;

/// What to do with a range of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AllocateMode {
    /// Reserve space, and make the file longer where the range ends beyond it.
    #[default]
    Extend,
    /// Reserve space but leave the file's length: `FALLOC_FL_KEEP_SIZE`.
    KeepLength,
    /// Give the space back; the range reads as zeros: `FALLOC_FL_PUNCH_HOLE`.
    PunchHole,
    /// Make the range read as zeros without writing them: `FALLOC_FL_ZERO_RANGE`.
    Zero,
}

impl AllocateMode {
    fn bits(self) -> u32 {
        match self {
            Self::Extend => 0,
            Self::KeepLength => flags::ALLOCATE_KEEP_SIZE,
            Self::PunchHole => flags::ALLOCATE_PUNCH_HOLE | flags::ALLOCATE_KEEP_SIZE,
            Self::Zero => flags::ALLOCATE_ZERO_RANGE,
        }
    }
}

/// Reserves, frees or zeroes a range of a file.
///
/// Kernel: `IORING_OP_FALLOCATE` (Linux 5.6); fallocate(2) on `threads`. What a mode can do depends
/// on the file system.
#[derive(Debug)]
pub struct Allocate {
    /// Which file.
    pub file: File,
    /// From where, in bytes.
    pub offset: u64,
    /// How many bytes; not 0.
    pub len_bytes: u64,
    /// What to do with them.
    pub mode: AllocateMode,
}

/// Cuts or stretches a file to a length.
///
/// Kernel: `IORING_OP_FTRUNCATE` (Linux 6.9), before that and on `threads` ftruncate(2).
#[derive(Debug)]
pub struct Truncate {
    /// Which file.
    pub file: File,
    /// The new length in bytes.
    pub len_bytes: u64,
}

/// How a range of a file will be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// As usual.
    Normal,
    /// At random: no read-ahead.
    Random,
    /// From beginning to end: more read-ahead.
    Sequential,
    /// Soon: read it into the page cache now.
    WillNeed,
    /// Not soon: clean pages leave the page cache.
    DontNeed,
}

/// Tells the kernel how a range of a file will be used.
///
/// Kernel: `IORING_OP_FADVISE` (Linux 5.6); posix_fadvise(2) on `threads`.
#[derive(Debug)]
pub struct Advise {
    /// Which file.
    pub file: File,
    /// From where, in bytes.
    pub offset: u64,
    /// How many bytes; 0 means to the end.
    pub len_bytes: u32,
    /// How it will be used.
    pub advice: Advice,
}

impl Operation for Allocate {
    type Output = ();

    fn outcome(&mut self, answer: Result<u32, Error>) -> Result<(), Error> {
        answer.map(drop)
    }
}

impl Describe for Allocate {
    fn describe(
        &mut self,
        _surroundings: Surroundings<'_>,
        into: &mut Described,
    ) -> Result<(), Error> {
        check(RequestKind::Allocate, &self.file, self.offset, self.len_bytes)?;
        into.set(Request {
            file: RequestFile::Fd(self.file.raw_fd()),
            file_system: self.file.file_system(),
            offset: self.offset,
            second: self.len_bytes,
            flags: self.mode.bits(),
            ..Request::without_file(RequestKind::Allocate)
        });
        Ok(())
    }

    fn path(&self) -> Option<&Path> {
        Some(self.file.path())
    }
}

impl Operation for Truncate {
    type Output = ();

    fn outcome(&mut self, answer: Result<u32, Error>) -> Result<(), Error> {
        answer.map(drop)
    }
}

impl Describe for Truncate {
    fn describe(
        &mut self,
        _surroundings: Surroundings<'_>,
        into: &mut Described,
    ) -> Result<(), Error> {
        check(RequestKind::Truncate, &self.file, 0, self.len_bytes)?;
        into.set(Request {
            file: RequestFile::Fd(self.file.raw_fd()),
            file_system: self.file.file_system(),
            offset: self.len_bytes,
            ..Request::without_file(RequestKind::Truncate)
        });
        Ok(())
    }

    fn path(&self) -> Option<&Path> {
        Some(self.file.path())
    }
}

impl Operation for Advise {
    type Output = ();

    fn outcome(&mut self, answer: Result<u32, Error>) -> Result<(), Error> {
        answer.map(drop)
    }
}

impl Describe for Advise {
    fn describe(
        &mut self,
        _surroundings: Surroundings<'_>,
        into: &mut Described,
    ) -> Result<(), Error> {
        let advice = match self.advice {
            Advice::Normal => flags::ADVICE_NORMAL,
            Advice::Random => flags::ADVICE_RANDOM,
            Advice::Sequential => flags::ADVICE_SEQUENTIAL,
            Advice::WillNeed => flags::ADVICE_WILL_NEED,
            Advice::DontNeed => flags::ADVICE_DONT_NEED,
        };
        check(RequestKind::Advise, &self.file, self.offset, u64::from(self.len_bytes))?;
        into.set(Request {
            file: RequestFile::Fd(self.file.raw_fd()),
            file_system: self.file.file_system(),
            offset: self.offset,
            len: self.len_bytes,
            flags: advice,
            ..Request::without_file(RequestKind::Advise)
        });
        Ok(())
    }

    fn path(&self) -> Option<&Path> {
        Some(self.file.path())
    }
}

/// Refuses a range that ends beyond the largest offset.
fn check(kind: RequestKind, file: &File, offset: u64, len_bytes: u64) -> Result<(), Error> {
    if ends_within_offsets(offset, len_bytes) { Ok(()) } else { Err(too_far(kind, file, offset)) }
}
