//! Reading a file by its path: open, read, close as one operation.

use super::operation::Operation;
use super::operation::sealed::{After, Describe, Described, Surroundings};
use super::path::KernelPath;
use crate::answers::Answers;
use crate::backend::{Request, RequestKind};
use crate::buffer::Buffer;
use crate::error::Error;
use crate::file::File;
use std::path::Path;

/// Opens a file, reads it from its start until the buffer is full or the file ends, and closes it:
/// a chain of three steps.
///
/// Output: the number of bytes. As many as the buffer holds may mean that the file is longer.
///
/// The file is closed whatever happens: by the chain's last step, or on the spot where the chain
/// ends before. An engine that has to leak the operation at a shutdown leaks the open file with it.
///
/// Kernel: `IORING_OP_OPENAT`, `READ` and `CLOSE` (Linux 5.6). Where few requests are in the engine
/// and the kernel can do it (Linux 5.17), they are one linked run on a slot of the registered files
/// and cost one system call, if the file is a regular one of a file system that can read without
/// waiting. Else each is handed over when the one before has completed. Where a run cannot tell
/// that it came to the end of the file, the file is closed and read once more from the start.
#[derive(Debug)]
pub struct ReadWhole {
    path: KernelPath,
    /// Where to, and by its length how many bytes at most.
    pub buffer: Buffer,
}

impl ReadWhole {
    /// Of this file.
    ///
    /// # Errors
    /// When the path has a NUL byte in it.
    pub fn new(path: impl AsRef<Path>, buffer: Buffer) -> Result<Self, Error> {
        Ok(Self { path: KernelPath::new("open", path.as_ref())?, buffer })
    }

    /// Of which file.
    pub fn path(&self) -> &Path {
        self.path.as_path()
    }
}

impl Operation for ReadWhole {
    type Output = u32;

    fn outcome(&mut self, answer: Result<u32, Error>) -> Result<u32, Error> {
        answer
    }

    fn outcome_of_steps(&mut self, answers: &mut Answers) -> Result<u32, Error> {
        let (open, read, close) = (answers.take(0), answers.take(1), answers.take(2));
        let is_open = match &close {
            // The descriptor is gone whatever the kernel said to the close.
            Some(close) => close.as_ref().is_err_and(|error| error.errno().is_none()),
            None => true,
        };
        // A slot is the engine's to close.
        if let (Some(Ok(fd)), true) = (&open, is_open && !answers.in_slot) {
            drop(File::from_kernel(*fd, self.path.as_path()));
        }
        let outcome = match (open, read) {
            (Some(Err(error)), _) => Err(error),
            // A close tells only of writes that came too late.
            (_, Some(outcome)) => outcome,
            (_, None) => unreachable!("a chain ends with its last step or with a failure"),
        };
        outcome.map_err(|error| error.with_path(self.path.as_path()))
    }
}

impl Describe for ReadWhole {
    const STEPS: u32 = 3;

    fn describe(
        &mut self,
        _surroundings: Surroundings<'_>,
        into: &mut Described,
    ) -> Result<(), Error> {
        into.set(Request {
            address: self.path.address(),
            flags: (libc::O_RDONLY | libc::O_CLOEXEC).cast_unsigned(),
            ..Request::without_file(RequestKind::Open)
        });
        Ok(())
    }

    fn describe_step(
        &mut self,
        step: u32,
        surroundings: Surroundings<'_>,
        into: &mut Described,
    ) -> Result<After, Error> {
        // Both later requests get the descriptor when it is there.
        match step {
            0 => {
                self.describe(surroundings, into)?;
                return Ok(After::Success);
            }
            1 => {
                let (address, len) = (self.buffer.start(), self.buffer.len_u32());
                let request = Request {
                    address: address.as_ptr(),
                    len,
                    fixed_buffer: surroundings.arena.and_then(|arena| self.buffer.chunk_of(arena)),
                    ..Request::without_file(RequestKind::Read)
                };
                *into = Described { request, total_bytes: len, block_len_bytes: 1 };
            }
            _ => into.set(Request::without_file(RequestKind::Close)),
        }
        Ok(After::Descriptor)
    }

    fn path(&self) -> Option<&Path> {
        Some(self.path.as_path())
    }
}
