//! What is known of throughput against depth: a table of measurements, and straight lines of
//! latency against depth laid through neighbours where the measurements allow it. Owned by `knee`;
//! decides nothing.
//!
//! # Why lines
//!
//! One measurement scatters by a few percent, and near the knee a whole step of depth gains one.
//! But in a closed loop latency is `depth / throughput`, and that is close to a straight line of
//! the depth on nearly every device: constant before the knee, proportional after it, and in one
//! line throughout where requests fall on many queues at random, `X = c·μ·N / (N + c - 1)`. So each
//! depth is estimated from all of its neighbours together, as long as these lie on one line as well
//! as their scatter allows; next to a kink they do not, and only nearer ones count.
//!
//! # Why a level
//!
//! The speed of a disk that others use as well wanders by 5 to 10 % within tenths of a second,
//! which is more than the depths near the knee differ by. So each measurement is compared with what
//! home gives at about that time, before and after it, and not with what it gave on average. How
//! quickly the level follows home is learned: when one surprise at home after the other has the
//! same sign, it was too slow, and when they alternate, it follows mere chance.

use super::grid::{GRID_LEN_MAX, Grid};

/// Measurements remembered per depth.
const MEMORY: f64 = 32.0;
/// What a measurement keeps of its weight with each further one: old ones have to yield.
const AGE: f64 = 1.0 - 1.0 / 512.0;
/// Bounds and start of the variance of one measurement: a scatter of 0.5 % at least, 2 % at first.
const VARIANCE_MIN: f64 = 2.5e-5;
const VARIANCE_START: f64 = 4e-4;
/// A single surprise counts for a scatter of 10 % at most.
const VARIANCE_STEP_MAX: f64 = 0.01;

/// So many standard deviations beyond what chance gives, measurements do not lie on a line.
const MISFIT: f64 = 2.5;
/// Beyond so many scatters a measurement in use says that the level has moved.
const DRIFT_SCATTERS: f64 = 2.5;
/// Bounds of what the level may move by between two measurements, in variances of one.
const WANDER_MIN: f64 = 0.125;
const WANDER_MAX: f64 = 4.0;
/// How much two surprises of one scatter each change that, and the most that two of any size do, as
/// logarithms.
const WANDER_GAIN: f64 = 0.1;
const WANDER_STEP_MAX: f64 = 0.2;
/// Beyond `DRIFT_SCATTERS`, the level takes this part of the deviation at least.
const DRIFT_PART: f64 = 0.25;

/// An estimate of the logarithm of throughput, relative to the level.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimate {
    pub(super) mean: f64,
    /// The standard error; infinite where nothing is known.
    pub(super) error: f64,
}

/// The table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Curve {
    pub(super) grid: Grid,
    /// The measured logarithm of throughput at each depth, relative to `level`.
    mean: [f64; GRID_LEN_MAX],
    /// How many measurements that stands for; 0 where there are none.
    weight: [f64; GRID_LEN_MAX],
    /// How far the whole curve has moved since it was measured.
    level: f64,
    /// Of one measurement.
    variance: f64,
    /// How far the level moves from one measurement at home to the next: a variance, in variances
    /// of one measurement.
    wander: f64,
    /// What the last measurement at home was off by.
    last: f64,
    /// The depth that was measured since, and the share of its value that this measurement has: its
    /// level was halfway to what home gives next.
    probe: Option<(usize, f64)>,
    /// The estimates, from the table as it was at the last `refresh`.
    estimates: [Estimate; GRID_LEN_MAX],
}

impl Curve {
    pub(super) fn new(grid: Grid) -> Self {
        Self {
            grid,
            mean: [0.0; GRID_LEN_MAX],
            weight: [0.0; GRID_LEN_MAX],
            level: 0.0,
            variance: VARIANCE_START,
            wander: WANDER_MIN,
            last: 0.0,
            probe: None,
            estimates: [Estimate { mean: f64::MIN, error: f64::INFINITY }; GRID_LEN_MAX],
        }
    }

    /// Forgets everything but the scatter, and how much the level wanders.
    pub(super) fn clear(&mut self) {
        let Self { variance, wander, .. } = *self;
        *self = Self { variance, wander, ..Self::new(self.grid) };
    }

    pub(super) fn is_measured(&self, index: usize) -> bool {
        self.weight[index] > 0.0
    }

    /// How many measurements the table's value stands for.
    pub(super) fn weight(&self, index: usize) -> f64 {
        self.weight[index]
    }

    /// The scatter of one measurement.
    pub(super) fn scatter(&self) -> f64 {
        self.variance.sqrt()
    }

    /// How far a measurement is from what the table says of this depth.
    pub(super) fn deviation(&self, index: usize, rate_ln: f64) -> f64 {
        rate_ln - self.level - self.mean[index]
    }

    /// The table's own value and its error, without the neighbours.
    pub(super) fn own(&self, index: usize) -> Estimate {
        let weight = self.weight[index];
        if weight == 0.0 {
            return Estimate { mean: f64::MIN, error: f64::INFINITY };
        }
        Estimate { mean: self.mean[index], error: (self.variance / weight).sqrt() }
    }

    pub(super) fn estimate(&self, index: usize) -> Estimate {
        self.estimates[index]
    }

    /// The best throughput that is certain.
    pub(super) fn reference(&self) -> f64 {
        let certain = self.estimates[..self.grid.len()].iter().map(|e| e.mean - e.error);
        certain.fold(f64::MIN, f64::max)
    }

    /// Takes a measurement of this weight in.
    pub(super) fn learn(&mut self, index: usize, rate_ln: f64, weight: f64) {
        let deviation = self.deviation(index, rate_ln);
        let total = (self.weight[index] + weight).min(MEMORY);
        self.weight[index] = total;
        let share = (weight / total).min(1.0);
        self.mean[index] += deviation * share;
        self.probe = Some((index, share));
    }

    /// Takes in a measurement at the depth in use, and learns the scatter from it. What is within
    /// the scatter is shared out between the level and this depth's own value, by how uncertain
    /// each is; what is beyond it means that the device as a whole got faster or slower.
    pub(super) fn follow(&mut self, index: usize, rate_ln: f64) {
        let deviation = self.deviation(index, rate_ln);
        let square = deviation * deviation;
        let own = 1.0 / self.weight[index].max(1.0 / 16.0);
        let all = 1.0 + self.wander + own;
        let shift = if square > DRIFT_SCATTERS * DRIFT_SCATTERS * self.variance {
            deviation * (self.wander / (1.0 + self.wander)).max(DRIFT_PART)
        } else {
            self.mean[index] += deviation * own / all;
            deviation * self.wander / all
        };
        self.level += shift;
        if let Some((probe, share)) = self.probe.take().filter(|(probe, _)| *probe != index) {
            self.mean[probe] -= share * shift / 2.0;
        }
        let is_alike = WANDER_GAIN * deviation * self.last / self.variance;
        let step = is_alike.clamp(-WANDER_STEP_MAX, WANDER_STEP_MAX);
        self.wander = (self.wander * step.exp()).clamp(WANDER_MIN, WANDER_MAX);
        self.last = deviation;
        let square = square.min(VARIANCE_STEP_MAX);
        self.variance = (self.variance + (square - self.variance) / 16.0).max(VARIANCE_MIN);
        self.weight[index] = (self.weight[index] + 1.0).min(MEMORY);
    }

    /// Old measurements lose weight.
    pub(super) fn age(&mut self) {
        self.weight[..self.grid.len()].iter_mut().for_each(|weight| *weight *= AGE);
    }

    /// If `new` has this curve's shape, moves the level to it. Answers whether it has.
    pub(super) fn shift_to(&mut self, new: &Curve) -> bool {
        let both = |index: &usize| new.weight[*index] > 0.5;
        let differences = (0..self.grid.len()).filter(both).filter_map(|index| {
            let old = self.predict(index)?;
            Some(new.mean[index] + new.level - old)
        });
        let (mut sum, mut count, mut low, mut high) = (0.0, 0.0, f64::MAX, f64::MIN);
        for difference in differences {
            (sum, count) = (sum + difference, count + 1.0);
            (low, high) = (f64::min(low, difference), f64::max(high, difference));
        }
        let shift = sum / f64::max(count, 1.0);
        let allowed = (4.0 * new.scatter()).max(0.05);
        if count < 3.0 || high - shift > allowed || shift - low > allowed {
            return false;
        }
        self.level = shift;
        true
    }

    /// The value at a depth: estimated, or with latency on a line between measured neighbours.
    pub(super) fn predict(&self, index: usize) -> Option<f64> {
        let estimate = self.estimate(index);
        if estimate.error.is_finite() {
            return Some(estimate.mean);
        }
        let below = (0..index).rev().find(|k| self.is_measured(*k))?;
        let above = (index + 1..self.grid.len()).find(|k| self.is_measured(*k))?;
        let latency = |k: usize| self.grid.real(k) / self.mean[k].exp();
        let [x, x0, x1] = [index, below, above].map(|k| self.grid.real(k));
        let line = latency(below) + (latency(above) - latency(below)) * (x - x0) / (x1 - x0);
        Some((x / line).ln())
    }

    /// Brings the estimates up to date with the table.
    pub(super) fn refresh(&mut self) {
        let sums = Sums::of(self);
        for index in 0..self.grid.len() {
            self.estimates[index] = self.best_of(&sums, index);
        }
    }

    /// The estimate from the widest line that holds, or the depth's own measurements.
    fn best_of(&self, sums: &Sums, index: usize) -> Estimate {
        let own = self.own(index);
        let depth = self.grid.depth(index);
        for reach in [8, 4, 2] {
            let from = self.grid.index(depth / reach);
            let to = self.grid.index(depth.saturating_mul(reach));
            let line = sums.line(from, to, self.grid.real(index), self.variance);
            if let Some(line) = line.filter(|line| line.error < own.error) {
                return line;
            }
        }
        own
    }
}

/// Running sums of a weighted fit of latency against depth, so that any range of depths costs the
/// same.
#[derive(Debug)]
struct Sums([[f64; 7]; GRID_LEN_MAX + 1]);

impl Sums {
    fn of(curve: &Curve) -> Self {
        let mut sums = [[0.0; 7]; GRID_LEN_MAX + 1];
        for index in 0..curve.grid.len() {
            let mut sum = sums[index];
            if curve.is_measured(index) {
                let x = curve.grid.real(index);
                let y = x / curve.mean[index].exp();
                // Measurements scatter by a share of their value.
                let w = curve.weight[index] / (y * y);
                let terms = [1.0, w, w * x, w * y, w * x * x, w * x * y, w * y * y];
                for (sum, term) in sum.iter_mut().zip(terms) {
                    *sum += term;
                }
            }
            sums[index + 1] = sum;
        }
        Self(sums)
    }

    /// The line's value at depth `x`, if at least three depths in the range are known and lie on
    /// one.
    fn line(&self, from: usize, to: usize, x: f64, variance: f64) -> Option<Estimate> {
        let mut sum = self.0[to + 1];
        for (sum, before) in sum.iter_mut().zip(self.0[from]) {
            *sum -= before;
        }
        let [count, w, wx, wy, wxx, wxy, wyy] = sum;
        let spread = w * wxx - wx * wx;
        if count < 3.0 || spread <= 0.0 {
            return None;
        }
        let slope = (w * wxy - wx * wy) / spread;
        let start = (wy - slope * wx) / w;
        let latency = start + slope * x;
        let misfit = (wyy - start * wy - slope * wxy) / variance;
        let freedom = count - 2.0;
        if latency <= 0.0 || misfit > freedom + MISFIT * (2.0 * freedom).sqrt() {
            return None;
        }
        let error = (variance * (wxx - 2.0 * x * wx + x * x * w) / spread).sqrt() / latency;
        Some(Estimate { mean: (x / latency).ln(), error })
    }
}
