//! Has the job reached a steady state?
//!
//! Owns the window of samples and fio's two criteria: the largest deviation from the mean, and the
//! slope of the line that fits best. It measures nothing. Called by `job_thread` once per interval.

use std::collections::VecDeque;
use std::time::Duration;

use crate::job::{JobSpec, Steady, SteadyLimit, SteadyValue};
use crate::stats::SteadyState;

/// The search of one job.
#[derive(Debug)]
pub(crate) struct SteadySearch {
    steady: Steady,
    interval: Duration,
    duration: Duration,
    ramp: Duration,
    samples_max: usize,
    samples: VecDeque<Sample>,
    attained: bool,
}

/// What one interval brought.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) iops: u64,
    pub(crate) bw_bytes: u64,
    /// The mean latency of the interval.
    pub(crate) latency_ns: f64,
}

impl SteadySearch {
    /// The search that the settings ask for, if they do.
    pub(crate) fn new(spec: &JobSpec) -> Option<SteadySearch> {
        let times = spec.steady_times;
        let interval = times.check_interval.min(times.duration);
        let count = times.duration.as_nanos() / interval.as_nanos().max(1);
        Some(SteadySearch {
            steady: spec.steady?,
            interval,
            duration: times.duration,
            ramp: times.ramp,
            samples_max: usize::try_from(count).unwrap_or(usize::MAX).clamp(1, 1 << 20),
            samples: VecDeque::new(),
            attained: false,
        })
    }

    /// The time between two samples.
    pub(crate) fn interval(&self) -> Duration {
        self.interval
    }

    /// Takes a sample at `elapsed` since the measurement began; answers whether the state is
    /// steady.
    pub(crate) fn push(&mut self, elapsed: Duration, sample: Sample) -> bool {
        if elapsed <= self.ramp {
            return false;
        }
        if self.samples.len() == self.samples_max {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
        if self.samples.len() == self.samples_max {
            let found = if self.steady.slope { self.slope().abs() } else { self.deviation() };
            self.attained = found < self.limit();
        }
        self.attained
    }

    /// What the report says about it.
    pub(crate) fn outcome(&self) -> SteadyState {
        let limit = match self.steady.limit {
            SteadyLimit::Percent(percent) => format!("{percent:.6}%"),
            SteadyLimit::Absolute(value) => format!("{value:.6}"),
        };
        SteadyState {
            criterion: format!("{}:{limit}", self.steady.name()),
            duration: self.duration,
            attained: self.attained,
            deviation: self.deviation(),
            slope: self.slope(),
            iops: self.samples.iter().map(|sample| sample.iops).collect(),
            bw_bytes: self.samples.iter().map(|sample| sample.bw_bytes).collect(),
        }
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        let value = self.steady.value;
        self.samples.iter().map(move |sample| match value {
            SteadyValue::Iops => sample.iops as f64,
            SteadyValue::Bandwidth => sample.bw_bytes as f64,
            SteadyValue::Latency => sample.latency_ns,
        })
    }

    fn mean(&self) -> f64 {
        self.values().sum::<f64>() / self.samples.len().max(1) as f64
    }

    /// In percent of the mean if the limit is, in the value's own unit otherwise.
    fn in_unit_of_limit(&self, value: f64) -> f64 {
        match self.steady.limit {
            SteadyLimit::Percent(_) => 100.0 * value / self.mean().max(f64::MIN_POSITIVE),
            SteadyLimit::Absolute(_) => value,
        }
    }

    fn limit(&self) -> f64 {
        match self.steady.limit {
            SteadyLimit::Percent(limit) | SteadyLimit::Absolute(limit) => limit,
        }
    }

    fn deviation(&self) -> f64 {
        let mean = self.mean();
        let largest = self.values().map(|value| (value - mean).abs()).fold(0.0, f64::max);
        self.in_unit_of_limit(largest)
    }

    /// Least squares over the numbers of the samples, from one sample to the next.
    fn slope(&self) -> f64 {
        let count = self.samples.len() as f64;
        if count < 2.0 {
            return 0.0;
        }
        let (middle, mean) = ((count - 1.0) / 2.0, self.mean());
        let (mut product, mut square) = (0.0, 0.0);
        for (index, value) in self.values().enumerate() {
            let distance = index as f64 - middle;
            product += distance * (value - mean);
            square += distance * distance;
        }
        self.in_unit_of_limit(product / square)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Settings, find};

    /// After how many samples of one second the state is steady.
    fn steady_after(criterion: &str, values: &[u64]) -> Option<usize> {
        let mut settings = Settings::default();
        for (name, text) in [("ss", criterion), ("ss_dur", "3"), ("ss_ramp", "1")] {
            find(name).expect("known").apply(&mut settings, text).expect("valid");
        }
        let mut search = SteadySearch::new(&settings.job).expect("wanted");
        (1..).zip(values).position(|(second, iops)| {
            let sample = Sample { iops: *iops, ..Sample::default() };
            search.push(Duration::from_secs(second), sample)
        })
    }

    #[test]
    fn deviations_are_measured_over_the_window_after_the_ramp() {
        // The first value falls into the ramp; the three after it have a mean of 100.
        assert_eq!(steady_after("iops:5%", &[100, 104, 100, 96, 100]), Some(3));
        assert_eq!(steady_after("iops:3%", &[100, 104, 100, 96, 105]), None);
        assert_eq!(steady_after("iops:3%", &[9, 200, 100, 101, 99]), Some(4));
        assert_eq!(steady_after("iops:5", &[0, 104, 100, 96]), Some(3));
    }

    #[test]
    fn slopes_are_those_of_the_best_line() {
        // 90, 100, 110: ten more with each sample, a tenth of the mean.
        assert_eq!(steady_after("iops_slope:9%", &[0, 90, 100, 110]), None);
        assert_eq!(steady_after("iops_slope:11%", &[0, 90, 100, 110]), Some(3));
        // Wild, but level.
        assert_eq!(steady_after("iops_slope:1%", &[0, 50, 200, 50]), Some(3));
    }
}
