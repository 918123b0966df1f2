//! Operations that make writes durable, or start their way to the device.

use super::operation::sealed::{Describe, Described, Surroundings};
use super::operation::{Operation, ends_within_offsets, target, too_far};
use crate::backend::{Request, RequestFile, RequestKind};
use crate::error::Error;
use crate::file::File;
use std::path::Path;

/// Makes the writes that have completed before durable. It is not ordered after writes in flight:
/// submit it from the last write's callback.
///
/// Kernel: `IORING_OP_FSYNC` (Linux 5.1); fsync(2) and fdatasync(2) on `threads`.
#[derive(Debug)]
pub struct Sync {
    /// Which file.
    pub file: File,
    /// Only the data and what is needed to read it back, as fdatasync(2).
    pub data_only: bool,
}

impl Operation for Sync {
    type Output = ();

    fn outcome(&mut self, answer: Result<u32, Error>) -> Result<(), Error> {
        match answer {
            Ok(_) => check_not_poisoned_since(&self.file),
            Err(error) => {
                poison_if_data_is_lost(&self.file, &error);
                Err(error)
            }
        }
    }
}

/// Poisons the file if a sync that failed like this may have lost what it was to make durable.
pub(super) fn poison_if_data_is_lost(file: &File, error: &Error) {
    if loses_data(error) {
        file.poison();
    }
}

/// Whether a sync that has succeeded may be believed. Linux tells of an error once: if another sync
/// of the file was told meanwhile, what this one was to make durable may be lost with the rest.
pub(super) fn check_not_poisoned_since(file: &File) -> Result<(), Error> {
    file.check_poison(RequestKind::Sync.name())
}

/// Whether a sync that failed like this may have lost what it was to make durable.
fn loses_data(error: &Error) -> bool {
    // These say that nothing was tried: the file cannot be synced, or the engine gave up first.
    let harmless = [libc::EBADF, libc::EINVAL, libc::EROFS, libc::EOPNOTSUPP, libc::EINTR];
    error.errno().is_some_and(|errno| !harmless.contains(&errno))
}

impl Describe for Sync {
    fn describe(
        &mut self,
        surroundings: Surroundings<'_>,
        into: &mut Described,
    ) -> Result<(), Error> {
        let kind = if self.data_only { RequestKind::SyncData } else { RequestKind::Sync };
        self.file.check_poison(kind.name())?;
        into.set(Request {
            file: target(&self.file, surroundings.engine),
            file_system: self.file.file_system(),
            ..Request::without_file(kind)
        });
        Ok(())
    }

    fn path(&self) -> Option<&Path> {
        Some(self.file.path())
    }
}

/// Writes dirty pages of a range to the device and waits for them. **Not** durable: neither the
/// file's metadata nor the device's own cache is flushed. For spreading the work of a later
/// [`Sync`].
///
/// Kernel: `IORING_OP_SYNC_FILE_RANGE` (Linux 5.2); sync_file_range(2) on `threads`.
#[derive(Debug)]
pub struct SyncRange {
    /// Which file.
    pub file: File,
    /// From where, in bytes.
    pub offset: u64,
    /// How many bytes; 0 means to the end.
    pub len_bytes: u32,
}

/// `SYNC_FILE_RANGE_WAIT_BEFORE | WRITE | WAIT_AFTER`: what is dirty now is with the device after.
const WAIT_WRITE_WAIT: u32 = 1 | 2 | 4;

impl Operation for SyncRange {
    type Output = ();

    fn outcome(&mut self, answer: Result<u32, Error>) -> Result<(), Error> {
        answer.map(drop)
    }
}

impl Describe for SyncRange {
    fn describe(
        &mut self,
        _surroundings: Surroundings<'_>,
        into: &mut Described,
    ) -> Result<(), Error> {
        if !ends_within_offsets(self.offset, u64::from(self.len_bytes)) {
            return Err(too_far(RequestKind::SyncRange, &self.file, self.offset));
        }
        into.set(Request {
            file: RequestFile::Fd(self.file.raw_fd()),
            file_system: self.file.file_system(),
            offset: self.offset,
            len: self.len_bytes,
            flags: WAIT_WRITE_WAIT,
            ..Request::without_file(RequestKind::SyncRange)
        });
        Ok(())
    }

    fn path(&self) -> Option<&Path> {
        Some(self.file.path())
    }
}
