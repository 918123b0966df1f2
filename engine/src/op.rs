//! The typed operations: what a caller hands in and gets back. Each holds its file and its buffer by
//! value, so that nothing of it can be reached while it is in flight. Never touches a backend.

use crate::backend::{Request, RequestFile, RequestKind};
use crate::buffer::{Arena, Buffer};
use crate::error::{Error, ErrorKind};
use crate::file::File;

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

/// Does nothing but go all the way to the backend and back.
///
/// Kernel: `IORING_OP_NOP` (Linux 5.1).
#[derive(Debug)]
pub struct Nop;

/// What an engine can do. Implemented by the operations of this crate only.
pub trait Operation: sealed::Describe + Sized + 'static {
    /// What a success gives back beside the operation itself.
    type Output: std::fmt::Debug;

    /// The success as the caller sees it, from the bytes that were transferred.
    #[doc(hidden)]
    fn output(bytes: u32) -> Self::Output;
}

pub(crate) mod sealed {
    use super::{Arena, Error, File, Request};

    /// What the engine needs to know of an operation; hidden, so that only this crate implements it.
    pub trait Describe {
        /// The operation in the backend's terms, or why it cannot be done. The id is filled in later.
        fn describe(&self, engine: u32, arena: Option<&Arena>) -> Result<Request, Error>;

        /// The file that it works on, for messages.
        fn file(&self) -> Option<&File>;
    }
}

impl Operation for Read {
    type Output = u32;

    #[inline]
    fn output(bytes: u32) -> u32 {
        bytes
    }
}

impl sealed::Describe for Read {
    #[inline]
    fn describe(&self, engine: u32, arena: Option<&Arena>) -> Result<Request, Error> {
        transfer(RequestKind::Read, &self.file, self.offset, &self.buffer, engine, arena)
    }

    #[inline]
    fn file(&self) -> Option<&File> {
        Some(&self.file)
    }
}

impl Operation for Write {
    type Output = u32;

    #[inline]
    fn output(bytes: u32) -> u32 {
        bytes
    }
}

impl sealed::Describe for Write {
    #[inline]
    fn describe(&self, engine: u32, arena: Option<&Arena>) -> Result<Request, Error> {
        transfer(RequestKind::Write, &self.file, self.offset, &self.buffer, engine, arena)
    }

    #[inline]
    fn file(&self) -> Option<&File> {
        Some(&self.file)
    }
}

impl Operation for Sync {
    type Output = ();

    #[inline]
    fn output(_bytes: u32) {}
}

impl sealed::Describe for Sync {
    #[inline]
    fn describe(&self, engine: u32, _arena: Option<&Arena>) -> Result<Request, Error> {
        let kind = if self.data_only { RequestKind::SyncData } else { RequestKind::Sync };
        Ok(Request { file: target(&self.file, engine), ..Request::without_file(kind) })
    }

    #[inline]
    fn file(&self) -> Option<&File> {
        Some(&self.file)
    }
}

impl Operation for Nop {
    type Output = ();

    #[inline]
    fn output(_bytes: u32) {}
}

impl sealed::Describe for Nop {
    #[inline]
    fn describe(&self, _engine: u32, _arena: Option<&Arena>) -> Result<Request, Error> {
        Ok(Request::without_file(RequestKind::Nop))
    }

    #[inline]
    fn file(&self) -> Option<&File> {
        None
    }
}

/// A read or a write in the backend's terms.
#[inline]
fn transfer(
    kind: RequestKind,
    file: &File,
    offset: u64,
    buffer: &Buffer,
    engine: u32,
    arena: Option<&Arena>,
) -> Result<Request, Error> {
    let (address, len) = (buffer.start(), buffer.len_u32());
    // Offsets are signed in the kernel's interface, and the transfer's end must be one too.
    if offset.checked_add(u64::from(len)).is_none_or(|end| end > i64::MAX.unsigned_abs()) {
        let why = "the transfer ends beyond 2^63 bytes, the largest offset that the kernel knows";
        let error = Error::refused(ErrorKind::Unsupported, kind.name(), why);
        return Err(error.with_path(file.path()).with_offset(offset));
    }
    if let Some(alignment) = file.alignment() {
        let offset_fits = offset.is_multiple_of(u64::from(alignment.offset))
            && len.is_multiple_of(alignment.offset);
        let memory_fits = address.as_ptr().addr().is_multiple_of(alignment.memory as usize);
        if !(offset_fits && memory_fits) {
            return Err(misaligned(kind, file, offset, len));
        }
    }
    Ok(Request {
        file: target(file, engine),
        offset,
        address: address.as_ptr(),
        len,
        fixed_buffer: arena.and_then(|arena| buffer.chunk_of(arena)),
        ..Request::without_file(kind)
    })
}

#[cold]
fn misaligned(kind: RequestKind, file: &File, offset: u64, len: u32) -> Error {
    let required = file.alignment().map_or(0, |alignment| alignment.offset);
    let why = format!(
        "a direct transfer of {len} bytes: offset and length must be multiples of {required} bytes"
    );
    Error::refused(ErrorKind::Misaligned, kind.name(), why)
        .with_path(file.path())
        .with_offset(offset)
}

/// The file's slot in this engine if it has one, else its descriptor.
#[inline]
fn target(file: &File, engine: u32) -> RequestFile {
    match file.slot() {
        Some(slot) if slot.engine == engine => RequestFile::Slot(slot.index),
        _ => RequestFile::Fd(file.raw_fd()),
    }
}
