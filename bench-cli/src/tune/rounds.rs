//! The search: rounds in which every candidate left runs once, in an order that changes.
//!
//! Owns the budget of time and who stays: after each round the better half, without those whose
//! 95 % interval ends below that of the best. It draws and prints no result. Called by `tune`.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use super::candidate::{Candidate, DEPTHS, Mode};
use super::curve::{self, CurvePoint};
use super::trial::{Sample, Trials};
use super::winner::{self, Found};
use crate::confidence::{self, Estimate};
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::notice;
use crate::report::units;
use crate::workload::Random;

/// How many candidates are never thinned out further.
const FINALIST_COUNT: usize = 3;
/// Runs after which a finalist is known well enough.
const RUN_COUNT_MAX: usize = 7;
/// The shortest and the longest measurement.
const SLICE_MIN: Duration = Duration::from_millis(100);
const SLICE_MAX: Duration = Duration::from_secs(1);
/// What a trial takes beside its measurement: the process, the engine, the ramp.
const TRIAL_COST: Duration = Duration::from_millis(120);
/// The share of the time that the curve of the winner gets.
const CURVE_PERCENT: u32 = 30;
/// A value that was measured once is taken to be within this factor.
const SINGLE_RUN_DOUBT: f64 = 2.0;
/// The order of trials is the same in every search.
const ORDER_SEED: u64 = 7;

/// A candidate and what its trials measured.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) candidate: Candidate,
    pub(super) samples: Vec<Sample>,
}

impl Entry {
    /// Requests per second with the interval of its runs.
    pub(super) fn iops(&self) -> Option<Estimate> {
        let values: Vec<f64> = self.samples.iter().map(|sample| sample.iops).collect();
        confidence::mean_of_runs(&values).or_else(|| {
            let value = *values.first()?;
            let (low, high) = (value / SINGLE_RUN_DOUBT, value * SINGLE_RUN_DOUBT);
            Some(Estimate { value, low, high })
        })
    }

    /// The median over its runs of any figure.
    pub(super) fn median(&self, figure: impl Fn(&Sample) -> f64) -> f64 {
        let values: Vec<f64> = self.samples.iter().map(figure).collect();
        confidence::median(&values).unwrap_or(0.0)
    }
}

/// One search.
#[derive(Debug)]
pub(super) struct Search<'a> {
    trials: &'a Trials<'a>,
    begin: Instant,
    time: Duration,
    max_latency: Option<Duration>,
    interrupt: &'a Interrupt,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        trials: &'a Trials<'a>,
        time: Duration,
        max_latency: Option<Duration>,
        interrupt: &'a Interrupt,
    ) -> Search<'a> {
        Search { trials, begin: Instant::now(), time, max_latency, interrupt }
    }

    /// Searches until the time is over or Ctrl-C, and takes what was found by then.
    ///
    /// # Errors
    ///
    /// If no candidate runs at all, with the reason of the last one.
    pub(super) fn run(&self) -> Result<Found, Error> {
        let rounds_end = self.time * (100 - CURVE_PERCENT) / 100;
        let cpu_count = std::thread::available_parallelism().map_or(1, usize::from);
        let mut entries: Vec<Entry> = candidates(cpu_count, rounds_end)
            .into_iter()
            .map(|candidate| Entry { candidate, samples: Vec::new() })
            .collect();
        let mut refusals: Vec<(Mode, String)> = Vec::new();
        let mut known = Vec::new();
        let mut random = Random::new(ORDER_SEED);
        for round in 1.. {
            let left = rounds_end.saturating_sub(self.begin.elapsed());
            let slice = slice(left, entries.len() * rounds_left(entries.len(), round));
            shuffle(&mut entries, &mut random);
            let ended = self.round(round, slice, rounds_end, &mut entries, &mut refusals);
            entries.retain(|entry| !entry.samples.is_empty());
            if entries.is_empty() {
                return Err(no_candidate(&refusals, self.interrupt));
            }
            let stay = survivors(&entries, self.max_latency);
            let (left, dropped): (Vec<_>, Vec<_>) =
                entries.into_iter().zip(stay).partition(|(_, stays)| *stays);
            known.extend(dropped.into_iter().map(|(entry, _)| entry));
            entries = left.into_iter().map(|(entry, _)| entry).collect();
            let enough = entries.iter().all(|entry| entry.samples.len() >= RUN_COUNT_MAX);
            if ended || (enough && entries.len() <= FINALIST_COUNT) {
                break;
            }
        }
        known.extend(entries);
        let mode = winner::best(&known, self.max_latency).candidate.mode;
        let left = self.time.saturating_sub(self.begin.elapsed());
        let curve = self.curve(mode, left);
        let adaptive = curve::adaptive(self.trials, mode, slice(left, DEPTHS.len() * 3));
        Ok(Found::new(known, curve, adaptive, self.max_latency, &refusals))
    }

    /// Runs each entry once; tells whether the search is over.
    fn round(
        &self,
        round: usize,
        slice: Duration,
        end: Duration,
        entries: &mut [Entry],
        refusals: &mut Vec<(Mode, String)>,
    ) -> bool {
        let count = entries.len();
        let left = units::clock(self.time.saturating_sub(self.begin.elapsed()));
        notice::line(&format!(
            "tune: round {round}: {count} candidates, {} ms each [eta {left}]",
            slice.as_millis()
        ));
        for entry in entries {
            // A way that cannot be had at one depth is not tried at the others.
            if refusals.iter().any(|(mode, _)| *mode == entry.candidate.mode) {
                continue;
            }
            match self.trials.run(entry.candidate, slice) {
                Ok(sample) => entry.samples.push(sample),
                Err(Error::Interrupted) => return true,
                Err(error) => refusals.push((entry.candidate.mode, error.to_string())),
            }
            // The first round is finished whatever it takes: without it nothing is known.
            if round > 1 && self.begin.elapsed() >= end {
                return true;
            }
        }
        self.begin.elapsed() >= end
    }

    /// The best way at every depth, several times over.
    fn curve(&self, mode: Mode, left: Duration) -> Vec<CurvePoint> {
        let mut curve: Vec<Entry> = DEPTHS
            .map(|depth| Entry { candidate: Candidate { mode, depth }, samples: Vec::new() })
            .into();
        let slice = slice(left, DEPTHS.len() * 3);
        notice::line(&format!(
            "tune: the curve of {}: {} depths three times, {} ms each",
            mode.name(),
            DEPTHS.len(),
            slice.as_millis()
        ));
        for _ in 0..3 {
            for entry in &mut curve {
                match self.trials.run(entry.candidate, slice) {
                    Ok(sample) => entry.samples.push(sample),
                    Err(Error::Interrupted) => return curve::points(&curve),
                    Err(_) => {}
                }
            }
        }
        curve::points(&curve)
    }
}

fn no_candidate(refusals: &[(Mode, String)], interrupt: &Interrupt) -> Error {
    match refusals.last() {
        Some((_, why)) => Error::usage(format!("no candidate runs: {why}")),
        None if interrupt.is_raised() => Error::Interrupted,
        None => Error::usage("no candidate could be tried; give more --time"),
    }
}

/// All that fit into the first round; depths are thinned out where the time is short.
fn candidates(cpu_count: usize, time: Duration) -> Vec<Candidate> {
    let modes = Mode::all(cpu_count);
    let first_round = time / 2;
    let fits = |count: usize| {
        let count = u32::try_from(count * modes.len()).unwrap_or(u32::MAX);
        (SLICE_MIN + TRIAL_COST) * count <= first_round
    };
    let step = [1, 2, 4].into_iter().find(|step| fits(DEPTHS.len().div_ceil(*step))).unwrap_or(8);
    let depths = DEPTHS.iter().step_by(step).copied();
    depths
        .flat_map(|depth| modes.iter().map(move |mode| Candidate { mode: *mode, depth }))
        .collect()
}

/// How many rounds are still to come, this one among them, when each leaves half.
fn rounds_left(count: usize, round: usize) -> usize {
    let halvings = count.div_ceil(FINALIST_COUNT).max(1).ilog2() as usize;
    halvings.max(1) + (RUN_COUNT_MAX + 1).saturating_sub(round + halvings)
}

/// How long each of `count` trials may measure.
fn slice(left: Duration, count: usize) -> Duration {
    let count = u32::try_from(count.max(1)).unwrap_or(u32::MAX);
    (left / count).saturating_sub(TRIAL_COST).clamp(SLICE_MIN, SLICE_MAX)
}

fn shuffle(entries: &mut [Entry], random: &mut Random) {
    for last in (1..entries.len()).rev() {
        let other = usize::try_from(random.below(last as u64 + 1)).unwrap_or(0);
        entries.swap(last, other);
    }
}

/// Who stays: the better half, without those that cannot win any more.
fn survivors(entries: &[Entry], max_latency: Option<Duration>) -> Vec<bool> {
    let fits = |entry: &Entry| {
        let p99_ns = entry.median(|sample| sample.p99_ns);
        max_latency.is_none_or(|limit| p99_ns <= limit.as_nanos() as f64)
    };
    let any_fits = entries.iter().any(fits);
    let mut order: Vec<(usize, Estimate)> = entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| !any_fits || fits(entry))
        .filter_map(|(index, entry)| Some((index, entry.iops()?)))
        .collect();
    order.sort_by_key(|(_, iops)| Reverse(iops.value.to_bits()));
    let best_low = order.first().map_or(0.0, |(_, best)| best.low);
    let room = entries.len().div_ceil(2).max(FINALIST_COUNT);
    let mut stay = vec![false; entries.len()];
    for (index, _) in order.iter().take(room).filter(|(_, iops)| iops.high >= best_low) {
        stay[*index] = true;
    }
    stay
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn sample(iops: f64, p99_ns: f64) -> Sample {
        Sample { iops, bw_bytes: iops * 4096.0, p99_ns, cpu_ns: (100.0, 900.0) }
    }

    pub(crate) fn entry(depth: u32, iops: &[f64], p99_ns: f64) -> Entry {
        let samples = iops.iter().map(|iops| sample(*iops, p99_ns)).collect();
        Entry { candidate: Candidate { mode: Mode::Threads, depth }, samples }
    }

    #[test]
    fn the_better_half_stays_without_those_that_cannot_win() {
        let rates = [100.0, 99.0, 98.0, 97.0, 96.0, 95.0, 10.0, 9.0];
        let entries: Vec<Entry> =
            rates.iter().map(|rate| entry(1, &[*rate, rate * 1.01], 1.0)).collect();
        let stay = survivors(&entries, None);
        assert_eq!(stay, [true, true, true, true, false, false, false, false]);
        let apart = [entry(1, &[100.0, 100.1, 100.2], 1.0), entry(2, &[50.0, 50.1, 50.2], 1.0)];
        assert_eq!(survivors(&apart, None), [true, false], "it cannot win any more");
        let close = [entry(1, &[100.0], 1.0), entry(2, &[90.0], 1.0)];
        assert_eq!(survivors(&close, None), [true, true], "one run each shows too little");
    }

    #[test]
    fn what_is_slower_than_the_limit_goes_unless_all_are() {
        let limit = Some(Duration::from_nanos(500));
        let entries = [entry(8, &[100.0], 900.0), entry(1, &[50.0], 400.0)];
        assert_eq!(survivors(&entries, limit), [false, true]);
        let slow = [entry(8, &[100.0], 900.0), entry(1, &[99.0], 800.0)];
        assert_eq!(survivors(&slow, limit), [true, true]);
    }

    #[test]
    fn a_short_time_thins_out_depths_and_never_ways() {
        let long = candidates(2, Duration::from_secs(60));
        assert_eq!(long.len(), 8 * 9);
        let short = candidates(2, Duration::from_secs(10));
        assert!(short.len() < long.len() && short.len().is_multiple_of(8), "{}", short.len());
        assert!(short.iter().any(|candidate| candidate.depth == 256));
        assert_eq!(candidates(2, Duration::from_secs(1)).len(), 8 * 2);
    }

    #[test]
    fn slices_stay_within_their_bounds() {
        assert_eq!((rounds_left(63, 1), rounds_left(3, 1), rounds_left(3, 6)), (7, 8, 3));
        assert_eq!(slice(Duration::ZERO, 63), SLICE_MIN);
        assert_eq!(slice(Duration::from_secs(3600), 3), SLICE_MAX);
        let middle = slice(Duration::from_secs(42), 100);
        assert!(middle > SLICE_MIN && middle < SLICE_MAX, "{middle:?}");
    }

    #[test]
    fn the_order_changes_and_nobody_is_lost() {
        let mut entries: Vec<Entry> = (1..=50).map(|depth| entry(depth, &[1.0], 1.0)).collect();
        shuffle(&mut entries, &mut Random::new(1));
        let mut depths: Vec<u32> = entries.iter().map(|entry| entry.candidate.depth).collect();
        assert_ne!(depths, (1..=50).collect::<Vec<_>>());
        depths.sort_unstable();
        assert_eq!(depths, (1..=50).collect::<Vec<_>>());
    }
}
