//! How often each depth and each size of batch occurred, in fio's seven classes.
//!
//! Owns the bounds of the classes. It measures and prints nothing. Filled in by `job_thread`, read
//! by `report`.

/// How often each depth occurred, in fio's seven classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DepthMap {
    pub(crate) counts: [u64; 7],
}

impl DepthMap {
    /// Counts `weight` requests that were issued at `depth`: 1, 2-3, 4-7, .. 64 and more.
    #[inline]
    pub(crate) fn record_level(&mut self, depth: u32, weight: u64) {
        let class = depth.max(1).ilog2().min(6);
        self.counts[class as usize] += weight;
    }

    /// Counts one batch of `len` requests: 0, 1-4, 5-8, 9-16, .. more than 64.
    #[inline]
    pub(crate) fn record_batch(&mut self, len: u32) {
        let class = match len {
            0 => 0,
            1..=4 => 1,
            // Worked example: 9..=16 has (len - 1).ilog2() == 3 and is class 3.
            _ => (len - 1).ilog2().min(6),
        };
        self.counts[class as usize] += 1;
    }

    /// The share of each class in percent; like fio, never less than 0.1 where there is any.
    pub(crate) fn percentages(&self) -> [f64; 7] {
        let total: u64 = self.counts.iter().sum();
        self.counts.map(|count| match count {
            0 => 0.0,
            _ => (100.0 * count as f64 / total as f64).max(0.1),
        })
    }

    pub(super) fn add(&mut self, other: &DepthMap) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_levels_fall_into_the_classes_of_fio() {
        for (depth, class) in
            [(1, 0), (2, 1), (3, 1), (4, 2), (8, 3), (16, 4), (31, 4), (32, 5), (64, 6), (4096, 6)]
        {
            let mut map = DepthMap::default();
            map.record_level(depth, 3);
            assert_eq!(map.counts[class], 3, "depth {depth}: {map:?}");
        }
    }

    #[test]
    fn batches_fall_into_the_classes_of_fio() {
        for (len, class) in
            [(0, 0), (1, 1), (4, 1), (5, 2), (8, 2), (9, 3), (16, 3), (17, 4), (33, 5), (64, 5)]
        {
            let mut map = DepthMap::default();
            map.record_batch(len);
            assert_eq!(map.counts[class], 1, "batch of {len}: {map:?}");
        }
        let mut map = DepthMap::default();
        map.record_batch(65);
        map.record_batch(4096);
        assert_eq!(map.counts[6], 2);
    }

    #[test]
    fn rare_classes_show_as_a_tenth_of_a_percent() {
        let mut map = DepthMap::default();
        map.record_level(1, 1);
        map.record_level(8, 1_000_000);
        assert_eq!(map.percentages()[0], 0.1);
        assert!(map.percentages()[3] > 99.9);
        assert_eq!(map.percentages()[6], 0.0);
    }
}
