//! Which of those that were measured is recommended: the lightest of those that are as good.
//!
//! Owns the rules, as pure functions of samples. A setting wins by its rate only where the
//! difference is real and worth the trouble; else by what it costs, and then by how little there is
//! to set. It runs and prints nothing. Used by `rounds` and `winner`.

use std::time::Duration;

use super::candidate::Way;
use super::curve::CurvePoint;
use super::rounds::Entry;
use super::trial::Sample;
use crate::confidence::{self, Estimate};

/// A gain below this is not worth a setting, even if it is real.
const GAIN_MIN: f64 = 1.05;
/// CPU time above this share of the cheapest's counts, if it is real. Ways are compared at the
/// depth where each is best, and depths alone differ by a tenth in what they cost.
const COST_MIN: f64 = 1.25;
/// By how much wider an interval is that holds for a dozen comparisons together: Student's t for
/// 0.4 % (a twelfth of 5 %) over that for 5 %, with six degrees of freedom.
const MANY_WAYS_DOUBT: f64 = 1.85;
/// What was measured less than three times side by side may be off by this.
const FEW_RUNS_DOUBT: f64 = 2.0;
/// The share of the best rate at which the knee is, and what is never near enough.
const KNEE_SHARE: f64 = 0.95;
const KNEE_SHARE_MIN: f64 = 0.90;

/// The recommended one of these; `None` of none.
pub(super) fn best(entries: &[Entry], max_latency: Option<Duration>) -> Option<&Entry> {
    let contenders = contenders(entries, max_latency);
    let simplest = *contenders.iter().min_by_key(|entry| entry.candidate.way.burden())?;
    // Not the first of all: of a dozen somebody is always ahead by chance.
    let beats_it = |entry: &&&Entry| is_quicker(entry, simplest);
    let top = contenders.iter().filter(beats_it).max_by(|a, b| rate(a).total_cmp(&rate(b)));
    let top = top.copied().unwrap_or(simplest);
    let mut alike: Vec<&Entry> =
        contenders.iter().copied().filter(|entry| !is_quicker(top, entry)).collect();
    let cheapest = *alike.iter().min_by(|a, b| cost(a).total_cmp(&cost(b)))?;
    alike.retain(|entry| !is_really_more(entry, cheapest, cpu_ns, COST_MIN));
    alike.into_iter().min_by_key(|entry| entry.candidate.way.burden())
}

/// The best of each way, of those that were measured at least twice and keep the limit; if there
/// are none such, of all.
pub(super) fn contenders(entries: &[Entry], max_latency: Option<Duration>) -> Vec<&Entry> {
    let fits = |entry: &&Entry| entry.keeps(max_latency);
    let repeated = |entry: &&Entry| entry.samples.len() > 1;
    let mut pool: Vec<&Entry> = entries.iter().filter(|entry| !entry.samples.is_empty()).collect();
    for wanted in [&fits as &dyn Fn(&&Entry) -> bool, &repeated] {
        if pool.iter().any(wanted) {
            pool.retain(wanted);
        }
    }
    let mut best: Vec<&Entry> = Vec::new();
    for entry in pool {
        let way: Way = entry.candidate.way;
        match best.iter_mut().find(|other| other.candidate.way == way) {
            Some(other) if rate(entry) > rate(other) => *other = entry,
            Some(_) => {}
            None => best.push(entry),
        }
    }
    best
}

/// The smallest depth that is not really below the share of the best rate.
pub(super) fn knee(curve: &[CurvePoint], max_latency: Option<Duration>) -> Option<&CurvePoint> {
    alike(curve, max_latency).into_iter().min_by_key(|point| point.candidate.depth)
}

/// All depths that are not.
pub(super) fn alike(curve: &[CurvePoint], max_latency: Option<Duration>) -> Vec<&CurvePoint> {
    let limit_ns = max_latency.map_or(f64::INFINITY, |limit| limit.as_nanos() as f64);
    let within: Vec<&CurvePoint> = curve.iter().filter(|point| point.p99_ns <= limit_ns).collect();
    let by_rate = |a: &&&CurvePoint, b: &&&CurvePoint| a.iops.value.total_cmp(&b.iops.value);
    let Some(best) = within.iter().max_by(by_rate).copied() else { return Vec::new() };
    let near = |point: &&CurvePoint| {
        let (base, new) = pairs(&best.samples, &point.samples, iops);
        let value = point.iops.value / best.iops.value;
        let share = confidence::ratio_of_pairs(&base, &new);
        let share = share.unwrap_or(Estimate { value, low: value, high: value });
        share.value >= KNEE_SHARE || (share.value >= KNEE_SHARE_MIN && share.high >= KNEE_SHARE)
    };
    within.into_iter().filter(near).collect()
}

/// The figure in the rounds that both were measured in: what slows a machine down for a while slows
/// both down.
fn pairs(base: &[Sample], new: &[Sample], of: fn(&Sample) -> f64) -> (Vec<f64>, Vec<f64>) {
    let pair = |sample: &Sample| {
        let other = base.iter().find(|other| other.round == sample.round)?;
        Some((of(other), of(sample)))
    };
    new.iter().filter_map(pair).unzip()
}

/// Whether one is worth being preferred for its rate.
pub(super) fn is_quicker(more: &Entry, less: &Entry) -> bool {
    is_really_more(more, less, iops, GAIN_MIN)
}

/// Whether `more` has more of the figure than `less` by this factor, and not by chance: the
/// interval of the ratio lies above 1, made wide enough for a dozen comparisons.
fn is_really_more(more: &Entry, less: &Entry, of: fn(&Sample) -> f64, factor: f64) -> bool {
    let (base, new) = pairs(&less.samples, &more.samples, of);
    let Some(ratio) = confidence::ratio_of_pairs(&base, &new).filter(|_| base.len() > 2) else {
        // Too little for an interval: within a factor of two it may be chance.
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        return mean(&new) > mean(&base) * FEW_RUNS_DOUBT;
    };
    ratio.value > factor && ratio.value > (ratio.value / ratio.low).powf(MANY_WAYS_DOUBT)
}

fn iops(sample: &Sample) -> f64 {
    sample.iops
}

fn cpu_ns(sample: &Sample) -> f64 {
    sample.cpu_ns.0 + sample.cpu_ns.1
}

fn rate(entry: &Entry) -> f64 {
    entry.iops().map_or(0.0, |iops| iops.value)
}

fn cost(entry: &Entry) -> f64 {
    entry.median(cpu_ns)
}

#[cfg(test)]
mod tests {
    use super::super::candidate::{Batch, Candidate, Mode, Poll};
    use super::super::curve::points;
    use super::super::rounds::tests::{entry, sample};
    use super::*;

    fn ring(fixed_files: bool, lanes: bool, poll: Option<Poll>) -> Way {
        let mode = Mode::Ring { fixed_buffers: true, fixed_files, poll, lanes };
        Way { mode, batch: Batch::One }
    }

    fn measured(way: Way, iops: &[f64], cpu_ns: f64) -> Entry {
        let rounds = (1..).zip(iops);
        let mut samples: Vec<_> =
            rounds.map(|(round, iops)| Sample { round, ..sample(*iops, 1.0) }).collect();
        samples.iter_mut().for_each(|sample| sample.cpu_ns = (0.0, cpu_ns * sample.iops / 100.0));
        Entry { candidate: Candidate { way, depth: 8 }, samples }
    }

    #[test]
    fn of_those_that_are_alike_the_simplest_wins_whoever_was_first_by_chance() {
        let (defaults, plain) = (ring(true, true, None), ring(false, false, None));
        for (first, second) in [
            ([99.0, 101.0, 133.0], [98.0, 122.0, 102.0]),
            ([98.0, 122.0, 102.0], [99.0, 101.0, 133.0]),
        ] {
            let entries = [measured(plain, &first, 100.0), measured(defaults, &second, 100.0)];
            assert_eq!(best(&entries, None).expect("one").candidate.way, defaults);
        }
        // Much, but one round of three alone has it.
        let entries = [
            measured(plain, &[98.0, 101.0, 180.0], 100.0),
            measured(defaults, &[100.0, 100.0, 100.0], 100.0),
        ];
        assert_eq!(best(&entries, None).expect("one").candidate.way, defaults);
        // Real, but too little to be worth anything.
        let entries = [
            measured(plain, &[102.0, 102.1, 102.2], 100.0),
            measured(defaults, &[100.0, 100.1, 100.2], 100.0),
        ];
        assert_eq!(best(&entries, None).expect("one").candidate.way, defaults);
    }

    #[test]
    fn a_gain_that_is_real_wins_and_a_price_that_is_real_loses() {
        let defaults = ring(true, true, None);
        let polled = ring(true, false, Some(Poll { idle_ms: 1, cpu: None }));
        let quick = [120.0, 121.0, 122.0];
        let entries =
            [measured(defaults, &[100.0, 101.0, 102.0], 50.0), measured(polled, &quick, 200.0)];
        assert_eq!(best(&entries, None).expect("one").candidate.way, polled);
        let threads = Way { mode: Mode::Threads, batch: Batch::One };
        let entries = [measured(defaults, &quick, 150.0), measured(threads, &quick, 100.0)];
        assert_eq!(best(&entries, None).expect("one").candidate.way, threads, "it is cheaper");
        assert!(best(&[], None).is_none());
    }

    #[test]
    fn a_slow_minute_hides_no_gain_that_each_round_shows() {
        let (defaults, threads) = (ring(true, true, None), Mode::Threads);
        let threads = Way { mode: threads, batch: Batch::One };
        let entries = [
            measured(defaults, &[100.0, 30.0, 101.0, 55.0], 100.0),
            measured(threads, &[112.0, 33.5, 112.5, 61.0], 100.0),
        ];
        assert_eq!(best(&entries, None).expect("one").candidate.way, threads);
    }

    #[test]
    fn what_was_seen_once_does_not_beat_what_was_seen_often() {
        let lucky = measured(ring(false, false, None), &[500.0], 100.0);
        let known = measured(ring(true, true, None), &[100.0, 101.0], 100.0);
        let slow = measured(ring(true, false, None), &[30.0, 31.0], 100.0);
        let entries = [lucky, known, slow];
        assert_eq!(best(&entries, None).expect("one").samples.len(), 2);
        assert_eq!(best(&entries[..1], None).expect("one").samples.len(), 1);
        // The simplest of two that were seen once, unless the other is far ahead.
        let once = |way, rate: f64| measured(way, &[rate], 100.0);
        let (defaults, plain) = (ring(true, true, None), ring(false, false, None));
        let near = [once(plain, 180.0), once(defaults, 100.0)];
        assert_eq!(best(&near, None).expect("one").candidate.way, defaults);
        let far = [once(plain, 250.0), once(defaults, 100.0)];
        assert_eq!(best(&far, None).expect("one").candidate.way, plain);
    }

    #[test]
    fn the_limit_of_latency_comes_before_the_rate() {
        let entries = [entry(64, &[100.0, 101.0], 900.0), entry(8, &[50.0, 51.0], 90.0)];
        let limit = Some(Duration::from_nanos(100));
        assert_eq!(best(&entries, limit).expect("one").candidate.depth, 8);
        assert_eq!(best(&entries, None).expect("one").candidate.depth, 64);
    }

    #[test]
    fn the_knee_is_the_first_depth_that_is_good_enough() {
        let curve = points(&[
            entry(1, &[10.0, 10.1], 100.0),
            entry(8, &[95.9, 96.1], 200.0),
            entry(64, &[99.0, 101.0], 900.0),
            entry(128, &[], 0.0),
        ]);
        assert_eq!(curve.len(), 3, "what was not measured is no point");
        assert_eq!(knee(&curve, None).map(|point| point.candidate.depth), Some(8));
        let limit = Some(Duration::from_nanos(150));
        assert_eq!(knee(&curve, limit).map(|point| point.candidate.depth), Some(1));
        assert!(knee(&curve, Some(Duration::from_nanos(1))).is_none());
        assert!(knee(&[], None).is_none());
    }

    #[test]
    fn a_depth_that_may_well_be_good_enough_is() {
        let at = |sixteen: &[f64]| {
            let curve = points(&[entry(16, sixteen, 1.0), entry(32, &[100.0, 100.2], 1.0)]);
            knee(&curve, None).map(|point| point.candidate.depth)
        };
        assert_eq!(at(&[91.0, 94.0, 97.0]), Some(16), "94, and 96 is as likely");
        assert_eq!(at(&[93.9, 94.0, 94.1]), Some(32), "94 for certain");
        assert_eq!(at(&[80.0, 85.0, 99.0]), Some(32), "too far off whatever the interval says");
    }
}
