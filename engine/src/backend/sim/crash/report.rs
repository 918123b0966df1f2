//! What an exploration has found. Plain values, and how they read.

use crate::backend::sim::disk::SimDisk;
use std::fmt;

/// The most violations that are kept with their disks; more are counted.
pub const VIOLATIONS_KEPT_MAX: usize = 16;

/// What an exploration has looked at, and what it has found.
#[derive(Debug, Default)]
pub struct Report {
    /// From which all of it follows.
    pub seed: u64,
    /// Moments at which a power failure makes a difference.
    pub points: u64,
    /// Of these, those that were looked at.
    pub explored_points: u64,
    /// Images that the checker has seen.
    pub images: u64,
    /// Images that were like an earlier one with the same marks, and not shown again.
    pub repeated: u64,
    /// Whether these were all images that there are by the disk's rules, at all moments of the run.
    pub exhaustive: bool,
    /// Images that the checker has refused.
    pub violation_count: u64,
    /// The first [`VIOLATIONS_KEPT_MAX`] of them.
    pub violations: Vec<Violation>,
}

/// An image that breaks a promise.
#[derive(Debug)]
pub struct Violation {
    /// The number of the moment.
    pub point: u64,
    /// What had just happened.
    pub after: String,
    /// What the checker said.
    pub why: String,
    /// The disk, as the checker has left it.
    pub disk: SimDisk,
}

impl Report {
    /// For tests: panics with the report if the checker has refused anything, or if it has seen
    /// nothing at all.
    ///
    /// # Panics
    /// As said.
    #[track_caller]
    pub fn assert_sound(&self) {
        assert!(self.images > 0, "nothing was shown to the checker: {self}");
        assert!(self.violation_count == 0, "{self}");
    }
}

impl fmt::Display for Report {
    /// One line, and one more per violation.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, points, explored_points, images, repeated, violation_count, .. } = self;
        let how = if self.exhaustive { "all there are" } else { "by chance" };
        write!(f, "seed {seed}: {images} images ({how}; {repeated} more were the same) of ")?;
        write!(f, "{explored_points} out of {points} moments, {violation_count} refused")?;
        for Violation { point, after, why, .. } in &self.violations {
            write!(f, "\nmoment {point}, after {after}: {why}")?;
        }
        Ok(())
    }
}
