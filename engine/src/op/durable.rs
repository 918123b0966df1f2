//! Writes that are durable when their callback comes.

use super::operation::sealed::{After, Describe, Described, Surroundings};
use super::operation::{Operation, target};
use super::sync::{check_not_poisoned_since, poison_if_data_is_lost};
use super::transfer::transfer;
use crate::answers::Answers;
use crate::backend::{Request, RequestKind};
use crate::buffer::Buffer;
use crate::durability::DurableMethod;
use crate::error::Error;
use crate::file::File;
use crate::platform::flags::{RWF_APPEND, RWF_DSYNC};
use std::path::Path;

/// Writes the whole buffer at `offset` and makes it durable: it is on the device's lasting medium
/// when the callback comes, and was not acknowledged before.
///
/// How that is done is a property of the file: [`File::durable_method`]. A method that the kernel
/// refuses is replaced by the next sound one. Of other writes to the file nothing is promised; a
/// new file's name is durable only after a sync of its directory.
///
/// Output: the number of bytes, always the buffer's length.
///
/// A failure that may have lost data [poisons](File::is_poisoned) the file: a failed sync, and any
/// failed write with `RWF_DSYNC`, of which the kernel does not tell whether writing or syncing
/// failed.
///
/// It takes two requests of the engine's capacity, also where the second turns out to be needless.
///
/// Kernel: `IORING_OP_WRITE` with `RWF_DSYNC`, or with a linked or later `IORING_OP_FSYNC`; the
/// plain calls on `threads`.
#[derive(Debug)]
pub struct DurableWrite {
    /// Where to.
    pub file: File,
    /// Offset in the file in bytes.
    pub offset: u64,
    /// What.
    pub buffer: Buffer,
}

/// Adds a buffer to the file's end, wherever that is then, and makes it durable, as
/// [`DurableWrite`]. If the kernel takes it in parts, other appenders may come in between.
///
/// Output: the number of bytes, always the buffer's length.
///
/// Kernel: as `DurableWrite`, with `RWF_APPEND`.
#[derive(Debug)]
pub struct DurableAppend {
    /// Where to.
    pub file: File,
    /// What.
    pub buffer: Buffer,
}

impl Operation for DurableWrite {
    type Output = u32;

    fn outcome(&mut self, answer: Result<u32, Error>) -> Result<u32, Error> {
        answer
    }

    fn outcome_of_steps(&mut self, answers: &mut Answers) -> Result<u32, Error> {
        outcome_of_steps(&self.file, answers)
    }
}

impl Describe for DurableWrite {
    const STEPS: u32 = 2;

    fn describe(
        &mut self,
        surroundings: Surroundings<'_>,
        into: &mut Described,
    ) -> Result<(), Error> {
        describe_write(&self.file, self.offset, &self.buffer, surroundings, into)
    }

    fn describe_step(
        &mut self,
        step: u32,
        surroundings: Surroundings<'_>,
        into: &mut Described,
    ) -> Result<After, Error> {
        if step > 0 {
            return Ok(describe_sync(&self.file, surroundings, into));
        }
        self.describe(surroundings, into)?;
        Ok(After::Success)
    }

    fn path(&self) -> Option<&Path> {
        Some(self.file.path())
    }
}

impl Operation for DurableAppend {
    type Output = u32;

    fn outcome(&mut self, answer: Result<u32, Error>) -> Result<u32, Error> {
        answer
    }

    fn outcome_of_steps(&mut self, answers: &mut Answers) -> Result<u32, Error> {
        outcome_of_steps(&self.file, answers)
    }
}

impl Describe for DurableAppend {
    const STEPS: u32 = 2;

    fn describe(
        &mut self,
        surroundings: Surroundings<'_>,
        into: &mut Described,
    ) -> Result<(), Error> {
        // The kernel passes the offset over.
        describe_write(&self.file, 0, &self.buffer, surroundings, into)?;
        into.request.flags |= RWF_APPEND;
        Ok(())
    }

    fn describe_step(
        &mut self,
        step: u32,
        surroundings: Surroundings<'_>,
        into: &mut Described,
    ) -> Result<After, Error> {
        if step > 0 {
            return Ok(describe_sync(&self.file, surroundings, into));
        }
        self.describe(surroundings, into)?;
        Ok(After::Success)
    }

    fn path(&self) -> Option<&Path> {
        Some(self.file.path())
    }
}

/// The first step: the write.
fn describe_write(
    file: &File,
    offset: u64,
    buffer: &Buffer,
    surroundings: Surroundings<'_>,
    into: &mut Described,
) -> Result<(), Error> {
    transfer(RequestKind::Write, file, offset, buffer, surroundings, into)?;
    if file.durable_method() == DurableMethod::Dsync {
        into.request.flags |= RWF_DSYNC;
    }
    Ok(())
}

/// The second step: the sync.
fn describe_sync(file: &File, surroundings: Surroundings<'_>, into: &mut Described) -> After {
    let target = target(file, surroundings.engine);
    into.set(Request { file: target, ..Request::without_file(RequestKind::SyncData) });
    match file.durable_method() {
        DurableMethod::Dsync => After::Dsync,
        DurableMethod::LinkedSync => After::Success,
        DurableMethod::LaterSync => After::Unlinked,
    }
}

/// The bytes, if they are durable.
fn outcome_of_steps(file: &File, answers: &mut Answers) -> Result<u32, Error> {
    let with_dsync = answers.first_flags & RWF_DSYNC != 0;
    if answers.dsync_refused {
        file.set_durable_method(DurableMethod::LinkedSync);
    }
    let (write, sync) = (answers.take(0), answers.take(1));
    let outcome = match (write, sync) {
        (Some(Err(error)), _) => {
            if with_dsync {
                poison_if_data_is_lost(file, &error);
            }
            Err(error)
        }
        (_, Some(Err(error))) => {
            poison_if_data_is_lost(file, &error);
            Err(error)
        }
        (Some(Ok(bytes)), Some(Ok(_))) => check_not_poisoned_since(file).map(|()| bytes),
        (_, None) | (None, _) => {
            unreachable!("a chain ends with its last step or with a failure")
        }
    };
    outcome.map_err(|error| error.with_path(file.path()))
}
