//! Keeping to a latency target: an integrator that gives a little for each request in time and
//! takes a lot for each late one. Asked by `controller` at each reap.
//!
//! In the long run the share of late requests is then exactly the budget, on any device: what was
//! given equals what was taken. No test, no search, no model of the device.

use super::sample::Counts;
use super::target::Target;

/// Units of one slot.
const SLOT: i64 = 1 << 32;
/// Taken for one late request, and shared out among those in time: half a slot.
const GAIN: i64 = SLOT / 2;
/// Of a mean target, per request: a quarter of a slot times its distance from the limit.
const GAIN_MEAN: i64 = SLOT / 4;
/// So many times the budget's reciprocal must the least depth go on before the target is out of
/// reach.
const HOPELESS: f64 = 20.0;
/// For a mean target, so many requests.
const HOPELESS_MEAN: u64 = 2000;

/// A window in fractions of a slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Latency {
    limit_ns: u64,
    /// Given for a request in time; `None` for a mean.
    given: Option<i64>,
    width: i64,
    min: i64,
    max: i64,
    /// Requests since the window was last above its least.
    at_least: u64,
    hopeless: u64,
}

impl Latency {
    /// An integrator from `min` to twice `max` slots, or none without a limit. What lies above the
    /// knee is what writes may take: with the knee at `max` they may have as much again.
    pub(super) fn new(target: Target, min: u32, max: u32) -> Option<Self> {
        let (limit_ns, given, hopeless) = match target {
            Target::Knee => return None,
            Target::Mean { limit_ns } => (limit_ns, None, HOPELESS_MEAN),
            Target::Percentile { percent, limit_ns } => {
                let budget = (1.0 - percent / 100.0).clamp(1e-4, 0.5);
                #[expect(clippy::cast_possible_truncation, reason = "below half of GAIN")]
                let given = (GAIN as f64 * budget) as i64;
                #[expect(clippy::cast_possible_truncation, reason = "a few hundred thousand")]
                #[expect(clippy::cast_sign_loss, reason = "the budget is above 0")]
                let hopeless = (HOPELESS / budget) as u64;
                (limit_ns, Some(given), hopeless)
            }
        };
        let (min, max) = (i64::from(min) * SLOT, 2 * i64::from(max) * SLOT);
        Some(Self { limit_ns, given, width: max, min, max, at_least: 0, hopeless })
    }

    /// The window. Units: slots.
    #[inline]
    pub(super) fn width(&self) -> u32 {
        u32::try_from(self.width / SLOT).unwrap_or(u32::MAX)
    }

    /// Whether the least depth is still too much.
    pub(super) fn is_hopeless(&self) -> bool {
        self.at_least > self.hopeless
    }

    /// Takes in what came back. What lies above `roof` is given up at the first late request: far
    /// above the depth in force it would take long to feel.
    #[inline]
    pub(super) fn observe(&mut self, counts: Counts, roof: u32) {
        let (requests, late) = (i64::from(counts.requests), i64::from(counts.late));
        let change = match self.given {
            // Below 2^31 and 2^32: no product comes to 2^63.
            Some(given) => given * requests - GAIN * late,
            None => self.change_of_mean(counts),
        };
        if change < 0 {
            self.width = self.width.min(i64::from(roof) * SLOT);
        }
        self.width = self.width.saturating_add(change).clamp(self.min, self.max);
        if self.width >= self.min + SLOT {
            self.at_least = 0;
        } else {
            self.at_least = self.at_least.saturating_add(u64::from(counts.requests));
        }
    }

    /// In proportion to how far the sum of the latencies is from the limit's; no reap takes more
    /// than half of the window.
    fn change_of_mean(&self, counts: Counts) -> i64 {
        let limit = i128::from(self.limit_ns);
        let spare = i128::from(counts.requests) * limit - i128::from(counts.latency_sum_ns);
        let change = i128::from(GAIN_MEAN) * spare / limit;
        i64::try_from(change).unwrap_or(i64::MIN / 2).max(-self.width / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_the_knee_at_the_largest_depth_writes_may_still_have_all_of_it() {
        let target = Target::Percentile { percent: 99.0, limit_ns: 1000 };
        let mut latency = Latency::new(target, 1, 64).unwrap();
        for _ in 0..10_000 {
            latency.observe(Counts { requests: 8, slots: 8, late: 0, latency_sum_ns: 800 }, 144);
        }
        assert_eq!(latency.width() - 64, 64);
    }
}
