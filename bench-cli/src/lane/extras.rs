//! What jobs with a pace or a verification need beside the plain loop.
//!
//! Owns the clock of such a job, the blocks that wait, those in flight, and those that were not
//! checked yet. Used by `state` alone.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Instant;

use hdrhistogram::Histogram;

use crate::flow::FlowShare;
use crate::job::{JobSpec, TrimSpec};
use crate::pace::Pacer;
use crate::verify::Verifier;
use crate::workload::{Block, Direction, Region};

/// What jobs with a pace or a verification need besides.
#[derive(Debug)]
pub(super) struct Extras {
    pub(super) pacer: Option<RefCell<Pacer>>,
    pub(super) flow: Option<RefCell<FlowShare>>,
    /// Whether the block waits for other jobs of its flow.
    pub(super) waits_for_flow: Cell<bool>,
    pub(super) epoch: Instant,
    /// The time, read at most once per tick.
    pub(super) now_ns: Cell<Option<u64>>,
    /// Latencies since the intended start, per direction.
    pub(super) since_intended_ns: RefCell<[Histogram<u64>; 3]>,
    /// A block that was drawn and has to wait.
    pub(super) pending: Cell<Option<Block>>,
    /// Whether it waits for another request, not for its time.
    pub(super) waits_for_other: Cell<bool>,
    pub(super) verifier: Option<RefCell<Verifier>>,
    /// Blocks in flight, for jobs that verify: no two may overlap.
    pub(super) in_flight: RefCell<Vec<Block>>,
    /// What was written and not checked yet, and how many of those are due now.
    pub(super) backlog: RefCell<VecDeque<Block>>,
    pub(super) backlog_due: Cell<u64>,
    /// What was picked to be trimmed, how many of those are due, and the writes since the last ones
    /// were.
    pub(super) trims: RefCell<VecDeque<Block>>,
    pub(super) trims_due: Cell<u64>,
    pub(super) writes_since_trim: Cell<u64>,
    /// Where the check of everything has got to: file and offset.
    pub(super) cursor: Cell<Option<(u32, u64)>>,
    pub(super) checked_count: Cell<u64>,
}

impl Extras {
    /// What a job needs, or `None` if it is a plain one.
    pub(super) fn new(
        spec: &JobSpec,
        regions: &[Region],
        flow: Option<FlowShare>,
    ) -> Option<Box<Extras>> {
        let pacer = Pacer::new(spec).map(RefCell::new);
        let verifier = Verifier::new(spec, regions, spec.seed()).map(RefCell::new);
        (pacer.is_some() || verifier.is_some() || flow.is_some()).then(|| {
            Box::new(Extras {
                pacer,
                flow: flow.map(RefCell::new),
                waits_for_flow: Cell::new(false),
                epoch: Instant::now(),
                now_ns: Cell::new(None),
                since_intended_ns: RefCell::new([(); 3].map(|()| histogram())),
                pending: Cell::new(None),
                waits_for_other: Cell::new(false),
                verifier,
                in_flight: RefCell::new(Vec::new()),
                backlog: RefCell::new(VecDeque::new()),
                backlog_due: Cell::new(0),
                trims: RefCell::new(VecDeque::new()),
                trims_due: Cell::new(0),
                writes_since_trim: Cell::new(0),
                cursor: Cell::new(None),
                checked_count: Cell::new(0),
            })
        })
    }

    /// The time, in nanoseconds since the job began; read once per tick.
    pub(super) fn now_ns(&self) -> u64 {
        if let Some(now_ns) = self.now_ns.get() {
            return now_ns;
        }
        let now_ns = u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.now_ns.set(Some(now_ns));
        now_ns
    }

    /// Whether a block in flight overlaps with this one.
    pub(super) fn overlaps(&self, block: &Block) -> bool {
        let end = |block: &Block| block.offset + u64::from(block.len_bytes);
        self.in_flight.borrow().iter().any(|other| {
            other.file == block.file && other.offset < end(block) && block.offset < end(other)
        })
    }

    /// A block is not in flight any more.
    pub(super) fn landed(&self, block: &Block) {
        let mut in_flight = self.in_flight.borrow_mut();
        if let Some(position) = in_flight.iter().position(|other| other == block) {
            in_flight.swap_remove(position);
        }
    }

    /// Remembers a block that was written, for the check after every so many.
    pub(super) fn remember(&self, block: Block, spec: &JobSpec) {
        let mut backlog = self.backlog.borrow_mut();
        backlog.push_back(block);
        let len = backlog.len() as u64;
        if len >= spec.verify.backlog && self.backlog_due.get() == 0 {
            let batch = spec.verify.backlog_batch;
            self.backlog_due.set(if batch == 0 { len } else { batch.min(len) });
        }
    }

    /// A block was written; `picked` ones are trimmed when enough others were written.
    pub(super) fn may_trim(&self, block: Block, picked: bool, trims: &TrimSpec) {
        if picked {
            self.trims.borrow_mut().push_back(Block { direction: Direction::Trim, ..block });
        }
        let writes = self.writes_since_trim.get() + 1;
        self.writes_since_trim.set(writes % trims.backlog.max(1));
        if writes == trims.backlog {
            let batch = if trims.batch == 0 { trims.backlog } else { trims.batch };
            self.trims_due.set(batch);
        }
    }

    /// The next block that is due to be trimmed.
    pub(super) fn next_of_trims(&self) -> Option<Block> {
        while self.trims_due.get() > 0 {
            self.trims_due.set(self.trims_due.get() - 1);
            let block = self.trims.borrow_mut().pop_front()?;
            // It is being written anew, or checked: it stays what it is.
            if !self.overlaps(&block) {
                return Some(block);
            }
        }
        None
    }

    /// The next remembered block that is due for a check.
    pub(super) fn next_of_backlog(&self) -> Option<Block> {
        while self.backlog_due.get() > 0 {
            self.backlog_due.set(self.backlog_due.get() - 1);
            let block = self.backlog.borrow_mut().pop_front()?;
            let block = Block { direction: Direction::Read, ..block };
            // It is being written anew: the new version will be remembered itself.
            if !self.overlaps(&block) {
                return Some(block);
            }
        }
        None
    }
}

/// A histogram like the engine's, so that both can be reported alike.
fn histogram() -> Histogram<u64> {
    const LATENCY_MAX_NS: u64 = 3_600_000_000_000;
    Histogram::new_with_bounds(1, LATENCY_MAX_NS, 3)
        .unwrap_or_else(|_| unreachable!("the bounds are constants that the histogram accepts"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Settings, find};

    fn extras(options: &[(&str, &str)]) -> (JobSpec, Box<Extras>) {
        let mut settings = Settings::default();
        for (name, text) in options {
            find(name).expect("known").apply(&mut settings, text).expect("valid");
        }
        let region = Region { first_byte: 0, len_bytes: 1 << 20 };
        let extras = Extras::new(&settings.job, &[region], None).expect("it verifies");
        (settings.job, extras)
    }

    fn block(offset: u64, len_bytes: u32) -> Block {
        Block { direction: Direction::Write, file: 0, offset, len_bytes }
    }

    #[test]
    fn blocks_overlap_that_share_a_byte_of_a_file() {
        let (_, extras) = extras(&[("rw", "write"), ("verify", "crc32c")]);
        extras.in_flight.borrow_mut().push(block(8192, 4096));
        for (other, expected) in [
            (block(8192, 4096), true),
            (block(4096, 4097), true),
            (block(12_287, 1), true),
            (block(4096, 4096), false),
            (block(12_288, 4096), false),
            (Block { file: 1, ..block(8192, 4096) }, false),
        ] {
            assert_eq!(extras.overlaps(&other), expected, "{other:?}");
        }
        extras.landed(&block(8192, 4096));
        assert!(!extras.overlaps(&block(8192, 4096)));
    }

    #[test]
    fn the_backlog_is_checked_when_it_is_full_but_for_what_is_written_anew() {
        let options = [("rw", "write"), ("verify", "crc32c"), ("verify_backlog", "3")];
        let (spec, extras) = extras(&options);
        for index in 0..2 {
            extras.remember(block(index * 4096, 4096), &spec);
        }
        assert_eq!(extras.next_of_backlog(), None, "not yet");
        extras.remember(block(8192, 4096), &spec);
        extras.in_flight.borrow_mut().push(block(4096, 4096));
        let mut offsets = Vec::new();
        while let Some(block) = extras.next_of_backlog() {
            assert_eq!(block.direction, Direction::Read);
            offsets.push(block.offset);
        }
        assert_eq!(offsets, [0, 8192]);
    }
}
