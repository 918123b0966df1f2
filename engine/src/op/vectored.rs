//! Transfers between one range of a file and several buffers.

use super::operation::sealed::{Describe, Described, Surroundings};
use super::operation::{Operation, target};
use super::transfer::{check_alignment, check_end, check_writable};
use crate::backend::{Request, RequestKind};
use crate::buffer::BufferList;
use crate::error::{Error, ErrorKind};
use crate::file::File;
use std::path::Path;

/// Reads at `offset` into buffers, one after the other.
///
/// Output: the number of bytes, fewer than the buffers hold only at the end of the file.
///
/// Kernel: `IORING_OP_READV` (Linux 5.1); preadv(2) on `threads`.
#[derive(Debug)]
pub struct ReadVectored {
    /// From where.
    pub file: File,
    /// Offset in the file in bytes.
    pub offset: u64,
    /// Where to.
    pub buffers: BufferList,
}

/// Writes buffers one after the other at `offset`.
///
/// Output: the number of bytes, always all.
///
/// Kernel: `IORING_OP_WRITEV` (Linux 5.1); pwritev(2) on `threads`.
#[derive(Debug)]
pub struct WriteVectored {
    /// Where to.
    pub file: File,
    /// Offset in the file in bytes.
    pub offset: u64,
    /// What.
    pub buffers: BufferList,
}

impl Operation for ReadVectored {
    type Output = u32;

    fn outcome(&mut self, answer: Result<u32, Error>) -> Result<u32, Error> {
        answer
    }
}

impl Describe for ReadVectored {
    fn describe(
        &mut self,
        surroundings: Surroundings<'_>,
        into: &mut Described,
    ) -> Result<(), Error> {
        let Self { file, offset, buffers } = self;
        transfer(RequestKind::ReadVectored, file, *offset, buffers, surroundings, into)
    }

    fn path(&self) -> Option<&Path> {
        Some(self.file.path())
    }
}

impl Operation for WriteVectored {
    type Output = u32;

    fn outcome(&mut self, answer: Result<u32, Error>) -> Result<u32, Error> {
        answer
    }
}

impl Describe for WriteVectored {
    fn describe(
        &mut self,
        surroundings: Surroundings<'_>,
        into: &mut Described,
    ) -> Result<(), Error> {
        let Self { file, offset, buffers } = self;
        transfer(RequestKind::WriteVectored, file, *offset, buffers, surroundings, into)
    }

    fn path(&self) -> Option<&Path> {
        Some(self.file.path())
    }
}

fn transfer(
    kind: RequestKind,
    file: &File,
    offset: u64,
    buffers: &mut BufferList,
    surroundings: Surroundings<'_>,
    into: &mut Described,
) -> Result<(), Error> {
    let (vector, count, total_bytes) = buffers.vector().map_err(|why| {
        Error::refused(ErrorKind::Unsupported, kind.name(), why)
            .with_path(file.path())
            .with_offset(offset)
    })?;
    for buffer in buffers.iter() {
        check_alignment(kind, file, offset, buffer.start(), buffer.len_u32())?;
        if kind == RequestKind::ReadVectored {
            check_writable(kind, file, offset, buffer)?;
        }
    }
    check_end(kind, file, offset, total_bytes)?;
    if kind == RequestKind::WriteVectored {
        file.check_poison(kind.name())?;
    }
    *into = Described {
        request: Request {
            file: target(file, surroundings.engine),
            offset,
            address: vector.cast(),
            len: count,
            direct: file.is_direct(),
            file_system: file.file_system(),
            ..Request::without_file(kind)
        },
        total_bytes,
        block_len_bytes: file.alignment().map_or(1, |alignment| alignment.offset),
    };
    Ok(())
}
