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
    /// It came with others, as a whole or not at all.
    is_atomic: bool,
}

/// What became durable to make room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WrittenBack {
    pub(super) stamp: u64,
    pub(super) is_cut: bool,
    pub(super) is_atomic: bool,
}

/// How a value comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// As data.
    Plain,
    /// By a change of the metadata.
    Cut,
    /// As data, by a write that is atomic.
    Atomic,
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

    /// A new value. Answers what had to become durable to make room.
    pub(super) fn push(&mut self, stamp: u64, value: T, manner: Manner) -> Option<WrittenBack> {
        debug_assert!(self.newest_stamp() <= stamp, "stamps only grow");
        let (is_cut, is_atomic) = (manner == Manner::Cut, manner == Manner::Atomic);
        self.pending.push(Version { stamp, value, is_cut, is_forgotten: false, is_atomic });
        if self.pending.len() <= PENDING_MAX {
            return None;
        }
        // The oldest is written back, as the kernel does of itself after a while.
        let oldest = self.pending.remove(0);
        self.durable = oldest.value;
        self.durable_stamp = oldest.stamp;
        let Version { stamp, is_cut, is_atomic, .. } = oldest;
        Some(WrittenBack { stamp, is_cut, is_atomic })
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
            // The metadata are in the journal, whatever becomes of the data, and an atomic write
            // has gone past the page cache.
            version.is_forgotten = !version.is_cut && !version.is_atomic;
        }
    }

    /// The stamp of the durable value, and those of all later ones.
    pub(super) fn stamps(&self) -> Vec<u64> {
        let pending = self.pending.iter().map(|version| version.stamp);
        std::iter::once(self.durable_stamp).chain(pending).collect()
    }

    /// What may be there after a power failure that left the metadata's changes up to `committed`:
    /// at least one value, each with its stamp, oldest first.
    pub(super) fn survivors(&self, committed: u64) -> Vec<(u64, &T)> {
        let first_lost = self
            .pending
            .iter()
            .position(|version| version.is_cut && version.stamp > committed)
            .unwrap_or(self.pending.len());
        let possible = &self.pending[..first_lost];
        match possible.iter().rposition(|version| version.is_cut) {
            Some(cut) => {
                possible[cut..].iter().map(|version| (version.stamp, &version.value)).collect()
            }
            None => {
                let pending = possible.iter().map(|version| (version.stamp, &version.value));
                std::iter::once((self.durable_stamp, &self.durable)).chain(pending).collect()
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
        versions.survivors(committed).into_iter().map(|(_, value)| value).collect()
    }

    /// Durable `a`, then `b` and `c` as data, zeros by a cut, and `d` as data.
    fn example() -> Versions<char> {
        let mut versions = Versions::durable('a');
        for (stamp, value) in [(1, 'b'), (2, 'c'), (3, '0'), (4, 'd')] {
            let manner = if value == '0' { Manner::Cut } else { Manner::Plain };
            assert_eq!(versions.push(stamp, value, manner), None);
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
        versions.push(1, 'b', Manner::Plain);
        versions.forget(1);
        versions.promote(2);
        assert_eq!(survivors(&versions, 2), "ab", "the second sync promised nothing");
        versions.push(3, 'c', Manner::Plain);
        versions.promote(3);
        assert_eq!(survivors(&versions, 3), "c");
    }

    #[test]
    fn old_values_are_written_back_within_the_bound() {
        let mut versions = Versions::durable(0);
        assert_eq!(versions.push(1, 1, Manner::Cut), None);
        for stamp in 2..=8 {
            assert_eq!(versions.push(stamp, stamp, Manner::Plain), None);
        }
        let cut = Some(WrittenBack { stamp: 1, is_cut: true, is_atomic: false });
        assert_eq!(versions.push(9, 9, Manner::Plain), cut);
        let plain = Some(WrittenBack { stamp: 2, is_cut: false, is_atomic: false });
        assert_eq!(versions.push(10, 10, Manner::Plain), plain);
        assert_eq!(versions.survivors(1).len(), PENDING_MAX + 1);
    }
}
