//! How long batches and measurements last. At first as short as chance allows, so that the knee is
//! found quickly; on a device that stalls again and again, as long as it takes to see it stall.
//! Held by `knee`; decides no depth.
//!
//! # Why two paces
//!
//! A single stall is nothing that a depth could change, and a measurement leaves it out. But a
//! kernel's throttle serves a disk at full speed until a tenth of a second's share is used up, and
//! then not at all until the tenth is over: the deeper the queue, the shorter the part in which it
//! serves. Seen in short measurements without the stalls, a depth of 96 gives five times what a
//! depth of 2 gives; over the whole time both give the same. So where stalls are a large part of
//! the time and come often, a batch goes on until a stall is over, and thus holds whole ones.

use super::curve::Curve;
use super::epoch::{BATCHES, Measured};

/// Completions of a batch at least, and of a batch of a glance.
pub(super) const BATCH_SLOTS: u32 = 64;
const GLANCE_SLOTS: u32 = 16;
/// Of a whole measurement: 16 batches.
pub(super) const EPOCH_SLOTS: u32 = 16 * BATCH_SLOTS;
/// Generations of requests that are not counted after a change of depth.
pub(super) const SKIPPED: u32 = 3;
/// A batch lasts so long at least, since a reap brings several completions at one time.
const BATCH_NS: u64 = 1_000_000;
const GLANCE_NS: u64 = 250_000;
/// On a slow device a batch ends after so long with a few completions.
const SLOW_BATCH_NS: u64 = 125_000_000;
const SLOW_BATCH_SLOTS: u32 = 8;

/// Stalls are regular when there are so many within about so long, and the lost part of the time is
/// as large as this. Collections of garbage of 60 ms each second are two of them at most, and 0.06.
const STALLS: f64 = 4.0;
const LOOK_BACK_NS: f64 = 1e9;
const LOST: f64 = 0.12;
/// A sweep that counts them begins where short measurements gave this part of what there is.
const NEARLY: f64 = 0.75;
/// A measurement then has so many batches, and each lasts so long at least, and to the end of a
/// stall; or this long where none comes.
const COARSE_BATCHES: usize = 6;
const COARSE_NS: u64 = 50_000_000;
const COARSE_NS_MAX: u64 = 150_000_000;
/// So much time without a completion is a stall, if it is this part of the batch as well.
const LULL_NS: u64 = 3_000_000;
const LULL_PART: u64 = 32;

/// The pace of the measurements, and what is known of stalls.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    is_coarse: bool,
    /// When the last sample came, and how long after the one before.
    seen_ns: u64,
    gap_ns: u64,
    /// When this batch began, and the longest time between two of its samples.
    start_ns: u64,
    lull_ns: u64,
    /// Stalls, the time lost in them and all time, the older the less.
    stalls: f64,
    lost_ns: f64,
    all_ns: f64,
}

impl Pace {
    pub(super) const START: Self = Self {
        is_coarse: false,
        seen_ns: 0,
        gap_ns: 0,
        start_ns: 0,
        lull_ns: 0,
        stalls: 0.0,
        lost_ns: 0.0,
        all_ns: 0.0,
    };

    /// A sample came.
    #[inline]
    pub(super) fn tick(&mut self, now_ns: u64) {
        self.gap_ns = now_ns.saturating_sub(self.seen_ns);
        self.lull_ns = self.lull_ns.max(self.gap_ns);
        self.seen_ns = now_ns;
    }

    /// A batch begins.
    #[inline]
    pub(super) fn begin(&mut self, now_ns: u64) {
        (self.start_ns, self.lull_ns) = (now_ns, 0);
    }

    /// When it began.
    #[inline]
    pub(super) fn start_ns(&self) -> u64 {
        self.start_ns
    }

    /// The longest time without a sample since then.
    pub(super) fn lull_ns(&self) -> u64 {
        self.lull_ns
    }

    /// Whether stalls count.
    pub(super) fn is_coarse(&self) -> bool {
        self.is_coarse
    }

    /// Batches of a whole measurement.
    pub(super) fn batches(&self) -> usize {
        if self.is_coarse { COARSE_BATCHES } else { BATCHES }
    }

    /// Whether a batch of `count` slots, of which a generation has so many, is over after so long.
    #[inline]
    pub(super) fn is_over(
        &self,
        is_glance: bool,
        count: u32,
        generation: u32,
        elapsed_ns: u64,
    ) -> bool {
        let (least_slots, least_ns) =
            if is_glance { (GLANCE_SLOTS, GLANCE_NS) } else { (BATCH_SLOTS, BATCH_NS) };
        let is_full = count >= least_slots.max(generation) && elapsed_ns >= least_ns;
        let is_slow = count >= SLOW_BATCH_SLOTS && elapsed_ns >= SLOW_BATCH_NS;
        (is_full || is_slow) && (!self.is_coarse || self.is_after_stall(elapsed_ns))
    }

    /// Whether a batch is long enough to end with the stall that is just over, or with none.
    fn is_after_stall(&self, elapsed_ns: u64) -> bool {
        let is_stall = self.gap_ns >= LULL_NS.max(elapsed_ns / LULL_PART);
        elapsed_ns >= COARSE_NS_MAX || is_stall && elapsed_ns >= COARSE_NS
    }

    /// Takes in what a measurement saw of stalls. If they count from now on, what was measured
    /// without them is worth nothing but for this: a depth below the knee is as good as it was, so
    /// the new sweep can begin at the first one that gave about as much as there is with the
    /// stalls. Answers which that is.
    pub(super) fn learn(&mut self, measured: &Measured, curve: &Curve) -> Option<usize> {
        if self.is_coarse {
            return None;
        }
        self.stalls += f64::from(measured.stalls);
        self.lost_ns += measured.lost_ns;
        self.all_ns += measured.elapsed_ns;
        self.is_coarse = self.stalls >= STALLS && self.lost_ns >= LOST * self.all_ns;
        let served = 1.0 - self.lost_ns / self.all_ns;
        if self.all_ns > LOOK_BACK_NS {
            self.stalls /= 2.0;
            self.lost_ns /= 2.0;
            self.all_ns /= 2.0;
        }
        let need = measured.rate_ln + served.ln() + NEARLY.ln();
        let mut measured = (0..curve.grid.len()).filter(|index| curve.is_measured(*index));
        let first = measured.find(|index| curve.deviation(*index, need) <= 0.0);
        self.is_coarse.then_some(first.unwrap_or(0))
    }

    /// The device is another one.
    pub(super) fn reset(&mut self) {
        if self.is_coarse {
            let Self { seen_ns, gap_ns, start_ns, lull_ns, .. } = *self;
            *self = Self { seen_ns, gap_ns, start_ns, lull_ns, ..Self::START };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::epoch::Epoch;
    use super::super::grid::Grid;
    use super::*;

    /// A device that was measured at depths 1, 2, 4 … 128: 10,000 a second at each slot up to 8.
    fn curve() -> Curve {
        let mut curve = Curve::new(Grid::new(1, 256));
        for power in 0..8 {
            let depth = 1_u32 << power;
            let index = curve.grid.index(depth);
            curve.learn(index, (1e-5 * f64::from(depth.min(8))).ln(), 1.0);
        }
        curve
    }

    /// The depth at which a new sweep begins, if stalls come to count within so many seconds of
    /// measurements of 20 ms, one in `every` of which holds a stall of so many milliseconds.
    fn begins_after(seconds: f64, every: u32, stall_ms: u64) -> Option<u32> {
        let curve = curve();
        let (mut pace, mut time_ns, mut round) = (Pace::START, 0.0, 0);
        while time_ns < seconds * 1e9 {
            let mut epoch = Epoch::new();
            for batch in 0..BATCHES as u64 {
                let is_stall = round % every == 0 && batch == 7;
                let stall_ns = if is_stall { stall_ms * 1_000_000 } else { 0 };
                epoch.push(100, 1_250_000 + stall_ns, 10_000 + stall_ns);
            }
            let measured = epoch.measured();
            (time_ns, round) = (time_ns + measured.elapsed_ns, round + 1);
            if let Some(index) = pace.learn(&measured, &curve) {
                assert!(pace.is_coarse());
                return Some(curve.grid.depth(index));
            }
        }
        None
    }

    #[test]
    fn a_throttle_counts_at_once_and_rare_stalls_never() {
        assert_eq!(begins_after(0.6, 1, 80), Some(2), "a fifth is served: 16,000 a second");
        assert_eq!(begins_after(1.0, 4, 20), Some(8), "four fifths");
        assert_eq!(begins_after(60.0, 47, 60), None, "60 ms each second");
        assert_eq!(begins_after(60.0, 1, 3), None, "no more than chance");
    }

    #[test]
    fn a_coarse_batch_ends_with_a_stall_or_after_long() {
        let mut pace = Pace { is_coarse: true, ..Pace::START };
        pace.tick(0);
        pace.tick(20_000_000);
        assert!(!pace.is_over(false, 100, 2, 20_000_000), "too short");
        pace.tick(100_000_000);
        assert!(pace.is_over(false, 100, 2, 100_000_000), "a stall is over");
        pace.tick(100_100_000);
        assert!(!pace.is_over(false, 100, 2, 100_100_000), "in the middle");
        assert!(pace.is_over(false, 100, 2, 150_000_000), "there is no stall");
    }
}
