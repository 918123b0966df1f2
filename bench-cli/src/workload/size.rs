//! How long the next block is.
//!
//! Owns the drawing of sizes of one direction; the settings are `job::Sizes`. Called by `workload`.

use super::random::Random;
use crate::job::Sizes;

/// A way of drawing sizes.
#[derive(Clone, Debug)]
pub(super) enum SizeChoice {
    Fixed(u64),
    /// The smallest, the step, and how many steps there are.
    Range(u64, u64, u64),
    /// Sizes with the sum of the shares up to and including them.
    Split(Vec<(u64, u64)>),
}

impl SizeChoice {
    /// A choice among `sizes`, in steps of `unit`.
    pub(super) fn new(sizes: &Sizes, unit: u64) -> SizeChoice {
        match sizes {
            Sizes::Fixed(len) => SizeChoice::Fixed(*len),
            Sizes::Range(low, high) => SizeChoice::Range(*low, unit, (high - low) / unit + 1),
            Sizes::Split(parts) => {
                let mut sum = 0;
                let sums = parts.iter().map(|(len, share)| {
                    sum += u64::from(*share);
                    (*len, sum)
                });
                SizeChoice::Split(sums.collect())
            }
        }
    }

    /// The next size.
    #[inline]
    pub(super) fn draw(&self, random: &mut Random) -> u64 {
        match self {
            SizeChoice::Fixed(len) => *len,
            SizeChoice::Range(low, step, count) => low + random.below(*count) * step,
            SizeChoice::Split(sums) => {
                let share = random.below(100);
                let found = sums.iter().find(|(_, sum)| share < *sum).or(sums.last());
                found.map_or(1, |(len, _)| *len)
            }
        }
    }
}
