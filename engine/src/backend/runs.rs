//! Where runs of linked requests lie among the entries that the kernel has not taken yet, so that a
//! run of which it took only a part is noticed. Kept by `uring`; never touches the ring.
//!
//! A submission may end early when the kernel has no memory for one more request. If that is in the
//! middle of a run, the kernel begins what it has of it, and the rest would begin with the next
//! submission as a run of its own, without waiting for the first part.

use crate::error::{Error, ErrorKind};

/// One run.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// Entries that are to be taken before its first one.
    ahead: u32,
    len: u32,
}

/// All runs that are staged.
#[derive(Debug)]
pub(super) struct Runs {
    staged: Vec<Run>,
    is_cut: bool,
}

impl Runs {
    /// For at most `depth` requests in flight.
    pub(super) fn new(depth: u32) -> Self {
        // A run has two requests at least.
        Self { staged: Vec::with_capacity(depth as usize / 2), is_cut: false }
    }

    /// Whether the kernel has taken a run in part, ever.
    #[inline]
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// A run of `len` is staged behind `ahead` entries.
    pub(super) fn staged(&mut self, ahead: u32, len: u32) {
        self.staged.push(Run { ahead, len });
    }

    /// The kernel took so many entries; answers whether a run was cut by that.
    #[inline]
    pub(super) fn taken(&mut self, count: u32) -> bool {
        if self.staged.is_empty() {
            return false;
        }
        let mut is_cut = false;
        self.staged.retain_mut(|run| {
            let is_whole = run.ahead + run.len <= count;
            is_cut |= run.ahead < count && !is_whole;
            run.ahead = run.ahead.saturating_sub(count);
            !is_whole
        });
        self.is_cut |= is_cut;
        is_cut
    }
}

/// The kernel took the first requests of a run and not the last: those would now begin on their
/// own, whatever becomes of the first. So nothing is handed over any more.
#[cold]
pub(super) fn cut() -> Error {
    let why = "the kernel had no memory for the whole of a chain, and took a part of it: free \
               memory, and start the engine anew";
    Error::refused(ErrorKind::Backend, "drive io_uring", why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_cut_when_the_kernel_stops_inside_it_and_nowhere_else() {
        let cut_after = |counts: &[u32]| {
            let mut runs = Runs::new(16);
            runs.staged(1, 3);
            runs.staged(4, 2);
            counts.iter().map(|count| runs.taken(*count)).collect::<Vec<_>>()
        };
        assert_eq!(cut_after(&[6, 3]), [false, false]);
        assert_eq!(cut_after(&[1, 3, 2]), [false, false, false]);
        assert_eq!(cut_after(&[0, 4, 0, 2]), [false, false, false, false]);
        assert_eq!(cut_after(&[2]), [true]);
        assert_eq!(cut_after(&[1, 2]), [false, true]);
        assert_eq!(cut_after(&[5]), [true]);
        let mut runs = Runs::new(4);
        runs.staged(0, 2);
        assert!(runs.taken(1) && runs.is_cut(), "for good");
    }
}
