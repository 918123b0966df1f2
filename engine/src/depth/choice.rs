//! Which depth to stay at, and which one to measure next, from what the curve says. Pure functions;
//! asked by `knee`.

use super::budget::Budget;
use super::curve::Curve;

/// How much of the best throughput may be missing, in a logarithm: the aim is 95.5 %, where 95 % is
/// allowed.
pub(super) const MISSING: f64 = 0.046;
/// Above this weight a depth was measured as a whole, if perhaps long ago.
pub(super) const WHOLE: f64 = 0.5;
/// Errors by which a depth may be better than it looks.
pub(super) const HOPE: f64 = 2.0;
/// A depth is measured again after so many measurements at home, divided by its error: after 3 at
/// 1 %, after 10 at 0.25 %.
const PATIENCE: f64 = 0.025;
/// Errors by which a move must be justified.
const SURE: f64 = 0.3;
/// Measurements at home until a probe is made in any case: growth is invisible from there.
const HOME_EPOCHS_MAX: u32 = 9;
/// Every so many probes a lower depth is due in any case, after fewer measurements: it costs
/// throughput, a higher one only latency.
const DOWN_EVERY: u32 = 3;
const HOME_EPOCHS_DOWN: u32 = 3;
/// Measurements at home before a probe of a depth that was measured before, but for lower ones
/// among the first probes: a sweep's choice is rather too deep than not deep enough.
const HOME_EPOCHS: u32 = 2;
const FIRST_PROBES: u32 = 6;

/// What has happened since the last probe.
#[derive(Clone, Copy, Debug)]
pub(super) struct Since {
    /// Measurements at home.
    pub(super) quiet: u32,
    /// Probes in all.
    pub(super) probes: u32,
    /// Whether it was a lower one.
    pub(super) is_up_next: bool,
}

impl Since {
    pub(super) const START: Self = Self { quiet: 0, probes: 0, is_up_next: true };

    /// A probe is made, of a lower depth or of a higher one.
    pub(super) fn with_probe(self, is_lower: bool) -> Self {
        Self { quiet: 0, probes: self.probes.wrapping_add(1), is_up_next: is_lower }
    }
}

/// The smallest measured depth that gives enough.
pub(super) fn first_home(curve: &Curve) -> Option<usize> {
    let need = curve.reference() - MISSING;
    let is_enough =
        |index: &usize| curve.is_measured(*index) && curve.estimate(*index).mean >= need;
    (0..curve.grid.len()).find(is_enough)
}

/// Home, or a better one when the curve says so with confidence.
pub(super) fn better_home(curve: &Curve, home: usize) -> usize {
    let need = curve.reference() - MISSING;
    let here = curve.estimate(home);
    let to = if here.mean + SURE * here.error < need {
        // Also to a depth between measured ones: the next measured one may be far too deep.
        (home + 1..curve.grid.len())
            .find(|index| curve.predict(*index).is_some_and(|value| value >= need))
    } else {
        (0..home).find(|index| {
            let estimate = curve.estimate(*index);
            curve.is_measured(*index) && estimate.mean - SURE * estimate.error >= need
        })
    };
    to.unwrap_or(home)
}

/// The next depth worth measuring, as far as the budget goes: one that could change the choice.
/// Upwards and downwards in turn.
pub(super) fn next_probe(
    curve: &Curve,
    home: usize,
    since: Since,
    budget: Budget,
) -> Option<usize> {
    let need = curve.reference() - MISSING;
    // What was only glanced at may be better than its neighbours say.
    let is_glanced = |index: usize| curve.is_measured(index) && curve.weight(index) < WHOLE;
    let hoped = |index: usize| {
        let (line, own) = (curve.estimate(index), curve.own(index));
        let hope = line.mean + HOPE * line.error;
        if is_glanced(index) { hope.max(own.mean + HOPE * own.error) } else { hope }
    };
    let quiet = f64::from(since.quiet);
    let is_vague =
        |index: usize| is_glanced(index) || curve.estimate(index).error * quiet > PATIENCE;
    let here = curve.grid.depth(home);
    let [twice, top] = [2, 4].map(|times| curve.grid.index(here.saturating_mul(times)));
    let is_stale = since.quiet >= HOME_EPOCHS_MAX;
    let up = if is_stale {
        Some(twice).filter(|index| *index > home)
    } else {
        (home + 1..=top)
            .filter(|index| curve.is_measured(*index) || *index == twice)
            .max_by(|a, b| hoped(*a).total_cmp(&hoped(*b)))
            .filter(|index| hoped(*index) > curve.estimate(home).mean + MISSING)
            .filter(|index| is_vague(*index))
    };
    let up = up.filter(|_| budget.allows_deeper());
    let is_due = since.quiet >= HOME_EPOCHS_DOWN && since.probes.is_multiple_of(DOWN_EVERY);
    let down = |index: &usize| {
        budget.allows_shallower() && (is_due || hoped(*index) >= need && is_vague(*index))
    };
    let half = curve.grid.index((here / 2).max(1));
    let down = (half..home)
        .filter(down)
        .find(|index| {
            let error = curve.estimate(*index).error;
            let error = if error.is_finite() { error } else { 0.0 };
            curve.predict(*index).is_some_and(|value| value + error >= need)
        })
        .or_else(|| home.checked_sub(1).filter(down));
    if since.is_up_next && !is_due { up.or(down) } else { down.or(up) }
}

/// Whether it is time for the probe that was chosen.
pub(super) fn is_due(curve: &Curve, home: usize, to: usize, since: Since) -> bool {
    let is_first = to < home && since.probes < FIRST_PROBES;
    since.quiet >= HOME_EPOCHS || is_first || !curve.is_measured(to)
}
