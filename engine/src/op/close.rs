//! Closing a file without blocking the engine's thread: the last close of a file may write to the
//! device.

use super::operation::Operation;
use super::operation::sealed::{Describe, Described, Surroundings};
use crate::backend::{Request, RequestKind};
use crate::error::{Error, ErrorKind};
use crate::file::File;
use std::path::Path;

/// Gives a handle up; the last one of a file closes its descriptor, through the backend. Handles
/// that are only dropped do the same on the spot.
///
/// Output: whether the descriptor was closed, that is, whether no other handle and no operation in
/// flight holds the file. The handle does not come back.
///
/// Kernel: `IORING_OP_CLOSE` (Linux 5.6); close(2) on `threads`. The descriptor is gone whatever
/// the answer, also after an error: that tells only of writes that came too late to be reported
/// before.
#[derive(Debug)]
pub struct Close {
    /// Private: once it is given up nobody may ask it for its descriptor.
    file: File,
}

impl Close {
    /// Which handle.
    pub fn new(file: File) -> Self {
        Self { file }
    }

    /// The handle again, if the request was refused.
    pub fn into_file(self) -> Option<File> {
        (!self.file.is_released()).then_some(self.file)
    }
}

impl Operation for Close {
    type Output = bool;

    fn outcome(&mut self, answer: Result<u32, Error>) -> Result<bool, Error> {
        match answer {
            Ok(_) => Ok(self.file.is_released()),
            Err(error) => {
                if error.errno().is_none() {
                    // Given up before the kernel saw it: the descriptor is still open.
                    self.file.take_back();
                }
                Err(error)
            }
        }
    }
}

impl Describe for Close {
    fn describe(
        &mut self,
        _surroundings: Surroundings<'_>,
        into: &mut Described,
    ) -> Result<(), Error> {
        if self.file.is_released() {
            let why = "it was closed before: open it anew to use it again";
            let error = Error::refused(ErrorKind::NotOpenForThis, "close", why);
            return Err(error.with_path(self.file.path()));
        }
        into.set(match self.file.release() {
            Some(fd) => {
                Request { len: fd.cast_unsigned(), ..Request::without_file(RequestKind::Close) }
            }
            None => Request::without_file(RequestKind::Nop),
        });
        Ok(())
    }

    fn path(&self) -> Option<&Path> {
        Some(self.file.path())
    }
}
