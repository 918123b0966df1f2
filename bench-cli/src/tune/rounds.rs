//! The search: rounds in which every candidate left runs once, in an order that changes.
//!
//! Owns the budget of time; who is tried and who stays says `field`. It draws and prints no result.
//! Called by `tune`.

use std::time::{Duration, Instant};

use super::candidate::{Candidate, DEPTHS, Mode, Way};
use super::choice;
use super::curve::{self, CurvePoint};
use super::field;
use super::trial::{Sample, Trials};
use super::winner::Found;
use crate::confidence::{self, Estimate};
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::notice;
use crate::report::units;
use crate::workload::Random;

/// How many candidates are about to be left in the end: one of each way.
const FINALIST_COUNT: usize = 9;
/// Runs after which a finalist is known well enough.
const RUN_COUNT_MAX: usize = 7;
/// The shortest and the longest measurement.
pub(super) const SLICE_MIN: Duration = Duration::from_millis(100);
const SLICE_MAX: Duration = Duration::from_secs(1);
/// What a trial takes beside its measurement: the process, the engine, the ramp.
pub(super) const TRIAL_COST: Duration = Duration::from_millis(120);
/// The share of the time that the curve of the winner gets.
const CURVE_PERCENT: u32 = 30;
/// How often the curve is measured at every depth, before only those that decide get more.
const CURVE_PASSES: usize = 3;
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

    /// Whether it is quick enough.
    pub(super) fn keeps(&self, max_latency: Option<Duration>) -> bool {
        let p99_ns = self.median(|sample| sample.p99_ns);
        max_latency.is_none_or(|limit| p99_ns <= limit.as_nanos() as f64)
    }

    pub(super) fn new(candidate: Candidate) -> Entry {
        Entry { candidate, samples: Vec::new() }
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
        let mut entries: Vec<Entry> =
            field::candidates(cpu_count, rounds_end).into_iter().map(Entry::new).collect();
        let mut refusals: Vec<(Mode, String)> = Vec::new();
        let mut known = Vec::new();
        let mut random = Random::new(ORDER_SEED);
        for round in 1.. {
            let left = rounds_end.saturating_sub(self.begin.elapsed());
            let slice = slice(left, trials_left(entries.len(), round));
            shuffle(&mut entries, &mut random);
            let ended = self.round(round, slice, rounds_end, &mut entries, &mut refusals);
            entries.retain(|entry| !entry.samples.is_empty());
            if entries.is_empty() {
                return Err(no_candidate(&refusals, self.interrupt));
            }
            let stay = field::survivors(&entries, self.max_latency);
            let (left, dropped): (Vec<_>, Vec<_>) =
                entries.into_iter().zip(stay).partition(|(_, stays)| *stays);
            known.extend(dropped.into_iter().map(|(entry, _)| entry));
            entries = left.into_iter().map(|(entry, _)| entry).collect();
            if round == 1 && !ended {
                let batched = field::batched(&entries);
                entries.extend(batched);
            }
            let enough = entries.iter().all(|entry| entry.samples.len() >= RUN_COUNT_MAX);
            if ended || enough {
                break;
            }
        }
        known.extend(entries);
        let Some(best) = choice::best(&known, self.max_latency) else {
            return Err(no_candidate(&refusals, self.interrupt));
        };
        let best = best.clone();
        let curve = self.curve(best.candidate.way);
        let left = self.time.saturating_sub(self.begin.elapsed());
        let adaptive = curve::adaptive(self.trials, best.candidate.way, left);
        Ok(Found::new(known, &best, curve, adaptive, self.max_latency, &refusals))
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
            let mode = entry.candidate.way.mode;
            if refusals.iter().any(|(refused, _)| *refused == mode) {
                continue;
            }
            match self.trials.run(entry.candidate, round, slice) {
                Ok(sample) => entry.samples.push(sample),
                Err(Error::Interrupted) => return true,
                Err(error) => refusals.push((mode, error.to_string())),
            }
            // The first round is finished whatever it takes: without it nothing is known.
            if round > 1 && self.begin.elapsed() >= end {
                return true;
            }
        }
        self.begin.elapsed() >= end
    }

    /// The best way at every depth, and more often where the knee may be.
    fn curve(&self, way: Way) -> Vec<CurvePoint> {
        let left = self.time.saturating_sub(self.begin.elapsed());
        let mut curve = DEPTHS.map(|depth| Entry::new(Candidate { way, depth }));
        let passes_more = RUN_COUNT_MAX - CURVE_PASSES;
        let slice = slice(left, DEPTHS.len() * CURVE_PASSES + 5 * passes_more);
        notice::line(&format!(
            "tune: the curve of {}: {} depths, {} ms each",
            way.name(),
            DEPTHS.len(),
            slice.as_millis()
        ));
        for pass in 0..RUN_COUNT_MAX {
            let wanted = match pass < CURVE_PASSES {
                true => DEPTHS.to_vec(),
                false => curve::in_question(&curve),
            };
            for entry in &mut curve {
                if !wanted.contains(&entry.candidate.depth) {
                    continue;
                }
                match self.trials.run(entry.candidate, pass, slice) {
                    Ok(sample) => entry.samples.push(sample),
                    Err(Error::Interrupted) => return curve::points(&curve),
                    Err(_) => {}
                }
            }
            if pass >= CURVE_PASSES && self.begin.elapsed() >= self.time {
                break;
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

/// How many trials are still to come in this round and after it.
fn trials_left(count: usize, round: usize) -> usize {
    let (mut left, mut sum) = (count, 0);
    for _ in round..=RUN_COUNT_MAX {
        sum += left;
        left = left.div_ceil(2).max(FINALIST_COUNT.min(left));
    }
    sum.max(count)
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

#[cfg(test)]
pub(super) mod tests {
    use super::super::candidate::Batch;
    use super::*;

    pub(crate) fn sample(iops: f64, p99_ns: f64) -> Sample {
        Sample { round: 0, iops, bw_bytes: iops * 4096.0, p99_ns, cpu_ns: (100.0, 900.0) }
    }

    pub(crate) fn entry(depth: u32, iops: &[f64], p99_ns: f64) -> Entry {
        let rounds = (1..).zip(iops);
        let samples = rounds.map(|(round, iops)| Sample { round, ..sample(*iops, p99_ns) });
        let samples = samples.collect();
        let way = Way { mode: Mode::Threads, batch: Batch::One };
        Entry { candidate: Candidate { way, depth }, samples }
    }

    #[test]
    fn slices_stay_within_their_bounds() {
        assert_eq!(trials_left(81, 1), 81 + 41 + 21 + 11 + 9 + 9 + 9);
        assert_eq!((trials_left(3, 6), trials_left(3, 9)), (6, 3));
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
