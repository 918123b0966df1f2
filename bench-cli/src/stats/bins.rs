//! fio's latency bins: 64 to an octave, 29 groups, as its JSON and its histogram logs have them.
//!
//! Owns the arithmetic between a latency and its bin, and sparse lists of bins that can be added
//! up exactly. It knows no clock and no file. Used by `recorder`, the reports, the logs, and the
//! commands that read result files.

use hdrhistogram::Histogram;

/// Bits of a latency that tell the bins of one group apart.
const BITS: u32 = 6;
/// Bins of one group.
const PER_GROUP: usize = 1 << BITS;
/// The number of bins: fio's `FIO_IO_U_PLAT_NR`.
pub(crate) const BIN_COUNT: usize = 29 * PER_GROUP;

/// The bin that a latency belongs to; what is too long for all goes to the last one.
pub(crate) fn index_of(latency_ns: u64) -> usize {
    let highest_bit = latency_ns.max(1).ilog2();
    if highest_bit <= BITS {
        // Below 128 ns each value has a bin of its own.
        return usize::try_from(latency_ns).unwrap_or(BIN_COUNT - 1);
    }
    // Worked example: 200 = 0b1100_1000 has its highest bit at 7, so one bit is dropped; the group
    // begins at 2 * 64 and 0b100_1000... leaves the offset 100 & 63 = 36: bin 164, 200 to 201 ns.
    let dropped_bits = highest_bit - BITS;
    let base = usize::try_from(dropped_bits + 1).unwrap_or(usize::MAX) << BITS;
    let offset = usize::try_from(latency_ns >> dropped_bits).unwrap_or(0) & (PER_GROUP - 1);
    (base + offset).min(BIN_COUNT - 1)
}

/// The latency that stands for a bin: its middle, as fio writes it.
pub(crate) fn value_of(index: usize) -> u64 {
    if index < 2 * PER_GROUP {
        return index as u64;
    }
    let dropped_bits = (index >> BITS) - 1;
    let base = 1_u64 << (dropped_bits + BITS as usize);
    let offset = (index % PER_GROUP) as u64;
    base + (offset << dropped_bits) + (1 << (dropped_bits - 1))
}

/// Counts per bin, those above zero only, in the order of the bins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bins {
    counts: Vec<(u16, u64)>,
}

impl Bins {
    /// The bins of a finer histogram. Each of its steps lies inside one bin, so nothing is lost
    /// but the finer resolution.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Bins {
        let mut bins = Bins::default();
        for step in histogram.iter_recorded() {
            bins.push(index_of(step.value_iterated_to()), step.count_since_last_iteration());
        }
        bins
    }

    /// From a table with a count for each bin.
    pub(crate) fn of_table(table: &[u64]) -> Bins {
        let mut bins = Bins::default();
        for (index, count) in table.iter().enumerate().filter(|(_, count)| **count > 0) {
            bins.push(index, *count);
        }
        bins
    }

    /// Adds a count to the last bin or to one behind it.
    fn push(&mut self, index: usize, count: u64) {
        let index = u16::try_from(index.min(BIN_COUNT - 1)).unwrap_or(u16::MAX);
        match self.counts.last_mut() {
            Some(last) if last.0 == index => last.1 += count,
            _ => self.counts.push((index, count)),
        }
    }

    /// Latency in nanoseconds and count of each bin.
    pub(crate) fn values(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.counts.iter().map(|(index, count)| (value_of(usize::from(*index)), *count))
    }

    /// All counts together.
    pub(crate) fn total(&self) -> u64 {
        self.counts.iter().map(|(_, count)| count).sum()
    }

    /// A table with a count for each bin, zeros included.
    pub(crate) fn table(&self) -> Vec<u64> {
        let mut table = vec![0; BIN_COUNT];
        for (index, count) in &self.counts {
            table[usize::from(*index)] = *count;
        }
        table
    }

    /// Adds the counts of `other`.
    pub(crate) fn add(&mut self, other: &Bins) {
        let (mut left, mut right) = (self.counts.iter().peekable(), other.counts.iter().peekable());
        let mut sum = Vec::with_capacity(self.counts.len().max(other.counts.len()));
        // Both lists are in order, so the sum is made in one pass.
        while let (Some(&&mine), Some(&&theirs)) = (left.peek(), right.peek()) {
            sum.push((mine.0.min(theirs.0), 0));
            let last = sum.len() - 1;
            if mine.0 <= theirs.0 {
                sum[last].1 += mine.1;
                left.next();
            }
            if theirs.0 <= mine.0 {
                sum[last].1 += theirs.1;
                right.next();
            }
        }
        sum.extend(left.chain(right));
        self.counts = sum;
    }

    /// The latency that `percent` of all stay within; 0 where there is none.
    pub(crate) fn percentile(&self, percent: f64) -> u64 {
        // fio's rule: the first bin at which the share is reached.
        let rank = (percent / 100.0 * self.total() as f64).ceil().max(1.0);
        let mut seen = 0;
        for (value, count) in self.values() {
            seen += count;
            if seen as f64 >= rank {
                return value;
            }
        }
        0
    }

    /// The middle of the slowest bin; 0 where there is none.
    pub(crate) fn max(&self) -> u64 {
        self.values().last().map_or(0, |(value, _)| value)
    }
}

impl FromIterator<(u64, u64)> for Bins {
    /// From pairs of latency and count in any order.
    fn from_iter<I: IntoIterator<Item = (u64, u64)>>(pairs: I) -> Bins {
        let mut table = vec![0; BIN_COUNT];
        for (value, count) in pairs {
            table[index_of(value)] += count;
        }
        Bins::of_table(&table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bins_are_where_fio_has_them() {
        // Read off the keys of `bins` and the columns of a histogram log of fio 3.33.
        for (latency, middle) in
            [(84, 84), (127, 127), (128, 129), (129, 129), (130, 131), (282, 282), (281, 282)]
        {
            assert_eq!(value_of(index_of(latency)), middle, "{latency} ns");
        }
        assert_eq!(BIN_COUNT, 1856);
        assert_eq!(index_of(u64::MAX), 1855);
    }

    #[test]
    fn percentiles_name_the_bin_that_reaches_the_share() {
        let bins: Bins = [(10, 98), (50, 1), (100, 1)].into_iter().collect();
        for (percent, value) in [(1.0, 10), (98.0, 10), (98.5, 50), (99.0, 50), (100.0, 100)] {
            assert_eq!(bins.percentile(percent), value, "{percent} %");
        }
        assert_eq!(Bins::default().percentile(99.0), 0);
    }

    proptest! {
        #[test]
        fn each_middle_lies_in_its_own_bin(index in 0..BIN_COUNT) {
            prop_assert_eq!(index_of(value_of(index)), index);
        }

        #[test]
        fn longer_latencies_never_come_earlier(a in 0_u64..1 << 40, b in 0_u64..1 << 40) {
            prop_assert_eq!(index_of(a) <= index_of(b), index_of(a.min(b)) == index_of(a));
        }

        #[test]
        fn adding_bins_is_adding_their_values(
            left in prop::collection::vec(0_u64..1 << 36, 0..100),
            right in prop::collection::vec(0_u64..1 << 36, 0..100),
        ) {
            let bins = |values: &[u64]| values.iter().map(|value| (*value, 1)).collect::<Bins>();
            let mut sum = bins(&left);
            sum.add(&bins(&right));
            prop_assert_eq!(sum, bins(&[left, right].concat()));
        }

        #[test]
        fn a_finer_histogram_loses_nothing(values in prop::collection::vec(1_u64..1 << 36, 0..200))
        {
            let mut fine = Histogram::new_with_bounds(1, 3_600_000_000_000, 3).expect("bounds");
            values.iter().for_each(|value| fine.record(*value).expect("in bounds"));
            let naive: Bins = values.iter().map(|value| (*value, 1)).collect();
            prop_assert_eq!(Bins::of(&fine), naive);
        }
    }
}
