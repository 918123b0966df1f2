//! Which sectors of a file take space on the device: ranges that never touch each other. Used by
//! `content`, for the disk's capacity; holds no data.

use std::collections::BTreeMap;
use std::ops::Range;

/// A set of sector numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct SectorSet {
    /// First to one after the last.
    ranges: BTreeMap<u64, u64>,
    count: u64,
}

impl SectorSet {
    /// How many sectors it holds.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// How many sectors of `range` it does not hold.
    pub(super) fn missing(&self, range: &Range<u64>) -> u64 {
        let held: u64 = self
            .ranges
            .range(..range.end)
            .rev()
            .take_while(|(_, end)| **end > range.start)
            .map(|(begin, end)| (*end).min(range.end) - (*begin).max(range.start))
            .sum();
        range.end.saturating_sub(range.start) - held
    }

    /// Adds a range.
    pub(super) fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() || self.missing(&range) == 0 {
            return;
        }
        let (mut begin, mut end) = (range.start, range.end);
        // Ranges that touch it become one with it.
        while let Some((other_begin, other_end)) = self.last_before(end + 1)
            && other_end >= begin
        {
            self.ranges.remove(&other_begin);
            self.count -= other_end - other_begin;
            (begin, end) = (begin.min(other_begin), end.max(other_end));
        }
        self.ranges.insert(begin, end);
        self.count += end - begin;
    }

    /// Removes a range.
    pub(super) fn remove(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        while let Some((begin, end)) = self.last_before(range.end)
            && end > range.start
        {
            self.ranges.remove(&begin);
            self.count -= end - begin;
            for rest in [begin..range.start.max(begin), range.end.min(end)..end] {
                if !rest.is_empty() {
                    self.ranges.insert(rest.start, rest.end);
                    self.count += rest.end - rest.start;
                }
            }
        }
    }

    /// The last range that begins before `limit`.
    fn last_before(&self, limit: u64) -> Option<(u64, u64)> {
        self.ranges.range(..limit).next_back().map(|(begin, end)| (*begin, *end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_holds_what_a_plain_array_of_flags_holds(
            steps in prop::collection::vec((any::<bool>(), 0_u64..64, 0_u64..20), 0..60)
        ) {
            let (mut set, mut flags) = (SectorSet::default(), [false; 100]);
            for (insert, begin, len) in steps {
                let range = begin..begin + len;
                let [first, count] = [begin, len].map(|number| usize::try_from(number).unwrap());
                let places = &mut flags[first..first + count];
                let missing = places.iter().filter(|held| !**held).count();
                prop_assert_eq!(set.missing(&range), missing as u64);
                places.fill(insert);
                if insert { set.insert(range) } else { set.remove(range) }
                let held = flags.iter().filter(|held| **held).count();
                prop_assert_eq!(set.count(), held as u64);
            }
        }
    }
}
