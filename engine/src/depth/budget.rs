//! What looking around may cost: a probe of a deeper queue adds to the latency, one of a shallower
//! queue takes from the throughput. Held by `knee`, asked by `choice`; decides no depth.
//!
//! # Why a budget
//!
//! A probe can be worth making at every third measurement for as long as the choice is close, and
//! near the knee it always is. But made that often, probes at three and four times the depth raise
//! its mean by a third to a half. And where a step down halves the throughput, a probe of it at
//! every tenth measurement costs more than the depth above the knee could save.

use super::curve::Curve;
use super::epoch::BATCHES;
use super::pace::SKIPPED;

/// Earned with each measurement at home: this part of a measurement at twice the depth, and this
/// part of a measurement without any throughput.
const EARNED_DEEPER: f64 = 0.3;
const EARNED_SHALLOWER: f64 = 0.005;
/// No more than this is kept; it is what a search begins with, for at first there is much to learn.
const SAVED_DEEPER: f64 = 8.0;
const SAVED_SHALLOWER: f64 = 0.3;

/// What is left for probes. Below nothing is a debt, and the next probe of its kind waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// Units: measurements at home, times the depth beyond home's over home's.
    deeper: f64,
    /// Units: measurements at home, times the part of the throughput that is lost.
    shallower: f64,
}

impl Budget {
    /// At the beginning of a search.
    pub(super) const FULL: Self = Self { deeper: SAVED_DEEPER, shallower: SAVED_SHALLOWER };

    /// A measurement at home was made.
    pub(super) fn earn(&mut self) {
        self.deeper = (self.deeper + EARNED_DEEPER).min(SAVED_DEEPER);
        self.shallower = (self.shallower + EARNED_SHALLOWER).min(SAVED_SHALLOWER);
    }

    /// Whether a deeper queue may be measured now.
    pub(super) fn allows_deeper(&self) -> bool {
        self.deeper >= 0.0
    }

    /// Whether a shallower queue may be measured now.
    pub(super) fn allows_shallower(&self) -> bool {
        self.shallower >= 0.0
    }

    /// A probe of the depth `to` is begun.
    pub(super) fn spend(&mut self, curve: &Curve, home: usize, to: usize) {
        let times = curve.grid.real(to) / curve.grid.real(home);
        if to > home {
            // A measurement is a generation of home's per batch; those that are skipped before it
            // are of the deeper queue.
            let skipped = f64::from(SKIPPED) * times / BATCHES as f64;
            self.deeper -= (times - 1.0) * (1.0 + skipped);
            return;
        }
        // No depth gives less than its share of home's throughput.
        let least = times.ln();
        let expected = curve.predict(to).map_or(least, |value| value - curve.estimate(home).mean);
        self.shallower -= 1.0 - expected.clamp(least, 0.0).exp();
    }
}

#[cfg(test)]
mod tests {
    use super::super::grid::Grid;
    use super::*;

    /// How many of 10,000 measurements at home are followed by a probe of `to`, on a device with a
    /// knee at 8.
    fn probes(home: u32, to: u32) -> u32 {
        let mut curve = Curve::new(Grid::new(1, 256));
        for depth in [1, 2, 4, 8, 16, 32, 64] {
            let index = curve.grid.index(depth);
            curve.learn(index, f64::from(depth.min(8)).ln(), 1.0);
        }
        curve.refresh();
        let [home, to] = [home, to].map(|depth| curve.grid.index(depth));
        let (mut budget, mut count) = (Budget::FULL, 0);
        for _ in 0..10_000 {
            budget.earn();
            let is_allowed =
                if to > home { budget.allows_deeper() } else { budget.allows_shallower() };
            if is_allowed {
                budget.spend(&curve, home, to);
                count += 1;
            }
        }
        count
    }

    #[test]
    fn a_probe_is_the_rarer_the_more_it_costs() {
        assert!((2180..2200).contains(&probes(8, 16)), "{}", probes(8, 16));
        assert!((570..575).contains(&probes(8, 32)), "{}", probes(8, 32));
        assert!((98..104).contains(&probes(8, 4)), "half is lost: {}", probes(8, 4));
        assert_eq!(probes(16, 8), 10_000, "nothing is lost");
    }

    #[test]
    fn what_is_not_known_is_taken_for_as_bad_as_it_can_be() {
        let (mut known, mut unknown) = (Budget::FULL, Budget::FULL);
        let curve = Curve::new(Grid::new(1, 256));
        unknown.spend(&curve, curve.grid.index(8), curve.grid.index(2));
        assert!((unknown.shallower - (SAVED_SHALLOWER - 0.75)).abs() < 1e-9);
        known.spend(&curve, 3, 3);
        assert!((known.shallower - SAVED_SHALLOWER).abs() < 1e-9, "home costs nothing");
    }
}
