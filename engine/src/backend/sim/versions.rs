//! What a power failure may leave of one thing (a sector, a length): its durable value, or one of
//! the values that it has had since. Knows nothing of files or time; used by `content`.
//!
//! Values carry stamps that only grow. A *cut* is a value that came by a change of the metadata,
//! such as the zeros after a truncation: it survives if and only if the metadata do, and what lies
//! before it is then gone for good.

/// The most values kept beside the durable one. More possibilities find no more mistakes, and the
/// kernel writes old ones back some time, too.
const PENDING_MAX: usize = 8;

/// A value that is not durable for certain.
#[derive(Clone, Debug)]
struct Version<T> {
    stamp: u64,
    value: T,
    is_cut: bool,
    /// A failed sync has dropped it from what the next one covers, as Linux does.
    is_forgotten: bool,
}

/// One thing with all the values that it may have after a power failure.
#[derive(Clone, Debug)]
pub(super) struct Versions<T> {
    durable: T,
    durable_stamp: u64,
    /// Oldest first.
    pending: Vec<Version<T>>,
}

impl<T> Versions<T> {
    /// A thing with one value, which is durable.
    pub(super) fn durable(value: T) -> Self {
        Self { durable: value, durable_stamp: 0, pending: Vec::new() }
    }

    /// What a reader sees.
    pub(super) fn current(&self) -> &T {
        self.pending.last().map_or(&self.durable, |version| &version.value)
    }

    /// Whether the newest value is a cut.
    pub(super) fn ends_in_cut(&self) -> bool {
        self.pending.last().is_some_and(|version| version.is_cut)
    }

    /// Whether anything may still be lost.
    pub(super) fn is_dirty(&self) -> bool {
        !self.pending.is_empty()
    }

    /// A new value. Answers the stamp up to which the metadata are durable now, if they had to
    /// become so to make room.
    pub(super) fn push(&mut self, stamp: u64, value: T, is_cut: bool) -> Option<u64> {
        debug_assert!(self.newest_stamp() <= stamp, "stamps only grow");
        self.pending.push(Version { stamp, value, is_cut, is_forgotten: false });
        if self.pending.len() <= PENDING_MAX {
            return None;
        }
        // The oldest is written back, as the kernel does of itself after a while.
        let oldest = self.pending.remove(0);
        self.durable = oldest.value;
        self.durable_stamp = oldest.stamp;
        oldest.is_cut.then_some(oldest.stamp)
    }

    /// After a successful sync: the last value up to `stamp` is durable, and what was before is
    /// gone. Values that an earlier, failed sync has dropped are passed over.
    pub(super) fn promote(&mut self, stamp: u64) {
        let covered = |version: &Version<T>| version.stamp <= stamp && !version.is_forgotten;
        if let Some(last) = self.pending.iter().rposition(covered)
            && let Some(version) = self.pending.drain(..=last).last()
        {
            self.durable = version.value;
            self.durable_stamp = version.stamp;
        }
    }

    /// After a failed sync: readers still see the values up to `stamp`, but no later sync covers
    /// them.
    pub(super) fn forget(&mut self, stamp: u64) {
        for version in self.pending.iter_mut().filter(|version| version.stamp <= stamp) {
            // The metadata are in the journal, whatever becomes of the data.
            version.is_forgotten = !version.is_cut;
        }
    }

    /// The stamp of the durable value, and those of all later ones.
    pub(super) fn stamps(&self) -> Vec<u64> {
        let pending = self.pending.iter().map(|version| version.stamp);
        std::iter::once(self.durable_stamp).chain(pending).collect()
    }

    /// What may be there after a power failure that left the metadata's changes up to `committed`:
    /// at least one value.
    pub(super) fn survivors(&self, committed: u64) -> Vec<&T> {
        let first_lost = self
            .pending
            .iter()
            .position(|version| version.is_cut && version.stamp > committed)
            .unwrap_or(self.pending.len());
        let possible = &self.pending[..first_lost];
        match possible.iter().rposition(|version| version.is_cut) {
            Some(cut) => possible[cut..].iter().map(|version| &version.value).collect(),
            None => {
                let pending = possible.iter().map(|version| &version.value);
                std::iter::once(&self.durable).chain(pending).collect()
            }
        }
    }

    /// The value as of a stamp out of [`stamps`](Self::stamps).
    pub(super) fn as_of(&self, stamp: u64) -> &T {
        let last = self.pending.iter().rfind(|version| version.stamp <= stamp);
        last.map_or(&self.durable, |version| &version.value)
    }

    fn newest_stamp(&self) -> u64 {
        self.pending.last().map_or(self.durable_stamp, |version| version.stamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survivors(versions: &Versions<char>, committed: u64) -> String {
        versions.survivors(committed).into_iter().collect()
    }

    /// Durable `a`, then `b` and `c` as data, zeros by a cut, and `d` as data.
    fn example() -> Versions<char> {
        let mut versions = Versions::durable('a');
        for (stamp, value) in [(1, 'b'), (2, 'c'), (3, '0'), (4, 'd')] {
            assert_eq!(versions.push(stamp, value, value == '0'), None);
        }
        versions
    }

    #[test]
    fn a_cut_divides_what_survives_with_it_from_what_survives_without() {
        let versions = example();
        assert_eq!(survivors(&versions, 2), "abc");
        assert_eq!(survivors(&versions, 3), "0d");
        assert_eq!((*versions.current(), *versions.as_of(2)), ('d', 'c'));
    }

    #[test]
    fn a_sync_leaves_nothing_older_than_what_it_covers() {
        let mut versions = example();
        versions.promote(1);
        assert_eq!(survivors(&versions, 2), "bc");
        versions.promote(4);
        assert_eq!(survivors(&versions, 4), "d");
        assert!(!versions.is_dirty());
    }

    #[test]
    fn what_a_failed_sync_dropped_is_covered_again_only_after_a_new_write() {
        let mut versions = Versions::durable('a');
        versions.push(1, 'b', false);
        versions.forget(1);
        versions.promote(2);
        assert_eq!(survivors(&versions, 2), "ab", "the second sync promised nothing");
        versions.push(3, 'c', false);
        versions.promote(3);
        assert_eq!(survivors(&versions, 3), "c");
    }

    #[test]
    fn old_values_are_written_back_within_the_bound() {
        let mut versions = Versions::durable(0);
        assert_eq!(versions.push(1, 1, true), None);
        for stamp in 2..=8 {
            assert_eq!(versions.push(stamp, stamp, false), None);
        }
        assert_eq!(versions.push(9, 9, false), Some(1), "a cut takes the metadata along");
        assert_eq!(versions.push(10, 10, false), None);
        assert_eq!(versions.survivors(1).len(), PENDING_MAX + 1);
    }
}
