//! Looks for the smallest depth that gives nearly the best throughput. Fed by `controller`; the
//! table that it fills is `curve`.
//!
//! First it doubles the depth until that gains nothing, then it stays at home, the chosen depth,
//! and measures others from time to time: only those whose value could change the choice.

use super::budget::Budget;
use super::choice::{HOPE, MISSING, Since, WHOLE, better_home, first_home, is_due, next_probe};
use super::curve::Curve;
use super::epoch::{Epoch, GLANCE_BATCHES, Measured};
use super::grid::Grid;
use super::pace::{Pace, SKIPPED};
use super::sample::Sample;
use super::tally::{Batch, Tally};
use super::trace::Why;

/// A doubling that gains so much in a glance needs no closer look.
const OBVIOUS: f64 = 0.30;
/// A glance counts so much beside a whole measurement: about its share of the completions.
const GLANCE_WEIGHT: f64 = 1.0 / 16.0;
/// A home that is off by so much, so often in a row, is another device.
const JUMP: f64 = 0.22;
const JUMP_SCATTERS: f64 = 5.0;
const JUMPS: u32 = 3;
/// Measurements whose shares of writes differ by more are not compared.
const MIX_CHANGE: f64 = 0.1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Doubling.
    Sweep,
    /// At home, or at a probe.
    Steady,
}

/// The state of the search.
#[derive(Clone, Debug)]
pub(super) struct Knee {
    curve: Curve,
    phase: Phase,
    /// The depth in force, and the chosen one, as indices into the grid.
    at: usize,
    home: usize,
    /// The depth in force, and of which depth a batch is a generation at least. Units: slots.
    depth: u32,
    generation: u32,
    /// Doublings in a row that gained nothing.
    flat: u32,
    /// Measurements in a row at which home was another device's.
    off: u32,
    since: Since,
    budget: Budget,
    /// The probe that did not fit what was known.
    surprise: Option<usize>,
    /// The curve and home before a restart.
    old: Option<(Curve, usize)>,
    mix: f64,

    pace: Pace,
    epoch: Epoch,
    /// Whether the measurement in progress is a glance.
    glance: bool,
    skip_slots: u32,
    /// The next pressed completion starts the clock.
    fresh: bool,
    tally: Tally,
}

impl Knee {
    pub(super) fn new(min: u32, max: u32) -> Self {
        Self {
            curve: Curve::new(Grid::new(min, max)),
            phase: Phase::Sweep,
            at: 0,
            home: 0,
            depth: min,
            generation: min,
            flat: 0,
            off: 0,
            since: Since::START,
            budget: Budget::FULL,
            surprise: None,
            old: None,
            mix: 0.0,
            pace: Pace::START,
            epoch: Epoch::new(),
            glance: true,
            skip_slots: 0,
            fresh: true,
            tally: Tally::EMPTY,
        }
    }

    /// The depth in force. Units: slots.
    #[inline]
    pub(super) fn depth(&self) -> u32 {
        self.depth
    }

    /// The depth that a latency target may save up for: twice the depth in force and something for
    /// small ones, and more in the first sweep, which passes them quickly.
    #[inline]
    pub(super) fn roof(&self) -> u32 {
        let depth = self.depth();
        if self.phase == Phase::Sweep { 4 * depth + 64 } else { 2 * depth + 16 }
    }

    /// The chosen depth, whether or not a probe is under way; none before the first sweep's end.
    pub(super) fn home(&self) -> Option<u32> {
        (self.phase == Phase::Steady).then(|| self.curve.grid.depth(self.home))
    }

    /// Takes a reap in; `in_force` is the depth that was the limit, which is lower than ours while
    /// the latency target holds it down. Answers what was measured and why the depth is what it is
    /// now, if anything was.
    #[inline]
    pub(super) fn observe(&mut self, sample: &Sample, in_force: u32) -> Option<(Measured, Why)> {
        let slots = sample.slots();
        self.pace.tick(sample.now_ns);
        if self.skip_slots > 0 {
            self.skip_slots = self.skip_slots.saturating_sub(slots);
            self.pace.begin(sample.now_ns);
            return None;
        }
        if !sample.backlog {
            return self.idle(slots);
        }
        if self.fresh || sample.now_ns < self.pace.start_ns() {
            // Also after a clock that went back: what was counted has no time to it.
            self.tally.begin();
            self.fresh = false;
            self.pace.begin(sample.now_ns);
            return None;
        }
        let count = self.tally.add(slots, in_force >= self.depth);
        let writes = sample.writes.requests;
        let latency_ns = sample.reads.latency_sum_ns.saturating_add(sample.writes.latency_sum_ns);
        self.epoch.count(sample.reads.requests.saturating_add(writes), writes, latency_ns);
        self.epoch.count_depth(in_force, slots);
        let elapsed_ns = sample.now_ns.saturating_sub(self.pace.start_ns());
        if !self.pace.is_over(self.glance, count, self.generation, elapsed_ns) {
            return None;
        }
        self.end_batch(sample.now_ns, elapsed_ns)
    }

    /// The end of a batch, and perhaps of a measurement.
    fn end_batch(&mut self, now_ns: u64, elapsed_ns: u64) -> Option<(Measured, Why)> {
        let Batch { count, is_limited: limited, is_held: held } = self.tally.end();
        let away = self.phase == Phase::Sweep || self.at != self.home;
        if limited || away && held {
            self.epoch.push(u64::from(count), elapsed_ns, self.pace.lull_ns());
        }
        self.pace.begin(now_ns);
        if limited {
            if self.glance && self.epoch.len() == GLANCE_BATCHES {
                return self.end_glance();
            }
            return (self.epoch.len() == self.pace.batches()).then(|| self.end_epoch());
        }
        if away && held && self.epoch.len() == self.pace.batches() {
            return Some(self.end_epoch());
        } else if !held && away && self.phase == Phase::Steady {
            self.go(self.home);
        }
        None
    }

    /// The caller is the limit, not the depth: nothing can be learned. A sweep that is pressed now
    /// and then moves on, for nothing is known yet; a probe ends.
    fn idle(&mut self, slots: u32) -> Option<(Measured, Why)> {
        self.fresh = true;
        let pressed = self.tally.idle(slots)?;
        let is_top = self.at + 1 == self.curve.grid.len();
        if self.phase == Phase::Sweep && !pressed && is_top && self.best_measured(WHOLE) > f64::MIN
        {
            // Nobody will ever press this depth: what is known has to do.
            self.settle();
            return None;
        }
        if self.phase == Phase::Steady && self.at != self.home {
            self.go(self.home);
        }
        if self.phase == Phase::Sweep && pressed && self.at + 1 < self.curve.grid.len() {
            self.climb();
        }
        None
    }

    /// A few short batches: enough when the last doubling gained much.
    fn end_glance(&mut self) -> Option<(Measured, Why)> {
        let measured = self.epoch.measured();
        let best = self.best_measured(0.0);
        if self.at + 1 < self.curve.grid.len() && measured.rate_ln > best + OBVIOUS {
            self.curve.learn(self.at, measured.rate_ln, GLANCE_WEIGHT);
            self.climb();
            return Some((measured, Why::Swept));
        }
        self.glance = false;
        self.epoch = Epoch::new();
        None
    }

    fn end_epoch(&mut self) -> (Measured, Why) {
        let measured = self.epoch.measured();
        self.epoch = Epoch::new();
        self.tally.measured();
        if let Some(index) = self.pace.learn(&measured, &self.curve) {
            self.search_from(index);
            return (measured, Why::Restarted);
        }
        let in_force = measured.depth_mean;
        let mut is_held = false;
        if self.at != self.home || self.phase == Phase::Sweep {
            let held = in_force < 0.9 * self.curve.grid.real(self.at);
            if held {
                // The latency target is the lower limit: this measured the depth that it allows,
                // and ends a sweep.
                self.at = self.curve.grid.nearest(in_force);
                is_held = true;
                if self.phase == Phase::Steady && self.at == self.home {
                    self.go(self.home);
                    return (measured, Why::Returned);
                }
            }
        }
        let why = match self.phase {
            Phase::Sweep => self.sweep(&measured, is_held),
            Phase::Steady => {
                self.curve.age();
                if self.at == self.home { self.stay(&measured) } else { self.probed(&measured) }
            }
        };
        (measured, why)
    }

    fn sweep(&mut self, measured: &Measured, is_held: bool) -> Why {
        let rate_ln = measured.rate_ln;
        let best = self.best_measured(WHOLE);
        self.curve.learn(self.at, rate_ln, 1.0);
        self.flat = if rate_ln < best + MISSING { self.flat + 1 } else { 0 };
        if self.curve.grid.real(self.at) < 2.0 * measured.slots_mean {
            // One request fills the window, so that another depth is none yet.
            self.flat = 0;
        }
        if !is_held && self.flat < 2 && self.at + 1 < self.curve.grid.len() {
            self.climb();
            return Why::Swept;
        }
        self.settle();
        Why::Settled
    }

    /// Chooses from what the sweep has found.
    fn settle(&mut self) {
        self.phase = Phase::Steady;
        self.since.quiet = 1;
        self.budget = Budget::FULL;
        if let Some((mut old, home)) = self.old.take()
            && old.shift_to(&self.curve)
        {
            self.curve = old;
            self.home = home;
        } else {
            self.curve.refresh();
            self.home = first_home(&self.curve).unwrap_or(self.at);
        }
        self.go(self.home);
    }

    /// A measurement at home.
    fn stay(&mut self, measured: &Measured) -> Why {
        // A surprise at what is home by now: home tells whether it lasts.
        self.surprise = self.surprise.filter(|at| *at != self.home);
        let is_new = self.curve.weight(self.home) < WHOLE;
        if is_new {
            self.curve.learn(self.home, measured.rate_ln, 1.0);
        }
        let deviation = self.curve.deviation(self.home, measured.rate_ln);
        if deviation.abs() > self.jump() {
            self.off += 1;
            if self.off < JUMPS {
                return Why::Stayed;
            }
            self.restart(true);
            return Why::Restarted;
        }
        self.off = 0;
        self.mix = measured.writes_share;
        if !is_new {
            self.curve.follow(self.home, measured.rate_ln);
        }
        self.since.quiet += 1;
        self.budget.earn();
        self.curve.refresh();
        self.home = better_home(&self.curve, self.home);
        if self.at != self.home {
            self.go(self.home);
            return Why::Moved;
        }
        let chosen = || next_probe(&self.curve, self.home, self.since, self.budget);
        let next = self.surprise.or_else(chosen);
        let is_due = |index: &usize| is_due(&self.curve, self.home, *index, self.since);
        let Some(index) = next.filter(is_due) else { return Why::Stayed };
        self.since = self.since.with_probe(index < self.home);
        self.budget.spend(&self.curve, self.home, index);
        self.go(index);
        Why::Probed
    }

    /// A measurement at a probe. One far from what is known, once: the device changed meanwhile,
    /// which home will notice. Twice: the curve has another shape.
    fn probed(&mut self, measured: &Measured) -> Why {
        let (at, rate_ln) = (self.at, measured.rate_ln);
        let own = self.curve.own(at);
        let far = self.jump() + HOPE * own.error.min(1e3);
        let is_far = self.curve.is_measured(at) && self.curve.deviation(at, rate_ln).abs() > far;
        if is_far && self.surprise == Some(at) {
            self.surprise = None;
            self.restart(false);
            return Why::Restarted;
        }
        self.surprise = is_far.then_some(at);
        let before = self.home;
        if !is_far && (measured.writes_share - self.mix).abs() <= MIX_CHANGE {
            self.curve.learn(at, rate_ln, 1.0);
            self.curve.refresh();
            self.home = better_home(&self.curve, self.home);
        }
        self.go(self.home);
        if self.home == before { Why::Returned } else { Why::Moved }
    }

    /// Looks for the knee anew: from far below, or with a new table from here.
    fn restart(&mut self, is_new_device: bool) {
        let from = self.curve.grid.depth(self.home) / if is_new_device { 4 } else { 1 };
        self.old = is_new_device.then_some((self.curve, self.home));
        self.pace.reset();
        self.search_from(self.curve.grid.index(from));
    }

    fn search_from(&mut self, index: usize) {
        self.curve.clear();
        (self.flat, self.off, self.surprise) = (0, 0, None);
        self.phase = Phase::Sweep;
        self.go(index);
    }

    fn climb(&mut self) {
        let twice = self.depth().saturating_mul(2);
        self.go(self.curve.grid.index(twice));
    }

    /// Puts a depth in force.
    fn go(&mut self, to: usize) {
        self.glance = self.phase == Phase::Sweep && self.old.is_none() && !self.pace.is_coarse();
        if to != self.at {
            let larger = self.curve.grid.depth(self.at.max(to));
            self.skip_slots = larger * if self.glance { 1 } else { SKIPPED };
        }
        self.at = to;
        self.depth = self.curve.grid.depth(to);
        let home = self.curve.grid.depth(self.home);
        self.generation = if self.phase == Phase::Sweep { self.depth } else { home };
        self.epoch = Epoch::new();
        self.tally.begin();
    }

    fn jump(&self) -> f64 {
        (JUMP_SCATTERS * self.curve.scatter()).max(JUMP)
    }

    /// The best measured throughput, among depths that were measured with at least this weight.
    fn best_measured(&self, weight: f64) -> f64 {
        let is_known = |index: &usize| self.curve.weight(*index) > weight;
        let known = (0..self.curve.grid.len()).filter(is_known);
        known.map(|index| self.curve.own(index).mean).fold(f64::MIN, f64::max)
    }
}
