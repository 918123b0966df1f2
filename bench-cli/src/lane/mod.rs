//! The closed loop: each completed request becomes the next one.
//!
//! Owns what a callback does. A lane is one buffer that is always in flight as a read, a write, a
//! trim or a sync, until the job has done its amount or is told to stop; a lane whose next request
//! is not due yet is parked. Per request there is no allocation, no lock, no clock and no atomic
//! unless the job has several files, a pace or a verification: what the lanes share is counted by
//! an `Rc`, and file and buffer move from the completed request into the next one. Driven by
//! `job_thread`.

mod check;
mod errors;
mod extras;
mod state;
mod wait;

pub(crate) use errors::LaneFailure;
pub(crate) use state::LaneState;

use std::rc::Rc;

use iomill_engine::{
    Allocate, AllocateMode, Buffer, Completion, Context, Engine, Error, File, Nop, Operation, Read,
    Refused, Sync, Write, WriteFlags, WriteWith,
};

use crate::job::JobSpec;
use crate::workload::{Block, Direction};
use state::{Issued, Next};

/// What moves from one request into the next.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) file: File,
    /// Which file of the job that is.
    pub(crate) index: u32,
    pub(crate) buffer: Buffer,
}

/// Who takes requests: the engine, or the context of a callback.
trait Submit {
    fn take<O, F>(&mut self, op: O, on_complete: F) -> Result<(), Error>
    where
        O: Operation,
        F: FnOnce(Completion<O>, &mut Context<'_>) + 'static;
}

impl Submit for Engine {
    fn take<O, F>(&mut self, op: O, on_complete: F) -> Result<(), Error>
    where
        O: Operation,
        F: FnOnce(Completion<O>, &mut Context<'_>) + 'static,
    {
        self.submit(op, on_complete).map(drop).map_err(refusal)
    }
}

impl Submit for Context<'_> {
    #[inline]
    fn take<O, F>(&mut self, op: O, on_complete: F) -> Result<(), Error>
    where
        O: Operation,
        F: FnOnce(Completion<O>, &mut Context<'_>) + 'static,
    {
        self.submit(op, on_complete).map(drop).map_err(refusal)
    }
}

fn refusal<O, F>(refused: Refused<O, F>) -> Error {
    refused.error
}

/// Starts one lane. Its first request is a no-op, so that the job begins at its first tick.
///
/// # Errors
///
/// The engine's, if it does not take the request.
pub(crate) fn start(engine: &mut Engine, state: Rc<LaneState>, lane: Lane) -> Result<(), Error> {
    engine.take(Nop, move |_: Completion<Nop>, context: &mut Context<'_>| {
        issue(state, lane, context);
    })
}

/// Gives parked lanes their next requests, as far as those are due.
pub(crate) fn resume(engine: &mut Engine, state: &Rc<LaneState>) {
    let mut parked = state.parked_count();
    while let Some(lane) = state.unpark() {
        issue(Rc::clone(state), lane, engine);
        // The lane was parked again: the others would be, too.
        if state.parked_count() >= parked {
            break;
        }
        parked = state.parked_count();
    }
}

#[inline]
fn issue(state: Rc<LaneState>, lane: Lane, to: &mut impl Submit) {
    match state.next() {
        Next::Stop => state.retire(lane),
        Next::Later => state.park(lane),
        Next::Read(issued) => read(state, lane, issued, to),
        Next::Write(issued) => write(state, lane, issued, to),
        Next::Trim(issued) => trim(state, lane, issued, to),
        Next::Check(block) => check::read(state, lane, block, to),
        Next::Sync { data_only } => sync(state, lane, data_only, to),
    }
}

/// Points the lane at the block's file and gives its buffer the block's length.
#[inline]
fn aim(state: &LaneState, lane: &mut Lane, block: &Block) {
    if lane.index != block.file {
        lane.file = state.file(block.file);
        lane.index = block.file;
    }
    if lane.buffer.len() != block.len_bytes as usize {
        lane.buffer.set_len(block.len_bytes as usize);
    }
}

/// The block that a lane's request was for: its buffer has the block's length, in trims too.
#[inline]
fn block_of(direction: Direction, lane: &Lane, offset: u64) -> Block {
    let len_bytes = u32::try_from(lane.buffer.len()).unwrap_or(u32::MAX);
    Block { direction, file: lane.index, offset, len_bytes }
}

// The engine has room for every lane and the files were checked, so a refusal is not expected; it
// ends the job. The buffer goes back to the pool with the refused request.
#[inline]
fn submit<O, F>(state: &Rc<LaneState>, to: &mut impl Submit, op: O, on_complete: F)
where
    O: Operation,
    F: FnOnce(Completion<O>, &mut Context<'_>) + 'static,
{
    if let Err(error) = to.take(op, on_complete) {
        state.fail(LaneFailure::Request(error));
    }
}

#[inline]
fn read(state: Rc<LaneState>, mut lane: Lane, issued: Issued, to: &mut impl Submit) {
    aim(&state, &mut lane, &issued.block);
    let Lane { file, index, buffer } = lane;
    let Issued { block, intended_ns } = issued;
    let op = Read { file, offset: block.offset, buffer };
    let shared = Rc::clone(&state);
    // The callback takes as little along as it can; the request comes back with the rest.
    submit(&shared, to, op, move |done, context| {
        let Read { file, buffer, offset } = done.op;
        let lane = Lane { file, index, buffer };
        let block = block_of(Direction::Read, &lane, offset);
        match done.result {
            Ok(len_bytes) => {
                if (len_bytes as usize) < lane.buffer.len() {
                    // The region was inside the file when the job began and the engine reads on to
                    // the end of the file: somebody cut it short. Parts of blocks, or nothing at
                    // all, would pass for whole ones in the measurement.
                    let offset = offset + u64::from(len_bytes);
                    return state.fail(LaneFailure::EndOfFile { file: lane.file.clone(), offset });
                }
                state.completed(&block, intended_ns, len_bytes);
                if state.checks_reads() {
                    check::contents(&state, &lane, &block);
                }
            }
            Err(error) => state.request_failed(&block, error),
        }
        issue(state, lane, context);
    });
}

#[inline]
fn write(state: Rc<LaneState>, mut lane: Lane, issued: Issued, to: &mut impl Submit) {
    aim(&state, &mut lane, &issued.block);
    state.fill(&issued.block, &mut lane.buffer);
    if !state.write_flags.is_empty() {
        return write_with(state, lane, issued, to);
    }
    let Lane { file, index, buffer } = lane;
    let Issued { block, intended_ns } = issued;
    let op = Write { file, offset: block.offset, buffer };
    let shared = Rc::clone(&state);
    submit(&shared, to, op, move |done: Completion<Write>, context| {
        let Write { file, buffer, offset } = done.op;
        let lane = Lane { file, index, buffer };
        let block = block_of(Direction::Write, &lane, offset);
        match done.result {
            Ok(len_bytes) => state.completed(&block, intended_ns, len_bytes),
            Err(error) => state.request_failed(&block, error),
        }
        issue(state, lane, context);
    });
}

/// A write with `RWF_*` flags; its buffer is filled.
fn write_with(state: Rc<LaneState>, lane: Lane, issued: Issued, to: &mut impl Submit) {
    let Lane { file, index, buffer } = lane;
    let Issued { block, intended_ns } = issued;
    let op = WriteWith { file, offset: block.offset, buffer, flags: state.write_flags };
    let shared = Rc::clone(&state);
    submit(&shared, to, op, move |done: Completion<WriteWith>, context| {
        let WriteWith { file, buffer, offset, .. } = done.op;
        let lane = Lane { file, index, buffer };
        let block = block_of(Direction::Write, &lane, offset);
        match done.result {
            Ok(len_bytes) => state.completed(&block, intended_ns, len_bytes),
            Err(error) => state.request_failed(&block, error),
        }
        issue(state, lane, context);
    });
}

/// What the job's options say of each write.
fn write_flags(spec: &JobSpec) -> WriteFlags {
    let mut flags = WriteFlags::empty();
    flags.set(WriteFlags::ATOMIC, spec.atomic);
    flags.set(WriteFlags::DONTCACHE, spec.uncached);
    flags
}

fn trim(state: Rc<LaneState>, mut lane: Lane, issued: Issued, to: &mut impl Submit) {
    aim(&state, &mut lane, &issued.block);
    let Lane { file, index, buffer } = lane;
    let Issued { block: Block { offset, len_bytes, .. }, intended_ns } = issued;
    let mode = AllocateMode::PunchHole;
    let op = Allocate { file, offset, len_bytes: u64::from(len_bytes), mode };
    let shared = Rc::clone(&state);
    submit(&shared, to, op, move |done: Completion<Allocate>, context| {
        let Allocate { file, offset, .. } = done.op;
        let lane = Lane { file, index, buffer };
        let block = block_of(Direction::Trim, &lane, offset);
        match done.result {
            Ok(()) => {
                state.completed(&block, intended_ns, block.len_bytes);
                if let Some(issued) = state.write_after(Issued { block, intended_ns }) {
                    return write(state, lane, issued, context);
                }
            }
            Err(error) => state.request_failed(&block, error),
        }
        issue(state, lane, context);
    });
}

fn sync(state: Rc<LaneState>, lane: Lane, data_only: bool, to: &mut impl Submit) {
    let Lane { file, index, buffer } = lane;
    let shared = Rc::clone(&state);
    submit(
        &shared,
        to,
        Sync { file, data_only },
        move |done: Completion<Sync>, context| match done.result {
            Ok(()) => issue(state, Lane { file: done.op.file, index, buffer }, context),
            Err(error) => state.fail(LaneFailure::Request(error)),
        },
    );
}
