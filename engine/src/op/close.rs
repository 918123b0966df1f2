//! Closing a file without blocking the engine's thread: the last close of a file may write to the
//! device.

use super::operation::Operation;
use super::operation::sealed::{Describe, Described, Surroundings};
use crate::backend::{Request, RequestKind};
use crate::error::Error;
use crate::file::File;
use std::path::Path;

/// Gives a handle up; the last one of a file closes its descriptor, through the backend. Handles
/// that are only dropped do the same on the spot.
///
/// Output: whether the descriptor was closed, that is, whether no other handle and no operation in
/// flight holds the file. The handle that comes back must not be used any more when it was.
///
/// Kernel: `IORING_OP_CLOSE` (Linux 5.6); close(2) on `threads`.
#[derive(Debug)]
pub struct Close {
    /// Which file.
    pub file: File,
}

impl Operation for Close {
    type Output = bool;

    fn outcome(&mut self, answer: Result<u32, Error>) -> Result<bool, Error> {
        match answer {
            Ok(_) => Ok(self.file.is_released()),
            Err(error) => {
                if error.errno().is_none() {
                    // The engine gave up before the kernel saw it: the descriptor is still open.
                    self.file.take_back();
                }
                Err(error)
            }
        }
    }
}

impl Describe for Close {
    fn describe(&mut self, _surroundings: Surroundings<'_>) -> Result<Described, Error> {
        Ok(Described::other(match self.file.release() {
            Some(fd) => {
                Request { len: fd.cast_unsigned(), ..Request::without_file(RequestKind::Close) }
            }
            None => Request::without_file(RequestKind::Nop),
        }))
    }

    fn path(&self) -> Option<&Path> {
        Some(self.file.path())
    }
}
