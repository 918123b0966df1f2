//! What `--iodepth`, `--iodepth_max`, `--latency_target` and `--latency_percentile` mean together.
//!
//! Owns the syntax of the first and the last, and the checks that need several of them. Called by
//! `options::table` and `check`; read by `job_thread` and the reports.

use std::time::Duration;

use iomill_engine::depth::Target;

use super::JobSpec;
use crate::options::value;

/// The largest depth of any kind.
const DEPTH_MAX: u32 = 4096;

/// How deep the job's queue is, as the options describe it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DepthSpec {
    /// Completions to wait for at once.
    pub(crate) complete_min: u32,
    /// The depth if it does not follow the device.
    pub(crate) fixed: u32,
    /// Whether it does.
    pub(crate) is_adaptive: bool,
    pub(crate) max: Option<u32>,
    pub(crate) target: Option<Duration>,
    pub(crate) part: Option<LatencyPart>,
}

impl Default for DepthSpec {
    fn default() -> DepthSpec {
        let (max, target, part) = (None, None, None);
        DepthSpec { complete_min: 1, fixed: 1, is_adaptive: false, max, target, part }
    }
}

/// What part of the requests keeps to `--latency_target`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum LatencyPart {
    /// So many percent.
    Percent(f64),
    /// Their mean does.
    Mean,
}

/// Reads a depth: a number, or the word `adaptive`, which is `None`.
pub(crate) fn depth(text: &str) -> Result<Option<u32>, String> {
    if text == "adaptive" {
        return Ok(None);
    }
    let depth = value::integer(text)?;
    let in_range = u32::try_from(depth).ok().filter(|depth| (1..=DEPTH_MAX).contains(depth));
    in_range.map(Some).ok_or(format!("{depth} is out of range, 1 to {DEPTH_MAX} is possible"))
}

/// Reads a percentile of latency: 50 to 100, or the word `mean`.
pub(crate) fn part(text: &str) -> Result<LatencyPart, String> {
    if text == "mean" {
        return Ok(LatencyPart::Mean);
    }
    let percent: Option<f64> = text.parse().ok().filter(|p| (50.0..=100.0).contains(p));
    percent
        .map(LatencyPart::Percent)
        .ok_or_else(|| format!("'{text}' is neither a percentile of 50 to 100 nor 'mean'"))
}

impl JobSpec {
    /// The requests that each job has in its engine: with an adaptive depth more than the window
    /// ever takes, since without requests that wait there is nothing to learn.
    pub(crate) fn lane_count(&self) -> u32 {
        if self.is_adaptive() { 2 * self.iodepth_max() } else { self.depth.fixed }
    }

    /// Whether the depth follows the device: said so, or by a latency to keep to, as in fio.
    pub(crate) fn is_adaptive(&self) -> bool {
        self.depth.is_adaptive || self.depth.target.is_some()
    }

    /// The largest adaptive depth; with a latency to keep to a plain `--iodepth` is one, too.
    pub(crate) fn iodepth_max(&self) -> u32 {
        let most = if self.depth.is_adaptive { 256 } else { self.depth.fixed };
        self.depth.max.unwrap_or(most)
    }

    /// What fio calls the part of the requests that keeps to the latency.
    pub(crate) fn latency_percentile(&self) -> f64 {
        match self.depth.part {
            Some(LatencyPart::Percent(percent)) => percent,
            Some(LatencyPart::Mean) | None => 100.0,
        }
    }

    /// What an adaptive depth aims for.
    pub(crate) fn depth_target(&self) -> Target {
        let Some(limit) = self.depth.target else { return Target::Knee };
        let limit_ns = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        match self.depth.part {
            Some(LatencyPart::Mean) => Target::Mean { limit_ns },
            // All of them, as in fio: as many as can be told apart.
            None => Target::Percentile { percent: 99.99, limit_ns },
            Some(LatencyPart::Percent(percent)) => {
                Target::Percentile { percent: percent.min(99.99), limit_ns }
            }
        }
    }

    /// The depth as reports name it.
    pub(crate) fn depth_words(&self) -> String {
        if self.is_adaptive() { "adaptive".to_owned() } else { self.depth.fixed.to_string() }
    }

    /// An option that means nothing without its partner.
    pub(super) fn lonely_depth_option(&self) -> Option<String> {
        let lonely = (self.depth.max.is_some() && !self.depth.is_adaptive)
            .then(|| "--iodepth_max needs --iodepth=adaptive".to_owned());
        let no_target = self.depth.part.is_some() && self.depth.target.is_none();
        let no_target = no_target.then(|| {
            "--latency_percentile needs --latency_target, e.g. --latency_target=2ms".into()
        });
        lonely.or(no_target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depths_and_targets_are_read_as_the_help_says() {
        assert_eq!(depth("adaptive"), Ok(None));
        assert_eq!(depth("32"), Ok(Some(32)));
        assert!(depth("0").is_err() && depth("4097").is_err() && depth("deep").is_err());
        assert_eq!(part("99.9"), Ok(LatencyPart::Percent(99.9)));
        assert!(part("nan").is_err() && part("101").is_err());
        let two_ms = Some(Duration::from_millis(2));
        let with = |depth| JobSpec { depth, ..JobSpec::default() };
        let adaptive = DepthSpec { is_adaptive: true, target: two_ms, ..DepthSpec::default() };
        let spec = with(adaptive);
        let target = Target::Percentile { percent: 99.99, limit_ns: 2_000_000 };
        assert_eq!(spec.depth_target(), target);
        assert_eq!(spec.lane_count(), 512);
        let mean = with(DepthSpec { part: Some(LatencyPart::Mean), ..adaptive });
        assert_eq!(mean.depth_target(), Target::Mean { limit_ns: 2_000_000 });
        // As fio has it: the depth is the largest that is tried.
        let searched = with(DepthSpec { is_adaptive: false, fixed: 64, ..adaptive });
        assert!(searched.is_adaptive() && searched.lonely_depth_option().is_none());
        assert_eq!((searched.iodepth_max(), searched.depth_words().as_str()), (64, "adaptive"));
        let lonely = with(DepthSpec { max: Some(8), ..DepthSpec::default() });
        assert!(lonely.lonely_depth_option().is_some_and(|why| why.contains("--iodepth_max")));
        let part = Some(LatencyPart::Percent(99.0));
        let lonely = with(DepthSpec { part, ..DepthSpec::default() });
        assert!(lonely.lonely_depth_option().is_some_and(|why| why.contains("--latency_target")));
    }
}
