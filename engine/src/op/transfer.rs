//! Reads and writes of one buffer.

use super::atomic;
use super::operation::sealed::{Describe, Described, Surroundings};
use super::operation::{Operation, ends_within_offsets, target, too_far};
use crate::backend::{Request, RequestKind};
use crate::buffer::Buffer;
use crate::error::{Error, ErrorKind};
use crate::file::{DirectAlignment, File};
use crate::platform::flags::{RWF_APPEND, RWF_DSYNC};
use bitflags::bitflags;
use std::path::Path;
use std::ptr::NonNull;

/// Reads `buffer.len()` bytes at `offset`.
///
/// Output: the number of bytes, fewer than asked only at the end of the file.
///
/// Kernel: `IORING_OP_READ` (Linux 5.6) or `READ_FIXED` (5.1); pread(2) on `threads`.
#[derive(Debug)]
pub struct Read {
    /// From where.
    pub file: File,
    /// Offset in the file in bytes.
    pub offset: u64,
    /// Where to.
    pub buffer: Buffer,
}

/// Writes the whole buffer at `offset`. Durable only after a later [`Sync`].
///
/// Output: the number of bytes, always the buffer's length.
///
/// Kernel: `IORING_OP_WRITE` (Linux 5.6) or `WRITE_FIXED` (5.1); pwrite(2) on `threads`.
#[derive(Debug)]
pub struct Write {
    /// Where to.
    pub file: File,
    /// Offset in the file in bytes.
    pub offset: u64,
    /// What.
    pub buffer: Buffer,
}

/// Adds a buffer to the file's end, wherever that is then.
///
/// Output: the number of bytes, always the buffer's length. If the kernel takes it in parts, other
/// appenders may come in between.
///
/// Kernel: `IORING_OP_WRITE` with `RWF_APPEND` (Linux 5.6); pwritev2(2) on `threads`.
#[derive(Debug)]
pub struct Append {
    /// Where to.
    pub file: File,
    /// What.
    pub buffer: Buffer,
}

bitflags! {
    /// How one write differs from a plain one.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct WriteFlags: u32 {
        /// Durable when it completes, as with `O_DSYNC`: `RWF_DSYNC`, Linux 4.7.
        const DSYNC = RWF_DSYNC;
        /// All or nothing, also at a power failure: `RWF_ATOMIC`, Linux 6.11 on devices, 6.13 on
        /// ext4 and XFS. Only direct, a power of two long, aligned to its length, and within
        /// [`File::atomic_limits`]; what is not is refused, as `Misaligned` or `Unsupported`.
        const ATOMIC = 0x40;
        /// Leaves nothing in the page cache: `RWF_DONTCACHE`, Linux 6.14 on ext4 and XFS; elsewhere
        /// an error of kind `Unsupported`.
        const DONTCACHE = 0x80;
    }
}

/// As [`Write`], with flags.
///
/// Kernel: `IORING_OP_WRITE` (Linux 5.6) with `RWF_*`; pwritev2(2) on `threads`.
#[derive(Debug)]
pub struct WriteWith {
    /// Where to.
    pub file: File,
    /// Offset in the file in bytes.
    pub offset: u64,
    /// What.
    pub buffer: Buffer,
    /// How.
    pub flags: WriteFlags,
}

impl Operation for Read {
    type Output = u32;

    #[inline]
    fn outcome(&mut self, answer: Result<u32, Error>) -> Result<u32, Error> {
        answer
    }
}

impl Describe for Read {
    #[inline]
    fn describe(
        &mut self,
        surroundings: Surroundings<'_>,
        into: &mut Described,
    ) -> Result<(), Error> {
        transfer(RequestKind::Read, &self.file, self.offset, &self.buffer, surroundings, into)
    }

    fn path(&self) -> Option<&Path> {
        Some(self.file.path())
    }
}

impl Operation for Write {
    type Output = u32;

    #[inline]
    fn outcome(&mut self, answer: Result<u32, Error>) -> Result<u32, Error> {
        answer
    }
}

impl Describe for Write {
    #[inline]
    fn describe(
        &mut self,
        surroundings: Surroundings<'_>,
        into: &mut Described,
    ) -> Result<(), Error> {
        transfer(RequestKind::Write, &self.file, self.offset, &self.buffer, surroundings, into)
    }

    fn path(&self) -> Option<&Path> {
        Some(self.file.path())
    }
}

impl Operation for Append {
    type Output = u32;

    fn outcome(&mut self, answer: Result<u32, Error>) -> Result<u32, Error> {
        answer
    }
}

impl Describe for Append {
    fn describe(
        &mut self,
        surroundings: Surroundings<'_>,
        into: &mut Described,
    ) -> Result<(), Error> {
        // The kernel passes the offset over.
        transfer(RequestKind::Write, &self.file, 0, &self.buffer, surroundings, into)?;
        into.request.flags = RWF_APPEND;
        Ok(())
    }

    fn path(&self) -> Option<&Path> {
        Some(self.file.path())
    }
}

impl Operation for WriteWith {
    type Output = u32;

    fn outcome(&mut self, answer: Result<u32, Error>) -> Result<u32, Error> {
        answer
    }
}

impl Describe for WriteWith {
    fn describe(
        &mut self,
        surroundings: Surroundings<'_>,
        into: &mut Described,
    ) -> Result<(), Error> {
        let Self { file, offset, buffer, flags } = self;
        transfer(RequestKind::Write, file, *offset, buffer, surroundings, into)?;
        into.request.flags = flags.bits();
        if flags.contains(WriteFlags::ATOMIC) {
            // The kernel refuses registered buffers for atomic writes.
            into.request.fixed_buffer = None;
            let len = into.request.len;
            if surroundings.has_real_files {
                atomic::check(file.atomic_limits(), file.is_direct(), *offset, len)
                    .map_err(|error| error.with_path(file.path()).with_offset(*offset))?;
            }
        }
        Ok(())
    }

    fn path(&self) -> Option<&Path> {
        Some(self.file.path())
    }
}

/// A read or a write in the backend's terms.
#[inline]
pub(super) fn transfer(
    kind: RequestKind,
    file: &File,
    offset: u64,
    buffer: &Buffer,
    surroundings: Surroundings<'_>,
    into: &mut Described,
) -> Result<(), Error> {
    let (address, len) = (buffer.start(), buffer.len_u32());
    check_end(kind, file, offset, len)?;
    check_alignment(kind, file, offset, address, len)?;
    if kind == RequestKind::Read {
        check_writable(kind, file, offset, buffer)?;
    }
    if kind == RequestKind::Write {
        file.check_poison(kind.name())?;
    }
    let Surroundings { engine, arena, .. } = surroundings;
    into.request = Request {
        file: target(file, engine),
        offset,
        address: address.as_ptr(),
        len,
        direct: file.is_direct(),
        file_system: file.file_system(),
        fixed_buffer: arena.and_then(|arena| buffer.chunk_of(arena)),
        ..Request::without_file(kind)
    };
    into.total_bytes = len;
    into.block_len_bytes = file.alignment().map_or(1, |alignment| alignment.offset);
    Ok(())
}

/// Refuses a transfer that ends beyond the largest offset.
#[inline]
pub(super) fn check_end(
    kind: RequestKind,
    file: &File,
    offset: u64,
    len: u32,
) -> Result<(), Error> {
    if ends_within_offsets(offset, u64::from(len)) {
        return Ok(());
    }
    Err(too_far(kind, file, offset))
}

/// Refuses a direct transfer that the kernel would refuse, but says why.
#[inline]
pub(super) fn check_alignment(
    kind: RequestKind,
    file: &File,
    offset: u64,
    address: NonNull<u8>,
    len: u32,
) -> Result<(), Error> {
    let Some(alignment) = file.alignment() else { return Ok(()) };
    let offset_fits = offset.is_multiple_of(u64::from(alignment.offset));
    let len_fits = len.is_multiple_of(alignment.offset);
    let memory_fits = address.addr().get().is_multiple_of(alignment.memory as usize);
    if offset_fits && len_fits && memory_fits {
        return Ok(());
    }
    let (DirectAlignment { memory, offset: block }, fits) = (alignment, offset_fits && len_fits);
    Err(misaligned(kind, len, memory, block, fits).with_path(file.path()).with_offset(offset))
}

#[cold]
fn misaligned(kind: RequestKind, len: u32, memory: u32, block: u32, place_fits: bool) -> Error {
    let why = if place_fits {
        format!(
            "a direct transfer of {len} bytes: the buffer's address must be a multiple of \
             {memory} bytes: take a buffer of the pool, or align your own"
        )
    } else {
        format!(
            "a direct transfer of {len} bytes: offset and length must be multiples of {block} bytes"
        )
    };
    Error::refused(ErrorKind::Misaligned, kind.name(), why)
}

/// Refuses to read into memory that others read.
#[inline]
pub(super) fn check_writable(
    kind: RequestKind,
    file: &File,
    offset: u64,
    buffer: &Buffer,
) -> Result<(), Error> {
    if buffer.is_writable() {
        return Ok(());
    }
    Err(shared(kind).with_path(file.path()).with_offset(offset))
}

#[cold]
fn shared(kind: RequestKind) -> Error {
    let why = "the buffer is shared memory, which can only be written from: read into another one";
    Error::refused(ErrorKind::Unsupported, kind.name(), why)
}
