//! The closed loop: each completed request becomes the next one.
//!
//! Owns what a callback does. A lane is one buffer that is always in flight as a read, a write or
//! a sync, until the job has done its amount or is told to stop. Per request there is no
//! allocation, no lock, no clock and no atomic: what the lanes share is counted by an `Rc`, and
//! file and buffer move from the completed request into the next one. Driven by `job_thread`.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use iomill_engine::{Buffer, Completion, Context, Engine, Error, File, Nop, Read, Sync, Write};

use crate::job::{JobSpec, SyncEvery};
use crate::progress::Counts;
use crate::workload::Workload;

/// What the lanes of one job share. It lives on the job's thread only.
#[derive(Debug)]
pub(crate) struct LaneState {
    workload: RefCell<Workload>,
    stopped: Cell<bool>,
    /// Reads and writes still to be issued; `u64::MAX` when only time ends the job.
    blocks_left: Cell<u64>,
    sync_every: Option<SyncEvery>,
    writes_since_sync: Cell<u64>,
    refill_buffers: bool,
    counts: Cell<Counts>,
    failure: RefCell<Option<LaneFailure>>,
}

/// Why a lane ended early.
#[derive(Debug)]
pub(crate) enum LaneFailure {
    /// A request failed.
    Request(Error),
    /// A read found nothing at this offset.
    EndOfFile { offset: u64 },
}

impl LaneState {
    /// The state of a job that issues `block_count` blocks, or as many as it can.
    pub(crate) fn new(
        spec: &JobSpec,
        workload: Workload,
        block_count: Option<u64>,
    ) -> Rc<LaneState> {
        Rc::new(LaneState {
            workload: RefCell::new(workload),
            stopped: Cell::new(false),
            blocks_left: Cell::new(block_count.unwrap_or(u64::MAX)),
            sync_every: spec.sync_every(),
            writes_since_sync: Cell::new(0),
            refill_buffers: spec.refill_buffers,
            counts: Cell::new(Counts::default()),
            failure: RefCell::new(None),
        })
    }

    /// Lets requests in flight complete and issues no more.
    pub(crate) fn stop(&self) {
        self.stopped.set(true);
    }

    /// Forgets what was done so far; `block_count` blocks are to come.
    pub(crate) fn restart(&self, block_count: Option<u64>) {
        self.blocks_left.set(block_count.unwrap_or(u64::MAX));
        self.counts.set(Counts::default());
    }

    /// What completed since the start or the last [`restart`](LaneState::restart).
    #[inline]
    pub(crate) fn counts(&self) -> Counts {
        self.counts.get()
    }

    /// The error that stopped the lanes, if one did.
    pub(crate) fn take_failure(&self) -> Option<LaneFailure> {
        self.failure.borrow_mut().take()
    }

    /// Keeps the first error and stops.
    pub(crate) fn fail(&self, failure: LaneFailure) {
        self.stop();
        self.failure.borrow_mut().get_or_insert(failure);
    }

    #[inline]
    fn next(&self) -> Next {
        if self.stopped.get() {
            return Next::Stop;
        }
        if let Some(every) = self.sync_every
            && self.writes_since_sync.get() == every.writes
        {
            self.writes_since_sync.set(0);
            return Next::Sync { data_only: every.data_only };
        }
        let Some(blocks_left) = self.blocks_left.get().checked_sub(1) else { return Next::Stop };
        self.blocks_left.set(blocks_left);
        let mut workload = self.workload.borrow_mut();
        let offset = workload.next_offset();
        if workload.next_is_read() {
            Next::Read { offset }
        } else {
            self.writes_since_sync.set(self.writes_since_sync.get() + 1);
            Next::Write { offset }
        }
    }

    #[inline]
    fn count_read(&self, len_bytes: u32) {
        let mut counts = self.counts.get();
        counts.read_bytes += u64::from(len_bytes);
        counts.read_count += 1;
        self.counts.set(counts);
    }

    #[inline]
    fn count_write(&self, len_bytes: u32) {
        let mut counts = self.counts.get();
        counts.write_bytes += u64::from(len_bytes);
        counts.write_count += 1;
        self.counts.set(counts);
    }
}

/// What a lane does next.
enum Next {
    Read { offset: u64 },
    Write { offset: u64 },
    Sync { data_only: bool },
    Stop,
}

/// Starts one lane. Its first request is a no-op, so that there is one way of issuing requests:
/// from a callback.
///
/// # Errors
///
/// The engine's, if it does not take the request.
pub(crate) fn start(
    engine: &mut Engine,
    state: Rc<LaneState>,
    file: File,
    buffer: Buffer,
) -> Result<(), Error> {
    let first = move |_: Completion<Nop>, context: &mut Context<'_>| {
        issue(state, file, buffer, context);
    };
    engine.submit(Nop, first).map(drop).map_err(|refused| refused.error)
}

#[inline]
fn issue(state: Rc<LaneState>, file: File, mut buffer: Buffer, context: &mut Context<'_>) {
    // The engine has room for every lane and the file was checked, so a refusal is not expected;
    // it ends the job. The buffer goes back to the pool with the refused request.
    let refusal = match state.next() {
        Next::Stop => None,
        Next::Read { offset } => {
            let on_complete = on_read(Rc::clone(&state));
            let answer = context.submit(Read { file, offset, buffer }, on_complete);
            answer.err().map(|refused| refused.error)
        }
        Next::Write { offset } => {
            if state.refill_buffers {
                state.workload.borrow_mut().random().fill(&mut buffer);
            }
            let on_complete = on_write(Rc::clone(&state));
            let answer = context.submit(Write { file, offset, buffer }, on_complete);
            answer.err().map(|refused| refused.error)
        }
        Next::Sync { data_only } => {
            let on_complete = on_sync(Rc::clone(&state), buffer);
            let answer = context.submit(Sync { file, data_only }, on_complete);
            answer.err().map(|refused| refused.error)
        }
    };
    if let Some(error) = refusal {
        state.fail(LaneFailure::Request(error));
    }
}

fn on_read(state: Rc<LaneState>) -> impl FnOnce(Completion<Read>, &mut Context<'_>) {
    move |done, context| match done.result {
        Ok(len_bytes) => {
            if (len_bytes as usize) < done.op.buffer.len() {
                // The region was inside the file when the job began and the engine reads on to
                // the end of the file: somebody cut it short. Parts of blocks, or nothing at all,
                // would pass for whole ones in the measurement.
                let offset = done.op.offset + u64::from(len_bytes);
                return state.fail(LaneFailure::EndOfFile { offset });
            }
            state.count_read(len_bytes);
            issue(state, done.op.file, done.op.buffer, context);
        }
        Err(error) => state.fail(LaneFailure::Request(error)),
    }
}

fn on_write(state: Rc<LaneState>) -> impl FnOnce(Completion<Write>, &mut Context<'_>) {
    move |done, context| match done.result {
        Ok(len_bytes) => {
            state.count_write(len_bytes);
            issue(state, done.op.file, done.op.buffer, context);
        }
        Err(error) => state.fail(LaneFailure::Request(error)),
    }
}

fn on_sync(
    state: Rc<LaneState>,
    buffer: Buffer,
) -> impl FnOnce(Completion<Sync>, &mut Context<'_>) {
    move |done, context| match done.result {
        Ok(()) => issue(state, done.op.file, buffer, context),
        Err(error) => state.fail(LaneFailure::Request(error)),
    }
}
