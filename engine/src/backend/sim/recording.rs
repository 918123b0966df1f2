//! The moments at which a power failure makes a difference, kept for `crash` with the state of the
//! disk at each. Filled by `model`; decides only which moments to keep when there are too many.

use super::random::Random;
use super::snapshot::Snapshot;

/// One moment.
#[derive(Debug)]
pub(super) struct Point {
    /// In the order of time, from 0, also among those that were not kept.
    pub(super) number: u64,
    /// What has just happened.
    pub(super) after: String,
    /// How many marks the program had made.
    pub(super) marks: usize,
    pub(super) state: Snapshot,
}

/// A choice of all moments so far, each as likely as another.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) points: Vec<Point>,
    pub(super) points_max: usize,
    /// How many there were in all.
    pub(super) seen: u64,
    pub(super) random: Random,
    pub(super) marks: usize,
}

impl Recording {
    /// One moment more.
    pub(super) fn cut(&mut self, after: impl FnOnce() -> String, state: impl FnOnce() -> Snapshot) {
        let number = self.seen;
        self.seen += 1;
        let point = || Point { number, after: after(), marks: self.marks, state: state() };
        if self.points.len() < self.points_max {
            let point = point();
            self.points.push(point);
            return;
        }
        // Algorithm R: the n-th comes in with the probability points_max / n.
        let place = usize::try_from(self.random.below(self.seen)).unwrap_or(usize::MAX);
        if place < self.points_max {
            let point = point();
            self.points[place] = point;
        }
    }
}
