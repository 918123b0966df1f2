//! Rate and latency against depth, the knee, and what the adaptive scheduler makes of it.
//!
//! Owns where the knee is: the smallest depth that reaches 95 % of the best rate. It runs nothing
//! but the one trial of the adaptive scheduler. Used by `rounds` and `winner`.

use std::time::Duration;

use super::candidate::{Candidate, Mode};
use super::rounds::Entry;
use super::trial::{Sample, Trials};
use crate::confidence::Estimate;

/// The share of the best rate at which the knee is.
const KNEE_SHARE: f64 = 0.95;

/// One depth of the curve.
#[derive(Clone, Debug)]
pub(super) struct CurvePoint {
    pub(super) candidate: Candidate,
    pub(super) iops: Estimate,
    pub(super) p99_ns: f64,
    pub(super) median: Sample,
}

/// What the adaptive scheduler did with the job.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Adaptive {
    pub(super) depth: f64,
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
            median: Sample {
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

/// The smallest depth that reaches the share of the best rate, among those within the limit.
pub(super) fn knee(curve: &[CurvePoint], max_latency: Option<Duration>) -> Option<&CurvePoint> {
    let limit_ns = max_latency.map_or(f64::INFINITY, |limit| limit.as_nanos() as f64);
    let within: Vec<&CurvePoint> = curve.iter().filter(|point| point.p99_ns <= limit_ns).collect();
    let best = within.iter().map(|point| point.iops.value).fold(0.0, f64::max);
    within
        .into_iter()
        .filter(|point| point.iops.value >= best * KNEE_SHARE)
        .min_by_key(|point| point.candidate.depth)
}

/// One run with `--iodepth=adaptive`, in the winner's way.
///
/// # Errors
///
/// Why it cannot be had, in words.
pub(super) fn adaptive(
    trials: &Trials<'_>,
    mode: Mode,
    slice: Duration,
) -> Result<Adaptive, String> {
    let mut options = Candidate { mode, depth: 1 }.options();
    for (name, value) in &mut options {
        if *name == "iodepth" {
            "adaptive".clone_into(value);
        }
    }
    // It needs time to find its depth.
    let slice = slice.max(Duration::from_secs(1));
    let result = trials.run_with(&options, slice).map_err(|error| error.to_string())?;
    let depths = &result.jobs.first().ok_or("no job in the result")?.depths;
    let depth = depths.last().ok_or("the result has no trace of its decisions")?.1;
    let p99_ns = result.percentile_ns(99.0).unwrap_or(0.0);
    Ok(Adaptive { depth, iops: result.iops(), p99_ns })
}

#[cfg(test)]
mod tests {
    use super::super::rounds::tests::entry;
    use super::*;

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
}
