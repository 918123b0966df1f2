//! What the lanes of one job share, and what comes next.
//!
//! Owns the amount that is left, the order of syncs and checks, and the counts. It lives on the
//! job's thread only and issues nothing itself; `lane` does.

use std::cell::{Cell, RefCell};
use std::num::NonZeroU64;
use std::rc::Rc;

use hdrhistogram::Histogram;
use iomill_engine::{Error, File};

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
    writes_since_sync: Cell<u64>,
    pub(super) counts: Cell<Counts>,
    failure: RefCell<Option<LaneFailure>>,
    /// Nothing of this is touched by plain jobs.
    pub(super) extras: Option<Box<Extras>>,
    pub(super) problems: RefCell<Problems>,
    parked: RefCell<Vec<Lane>>,
    /// Lanes that have nothing to do any more, for the next loop.
    retired: RefCell<Vec<Lane>>,
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
            writes_since_sync: Cell::new(0),
            counts: Cell::new(Counts::default()),
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
        self.counts.set(Counts::default());
        if let Some(extras) = &self.extras {
            extras.since_intended_ns.borrow_mut().iter_mut().for_each(Histogram::reset);
        }
    }

    /// This many bytes and requests are to come; `None` is no end.
    pub(crate) fn set_amount(&self, bytes: Option<u64>, requests: Option<u64>) {
        self.bytes_left.set(bytes.unwrap_or(u64::MAX));
        self.requests_left.set(requests.unwrap_or(u64::MAX));
    }

    /// Begins the schedule, if there is one: nothing was due before now.
    pub(crate) fn begin_schedule(&self) {
        let Some(extras) = &self.extras else { return };
        if let Some(pacer) = &extras.pacer {
            extras.now_ns.set(None);
            pacer.borrow_mut().begin(extras.now_ns());
        }
        extras.flow.iter().for_each(|flow| flow.borrow_mut().begin());
    }

    /// What completed since the start or since it was forgotten.
    #[inline]
    pub(crate) fn counts(&self) -> Counts {
        self.counts.get()
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

    /// A lane that has nothing to do any more.
    pub(super) fn retire(&self, lane: Lane) {
        self.retired.borrow_mut().push(lane);
    }

    /// Lanes that can be started again.
    pub(crate) fn take_retired(&self) -> Vec<Lane> {
        let mut lanes = self.retired.take();
        lanes.append(&mut self.parked.borrow_mut());
        lanes
    }

    pub(super) fn park(&self, lane: Lane) {
        self.parked.borrow_mut().push(lane);
    }

    pub(super) fn unpark(&self) -> Option<Lane> {
        self.parked.borrow_mut().pop()
    }

    /// How many lanes wait for their next request to be due.
    #[inline]
    pub(crate) fn parked_count(&self) -> usize {
        self.parked.borrow().len()
    }

    /// When parked lanes can go on, in nanoseconds from now: 0 at once, `None` after another
    /// request has completed.
    pub(crate) fn due_in_ns(&self) -> Option<u64> {
        let extras = self.extras.as_ref()?;
        if extras.waits_for_other.get() {
            return None;
        }
        if extras.waits_for_flow.replace(false) {
            let pause_ns = self.spec.pace.flow_sleep.as_nanos().max(1);
            return Some(u64::try_from(pause_ns).unwrap_or(u64::MAX));
        }
        extras.now_ns.set(None);
        let block = extras.pending.get();
        let due_ns = match (block, &extras.pacer) {
            (Some(block), Some(pacer)) => pacer.borrow().due_ns(block.direction),
            _ => 0,
        };
        Some(due_ns.saturating_sub(extras.now_ns()))
    }

    /// What waited for another request is tried again after the next tick.
    pub(crate) fn retry_at_next_tick(&self) {
        self.extras.iter().for_each(|extras| extras.waits_for_other.set(false));
    }

    /// The time has to be read anew.
    #[inline]
    pub(crate) fn forget_time(&self) {
        if let Some(extras) = &self.extras {
            extras.now_ns.set(None);
        }
    }

    pub(super) fn file(&self, index: u32) -> File {
        self.files[index as usize].clone()
    }

    /// What comes next.
    #[inline]
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
    fn next_with(&self, extras: &Extras) -> Next {
        if let Some(cursor) = extras.cursor.get() {
            return self.next_check(extras, cursor);
        }
        if let Some(block) = extras.next_of_backlog() {
            extras.in_flight.borrow_mut().push(block);
            return Next::Check(block);
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

    /// Whether the block has to wait: for its time, for another request, or for other jobs.
    fn has_to_wait(&self, extras: &Extras, block: &Block) -> bool {
        let due_ns = extras.pacer.as_ref().map(|pacer| pacer.borrow().due_ns(block.direction));
        if due_ns.is_some_and(|due_ns| due_ns > extras.now_ns()) {
            return true;
        }
        if extras.verifier.is_some() && extras.overlaps(block) {
            extras.waits_for_other.set(true);
            return true;
        }
        // Last, because it counts the request.
        let admitted = extras.flow.as_ref().is_none_or(|flow| flow.borrow_mut().admit());
        extras.waits_for_flow.set(!admitted);
        !admitted
    }

    /// The next block of the workload, if there is any left to do.
    #[inline]
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

    #[inline]
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

    /// Counts a request that has completed.
    #[inline]
    pub(super) fn completed(&self, block: &Block, intended_ns: Option<NonZeroU64>, len_bytes: u32) {
        let direction = block.direction;
        let mut counts = self.counts.get();
        let (bytes, count) = counts.of(direction);
        *bytes += u64::from(len_bytes);
        *count += 1;
        self.counts.set(counts);
        let Some(extras) = &self.extras else { return };
        if let Some(intended_ns) = intended_ns {
            let latency_ns = extras.now_ns().saturating_sub(intended_ns.get()).max(1);
            extras.since_intended_ns.borrow_mut()[direction as usize].saturating_record(latency_ns);
        }
        if extras.verifier.is_some() {
            extras.landed(block);
            if direction == Direction::Write && self.spec.verify.backlog > 0 {
                extras.remember(*block, &self.spec);
            }
        }
    }

    /// Takes note of a request that failed, and decides whether the job goes on.
    pub(super) fn request_failed(&self, block: &Block, error: Error) {
        if let Some(extras) = &self.extras {
            extras.landed(block);
            if let (Some(verifier), Direction::Write) = (&extras.verifier, block.direction) {
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
