//! Rate and latency against depth, and what the adaptive scheduler makes of it.
//!
//! Owns the points of the curve, and which of them are worth more trials; where the knee is says
//! `choice`. It runs nothing but the one trial of the adaptive scheduler. Used by `rounds` and
//! `winner`.

use std::time::Duration;

use super::candidate::{Candidate, Way};
use super::rounds::Entry;
use super::trial::{Sample, Trials};
use crate::confidence::Estimate;

/// The share of the best rate from which on a depth may be the knee.
const NEAR_SHARE: f64 = 0.85;
/// How many such depths get more trials.
const IN_QUESTION_COUNT: usize = 4;
/// What the adaptive scheduler gets at least: it needs time to find its depth.
const ADAPTIVE_MIN: Duration = Duration::from_secs(2);

/// One depth of the curve.
#[derive(Clone, Debug)]
pub(super) struct CurvePoint {
    pub(super) candidate: Candidate,
    pub(super) iops: Estimate,
    pub(super) p99_ns: f64,
    pub(super) median: Sample,
    pub(super) samples: Vec<Sample>,
}

/// What the adaptive scheduler did with the job.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Adaptive {
    /// `None` if it had nothing to decide, since no request had to wait for the device.
    pub(super) depth: Option<f64>,
    pub(super) iops: f64,
    pub(super) p99_ns: f64,
}

/// The depths that could be measured.
pub(super) fn points(entries: &[Entry]) -> Vec<CurvePoint> {
    let point = |entry: &Entry| {
        Some(CurvePoint {
            candidate: entry.candidate,
            iops: entry.iops()?,
            p99_ns: entry.median(|sample| sample.p99_ns),
            samples: entry.samples.clone(),
            median: Sample {
                round: 0,
                iops: entry.median(|sample| sample.iops),
                bw_bytes: entry.median(|sample| sample.bw_bytes),
                p99_ns: entry.median(|sample| sample.p99_ns),
                cpu_ns: (
                    entry.median(|sample| sample.cpu_ns.0),
                    entry.median(|sample| sample.cpu_ns.1),
                ),
            },
        })
    };
    entries.iter().filter_map(point).collect()
}

/// Of depths that were all measured, those that decide where the knee is: the best one, and the
/// smallest ones that come near it.
pub(super) fn in_question(entries: &[Entry]) -> Vec<u32> {
    let rate = |entry: &Entry| entry.iops().map_or(0.0, |iops| iops.value);
    let best = entries.iter().map(rate).fold(0.0, f64::max);
    let near = entries.iter().filter(|entry| rate(entry) >= best * NEAR_SHARE);
    let mut depths: Vec<u32> =
        near.map(|entry| entry.candidate.depth).take(IN_QUESTION_COUNT).collect();
    let first = entries.iter().find(|entry| rate(entry) == best);
    depths.extend(first.map(|entry| entry.candidate.depth).filter(|depth| !depths.contains(depth)));
    depths
}

/// One run with `--iodepth=adaptive`, in the winner's way.
///
/// # Errors
///
/// Why it cannot be had, in words.
pub(super) fn adaptive(trials: &Trials<'_>, way: Way, slice: Duration) -> Result<Adaptive, String> {
    let mut options = Candidate { way, depth: 1 }.options();
    for (name, value) in &mut options {
        if *name == "iodepth" {
            "adaptive".clone_into(value);
        }
    }
    let result =
        trials.run_with(&options, slice.max(ADAPTIVE_MIN)).map_err(|error| error.to_string())?;
    let depths = &result.jobs.first().ok_or("no job in the result")?.depths;
    let depth = depths.last().map(|(_, depth)| *depth);
    let p99_ns = result.percentile_ns(99.0).unwrap_or(0.0);
    Ok(Adaptive { depth, iops: result.iops(), p99_ns })
}

#[cfg(test)]
mod tests {
    use super::super::rounds::tests::entry;
    use super::*;

    #[test]
    fn more_trials_go_to_the_depths_that_decide() {
        let rates =
            [(1, 10.0), (2, 50.0), (4, 86.0), (8, 90.0), (16, 95.0), (32, 97.0), (64, 100.0)];
        let entries = rates.map(|(depth, rate)| entry(depth, &[rate, rate * 1.01], 1.0));
        assert_eq!(in_question(&entries), [4, 8, 16, 32, 64]);
        assert_eq!(in_question(&entries[..2]), [2], "the best one is not named twice");
        assert!(in_question(&[]).is_empty());
    }
}
