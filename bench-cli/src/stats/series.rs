//! What a job did over time: counts, bytes and latency bins per interval, in bounded memory.
//!
//! Owns the rule that a full series halves its resolution instead of growing: neighbours are added
//! up exactly, so that percentiles of long intervals are as true as those of short ones. It reads
//! no clock. Filled by `recorder`, read by the JSON report.

use std::time::Duration;

use super::bins::Bins;

/// The most intervals that are kept.
pub(crate) const INTERVAL_COUNT_MAX: usize = 256;

/// The width of an interval while there is room.
const WIDTH_MIN: Duration = Duration::from_millis(500);

/// What one kind of request did in one interval.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    pub(crate) io_count: u64,
    pub(crate) bytes: u64,
    pub(crate) bins: Bins,
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.io_count += other.io_count;
        self.bytes += other.bytes;
        self.bins.add(&other.bins);
    }
}

/// One interval.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Interval {
    /// How long it really was: the last one is cut short by the end of the job.
    pub(crate) span: Duration,
    pub(crate) read: Tally,
    pub(crate) write: Tally,
    pub(crate) trim: Tally,
}

impl Interval {
    /// Adds what was done, whatever the time.
    fn add(&mut self, other: &Interval) {
        self.read.add(&other.read);
        self.write.add(&other.write);
        self.trim.add(&other.trim);
    }
}

/// The intervals of a job since its measurement began.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    width: Duration,
    intervals: Vec<Interval>,
}

impl Default for Series {
    fn default() -> Series {
        Series { width: WIDTH_MIN, intervals: Vec::new() }
    }
}

impl Series {
    /// The planned width of each interval.
    pub(crate) fn width(&self) -> Duration {
        self.width
    }

    /// All intervals, in their order; one without any request may be empty.
    pub(crate) fn intervals(&self) -> &[Interval] {
        &self.intervals
    }

    /// Adds what was done in the time before `end`, which counts from the start.
    pub(crate) fn push(&mut self, end: Duration, done: &Interval) {
        let mut index = self.index(end);
        while index >= INTERVAL_COUNT_MAX {
            self.halve();
            index = self.index(end);
        }
        if self.intervals.len() <= index {
            self.intervals.resize(index + 1, Interval::default());
        }
        let interval = &mut self.intervals[index];
        interval.span += done.span;
        interval.add(done);
    }

    /// The sum of two jobs that ran side by side.
    pub(crate) fn add(&mut self, other: &Series) {
        let mut other = other.clone();
        while self.width < other.width {
            self.halve();
        }
        while other.width < self.width {
            other.halve();
        }
        let len = self.intervals.len().max(other.intervals.len());
        self.intervals.resize(len, Interval::default());
        for (mine, theirs) in self.intervals.iter_mut().zip(&other.intervals) {
            mine.span = mine.span.max(theirs.span);
            mine.add(theirs);
        }
    }

    /// The interval that ends at or after `end`: a sample at exactly one width is in the first.
    fn index(&self, end: Duration) -> usize {
        let before = end.saturating_sub(Duration::from_nanos(1));
        // A sample is taken a little late; half a period of grace keeps it where it belongs.
        let grace = WIDTH_MIN / 2;
        let index = before.saturating_sub(grace).as_nanos() / self.width.as_nanos().max(1);
        usize::try_from(index).unwrap_or(usize::MAX)
    }

    /// Makes one interval of two neighbours.
    fn halve(&mut self) {
        self.width *= 2;
        let pairs = self.intervals.chunks(2).map(|pair| {
            let mut sum = pair[0].clone();
            if let Some(second) = pair.get(1) {
                sum.span += second.span;
                sum.add(second);
            }
            sum
        });
        self.intervals = pairs.collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn done(latency_ns: u64) -> Interval {
        let bins: Bins = [(latency_ns, 1)].into_iter().collect();
        let read = Tally { io_count: 1, bytes: 4096, bins };
        Interval { span: WIDTH_MIN, read, ..Interval::default() }
    }

    #[test]
    fn samples_that_come_a_little_late_stay_in_their_interval() {
        let mut series = Series::default();
        for (end_ms, index) in [(500, 0), (501, 0), (740, 0), (1003, 1), (1500, 2), (1620, 2)] {
            let mut one = Series::default();
            one.push(Duration::from_millis(end_ms), &done(10));
            assert_eq!(one.intervals().len(), index + 1, "{end_ms} ms");
            series.push(Duration::from_millis(end_ms), &done(10));
        }
        assert_eq!(series.intervals()[0].read.io_count, 3);
    }

    #[test]
    fn side_by_side_is_added_at_the_coarser_width() {
        let mut fine = Series::default();
        (1..=4).for_each(|step| fine.push(WIDTH_MIN * step, &done(10)));
        let mut coarse = Series { width: WIDTH_MIN * 2, intervals: Vec::new() };
        coarse.push(WIDTH_MIN * 2, &done(99));
        for sum in [(&fine, &coarse), (&coarse, &fine)].map(|(left, right)| {
            let mut sum = left.clone();
            sum.add(right);
            sum
        }) {
            assert_eq!((sum.width(), sum.intervals().len()), (WIDTH_MIN * 2, 2));
            let first = &sum.intervals()[0];
            assert_eq!((first.read.io_count, first.read.bins.max()), (3, 99));
            assert_eq!(first.span, WIDTH_MIN * 2);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn long_runs_neither_grow_nor_lose(
            latencies in prop::collection::vec(1_u64..1 << 30, 1..1200),
        ) {
            let mut series = Series::default();
            for (step, latency_ns) in (1..).zip(&latencies) {
                series.push(WIDTH_MIN * step, &done(*latency_ns));
            }
            prop_assert!(series.intervals().len() <= INTERVAL_COUNT_MAX);
            let mut all = Tally::default();
            series.intervals().iter().for_each(|interval| all.add(&interval.read));
            let naive: Bins = latencies.iter().map(|latency| (*latency, 1)).collect();
            prop_assert_eq!(all.bins, naive);
            prop_assert_eq!(all.io_count, latencies.len() as u64);
        }
    }
}
