//! One engine's latency target at the controller of a device: what it allows, whom it protects,
//! and whether it can be met. Held by `controller`, one for each engine that has a target, and fed
//! with that engine's samples only: what is late for one is in time for another.

use super::latency::Latency;
use super::sample::Sample;
use super::target::Target;

/// Reads protect themselves only while there are some: after so many writes in a row these count
/// instead.
const WRITES_ALONE: u32 = 4096;
/// An engine that has told nothing for so long has nothing to do, and holds nobody down.
const LAPSE_NS: u64 = 1_000_000_000;

/// A target and how it fares.
#[derive(Clone, Copy, Debug)]
pub(super) struct Goal {
    /// What the target allows: up to the knee it is the total; what lies above the knee is what
    /// writes may take, so that they give way before reads do.
    latency: Latency,
    /// Slots of writes since the last read.
    writes_in_a_row: u32,
    /// When its engine last told something.
    told_ns: u64,
    /// Whether it was said to be out of reach.
    pub(super) is_out_of_reach: bool,
}

impl Goal {
    /// A target that allows everything at first; none without a limit.
    pub(super) fn new(target: Target, min: u32, max: u32, now_ns: u64) -> Option<Self> {
        let latency = Latency::new(target, min, max)?;
        Some(Self { latency, writes_in_a_row: 0, told_ns: now_ns, is_out_of_reach: false })
    }

    /// Takes a reap of its engine in; `roof` is the depth that it may save up for.
    #[inline]
    pub(super) fn observe(&mut self, sample: &Sample, roof: u32) {
        self.told_ns = sample.now_ns;
        let counts = if sample.reads.requests > 0 {
            self.writes_in_a_row = 0;
            sample.reads
        } else {
            self.writes_in_a_row = self.writes_in_a_row.saturating_add(sample.writes.slots);
            sample.writes
        };
        if sample.reads.requests > 0 || self.are_writes_alone() {
            self.latency.observe(counts, roof);
        }
    }

    /// Whether there have been no reads for long, so that writes count.
    #[inline]
    fn are_writes_alone(&self) -> bool {
        self.writes_in_a_row > WRITES_ALONE
    }

    /// Whether its engine has told nothing for so long that it holds nobody down. A clock that went
    /// back is no silence.
    #[inline]
    pub(super) fn has_lapsed(&self, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.told_ns) > LAPSE_NS
    }

    /// The depth that it allows. Units: slots.
    #[inline]
    pub(super) fn width(&self) -> u32 {
        self.latency.width()
    }

    /// What it leaves to writes beside `knee` slots of reads. Units: slots.
    #[inline]
    pub(super) fn left_to_writes(&self, knee: u32) -> u32 {
        if self.are_writes_alone() { u32::MAX } else { self.width().saturating_sub(knee) }
    }

    /// Whether it is missed at the least depth.
    #[inline]
    pub(super) fn is_hopeless(&self) -> bool {
        self.latency.is_hopeless()
    }
}
