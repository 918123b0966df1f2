//! What the lanes of one job share, and what comes next.
//!
//! Owns the amount that is left, the order of syncs and checks, and the counts. It lives on the
//! job's thread only and issues nothing itself; `lane` does.

use std::cell::{Cell, RefCell};
use std::num::NonZeroU64;
use std::rc::Rc;

use hdrhistogram::Histogram;
use iomill_engine::{Error, File, WriteFlags};

use super::Lane;
use super::errors::{LaneFailure, Problems, Verdict};
use super::extras::Extras;
use crate::contents::Contents;
use crate::flow::FlowShare;
use crate::job::{JobSpec, SyncEvery};
use crate::progress::Counts;
use crate::workload::{Block, Direction, Random, Region, Workload};

/// What the lanes of one job share.
#[derive(Debug)]
pub(crate) struct LaneState {
    pub(super) spec: JobSpec,
    files: Vec<File>,
    pub(super) regions: Vec<Region>,
    workload: RefCell<Workload>,
    contents: Contents,
    stopped: Cell<bool>,
    /// Bytes and requests still to be issued; the largest number when only time ends the job.
    bytes_left: Cell<u64>,
    requests_left: Cell<u64>,
    smallest: u64,
    sync_every: Option<SyncEvery>,
    pub(super) write_flags: WriteFlags,
    writes_since_sync: Cell<u64>,
    /// Per direction: what has completed.
    bytes: [Cell<u64>; 3],
    requests: [Cell<u64>; 3],
    failure: RefCell<Option<LaneFailure>>,
    /// Nothing of this is touched by plain jobs.
    pub(super) extras: Option<Box<Extras>>,
    pub(super) problems: RefCell<Problems>,
    pub(super) parked: RefCell<Vec<Lane>>,
    /// Lanes that have nothing to do any more, for the next loop.
    pub(super) retired: RefCell<Vec<Lane>>,
}

/// A request that is about to be issued.
#[derive(Clone, Copy, Debug)]
pub(super) struct Issued {
    pub(super) block: Block,
    /// When it should have begun, if the job has a rate.
    pub(super) intended_ns: Option<NonZeroU64>,
}

/// What a lane does next.
pub(super) enum Next {
    Read(Issued),
    Write(Issued),
    Trim(Issued),
    /// Reads back a block that was written.
    Check(Block),
    Sync {
        data_only: bool,
    },
    /// The next request is not due yet.
    Later,
    Stop,
}

impl LaneState {
    /// The state of a job on these files.
    pub(crate) fn new(
        spec: &JobSpec,
        files: Vec<File>,
        regions: &[Region],
        seed: u64,
        flow: Option<FlowShare>,
    ) -> Rc<LaneState> {
        Rc::new(LaneState {
            spec: spec.clone(),
            files,
            regions: regions.to_vec(),
            workload: RefCell::new(Workload::new(spec, regions, seed)),
            contents: Contents::new(spec),
            stopped: Cell::new(false),
            bytes_left: Cell::new(u64::MAX),
            requests_left: Cell::new(u64::MAX),
            smallest: spec.block_bounds().0,
            sync_every: spec.sync_every(),
            write_flags: super::write_flags(spec),
            writes_since_sync: Cell::new(0),
            bytes: Default::default(),
            requests: Default::default(),
            failure: RefCell::new(None),
            extras: Extras::new(spec, regions, flow),
            problems: RefCell::new(Problems::default()),
            parked: RefCell::new(Vec::new()),
            retired: RefCell::new(Vec::new()),
        })
    }

    /// Lets requests in flight complete and issues no more.
    pub(crate) fn stop(&self) {
        self.stopped.set(true);
    }

    /// Issues requests again.
    pub(crate) fn go_on(&self) {
        if !self.has_failed() {
            self.stopped.set(false);
        }
    }

    /// Whether an error has stopped the lanes.
    pub(crate) fn has_failed(&self) -> bool {
        self.failure.borrow().is_some()
    }

    /// Whether no more requests are issued.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.get()
    }

    /// Forgets what was done so far.
    pub(crate) fn forget_counts(&self) {
        self.bytes.iter().chain(&self.requests).for_each(|count| count.set(0));
        if let Some(extras) = &self.extras {
            extras.since_intended_ns.borrow_mut().iter_mut().for_each(Histogram::reset);
        }
    }

    /// This many bytes and requests are to come; `None` is no end.
    pub(crate) fn set_amount(&self, bytes: Option<u64>, requests: Option<u64>) {
        self.bytes_left.set(bytes.unwrap_or(u64::MAX));
        self.requests_left.set(requests.unwrap_or(u64::MAX));
    }

    /// What completed since the start or since it was forgotten.
    #[inline]
    pub(crate) fn counts(&self) -> Counts {
        let [read_bytes, write_bytes, trim_bytes] = self.bytes.each_ref().map(Cell::get);
        let [read_count, write_count, trim_count] = self.requests.each_ref().map(Cell::get);
        Counts { read_bytes, read_count, write_bytes, write_count, trim_bytes, trim_count }
    }

    /// Bytes of trims, which the engine does not count.
    #[inline]
    pub(crate) fn trim_bytes(&self) -> u64 {
        self.bytes[Direction::Trim as usize].get()
    }

    /// The error that stopped the lanes, if one did.
    pub(crate) fn take_failure(&self) -> Option<LaneFailure> {
        self.failure.borrow_mut().take()
    }

    /// The errors that did not.
    pub(crate) fn take_problems(&self) -> Problems {
        self.problems.take()
    }

    /// Latencies since the intended start, if the job has a rate.
    pub(crate) fn since_intended_ns(&self) -> Option<[Histogram<u64>; 3]> {
        let extras = self.extras.as_ref().filter(|_| self.spec.pace.is_rated())?;
        Some(extras.since_intended_ns.borrow().clone())
    }

    /// Keeps the first error and stops.
    pub(crate) fn fail(&self, failure: LaneFailure) {
        self.stop();
        self.failure.borrow_mut().get_or_insert(failure);
    }

    pub(super) fn file(&self, index: u32) -> File {
        self.files[index as usize].clone()
    }

    /// What comes next. Always inlined, like what it calls for plain jobs: an answer that goes
    /// through memory costs more than all the rest of it.
    #[inline(always)]
    pub(super) fn next(&self) -> Next {
        if self.stopped.get() {
            return Next::Stop;
        }
        if let Some(every) = self.sync_every
            && self.writes_since_sync.get() == every.writes
        {
            self.writes_since_sync.set(0);
            return Next::Sync { data_only: every.data_only };
        }
        match &self.extras {
            None => match self.draw(None) {
                Some(block) => self.issued(block, None),
                None => Next::Stop,
            },
            Some(extras) => self.next_with(extras),
        }
    }

    /// The same for jobs with a pace or a verification.
    #[inline(never)]
    fn next_with(&self, extras: &Extras) -> Next {
        if let Some(cursor) = extras.cursor.get() {
            return self.next_check(extras, cursor);
        }
        if let Some(block) = extras.next_of_backlog() {
            extras.in_flight.borrow_mut().push(block);
            return Next::Check(block);
        }
        if let Some(block) = extras.next_of_trims() {
            extras.in_flight.borrow_mut().push(block);
            return Next::Trim(Issued { block, intended_ns: None });
        }
        let direction = extras.pacer.as_ref().and_then(|pacer| pacer.borrow().direction());
        let Some(block) = extras.pending.take().or_else(|| self.draw(direction)) else {
            return Next::Stop;
        };
        if self.has_to_wait(extras, &block) {
            extras.pending.set(Some(block));
            return Next::Later;
        }
        if extras.verifier.is_some() {
            extras.in_flight.borrow_mut().push(block);
        }
        let Some(pacer) = &extras.pacer else { return self.issued(block, None) };
        let mut pacer = pacer.borrow_mut();
        // The very first request is due at 0, and a nanosecond is nothing.
        let due_ns = pacer.intended_ns(block.direction);
        let intended_ns = due_ns.and_then(|due_ns| NonZeroU64::new(due_ns.max(1)));
        let mut workload = self.workload.borrow_mut();
        pacer.issued(block.direction, block.len_bytes, extras.now_ns(), workload.random());
        drop(workload);
        self.issued(block, intended_ns)
    }

    /// The next block of the workload, if there is any left to do.
    #[inline(always)]
    fn draw(&self, direction: Option<Direction>) -> Option<Block> {
        let bytes_left = self.bytes_left.get();
        if bytes_left < self.smallest {
            return None;
        }
        let requests_left = self.requests_left.get().checked_sub(1)?;
        let mut workload = self.workload.borrow_mut();
        let direction = direction.unwrap_or_else(|| workload.next_direction());
        let block = workload.next(direction, bytes_left);
        self.requests_left.set(requests_left);
        if bytes_left < u64::MAX {
            self.bytes_left.set(bytes_left - u64::from(block.len_bytes).min(bytes_left));
        }
        Some(block)
    }

    #[inline(always)]
    fn issued(&self, block: Block, intended_ns: Option<NonZeroU64>) -> Next {
        let issued = Issued { block, intended_ns };
        match block.direction {
            Direction::Read => Next::Read(issued),
            Direction::Write => {
                self.writes_since_sync.set(self.writes_since_sync.get() + 1);
                Next::Write(issued)
            }
            Direction::Trim => Next::Trim(issued),
        }
    }

    /// The write that follows a trim in the same place, if the pattern says so.
    pub(super) fn write_after(&self, trim: Issued) -> Option<Issued> {
        let block = Block { direction: Direction::Write, ..trim.block };
        self.spec.rw.trims_first.then_some(Issued { block, intended_ns: trim.intended_ns })
    }

    /// Gives a buffer the contents that are to be written.
    #[inline]
    pub(super) fn fill(&self, block: &Block, bytes: &mut [u8]) {
        if let Some(extras) = &self.extras
            && let Some(verifier) = &extras.verifier
        {
            return verifier.borrow_mut().seal(block.file, block.offset, bytes);
        }
        let mut workload = self.workload.borrow_mut();
        if self.contents.is_renewed(workload.random()) {
            self.contents.fill(workload.random(), bytes);
        }
    }

    /// Fills a new buffer, so that no page of it is touched for the first time in the measurement.
    pub(crate) fn fill_first(&self, random: &mut Random, bytes: &mut [u8]) {
        if self.spec.rw.writes() { self.contents.fill(random, bytes) } else { bytes.fill(0) }
    }

    /// Counts one request.
    #[inline]
    pub(super) fn count(&self, direction: Direction, len_bytes: u32) {
        let (bytes, requests) =
            (&self.bytes[direction as usize], &self.requests[direction as usize]);
        bytes.set(bytes.get() + u64::from(len_bytes));
        requests.set(requests.get() + 1);
    }

    /// Counts a request that has completed, and what goes with it.
    #[inline]
    pub(super) fn completed(&self, block: &Block, intended_ns: Option<NonZeroU64>, len_bytes: u32) {
        let direction = block.direction;
        self.count(direction, len_bytes);
        if let Some(extras) = &self.extras {
            self.completed_with(extras, block, intended_ns);
        }
    }

    /// The same for jobs with a pace or a verification.
    #[inline(never)]
    fn completed_with(&self, extras: &Extras, block: &Block, intended_ns: Option<NonZeroU64>) {
        let direction = block.direction;
        if let Some(intended_ns) = intended_ns {
            let latency_ns = extras.now_ns().saturating_sub(intended_ns.get()).max(1);
            extras.since_intended_ns.borrow_mut()[direction as usize].saturating_record(latency_ns);
        }
        if extras.verifier.is_some() {
            extras.landed(block);
            let verify = &self.spec.verify;
            if direction == Direction::Write && verify.backlog > 0 {
                extras.remember(*block, &self.spec);
            }
            if direction == Direction::Write && verify.trims.percent > 0 {
                let draw = self.workload.borrow_mut().random().below(100);
                let picked = draw < u64::from(verify.trims.percent);
                extras.may_trim(*block, picked, &verify.trims);
            }
            if let (Direction::Trim, Some(verifier)) = (direction, &extras.verifier) {
                let len_bytes = u64::from(block.len_bytes);
                verifier.borrow_mut().trimmed(block.file, block.offset, len_bytes);
            }
        }
    }

    /// Takes note of a request that failed, and decides whether the job goes on.
    pub(super) fn request_failed(&self, block: &Block, error: Error) {
        if let Some(extras) = &self.extras {
            extras.landed(block);
            if let (Some(verifier), true) = (&extras.verifier, block.direction != Direction::Read) {
                let len_bytes = u64::from(block.len_bytes);
                verifier.borrow_mut().forget(block.file, block.offset, len_bytes);
            }
        }
        match Problems::verdict(&self.spec, block.direction, error.errno()) {
            Verdict::Ignore => {}
            Verdict::Count => self.problems.borrow_mut().count(&error),
            Verdict::Full => self.stop(),
            Verdict::Fail => self.fail(LaneFailure::Request(error)),
        }
    }
}
