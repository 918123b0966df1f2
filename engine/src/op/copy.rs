//! Copying a range from one file to another through a buffer.

use super::operation::Operation;
use super::operation::sealed::{After, Describe, Described, Surroundings};
use super::transfer::transfer;
use crate::answers::Answers;
use crate::backend::RequestKind;
use crate::buffer::Buffer;
use crate::error::{Error, ErrorKind};
use crate::file::File;
use std::path::Path;

/// From where to where, and through which memory.
#[derive(Debug)]
pub struct CopyParts {
    /// From where.
    pub from: File,
    /// Offset there in bytes.
    pub from_offset: u64,
    /// Where to.
    pub to: File,
    /// Offset there in bytes.
    pub to_offset: u64,
    /// Through which memory, and by its length how many bytes.
    pub buffer: Buffer,
}

/// Reads `buffer.len()` bytes of one file and writes them to another: a chain of two steps. What
/// the read brings at the end of the file is what is written.
///
/// Output: the number of bytes copied, fewer than the buffer holds only at the end of the file
/// read, and 0 behind it. A direct file takes whole blocks only: a copy to it whose read ends
/// between two blocks fails in its second step, with the bytes in the buffer.
///
/// The parts are on the heap and come back with the completion, as those of a
/// [`Chain`](crate::Chain).
///
/// Kernel: as [`Read`](crate::Read) and [`Write`](crate::Write), linked where the backend can.
#[derive(Debug)]
pub struct CopyRange {
    /// From where to where.
    pub parts: Box<CopyParts>,
}

impl CopyRange {
    /// A copy of these parts.
    pub fn new(parts: CopyParts) -> Self {
        Self { parts: Box::new(parts) }
    }
}

impl Operation for CopyRange {
    type Output = u32;

    fn outcome(&mut self, answer: Result<u32, Error>) -> Result<u32, Error> {
        answer
    }

    fn outcome_of_steps(&mut self, answers: &mut Answers) -> Result<u32, Error> {
        let (read, write) = (answers.take(0), answers.take(1));
        match (read, write) {
            (Some(Err(error)), _) => Err(error.with_path(self.parts.from.path())),
            (_, Some(Err(error))) => Err(error.with_path(self.parts.to.path())),
            (_, Some(Ok(bytes))) => Ok(bytes),
            (_, None) => unreachable!("a chain ends with its last step or with a failure"),
        }
    }
}

impl Describe for CopyRange {
    const STEPS: u32 = 2;

    fn describe(
        &mut self,
        surroundings: Surroundings<'_>,
        into: &mut Described,
    ) -> Result<(), Error> {
        let CopyParts { from, from_offset, buffer, .. } = &*self.parts;
        if buffer.is_empty() {
            let why = "an empty buffer copies nothing: give it a length";
            return Err(Error::refused(ErrorKind::InvalidConfig, "copy", why));
        }
        transfer(RequestKind::Read, from, *from_offset, buffer, surroundings, into)
    }

    fn describe_step(
        &mut self,
        step: u32,
        surroundings: Surroundings<'_>,
        into: &mut Described,
    ) -> Result<After, Error> {
        if step == 0 {
            self.describe(surroundings, into)?;
            return Ok(After::Success);
        }
        let CopyParts { to, to_offset, buffer, .. } = &*self.parts;
        transfer(RequestKind::Write, to, *to_offset, buffer, surroundings, into)?;
        Ok(After::Bytes)
    }

    fn path(&self) -> Option<&Path> {
        None
    }
}
