//! What goes wrong, how often, and how often it did. Decides by chance alone; what a fault does to
//! the disk is `model`'s and `perform`'s part.

use super::random::{Random, mix};
use crate::backend::RequestKind;
use std::time::Duration;

/// Probabilities of faults, each from 0.0 (never) to 1.0 (always), and each on its own. The default
/// is none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// A transfer moves only a part of its bytes, but at least one; of a direct file whole sectors.
    pub short_transfer: f64,
    /// EIO, in passing. A write leaves any of its sectors written; after a sync, some of what it
    /// was to cover is covered by no later sync either, as on Linux.
    pub io_error: f64,
    /// The share of 4 KiB ranges of the files that fail with EIO whenever they are read or written.
    pub bad_range: f64,
    /// ENOSPC, in passing, of writes and allocations. The disk's capacity gives it, too.
    pub no_space: f64,
    /// EAGAIN of a transfer.
    pub try_again: f64,
    /// EINTR of anything but a close.
    pub interrupted: f64,
    /// A request takes longer by an exponentially distributed time with the mean `spike_length`.
    pub spike: f64,
    /// The mean length of a spike.
    pub spike_length: Duration,
    /// A request never completes, unless it is cancelled or the disk is calmed.
    pub never: f64,
    /// The most requests at once that never complete.
    pub never_max: u32,
    /// The backend takes only a part of a batch, or nothing of it.
    pub partial_stage: f64,
    /// A request may overtake others. At 0.0 everything completes in the order in which it began.
    pub reorder: f64,
    /// A link between two requests of a run breaks, as when the kernel has no memory for the next
    /// one: what is behind it comes back with ECANCELED and has not begun. Also all of the run.
    pub cut_run: f64,
}

impl Faults {
    /// Everything at a moderate rate but `bad_range`, which no retry survives, and `never`, which
    /// no wait survives.
    pub fn moderate() -> Self {
        Self {
            short_transfer: 0.1,
            io_error: 0.02,
            bad_range: 0.0,
            no_space: 0.01,
            try_again: 0.05,
            interrupted: 0.05,
            spike: 0.01,
            spike_length: Duration::from_millis(100),
            never: 0.0,
            never_max: 0,
            partial_stage: 0.1,
            reorder: 1.0,
            cut_run: 0.05,
        }
    }

    /// Those that the engine deals with itself: no request fails, but everything else happens.
    pub fn passing() -> Self {
        Self { io_error: 0.0, no_space: 0.0, ..Self::moderate() }
    }
}

/// How often each fault has happened. The fields are those of [`Faults`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each counts what the field of the same name in `Faults` describes"
)]
pub struct FaultCounts {
    pub short_transfer: u64,
    pub io_error: u64,
    pub bad_range: u64,
    /// By chance and by capacity.
    pub no_space: u64,
    pub try_again: u64,
    pub interrupted: u64,
    pub spike: u64,
    pub never: u64,
    pub partial_stage: u64,
    /// Requests that overtook another one.
    pub reorder: u64,
    pub cut_run: u64,
}

/// What chance has in mind for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// All goes well.
    Normal,
    /// It moves only a part: the number decides how much.
    Short(u64),
    /// It fails with this errno.
    Errno(i32),
}

/// Length of the pieces that are bad as a whole.
const BAD_RANGE_LEN_BYTES: u64 = 4096;

impl Faults {
    /// Decides for one request. Always draws as many numbers, whatever the probabilities are.
    pub(super) fn fate(&self, kind: RequestKind, random: &mut Random) -> Fate {
        let hit: [bool; 5] =
            [self.interrupted, self.try_again, self.io_error, self.no_space, self.short_transfer]
                .map(|probability| random.chance(probability));
        let part = random.bits();
        let is_transfer = kind.is_transfer();
        let takes_space =
            matches!(kind, RequestKind::Write | RequestKind::WriteVectored | RequestKind::Allocate);
        if matches!(kind, RequestKind::Nop | RequestKind::Close | RequestKind::Advise) {
            return Fate::Normal;
        }
        let [interrupted, try_again, io_error, no_space, short] = hit;
        match () {
            () if interrupted => Fate::Errno(libc::EINTR),
            () if try_again && is_transfer => Fate::Errno(libc::EAGAIN),
            () if io_error => Fate::Errno(libc::EIO),
            () if no_space && takes_space => Fate::Errno(libc::ENOSPC),
            () if short && is_transfer => Fate::Short(part),
            () => Fate::Normal,
        }
    }

    /// How many bytes of a transfer come before the first bad range: all, if there is none. A
    /// property of the place, so that each try finds the same.
    pub(super) fn good_bytes(&self, seed: u64, file: u64, offset: u64, len: usize) -> usize {
        if self.bad_range <= 0.0 || len == 0 {
            return len;
        }
        let end = offset + len as u64;
        let ranges = offset / BAD_RANGE_LEN_BYTES..end.div_ceil(BAD_RANGE_LEN_BYTES);
        let is_bad = |range: &u64| Random::new(mix(mix(seed, file), *range)).chance(self.bad_range);
        let Some(bad) = ranges.into_iter().find(is_bad) else { return len };
        usize::try_from((bad * BAD_RANGE_LEN_BYTES).saturating_sub(offset)).unwrap_or(len)
    }
}

impl FaultCounts {
    /// Counts an errno that chance has given.
    pub(super) fn errno(&mut self, errno: i32) {
        match errno {
            libc::EINTR => self.interrupted += 1,
            libc::EAGAIN => self.try_again += 1,
            libc::ENOSPC => self.no_space += 1,
            _ => self.io_error += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_fails_unless_it_is_asked_for_and_then_only_what_can() {
        let random = &mut Random::new(1);
        let kinds = [RequestKind::Read, RequestKind::Write, RequestKind::Sync, RequestKind::Close];
        assert!(kinds.iter().all(|kind| Faults::default().fate(*kind, random) == Fate::Normal));
        let full = Faults { no_space: 1.0, try_again: 0.0, ..Faults::default() };
        let fates = kinds.map(|kind| full.fate(kind, random));
        let wanted = [Fate::Normal, Fate::Errno(libc::ENOSPC), Fate::Normal, Fate::Normal];
        assert_eq!(fates, wanted);
    }

    #[test]
    fn a_bad_range_is_bad_at_each_try_and_as_common_as_asked() {
        let faults = Faults { bad_range: 0.1, ..Faults::default() };
        let good = |range: u64| faults.good_bytes(7, 1, range * 4096, 4096) == 4096;
        let bad: Vec<u64> = (0..1000).filter(|range| !good(*range)).collect();
        assert!((70..130).contains(&bad.len()), "{} of 1000", bad.len());
        assert!(bad.iter().all(|range| !good(*range)));
        let first = bad.iter().find(|range| **range > 0 && good(**range - 1)).unwrap();
        // From 96 bytes before the bad range on, 96 bytes are good.
        assert_eq!(faults.good_bytes(7, 1, first * 4096 - 96, 4096), 96);
    }
}
